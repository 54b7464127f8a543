"""The results as the tables of README.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LINE = "| {} |"


def written(found: Mapping[str, Any]) -> str:
    """Every part that has been measured."""
    parts = []
    for name, rows in found.get("checking", {}).items():
        parts.append(
            f"**{name}**: drafts checked by another model, at the shipped weights and as 300 verdicts have it\n"
        )
        parts.append(_checking(rows))
    for title, key in (("Certificates, drafts checked", "promise"), ("Certificates, by the prompt alone", "text")):
        if key in found:
            parts.append(f"**{title}**: violations of the 2-point promise / savings; 500 calibrations each\n")
            parts.append(_promise(found[key]))
    if "path" in found:
        ratio, pairs = found["path"]["ratio"], found["path"]["rounds"]
        parts.append(
            f"**The path with `cascade: off`**: {ratio:.3f} of the requests per CPU second that a caller without"
        )
        parts.append(
            f"drafts in it makes (by the 10th percentile of {pairs} rounds by turns, simulated models, no cache)\n"
        )
    if "shift" in found:
        parts.append("**A shift at half-time**: 1,000 verdicts of the certified source, then 1,000 of another\n")
        parts.append(_shift(found["shift"]))
    return "\n".join(parts)


def _checking(rows: Mapping[str, Any]) -> str:
    head = ("second opinion", "its quality", "its cost", "agree", "AUC", "quality", "cost", "gap to oracle, pair",
            "gap, hull with it", "learned: pair", "hull", "auto on",
            "auto above hull", "cost at 95 %", "at 100 %")  # fmt: skip
    table = []
    for second, row in rows.items():
        quality, cost, default, learned = row["quality"], row["relative_cost"], row["default"], row["learned"]
        table.append((
            second, f"{quality['second']:.3f}", _percent(cost["second"]), _percent(row["agreement"]),
            f"{row['auc_draft_wrong']:.3f}", f"{default['quality']:.3f}", _percent(default["relative_cost"]),
            _percent(default["gap_closed_pair"]), _percent(default["gap_closed_hull"]),
            _percent(learned["gap_closed_pair"]), _percent(learned["gap_closed_hull"]), _percent(learned["pays"]),
            f"{100 * learned['auto_advantage']:+.2f}", _reached(row["relative_cost_at_95_percent"]),
            _reached(row["relative_cost_at_100_percent"]),
        ))  # fmt: skip
    first = next(iter(rows.values()))
    draft, strong = first["quality"]["draft"], first["quality"]["strong"]
    price = _percent(first["relative_cost"]["draft"])
    said = f"{first['prompts']} prompts. The draft reaches {draft:.3f} at {price} of the strong model's cost,"
    said += f" the strong model {strong:.3f}.\n\n"
    return said + _table(head, table)


def _promise(rows: Mapping[str, Any]) -> str:
    rules = list(next(iter(rows.values())))
    sizes = list(next(iter(next(iter(rows.values())).values())))
    head = ("", *(f"{rule}, {size}" for rule in rules for size in sizes))
    table = [
        (name, *(f"{_percent(row[rule][size]['violations'], 1)} / {_percent(row[rule][size]['savings'])}"
                 for rule in rules for size in sizes))
        for name, row in rows.items()
    ]  # fmt: skip
    return _table(head, table)


def _shift(rows: Mapping[str, Any]) -> str:
    head = ("", "true loss after it", "withdrawn within 300", "median wait", "withdrawn before it",
            "loss over the stream",
            "streams above .03")  # fmt: skip
    return _table(head, [
        (name, f"{row['true_loss_after']:.3f}", _percent(row["withdrawn_within_300"], 1), f"{row['median_wait']:.0f}",
         _percent(row["withdrawn_before_the_shift"], 1), f"{row['mean_loss_over_the_stream']:.4f}",
         _percent(row["streams_above_0.03"], 1))
        for name, row in rows.items()
    ])  # fmt: skip


def _reached(found: Mapping[str, float | None]) -> str:
    """With checking, and by mixing alone in brackets."""
    told = [found[name] for name in ("checked", "hull")]
    return "{} ({})".format(*("never" if cost is None else _percent(cost) for cost in told))


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(LINE.format(" | ".join(row)) for row in lines) + "\n"
