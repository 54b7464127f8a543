"""Recorded outcomes for `pacing.py`: one split to fit on, one to replay, and a simple model of quality and cost."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

MODELS = ("llama-3.1-8b", "mistral-large", "gemini-2.5-flash", "gemini-2.5-pro")  # cheapest first
_NAMES = (
    "meta-llama/llama-3.1-8b-instruct",
    "mistralai/mistral-large-2512",
    "google/gemini-2.5-flash",
    "google/gemini-2.5-pro",
)
_CAP_QUANTILE = 0.99
_RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)
_FOLDS = 5

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Outcomes:
    """One split: `score` and `cost` (USD) are (prompts, models); predictions never saw the prompt they are for."""

    score: Table
    cost: Table
    predicted_score: Table
    predicted_cost: Table
    caps: Table  # USD: the most that a call of each model may cost

    def __len__(self) -> int:
        return len(self.score)


def load(data: Path) -> tuple[Outcomes, Outcomes]:
    """Returns the split that was fitted on, with cross-fitted predictions, and the one to replay.

    A call's output cap is one for each model: what 99 % of the calls of the fit split stay under. A longer answer is
    cut there: it costs the cap, and scores 0.
    """
    prompts, score, cost = _tables(data / "train" / "pareto_bandit_val.parquet")
    fits = np.array([hashlib.sha256(b"pacing:" + name.encode()).digest()[0] % 2 == 0 for name in prompts])
    caps = np.quantile(cost[fits], _CAP_QUANTILE, axis=0)
    score, cost = np.where(cost > caps, 0.0, score), np.minimum(cost, caps)
    gram = _gram(list(prompts.values()), fits)
    known = gram[np.ix_(fits, fits)]
    quality, dear = _targets(score[fits]), np.log(cost[fits])
    folds = np.random.default_rng(0).integers(_FOLDS, size=fits.sum())
    parts = []
    for rows in (fits, ~fits):
        near = gram[np.ix_(rows, fits)]
        which = folds if rows is fits else None
        parts.append(
            Outcomes(
                score[rows],
                cost[rows],
                _untargeted(_predicted(known, near, quality, folds, which)),
                np.exp(_predicted(known, near, dear, folds, which)),
                caps,
            )
        )
    return parts[0], parts[1]


def _tables(path: Path) -> tuple[dict[str, str], Table, Table]:
    rows: dict[str, list[Any]] = parquet.read_table(path).to_pydict()
    prompts = dict(sorted(zip(rows["prompt_id"], rows["prompt"], strict=True)))
    at = {name: i for i, name in enumerate(prompts)}
    score, cost = np.zeros((len(at), len(_NAMES))), np.zeros((len(at), len(_NAMES)))
    for name, model, reward, usd in zip(rows["prompt_id"], rows["model"], rows["score"], rows["cost_usd"], strict=True):
        score[at[name], _NAMES.index(model)] = reward
        cost[at[name], _NAMES.index(model)] = usd
    return prompts, score, cost


def _gram(texts: list[str], fits: NDArray[np.bool_]) -> Table:
    """Inner products of all texts; words and weights come from the fit split alone."""
    known = [text for text, fit in zip(texts, fits, strict=True) if fit]
    gram = np.zeros((len(texts), len(texts)))
    for vectorizer in (
        TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), min_df=2),
        TfidfVectorizer(sublinear_tf=True, analyzer="char_wb", ngram_range=(2, 4), min_df=3),
    ):
        vectorizer.fit(known)
        found = vectorizer.transform(texts)
        gram += (found @ found.T).toarray()
    shape = np.array([[np.log1p(len(t)), t.count("\n"), sum(c.isdigit() for c in t)] for t in texts]) / 10
    return gram + shape @ shape.T


def _targets(score: Table) -> Table:
    """Score as what the three dear models have over the cheap one, and what each of them has over their mean."""
    dear = score[:, 1:].mean(axis=1)
    return np.column_stack([score[:, 0], dear - score[:, 0], score[:, 1:] - dear[:, None]])


def _untargeted(targets: Table) -> Table:
    return np.column_stack([targets[:, 0], (targets[:, 0] + targets[:, 1])[:, None] + targets[:, 2:]])


def _predicted(known: Table, near: Table, targets: Table, folds: NDArray[Any], which: NDArray[Any] | None) -> Table:
    """Ridge regression of each target; its strength by cross-validation.

    `which`: the fold of each row of `near`, where these are the rows that are fitted on.
    """
    columns = []
    for target in targets.T:
        ridge = _strength(known, target, folds)
        if which is None:
            columns.append(_ridge(known, target, near, ridge))
            continue
        column = np.zeros(len(near))
        for fold in range(_FOLDS):
            rest = folds != fold
            here = which == fold
            column[here] = _ridge(known[np.ix_(rest, rest)], target[rest], near[np.ix_(here, rest)], ridge)
        columns.append(column)
    return np.column_stack(columns)


def _strength(known: Table, target: Table, folds: NDArray[Any]) -> float:
    def error(ridge: float) -> float:
        total = 0.0
        for fold in range(_FOLDS):
            rest, here = folds != fold, folds == fold
            guess = _ridge(known[np.ix_(rest, rest)], target[rest], known[np.ix_(here, rest)], ridge)
            total += float(np.sum((guess - target[here]) ** 2))
        return total

    return min(_RIDGES, key=error)


def _ridge(known: Table, target: Table, near: Table, ridge: float) -> Table:
    weights = np.linalg.solve(known + ridge * np.eye(len(known)), target - target.mean())
    guess: Table = near @ weights + target.mean()
    return guess
