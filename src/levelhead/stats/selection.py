"""Choosing by tests: learn-then-test, so that what was chosen keeps its promise with the confidence that was asked for.

Angelopoulos, Bates, Candes, Jordan and Lei, "Learn then Test" (2021): each candidate is a hypothesis "its loss is at
least the bound"; a family-wise test refuses some, and any of those may be used.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..types import value
from .audited import AuditedLoss
from .betting import betting_upper, shown_below
from .paired import MOST, critical_z, paired_upper, score_z

Floats = npt.NDArray[np.float64]


@value
class Tested:
    """One candidate's losses put to the test.

    `method`: `exact` for right-or-wrong verdicts, else `betting`; `anytime` where one may look again and again.
    """

    passed: bool
    estimate: float
    n: int
    method: str


def loss_below(losses: Floats, bound: float, delta: float, *, chances: Floats | None = None) -> Tested:
    """Tests whether the mean of `losses` (independent, each in [-1, 1]) is below `bound`; wrong with at most `delta`.

    The exact test where every loss is -1, 0 or 1 and there are at most 4,000, else a betting bound. Raises `ValueError`
    for a loss outside [-1, 1].

    `chances`: the losses came in a stream, each with this chance of being looked at. The test is then anytime-valid:
    asking again whenever there are more of them is wrong with at most `delta` in all.
    """
    n = int(losses.size)
    if n == 0:
        return Tested(bound >= 1, float("nan"), 0, "none")
    if not np.all(np.abs(losses) <= 1):
        raise ValueError("a loss lies in [-1, 1]")
    if chances is not None:
        stream = AuditedLoss.of(losses, chances)
        return Tested(stream.shown_below(bound, delta), stream.estimate, n, "anytime")
    estimate = float(losses.mean())
    if not losses.any():  # nothing differs: below any positive bound if a betting bound says so, too
        return Tested(shown_below(losses, bound, delta), 0.0, n, "betting")
    if _whole(losses) and n <= MOST and 0 < bound < 1:
        lost, won = int((losses > 0).sum()), int((losses < 0).sum())
        passed = bool(score_z(lost, won, n, bound) >= critical_z(n, round(bound, 6), round(delta, 9)))
        return Tested(passed, estimate, n, "exact")
    return Tested(shown_below(losses, bound, delta), estimate, n, "betting")


def loss_upper(losses: Floats, delta: float, *, chances: Floats | None = None) -> float:
    """An upper confidence bound on the mean loss, by the same choice of method; 1 without verdicts."""
    n = int(losses.size)
    if n == 0:
        return 1.0
    if chances is not None:
        return AuditedLoss.of(losses, chances).told(delta).upper
    if _whole(losses) and n <= MOST:
        return paired_upper(int((losses > 0).sum()), int((losses < 0).sum()), n, delta)
    return betting_upper(losses, delta)


def _whole(losses: Floats) -> bool:
    return bool(np.isin(losses, (-1.0, 0.0, 1.0)).all())
