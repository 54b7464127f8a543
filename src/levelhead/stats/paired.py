"""An exact test for verdicts that are right or wrong: is the loss of the efficient path below a bound?

With right-or-wrong scores a paired loss is 1 (only strong is right), -1 (only efficient is) or 0. The score statistic
of Nam (Biometrics 53, 1997) and Tango (Statistics in Medicine 17, 1998) orders the outcomes. Its critical value is not
taken from the normal law but is the largest that any disagreement rate needs for the level to hold exactly, as in
Hsueh, Liu and Chen (Biometrics 57, 2001). It needs about half of the verdicts that a betting bound needs.
"""

from __future__ import annotations

from functools import lru_cache
from math import lgamma, sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST = 4_000  # verdicts; beyond that, time goes where a betting bound is sharp enough
_TAIL = 6.0  # standard deviations: what lies beyond weighs less than 1e-8
_LEAST_Z = 0.5  # no critical value is below it at a level under 0.3
_USUAL_Z = 1.66
_STRICTER = 0.98  # of the level, for what lies between two rates of the grid
_RATES = np.unique(np.concatenate(([0.0], np.geomspace(1e-4, 0.5, 40), np.linspace(0.05, 0.49, 12))))


def score_z(lost: npt.ArrayLike, won: npt.ArrayLike, n: int, bound: float) -> Floats:
    """How many standard errors the loss lies below `bound`: `lost` and `won` count losses of 1 and of -1 among `n`.

    The standard error is the one of the likeliest rates with a loss of exactly `bound` (0 < bound < 1).
    """
    b, c = np.asarray(lost, dtype=np.float64), np.asarray(won, dtype=np.float64)
    linear = 2 * n * bound - 2 * b * bound - (b + c) * (1 - bound)
    rate = (np.sqrt(linear**2 + 8 * n * c * bound * (1 - bound)) - linear) / (4 * n)
    variance = 2 * rate + bound - bound**2
    z: Floats = (bound - (b - c) / n) * np.sqrt(n / variance)
    return z


@lru_cache(256)
def critical_z(n: int, bound: float, delta: float) -> float:
    """The least z at which "the loss is at least `bound`" may be refused: wrong at most `delta` of the time.

    The maximum over the rate at which only the efficient path is right; the other rate follows from `bound`, the edge
    of the hypothesis being its worst case (the statistic falls with each loss and grows with each win).
    """
    factorials = np.array([lgamma(k + 1) for k in range(n + 1)])
    rates = _RATES[(1 - bound) / 2 >= _RATES]
    return max(_critical_at(n, bound, delta * _STRICTER, float(rate), factorials) for rate in rates)


def _critical_at(n: int, bound: float, delta: float, won_rate: float, factorials: Floats) -> float:
    lost_rate = won_rate + bound
    b, c = np.meshgrid(_likely(n, lost_rate), _likely(n, won_rate), indexing="ij")
    z = score_z(b, c, n, bound)
    candidate = (z > _LEAST_Z) & (b + c <= n)
    b, c, z = b[candidate], c[candidate], z[candidate]
    rest = n - b - c
    same = max(1 - lost_rate - won_rate, 1e-300)
    log_chance = factorials[n] - factorials[b] - factorials[c] - factorials[rest] + b * np.log(lost_rate)
    log_chance += c * np.log(max(won_rate, 1e-300)) + rest * np.log(same)
    order = np.argsort(-z)
    above = np.cumsum(np.exp(log_chance[order]))
    first_too_many = int(np.searchsorted(above, delta, side="right"))
    if first_too_many == order.size:
        return _LEAST_Z
    return float(z[order[first_too_many]]) + 1e-9  # above the outcome that would make it too many, and above its ties


def _likely(n: int, rate: float) -> npt.NDArray[np.int64]:
    reach = _TAIL * sqrt(n * rate * (1 - rate)) + 2 * _TAIL
    first, last = max(0, int(n * rate - reach)), min(n, int(n * rate + reach))
    return np.arange(first, last + 1)


def paired_upper(lost: int, won: int, n: int, delta: float, *, steps: int = 500) -> float:
    """The least of `steps` bounds in (0, 1] that the loss is shown to be below at level 1 - `delta`."""

    def shown(step: int) -> bool:
        return bool(score_z(lost, won, n, step / steps) >= critical_z(n, step / steps, delta))

    guess = next((step for step in range(1, steps) if score_z(lost, won, n, step / steps) >= _USUAL_Z), steps)
    while guess < steps and not shown(guess):
        guess += 1
    while guess > 1 and shown(guess - 1):
        guess -= 1
    return guess / steps
