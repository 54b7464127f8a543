"""Seats that coins decide, each its own, and no more strong ones than the run can pay for.

Where more coins fall to strength than the run covers, all are tossed again. That changes the chance of a seat, so the
exact one is computed and written down: with p the coins' own chances, seat s is strong with probability
p_s P(at most most-1 of the others) / P(at most most of all).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_MOST_TOSSES = 10_000


def toss(chances: Sequence[float], most: int | None, rng: random.Random) -> tuple[list[bool], list[float]]:
    """(strong, its exact chance) of each seat; `most`: how many may be strong, None: all.

    A chance of 0 or 1 isn't a coin. Raises `ValueError` where more than `most` chances are 1.
    """
    if most is None or most >= len(chances):
        return [rng.random() < chance for chance in chances], list(chances)
    if sum(chance >= 1 for chance in chances) > most:
        raise ValueError("more seats are strong for sure than the run covers")
    for _ in range(_MOST_TOSSES):
        strong = [rng.random() < chance for chance in chances]
        if sum(strong) <= most:
            return strong, within(chances, most)
    raise ValueError("the coins ask for far more strength than the run covers")


def within(chances: Sequence[float], most: int) -> list[float]:
    """The chance of each seat, given that at most `most` are strong."""
    before = [_counts_of_none(most)]
    for chance in chances:
        before.append(_with(before[-1], chance))
    after = [_counts_of_none(most)]
    for chance in reversed(chances):
        after.append(_with(after[-1], chance))
    after.reverse()
    allowed = float(before[-1].sum())
    found = []
    for seat, chance in enumerate(chances):
        room = np.cumsum(after[seat + 1])[::-1]  # of the later seats, at most most - k
        others = float(before[seat][: most or None] @ room[1:]) if most else 0.0
        found.append(min(1.0, chance * others / allowed))
    return found


def _counts_of_none(most: int) -> Floats:
    counts = np.zeros(most + 1)
    counts[0] = 1.0
    return counts


def _with(counts: Floats, chance: float) -> Floats:
    """The distribution of how many are strong, 0 to most, with one more seat."""
    more = counts * (1 - chance)
    more[1:] += counts[:-1] * chance
    return more
