"""An outcome table: what several models made of the same prompts, as arrays of prompts x models.

Rows have `prompt_id`, `model`, `score` (0..1) and, where they were recorded, `prompt`, `cost_usd`, `answer`,
`prompt_tokens`, `completion_tokens`, `completion_chars`, `propensity` (of a log where each prompt went to one model).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from ..errors import ConfigError
from ..spend import lookup
from .datasets import read_table

Floats = npt.NDArray[np.float64]
Prices = Mapping[str, tuple[float, float]]  # USD per million tokens: input, output

_CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Table:
    """`score`, `cost` (USD) and `tokens` (of the answer) are prompts x models, NaN where nothing was recorded."""

    ids: list[str]
    prompts: list[str]
    models: list[str]
    score: Floats
    cost: Floats
    tokens: Floats
    answers: list[list[str | None]]
    propensity: Floats

    def column(self, model: str) -> int:
        """Raises `ConfigError` for a model that isn't there."""
        try:
            return self.models.index(model)
        except ValueError:
            raise ConfigError(f"no model is called {model!r} in this table; it has {', '.join(self.models)}") from None

    def complete(self, models: Sequence[str]) -> Table:
        """The prompts that all of `models` have a score and a cost for, and those models alone."""
        columns = [self.column(model) for model in models]
        known = ~np.isnan(self.score[:, columns]).any(axis=1) & ~np.isnan(self.cost[:, columns]).any(axis=1)
        return self.rows(np.flatnonzero(known), columns)

    def rows(self, index: npt.NDArray[np.int64], columns: Sequence[int] | None = None) -> Table:
        """A selection of prompts (repeats allowed) and of models (None: all)."""
        keep = np.array(range(len(self.models)) if columns is None else columns, dtype=np.int64)
        at = np.ix_(index, keep)
        return Table(
            [self.ids[i] for i in index], [self.prompts[i] for i in index], [self.models[c] for c in keep],
            self.score[at], self.cost[at], self.tokens[at],
            [[self.answers[i][c] for c in keep] for i in index], self.propensity[at],
        )  # fmt: skip

    @property
    def has_answers(self) -> bool:
        return any(answer is not None for row in self.answers for answer in row)


def load_table(path: Path, prices: Prices | None = None) -> Table:
    """Raises `ConfigError` for a file that isn't an outcome table, naming the row or the column."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        rows = read_table(path)
    except (orjson.JSONDecodeError, OSError, ValueError) as error:
        raise ConfigError(f"{path.name}: not an outcome table: {error}") from None
    return table_of(rows, prices, path.name)


def table_of(rows: Sequence[Mapping[str, Any]], prices: Prices | None = None, name: str = "the table") -> Table:
    """Repeated trials of one prompt and model become their mean. Raises `ConfigError` as `load_table` does."""
    cells: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    prompts: dict[str, str] = {}
    models: dict[str, None] = {}
    for number, row in enumerate(rows, 1):
        _check(row, f"{name}, row {number}")
        if row["score"] is None:
            continue
        id, model = str(row["prompt_id"]), str(row["model"])
        prompts[id] = prompts.get(id) or str(row.get("prompt") or "")
        models[model] = None
        cells.setdefault((id, model), []).append(row)
    if not cells:
        raise ConfigError(f"{name}: no row with a score")
    return _filled(cells, prompts, list(models), prices or {})


def _filled(
    cells: Mapping[tuple[str, str], Sequence[Mapping[str, Any]]],
    prompts: Mapping[str, str],
    models: list[str],
    prices: Prices,
) -> Table:
    ids = list(prompts)
    at, column = {id: i for i, id in enumerate(ids)}, {model: i for i, model in enumerate(models)}
    score, cost, tokens, propensity = (np.full((len(ids), len(models)), np.nan) for _ in range(4))
    answers: list[list[str | None]] = [[None] * len(models) for _ in ids]
    for (id, model), found in cells.items():
        cell = at[id], column[model]
        score[cell] = np.mean([float(row["score"]) for row in found])
        counts = [_tokens(row, prompts[id]) for row in found]
        tokens[cell] = np.mean([output for _, output in counts])
        cost[cell] = np.mean([_cost(row, count, prices) for row, count in zip(found, counts, strict=True)])
        chances = [row["propensity"] for row in found if row.get("propensity") is not None]
        propensity[cell] = chances[0] if chances else np.nan
        said = found[0].get("answer")
        answers[cell[0]][cell[1]] = None if said is None else str(said)
    return Table(ids, [prompts[id] for id in ids], models, score, cost, tokens, answers, propensity)


def _check(row: Any, where: str) -> None:
    if not isinstance(row, Mapping):
        raise ConfigError(f"{where}: should be an object")
    for field in ("prompt_id", "model", "score"):
        if field not in row:
            raise ConfigError(f"{where}: {field} is missing")
    score = row["score"]
    if score is not None and not (isinstance(score, int | float) and 0 <= score <= 1):
        raise ConfigError(f"{where}: score should be a number from 0 to 1")
    cost = row.get("cost_usd")
    if cost is not None and not (isinstance(cost, int | float) and 0 <= cost < float("inf")):
        raise ConfigError(f"{where}: cost_usd should be a number that isn't negative")
    chance = row.get("propensity")
    if chance is not None and not (isinstance(chance, int | float) and 0 < chance <= 1):
        raise ConfigError(f"{where}: propensity should be a number above 0, at most 1")


def _tokens(row: Mapping[str, Any], prompt: str) -> tuple[float, float]:
    """Input and output; four characters a token where tokens weren't recorded, NaN where nothing was."""
    said = row.get("prompt_tokens")
    inputs = float(said) if said is not None else len(prompt) / _CHARS_PER_TOKEN
    if row.get("completion_tokens") is not None:
        return inputs, float(row["completion_tokens"])
    chars = row.get("completion_chars")
    return inputs, float("nan") if chars is None else float(chars) / _CHARS_PER_TOKEN


def _cost(row: Mapping[str, Any], count: tuple[float, float], prices: Prices) -> float:
    if row.get("cost_usd") is not None:
        return float(row["cost_usd"])
    price = prices.get(str(row["model"])) or _listed(str(row["model"]))
    return float("nan") if price is None else (count[0] * price[0] + count[1] * price[1]) / 1e6


def _listed(model: str) -> tuple[float, float] | None:
    found = lookup(model, "litellm", None)
    return None if found is None else (found.price.input * 1e6, found.price.output * 1e6)
