"""Recorded answers through draft-and-check: what the cascade would have served, and what it would have cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..check import PRIOR, Outcome, agreement, family, features, read_text
from ..stats import Logistic
from .tables import Table

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Opinions:
    """One row per prompt: `features` (n x d) of the checks, then scores 0..1 and costs in USD of the three models."""

    features: Floats
    draft: Floats
    second: Floats
    strong: Floats
    draft_cost: Floats
    second_cost: Floats
    strong_cost: Floats

    def rows(self, index: npt.NDArray[np.int64]) -> Opinions:
        return Opinions(*(getattr(self, name)[index] for name in self.__slots__))

    def acceptance(self, model: Logistic = PRIOR) -> Floats:
        return model.chances(self.features)

    def served(self, accepted: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """(scores, costs) where `accepted` drafts are served and the others cost draft, check and strong answer."""
        score = np.where(accepted, self.draft, self.strong)
        return score, self.draft_cost + self.second_cost + np.where(accepted, 0.0, self.strong_cost)


def opinions_of(table: Table, *, draft: str, second: str, strong: str) -> Opinions:
    """The prompts of `table` that all three have a score and a cost for. Raises `ConfigError` for unknown models."""
    known = table.complete([draft, second, strong])
    sibling = family(draft) == family(second)
    rows = [
        features(_checked(first, other, tokens, sibling))
        for (first, other, _), tokens in zip(known.answers, known.tokens, strict=True)
    ]
    score, cost = known.score, known.cost
    return Opinions(
        np.array(rows), score[:, 0], score[:, 1], score[:, 2], cost[:, 0], cost[:, 1], cost[:, 2]
    )  # fmt: skip


def _checked(first: str | None, other: str | None, tokens: Floats, sibling: bool) -> Outcome:
    """No answer where one was recorded for others is a draft that said nothing to the point."""
    mine, theirs = float(tokens[0]), float(tokens[1])
    counted = None if np.isnan(mine) else round(mine)
    stretch = (theirs + 1) / (mine + 1) if not (np.isnan(mine) or np.isnan(theirs)) else None
    if first is None or other is None:
        return Outcome(agreement=0.0, sibling=sibling, tokens=counted, stretch=stretch)
    one = read_text(first)
    agreed = agreement(one, read_text(other))
    return Outcome(agreement=agreed, kind=one.kind, sibling=sibling, tokens=counted, stretch=stretch)
