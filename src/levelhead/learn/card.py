"""The model card, written from the manifest so that card and artefact can't disagree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

_ABOUT = """\
{name} reads a task and says how hard it is (L1 to L4, difficulty 0..1) and, for each configured model, how likely that
model is to serve it well. Linear models over hashed words, word pairs and character n-grams score the user's last words
(whole, opening, closing) and what came before them; boosted trees weigh these scores by size, shape and place in the
conversation. An item response model joins a task's difficulty with an ability per model. A logistic gate says how much
a task is like a recorded benchmark item: there the difficulty comes from outcomes, elsewhere from the level. It runs on
numpy alone.

## What it can't do

- **It hardly knows which single task the efficient model will fail.** Text shows little of a task's true difficulty:
  the first table below shows how little for sources that were never seen.
- **What it uses of the text is nearly prompt length.** Everything richer that was fitted to outcomes got worse on
  unseen sources. The parts of the sum, and that all weigh alike, were settled with all six pairs in view: the table
  flatters it a little.
- **It has seen no routine agent traffic with outcomes.** What it says about it rests on the anchors below, which are
  an assumption. Verdicts on your own traffic overrule them; until then read the success rates of everyday tasks as
  "easy", not as measured rates.
- **Levels are read from words and structure, not understood.** A contested question in plain words without any sign of
  parties or doubt can come out as L1, a trivial question about a long quarrel as L4. Short turns in long conversations
  ("do it") are the hardest.
- **Abilities of today's models are linked or carried, not measured here.** The table says for each where it comes
  from and how wide the interval is.
- Thresholds from it are estimates on reference traffic, never a certificate.
"""


def write_card(path: Path) -> None:
    """Writes `CARD.md` beside `manifest.json`."""
    manifest = orjson.loads((path / "manifest.json").read_bytes())
    abilities = orjson.loads((path / "abilities.json").read_bytes())
    lines = [f"# {manifest['name']}", "", _about(manifest), *_levels(manifest), *_transfer(manifest)]
    lines += [*_in_domain(manifest), *_traffic(manifest), *_abilities(abilities), *_data(manifest)]
    (path / "CARD.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _about(manifest: dict[str, Any]) -> str:
    return _ABOUT.format(name=manifest["name"])


def _table(head: str, rows: list[str]) -> list[str]:
    return [f"| {head} |", "|" + "---|" * (head.count("|") + 1), *(f"| {row} |" for row in rows), ""]


def _levels(manifest: dict[str, Any]) -> list[str]:
    rows = [
        f"{name} | {found['tasks']:.0f} | {found['exact']:.3f} | {found['within_one']:.3f}"
        for name, found in manifest["scores"]["levels"].items()
    ]
    return [
        "## Levels",
        "",
        "Labels follow the definitions of arXiv:2603.28990, III-C; `router_models/training/README.md` says how they",
        "came about. Folds hold out tasks of every author; the files written apart are by authors of whom nothing was",
        "fitted.",
        "",
        *_table("tasks | n | exact | within one level", rows),
    ]


def _transfer(manifest: dict[str, Any]) -> list[str]:
    rows = [
        f"{name} | {s['prompts']:.0f} | {s['apgr']:.3f} ({s['apgr_low']:.3f} to {s['apgr_high']:.3f}) | "
        f"{s['apgr_length']:.3f} | {_number(s['auc_uplift'])} | {_number(s['auc_fail'])}"
        for name, s in manifest["scores"]["leave_one_source_out"].items()
    ]
    return [
        "## An unseen source",
        "",
        "The whole source and every stem it shares with others were left out of the fit. APGR: average performance gap",
        "recovered, 0.5 is random (95 % bootstrap interval). AUC of uplift: strong right and efficient wrong; of",
        "failure: efficient wrong.",
        "",
        *_table("pair | prompts | APGR | APGR of prompt length | AUC uplift | AUC failure", rows),
    ]


def _in_domain(manifest: dict[str, Any]) -> list[str]:
    rows = [
        f"{name} | {s['prompts']:.0f} | {_number(s['auc_success'])} | {_number(s['ece'])}"
        for name, s in manifest["scores"]["in_domain"].items()
    ]
    return [
        "## Unseen prompts of known sources",
        "",
        "Five folds by stem, all models of a source together, so the area under the curve also counts telling models",
        "apart. ECE: expected calibration error after one slope for all sources.",
        "",
        *_table("source | prompts | AUC success | ECE", rows),
    ]


def _traffic(manifest: dict[str, Any]) -> list[str]:
    anchors = ", ".join(f"L{at + 1} {served:.3f}" for at, served in enumerate(manifest["anchors"]))
    strong, efficient = manifest["reference_pair"]
    return [
        "## Assumptions about everyday traffic",
        "",
        f"- Anchors: the efficient reference model serves {anchors} of the labelled tasks well.",
        f"- Reference pair: abilities {strong['theta']:.2f} (strong) and {efficient['theta']:.2f} (efficient).",
        "- Reference traffic for thresholds: half the labelled corpus, task by task; half the outcome sources, alike.",
        "",
    ]


def _abilities(rows: list[dict[str, Any]]) -> list[str]:
    shown = [
        f"{' '.join(row['family'])} {'.'.join(map(str, row['version']))} | {row['ability']:.2f} | {row['sd']:.2f} | "
        f"{row['origin']}"
        for row in rows
        if not row["origin"].startswith("outcomes: ") or "published" in row["origin"]
    ]
    rest = len(rows) - len(shown)
    return [
        "## Abilities",
        "",
        f"In logits, with standard deviation; {rest} more rows rest on recorded outcomes alone (`abilities.json`).",
        "",
        *_table("model | ability | sd | from", shown),
    ]


def _data(manifest: dict[str, Any]) -> list[str]:
    licences = [f"{name} | {licence}" for name, licence in sorted(manifest["licences"].items())]
    hashes = [f"{name} | `{digest[:16]}`" for name, digest in manifest["data"].items()]
    return [
        "## Data",
        "",
        "Weights were computed from these; no row of the public data is part of the artefact.",
        "",
        *_table("source | licence", licences),
        *_table("file | sha256 (first 16 digits)", hashes),
    ]


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
