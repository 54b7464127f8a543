"""Betting bounds on a mean: whoever bets against "the mean is at least m" and grows rich has shown it to be wrong.

Under that hypothesis the bettor's wealth is a nonnegative supermartingale, so that it ever reaches 1/delta with
probability at most delta (Ville): valid for any bounded values, any number of them, and at any time one cares to look.
Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting" (JRSS B, 2023).
"""

from __future__ import annotations

from math import log

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_BOLDEST = 0.95  # of the bet that one worst value would ruin
_PRIOR_WEIGHT = 4.0  # observations that the guess at the variance is worth before there are any
_PRIOR_VARIANCE = 0.05


def log_wealth(losses: Floats, bound: float, delta: float, *, high: float = 1.0) -> Floats:
    """The log of the wealth after each observation, betting on a mean below `bound`.

    The bets are the predictable plug-in ones that suit a sample of this size (`delta` only aims them). No value may
    exceed `high`, which must exceed `bound`; below there is no limit that matters.
    """
    n = losses.size
    if n == 0:
        return np.zeros(0)
    count = np.arange(1, n + 1)
    mean = np.cumsum(losses) / (count + 1)
    variance = (_PRIOR_VARIANCE * _PRIOR_WEIGHT + np.cumsum((losses - mean) ** 2)) / (count + _PRIOR_WEIGHT)
    known = np.concatenate(([_PRIOR_VARIANCE], variance[:-1]))  # a bet may use the past only
    bet = np.minimum(np.sqrt(2 * log(1 / delta) / (n * known)), _BOLDEST / (high - bound))
    wealth: Floats = np.cumsum(np.log1p(bet * (bound - losses)))
    return wealth


def shown_below(losses: Floats, bound: float, delta: float, *, high: float = 1.0) -> bool:
    """Whether the mean is shown to be below `bound` at level `delta`; false with probability at most `delta`."""
    if losses.size == 0 or bound >= high:
        return bound >= high
    return bool(log_wealth(losses, bound, delta, high=high).max() >= log(1 / delta))


def betting_upper(losses: Floats, delta: float, *, high: float = 1.0, precision: float = 1e-4) -> float:
    """The least bound that the mean is shown to be below: an upper confidence bound at level 1 - `delta`."""
    low, top = (float(losses.mean()) if losses.size else high), high
    while top - low > precision:
        middle = (low + top) / 2
        if shown_below(losses, middle, delta, high=high):
            top = middle
        else:
            low = middle
    return top
