"""A model's ability from tasks right and wrong, chosen one after the other.

Two-parameter logistic items (Birnbaum in Lord and Novick 1968), a wide normal prior, the posterior on a grid. The next
task is the unused one with most information at the current estimate (Lord 1980), among equals the first; it stops when
the interval is narrow enough or after `most` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
import numpy.typing as npt

from .items import Item

MOST_TASKS = 100
CONFIDENCE = 0.95
HALF_WIDTH = 0.6
PRIOR_SD = 2.5
_TAIL = 0.015  # of each side: a little less than 2.5 %, for stopping early on a lucky streak is part of the design
_GRID = np.linspace(-7.0, 7.0, 701)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Posterior mean and an interval that covers the ability with probability `CONFIDENCE`, in logits."""

    theta: float
    low: float
    high: float
    tasks: int

    @property
    def sd(self) -> float:
        return (self.high - self.low) / 4


class Measuring:
    """`next` gives a task, `record` takes its result, until `next` gives None."""

    def __init__(self, items: Sequence[Item], *, most: int = MOST_TASKS, half_width: float = HALF_WIDTH) -> None:
        self._left = list(items)
        self._most = most
        self._half_width = half_width
        self._log = -0.5 * (_GRID / PRIOR_SD) ** 2
        self.tasks = 0

    def next(self) -> Item | None:
        if not self._left or self.tasks >= self._most:
            return None
        now = self.estimate()
        if self.tasks and (now.high - now.low) / 2 <= self._half_width:
            return None
        best = max(self._left, key=lambda item: information(item, now.theta))
        self._left.remove(best)
        return best

    def record(self, item: Item, right: bool) -> None:
        logit = item.a * (_GRID - item.b)
        self._log = self._log - np.logaddexp(0.0, -logit if right else logit)
        self.tasks += 1

    def estimate(self) -> Estimate:
        weight = np.exp(self._log - self._log.max())
        weight /= weight.sum()
        reached = np.cumsum(weight)
        low, high = (_GRID[int(np.searchsorted(reached, tail))] for tail in (_TAIL, 1 - _TAIL))
        return Estimate(float(weight @ _GRID), float(low), float(high), self.tasks)


def information(item: Item, theta: float) -> float:
    """Fisher information of one answer about the ability."""
    chance = 1 / (1 + exp(-item.a * (theta - item.b)))
    return item.a**2 * chance * (1 - chance)
