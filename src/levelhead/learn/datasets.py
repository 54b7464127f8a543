"""Recorded outcomes and labelled tasks, read from a data directory.

`train/*.parquet` (or `.jsonl`) hold outcomes, `levels/*.parquet` texts with a foreign difficulty label. Whatever lies
in `eval_only/` is never opened here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
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

# Foreign labels as chances of L1..L4 under the definitions used here: their authors meant answer length and reasoning,
# not domains and stakeholders, so none of them is taken at its word.
FOREIGN_LEVELS: Mapping[str, Mapping[str, tuple[float, float, float, float]]] = {
    "uncommon_route": {
        "SIMPLE": (0.97, 0.03, 0.0, 0.0),
        "MEDIUM": (0.6, 0.4, 0.0, 0.0),
        "COMPLEX": (0.05, 0.3, 0.6, 0.05),
        "REASONING": (0.45, 0.5, 0.05, 0.0),
    },
    "math500": {str(level): (1 - 0.1 * level, 0.1 * level, 0.0, 0.0) for level in range(1, 6)},
}

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
    """A labelled task: `chances` of L1..L4 sum to one; `origin` names the corpus it comes from."""

    id: str
    messages: Sequence[Json]
    chances: tuple[float, float, float, float]
    origin: str
    kind: str = ""


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


def read_own_levels(path: Path) -> list[LevelTask]:
    """The project's own labelled corpus (`levels.jsonl`)."""
    tasks = []
    for row in read_table(path):
        chances = tuple(1.0 if level == row["level"] else 0.0 for level in ("L1", "L2", "L3", "L4"))
        messages = row.get("messages") or [{"role": "user", "content": row["text"]}]
        tasks.append(LevelTask(row["id"], messages, chances, path.stem, row.get("kind", "")))  # type: ignore[arg-type]
    return tasks


def read_foreign_levels(data: Path) -> list[LevelTask]:
    """Texts of `data/levels` with their labels as chances of L1..L4."""
    tasks = []
    for name, chances in sorted(FOREIGN_LEVELS.items()):
        path = data / "levels" / f"{name}.parquet"
        if path.is_file():
            for index, row in enumerate(read_table(path)):
                message = {"role": "user", "content": row["prompt"]}
                tasks.append(LevelTask(f"{name}:{index}", [message], chances[str(row["label"])], name))
    return tasks


def data_hashes(data: Path, own: Sequence[Path]) -> dict[str, str]:
    """sha256 of every file that training reads, by its path under the data directory or its name."""
    files = {f"{folder}/{path.name}": path for folder in ("train", "levels") for path in _tables(data / folder)}
    files.update({path.name: path for path in own})
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in sorted(files.items())}


def _outcome_rows(data: Path) -> Iterator[dict[str, Any]]:
    for path in _tables(data / "train"):
        rows = read_table(path)
        if rows and {"source", "prompt", "prompt_id", "model", "score"} <= rows[0].keys():
            yield from (row for row in rows if row["score"] is not None and row["prompt"])


def _tables(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.parquet"), *folder.glob("*.jsonl")]) if folder.is_dir() else []
