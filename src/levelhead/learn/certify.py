"""The certificate: the most saving threshold whose quality loss is shown to stay under the goal.

A verdict pairs the efficient path with the strong one on the same request. The efficient answer is served where its
*trust* (the acceptance probability of the cascade, or what the text says) reaches a threshold; the loss of a verdict is
strong score - efficient score there, and nothing elsewhere. Thresholds are tested from the safest down, each at the
full level, until one fails (fixed-sequence testing, after Learn then Test, Angelopoulos et al., 2021).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..policy import WHOLE, Certificate, Paired, Route
from ..stats import Tested, loss_below, loss_upper
from ..types import Goal

Floats = npt.NDArray[np.float64]

# Fixed before any verdict is seen, which is what makes testing them one after the other right.
THRESHOLDS = tuple(round(1 - step / 100, 2) for step in range(1, 101))
LEAST = 100  # verdicts that a cell needs for a test of its own; sparser ones are tested at their parent


@dataclass(frozen=True, slots=True)
class Refusal:
    """No certificate for this cell, and `why`."""

    slot: str
    domain: str
    n: int
    forced: int
    why: str


def certify(
    verdicts: Sequence[Paired],
    goal: Goal,
    *,
    policy: str,
    path: Route = "cascade",
    slot: str = WHOLE,
    domain: str = WHOLE,
    delta: float | None = None,
    stream: bool = False,
) -> Certificate | Refusal:
    """One cell. `delta`: its share of the error (None: all of it, 1 - `goal.confidence`).

    `stream`: there will be more verdicts, and certifying again then must be allowed (see `stats.audited`).
    """
    level = 1 - goal.confidence if delta is None else delta
    counted = [verdict for verdict in verdicts if not verdict.forced]
    forced = len(verdicts) - len(counted)
    trust, losses = _arrays(counted)
    chances = np.array([verdict.propensity for verdict in counted], dtype=np.float64) if stream else None
    threshold, found = lowest_threshold(trust, losses, goal.max_quality_loss, level, chances)
    if threshold is None:
        return Refusal(slot, domain, len(counted), forced, _why_not(len(counted), goal))
    served = trust >= threshold
    kept = np.where(served, losses, 0.0)
    upper = min(loss_upper(kept, level, chances=chances), goal.max_quality_loss)
    return Certificate(
        policy, path, slot, domain, threshold, goal.max_quality_loss, goal.confidence, len(counted),
        found.estimate, upper, float(served.mean()), found.method, forced,
    )  # fmt: skip


def lowest_threshold(
    trust: Floats, losses: Floats, bound: float, delta: float, chances: Floats | None = None
) -> tuple[float | None, Tested]:
    """The lowest threshold that passes before one fails, with its test; None where nothing would be served by it."""
    found, lowest, served_before = Tested(False, float("nan"), losses.size, "none"), None, -1
    for threshold in THRESHOLDS:
        served = trust >= threshold
        count = int(served.sum())
        if count != served_before:  # else it is the same hypothesis
            tested = loss_below(np.where(served, losses, 0.0), bound, delta, chances=chances)
            if not tested.passed:
                break
            found, served_before = tested, count
        lowest = threshold if count else None
    return lowest, found


def certify_cells(
    verdicts: Iterable[Paired], goal: Goal, *, policy: str, path: Route = "cascade", stream: bool = False
) -> list[Certificate | Refusal]:
    """Each slot x domain with `LEAST` verdicts by itself, the rest of a slot at the slot, what is left at the whole.

    The cells share the error equally (Bonferroni), so that all certificates hold together at `goal.confidence`.
    """
    cells = _cells(verdicts)
    share = (1 - goal.confidence) / max(len(cells), 1)
    return [
        certify(found, goal, policy=policy, path=path, slot=slot, domain=domain, delta=share, stream=stream)
        for (slot, domain), found in cells.items()
    ]


def _cells(verdicts: Iterable[Paired]) -> dict[tuple[str, str], list[Paired]]:
    """Which verdicts speak for which cell; each speaks for one only, its parent where its own is too sparse."""
    by_domain: defaultdict[tuple[str, str], list[Paired]] = defaultdict(list)
    for verdict in verdicts:
        by_domain[verdict.slot, verdict.domain].append(verdict)
    found: dict[tuple[str, str], list[Paired]] = {}
    by_slot: defaultdict[str, list[Paired]] = defaultdict(list)
    for (slot, domain), mine in sorted(by_domain.items()):
        if len(mine) >= LEAST and domain != WHOLE:
            found[slot, domain] = mine
        else:
            by_slot[slot] += mine
    rest: list[Paired] = []
    for slot, mine in by_slot.items():
        if len(mine) >= LEAST and slot != WHOLE:
            found[slot, WHOLE] = mine
        else:
            rest += mine
    if rest:
        found[WHOLE, WHOLE] = rest
    return found


def _arrays(verdicts: Sequence[Paired]) -> tuple[Floats, Floats]:
    trust = np.array([verdict.trust for verdict in verdicts], dtype=np.float64)
    return trust, np.array([verdict.strong - verdict.efficient for verdict in verdicts], dtype=np.float64)


def _why_not(n: int, goal: Goal) -> str:
    return (
        f"uncertified: {n} verdicts don't show that any saving loses less than "
        f"{goal.max_quality_loss:g} at {goal.confidence:g}"
    )
