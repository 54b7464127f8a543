"""Recorded outcomes and labelled tasks, read from a data directory.

`train/*.parquet` (or `.jsonl`) of the data directory hold outcomes; whatever lies in its `eval_only/` is never opened
here. Labelled tasks are the project's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from ..errors import ConfigError
from ..types import Json

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_OPTIONS = re.compile(r"(?m)^\s*(?:choices\s*:|\(?A[).]\s)", re.I)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One row per prompt and model; prompts and models by index, scores 0..1, sources by prompt."""

    prompts: list[str]
    prompt_ids: list[str]
    sources: list[str]
    models: list[str]
    prompt: Ints
    model: Ints
    score: Floats

    def where(self, keep: npt.NDArray[np.bool_]) -> Outcomes:
        """The same prompts and models with only the rows of the prompts in `keep`."""
        rows = keep[self.prompt]
        return Outcomes(
            self.prompts, self.prompt_ids, self.sources, self.models,
            self.prompt[rows], self.model[rows], self.score[rows],
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LevelTask:
    """A labelled task: `level` 0..3, `origin` the file it comes from, `group` tasks that must not be parted."""

    id: str
    messages: Sequence[Json]
    level: int
    origin: str
    language: str = ""
    kind: str = ""
    group: str = ""


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a parquet or JSONL file. Raises `ConfigError` where pyarrow is needed and missing."""
    if path.suffix == ".jsonl":
        return [orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip()]
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise ConfigError(f"reading {path.name} needs pyarrow: pip install pyarrow") from None
    rows: list[dict[str, Any]] = parquet.read_table(path).to_pylist()
    return rows


def read_outcomes(data: Path) -> Outcomes:
    """Every outcome table of `data/train`, deduplicated by source, stem and model (the mean of repeated trials)."""
    scores: dict[tuple[str, str, str], list[float]] = {}
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for row in _outcome_rows(data):
        source = row["source"]
        stem = stem_of(row["prompt"])
        first.setdefault((source, stem), (row["prompt_id"], row["prompt"]))
        scores.setdefault((source, stem, model_of(source, row["model"])), []).append(float(row["score"]))
    if not scores:
        raise ConfigError(f"no outcome tables (train/*.parquet or *.jsonl with a score) in {data}")
    keys = sorted(first)
    at = {key: index for index, key in enumerate(keys)}
    models = sorted({model for _, _, model in scores})
    model_at = {model: index for index, model in enumerate(models)}
    rows = sorted(scores)
    return Outcomes(
        prompts=[first[key][1] for key in keys],
        prompt_ids=[first[key][0] for key in keys],
        sources=[source for source, _ in keys],
        models=models,
        prompt=np.array([at[source, stem] for source, stem, _ in rows]),
        model=np.array([model_at[model] for _, _, model in rows]),
        score=np.array([min(1.0, max(0.0, float(np.mean(scores[row])))) for row in rows]),
    )


def stem_of(prompt: str) -> str:
    """The question without its options, normalised: equal for the same question in two benchmarks' dress."""
    found = _OPTIONS.search(prompt, 1)
    stem = prompt[: found.start()] if found else prompt
    stem = re.sub(r"(?i)^\s*question\s*:", "", stem)
    return "".join(char for char in stem.lower() if char.isalnum())[:400]


def model_of(source: str, name: str) -> str:
    """One name for one model over all sources (vendors, mirrors and dates stripped)."""
    from ..difficulty.abilities import parse_name

    family, version = parse_name(name)
    del source
    return " ".join(sorted(family)) + "".join(f" {number}" for number in version)


def read_levels(path: Path) -> list[LevelTask]:
    """A file of the project's own labelled tasks."""
    tasks = []
    for row in read_table(path):
        messages = row.get("messages") or [{"role": "user", "content": row["text"]}]
        level = ("L1", "L2", "L3", "L4").index(row["level"])
        group = row.get("group") or row["id"]
        tasks.append(LevelTask(row["id"], messages, level, path.stem, row["language"], row["kind"], group))
    return tasks


def data_hashes(data: Path, own: Sequence[Path]) -> dict[str, str]:
    """sha256 of every file that training reads, by its path under the data directory or its name."""
    files = {f"train/{path.name}": path for path in _tables(data / "train")}
    files.update({f"{path.parent.name}/{path.name}": path for path in own})
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(files.items())}


def _outcome_rows(data: Path) -> Iterator[dict[str, Any]]:
    for path in _tables(data / "train"):
        rows = read_table(path)
        if rows and {"source", "prompt", "prompt_id", "model", "score"} <= rows[0].keys():
            yield from (row for row in rows if row["score"] is not None and row["prompt"])


def _tables(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.parquet"), *folder.glob("*.jsonl")]) if folder.is_dir() else []
