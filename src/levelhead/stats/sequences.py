"""A confidence sequence: bounds on a mean that hold at every moment at once, so that peeking is allowed.

Bets of several sizes are kept side by side for each mean of a grid; a mean is out once the average of its wealths has
reached 1/delta. Waudby-Smith and Ramdas (JRSS B, 2023), with a mixture instead of a plug-in bet, so that nothing needs
to be known about the values but their range.
"""

from __future__ import annotations

from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BETS = np.geomspace(0.01, 0.95, 12)


class MeanSequence:
    """Values in [`low`, `high`], one after the other; `lower` and `upper` bound their mean, each at 1 - `delta`.

    The values may be dependent as long as each has the same mean given the past. Memory and time per value: a grid.
    """

    def __init__(self, delta: float, *, low: float = -1.0, high: float = 1.0, grid: int = 201) -> None:
        self.count = 0
        self.total = 0.0
        self._target = log(1 / delta)
        self._low, self._high = low, high
        self._means = np.linspace(low, high, grid)
        inner = self._means[:, None]
        with np.errstate(divide="ignore"):  # the ends are never bet against
            self._below = np.where(inner < high, _BETS / np.maximum(high - inner, 1e-9), 0.0)
            self._above = np.where(inner > low, _BETS / np.maximum(inner - low, 1e-9), 0.0)
        self._wealth_below = np.zeros((grid, _BETS.size))
        self._wealth_above = np.zeros((grid, _BETS.size))
        self.lower, self.upper = low, high

    def add(self, value: float) -> None:
        """Raises `ValueError` for a value out of range."""
        if not self._low <= value <= self._high:
            raise ValueError(f"{value} is not in [{self._low}, {self._high}]")
        self.count += 1
        self.total += value
        gap = self._means[:, None] - value
        self._wealth_below += np.log1p(self._below * gap)
        self._wealth_above += np.log1p(-self._above * gap)
        below = self._means[_mixed(self._wealth_below) >= self._target]
        above = self._means[_mixed(self._wealth_above) >= self._target]
        if below.size:
            self.upper = min(self.upper, float(below.min()))
        if above.size:
            self.lower = max(self.lower, float(above.max()))

    @property
    def estimate(self) -> float:
        return self.total / self.count if self.count else float("nan")


def _mixed(wealth: Floats) -> Floats:
    """The log of the bets' average wealth, row by row."""
    most = wealth.max(axis=1)
    mixed: Floats = most + np.log(np.exp(wealth - most[:, None]).mean(axis=1))
    return mixed
