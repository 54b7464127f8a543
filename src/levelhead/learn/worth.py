"""Does checking pay? `cascade: auto` asks a few hundred verdicts, and leaves off what doesn't show that it does.

The measure is the quality above what mixing models by lot would give for the same money: the second opinion's model is
one of them, since whoever pays for it may as well have it answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from ..stats import Logistic, fit_logistic
from .frontier import Point, hull_at, hull_slope
from .opinions import Opinions

Floats = npt.NDArray[np.float64]

GRID = (0.98, 0.95, 0.92, 0.9, 0.87, 0.84, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5, 0.4, 0.3, 0.2)
_SURE = 1.3  # standard errors that the advantage must exceed zero by: about 90 % confidence


@dataclass(frozen=True, slots=True)
class Worth:
    """`advantage`: mean quality above the static mixture at the same cost, and its standard error."""

    threshold: float
    advantage: float
    standard_error: float
    relative_cost: float  # of always asking the strong model

    @property
    def pays(self) -> bool:
        """And costs less than asking the strong model at once: beyond that there are better ways to spend."""
        return self.relative_cost < 1 and self.advantage > _SURE * self.standard_error


def statics(known: Opinions) -> list[Point]:
    return [
        (float(known.draft_cost.mean()), float(known.draft.mean())),
        (float(known.second_cost.mean()), float(known.second.mean())),
        (float(known.strong_cost.mean()), float(known.strong.mean())),
    ]


def worth_at(known: Opinions, accepted: npt.NDArray[np.bool_], threshold: float) -> Worth:
    """The cascade's advantage where these drafts are accepted. Costs enter at the hull's own exchange rate."""
    points = statics(known)
    score, cost = known.served(accepted)
    spent = float(cost.mean())
    rate = hull_slope(points, spent)
    advantage = float(score.mean()) - hull_at(points, spent)
    # the hull moves with the sample, too: its corners' noise is shared with the cascade's, prompt by prompt
    best = (known.strong, known.strong_cost) if rate > 0 else _top(known)
    spread = (score - rate * cost) - (best[0] - rate * best[1])
    error = float(spread.std()) / sqrt(max(score.size, 1))
    return Worth(threshold, advantage, error, spent / max(points[-1][0], 1e-18))


def judge(known: Opinions, prior: Logistic, grid: tuple[float, ...] = GRID) -> tuple[Worth, Logistic]:
    """The threshold with the surest advantage and the acceptance model, both from the same few hundred verdicts.

    The acceptance of each verdict is predicted by a fit to the other half, so that no draft vouches for itself.
    """
    half = np.arange(known.draft.size) % 2
    chance = np.empty(known.draft.size)
    for part in (0, 1):
        rest = half != part
        fitted = fit_logistic(known.features[rest], known.draft[rest], prior)
        chance[~rest] = fitted.chances(known.features[~rest])
    tried = [worth_at(known, chance >= threshold, threshold) for threshold in grid]
    best = max(tried, key=lambda worth: worth.advantage - _SURE * worth.standard_error)
    return best, fit_logistic(known.features, known.draft, prior)


def _top(known: Opinions) -> tuple[Floats, Floats]:
    pairs = [
        (known.draft, known.draft_cost), (known.second, known.second_cost), (known.strong, known.strong_cost)
    ]  # fmt: skip
    return max(pairs, key=lambda pair: float(pair[0].mean()))
