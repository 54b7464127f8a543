"""An alarm for a change: has the mean risen above what was promised, from some moment on?

An e-detector of the Shiryaev-Roberts kind (Shin, Ramdas and Rinaldo, 2022): at each value a new bettor starts and
all bet that the mean exceeds `limit`. As long as it doesn't, the expected number of values until a false alarm is at
least `patience`, whatever the distribution; there is no end to it, as there is none to a stream of verdicts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BETS = np.array([0.06, 0.12, 0.25, 0.4, 0.6])


class Alarm:
    """Values in [`low`, `high`]; `rung` once their mean is held to have risen above `limit`. It stays rung."""

    def __init__(self, limit: float, patience: float, *, low: float = -1.0, high: float = 1.0) -> None:
        if not low <= limit < high:
            raise ValueError(f"the limit {limit} is not in [{low}, {high})")
        self.count = 0
        self.rung = False
        self._limit, self._patience = limit, patience
        self._low, self._high = low, high
        self._bets = _BETS / max(limit - low, 1e-9)  # the worst value leaves a bettor something
        self._evidence = np.zeros(_BETS.size)

    def add(self, value: float) -> bool:
        """Whether the alarm has rung. Raises `ValueError` for a value out of range."""
        if not self._low <= value <= self._high:
            raise ValueError(f"{value} is not in [{self._low}, {self._high}]")
        self.count += 1
        self._evidence = np.minimum((self._evidence + 1) * (1 + self._bets * (value - self._limit)), 1e300)
        self.rung = self.rung or bool(self._evidence.mean() >= self._patience)
        return self.rung
