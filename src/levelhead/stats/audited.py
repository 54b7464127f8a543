"""The loss of a policy against always-strong, from audits: requests of both paths, each audited with a known chance.

An audited request tells what the policy lost on it: the strong answer's score less the efficient one's where the
efficient path was served, nothing where the strong one was. Weighting each by the inverse of its chance makes them
speak for the traffic they were drawn from (Horvitz and Thompson, 1952; self-normalised). The bounds bet against each
mean at once, with the same weights: with w = least / chance, E[audited * w * (m - loss)] = least * (m - mean), so that
the wealth of who bets against a true m is a nonnegative martingale (Waudby-Smith, Wu, Ramdas, Karampatziakis and
Mineiro, "Anytime-valid off-policy inference for contextual bandits", 2022). They hold at every moment at once.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import numpy.typing as npt

from ..types import value

Floats = npt.NDArray[np.float64]

_BETS = np.geomspace(0.01, 0.95, 16)
_PRECISION = 1e-4


@value
class Bounded:
    """A mean with its bounds: `lower` and `upper` each hold at the one-sided level that was asked for."""

    estimate: float
    lower: float
    upper: float
    standard_error: float
    n: int


class AuditedLoss:
    """Losses in [-1, 1], in any order. Equal ones are kept as one: memory is that of their different values.

    `least`: a lower bound on every chance, known before the first audit. Without one chances may differ by when a
    request came, but not by which it was.
    """

    def __init__(self, least: float | None = None) -> None:
        self._least = least
        self._seen: dict[tuple[float, float], int] = {}
        self.n = 0

    @classmethod
    def of(cls, losses: Floats, propensities: Floats) -> AuditedLoss:
        """Of two arrays of one length. Raises as `add` does."""
        found = cls(float(propensities[0]) if propensities.size else None)
        pairs, counts = np.unique(np.column_stack((losses, propensities)), axis=0, return_counts=True)
        for (loss, propensity), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            found.add(loss, propensity, count)
        return found

    def add(self, loss: float, propensity: float, count: int = 1) -> None:
        """`count` of them. Raises `ValueError` for a loss outside [-1, 1] or a propensity outside (0, 1]."""
        if not -1 <= loss <= 1:
            raise ValueError(f"a loss of {loss} is not in [-1, 1]")
        if not 0 < propensity <= 1:
            raise ValueError(f"a propensity of {propensity} is not in (0, 1]")
        if self._least is None:
            self._least = propensity
        self._seen[loss, propensity] = self._seen.get((loss, propensity), 0) + count
        self.n += count

    @property
    def estimate(self) -> float:
        """Of the mean; NaN without audits."""
        if not self.n:
            return float("nan")
        losses, weights, counts = self._arrays()
        return float((weights * counts) @ losses) / float(weights @ counts)

    def told(self, delta: float) -> Bounded:
        """Each bound is wrong, ever, with probability at most `delta`. Without audits they are -1 and 1."""
        if not self.n:
            return Bounded(float("nan"), -1.0, 1.0, float("nan"), 0)
        losses, weights, counts = self._arrays()
        total, estimate = float(weights @ counts), self.estimate
        spread = sqrt(float((weights**2 * counts) @ (losses - estimate) ** 2)) / total
        upper = _upper(losses, weights, counts, delta, estimate)
        lower = -_upper(-losses, weights, counts, delta, -estimate)
        return Bounded(estimate, lower, upper, spread, self.n)

    def shown_below(self, bound: float, delta: float) -> bool:
        """Whether the mean is shown to be below `bound`; may be asked at any time, and is wrong at most at `delta`."""
        if bound >= 1 or not self.n:
            return bound >= 1
        return _log_wealth(*self._arrays(), bound) >= log(1 / delta)

    def _arrays(self) -> tuple[Floats, Floats, Floats]:
        found = np.array([(*pair, count) for pair, count in self._seen.items()], dtype=np.float64)
        return found[:, 0], (self._least or 1.0) / found[:, 1], found[:, 2]


def _upper(losses: Floats, weights: Floats, counts: Floats, delta: float, estimate: float) -> float:
    """The least mean that is still possible from above: the wealth against a mean grows with it."""
    target, low, high = log(1 / delta), max(-1.0, estimate), 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2
        if _log_wealth(losses, weights, counts, middle) >= target:
            high = middle
        else:
            low = middle
    return high


def _log_wealth(losses: Floats, weights: Floats, counts: Floats, mean: float) -> float:
    """Of the mixture of bets that the mean lies below `mean`."""
    bets = np.minimum(weights[:, None] * _BETS, _BETS[-1])  # one worst value never ruins a bettor
    gains = bets * (mean - losses[:, None]) / (1.0 - mean)
    wealth = counts @ np.log1p(gains)
    most = float(wealth.max())
    return most + log(float(np.exp(wealth - most).mean()))
