"""Which end of the tiers each seat of a run leans to: strength where it is worth most of what money covers.

What strength is worth in a seat is a prior until randomised seats have shown more (`worth.py`). Three rules:

- With an average to keep to, runs of all levels share one price of money: seats are ranked over all levels by uplift
  for what strength costs more, and bought in that order until runs cost the average, levels taken as often as they
  came. Easy tasks leave money to hard ones. The last one may be bought in a share of the runs only; a coin says where.
- With a budget only, the seats of this run that are expected to gain more than the threshold are bought in that order.
- Without either all of these are.

A seat that strength isn't bought for leans wholly to thrift where money or evidence says so, and in the middle of L3
and L4 tasks; elsewhere the router decides by the text. A lean moves a choice within what slot, key and budget allow.

To learn, seats are randomised: with probability `explore`, less as doubt about the seat narrows, a seat's coin is as
likely to be strong as money allows on average. Whatever a seat's chance comes to is written down with it.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..types import Level
from .coins import toss
from .record import Phase
from .worth import Place, Worth

Turning = tuple[int, Phase]
COIN = 0.5
RAREST = 0.25  # of `explore` that is left where there is no doubt: what strength is worth may change
THRESHOLD = 0.02
RATIO = 8.0  # where nothing is known of prices
_HARD = (Level.L3, Level.L4)
_UNTRIED = 0.7  # of the prior's standard deviation: with more left, nothing was learned yet


@dataclass(frozen=True, slots=True)
class Lean:
    """`lean`: 1 strength, -1 thrift, 0 as the router reads it; `propensity`: its probability, 1 without a coin.
    `missed`: the uplift that only money kept the seat from, else 0."""

    lean: float
    propensity: float = 1.0
    missed: float = 0.0

    @property
    def randomised(self) -> bool:
        return self.propensity < 1


@dataclass(frozen=True, slots=True)
class Money:
    """In calls of the cheapest model. `ratio`: what a strong call costs; `units`: the run's budget; `average`: what
    runs are to cost on average. None: no limit. `levels`: how often each level came, L1 to L4."""

    ratio: float = RATIO
    units: float | None = None
    average: float | None = None
    levels: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)

    def strong_calls(self, units: float | None, turns: int) -> float | None:
        """How many of a run's calls may be strong ones."""
        return None if units is None else min(max((units - turns) / max(self.ratio - 1, 1e-9), 0.0), turns)


def place_of(agent: int, agents: int, phase: Phase = "act") -> Place:
    """Planners count as first, integrators as last."""
    if phase == "integrate":
        return "last"
    if phase in ("assign", "rank"):
        return "first"
    return "last" if agent == agents - 1 else "first" if agent == 0 else "middle"


def lean_plan(
    turns: Sequence[Turning],
    slots: Sequence[str],
    level: Level | None,
    *,
    worth: Worth,
    seed: str,
    explore: float = 0.0,
    threshold: float = THRESHOLD,
    money: Money | None = None,
) -> dict[Turning, Lean]:
    """The leans of one run's turns. The same `seed` tosses the same coins.

    `threshold`: the uplift, in quality 0..1, that strength must be expected to bring to be bought out of a budget.
    """
    money = money or Money()
    seats = [(slots[agent], place_of(agent, len(slots), phase)) for agent, phase in turns if phase != "intend"]
    acting = [turn for turn in turns if turn[1] != "intend"]
    chances, spare, missed = _wanted(seats, level, worth, threshold, money, len(turns))
    calls = money.strong_calls(money.units, len(turns))
    if explore > 0:
        covered = [calls, money.strong_calls(money.average, len(turns))]
        share = min([COIN, *(known / max(len(seats), 1) for known in covered if known is not None)])
        for at, seat in enumerate(seats):
            weight = explore * max(worth.doubt(*seat, level), RAREST)
            chances[at] = (1 - weight) * chances[at] + weight * share
    coins = random.Random(seed)  # noqa: S311 - a trial's coins, guard nothing
    strong, propensities = toss(chances, None if calls is None else int(calls), coins)
    plan = {turn: Lean(0.0) for turn in turns}
    for turn, taken, chance, thrift, short in zip(acting, strong, propensities, spare, missed, strict=True):
        if 0 < chance < 1:
            plan[turn] = Lean(1.0, chance) if taken else Lean(-1.0, 1 - chance)
        else:
            plan[turn] = Lean(1.0 if taken else -1.0 if thrift else 0.0, missed=0.0 if taken else short)
    return plan


def upgraded(
    plan: Mapping[Turning, Lean], starting: Collection[Turning], coming: Collection[Turning], calls: float, ratio: float
) -> list[Turning]:
    """Of the turns that start now, those that what others have left buys strength for. `coming`: all that are still to
    be played, these included; `calls`: what money is left, in calls of the cheapest model."""
    known = [turn for turn in coming if turn in plan]
    spare = calls - sum(ratio if plan[turn].lean > 0 else 1.0 for turn in known)
    found = []
    for turn in sorted(known, key=lambda turn: -plan[turn].missed):
        if plan[turn].missed <= 0 or spare < ratio - 1:
            break
        spare -= ratio - 1
        if turn in starting:
            found.append(turn)
    return found


def _wanted(
    seats: Sequence[tuple[str, Place]], level: Level | None, worth: Worth, threshold: float, money: Money, turns: int
) -> tuple[list[float], list[bool], list[float]]:
    """For each seat the chance with which strength is bought, whether it leans to thrift where it isn't, and what it
    would have gained where a run's budget is all that speaks against it."""
    calls = money.strong_calls(money.units, turns)
    average = money.strong_calls(money.average, turns)
    gains = [worth.expected(*seat, level) for seat in seats]
    if average is not None and level is not None:
        bought = _over_levels(seats, level, worth, average, money.levels)
        return _at_most(bought, gains, calls), [True] * len(seats), [0.0] * len(seats)
    bought = [1.0 if gain > threshold else 0.0 for gain in gains]
    kept = _at_most(bought, gains, calls)
    spare = []
    for seat, gain, wish in zip(seats, gains, bought, strict=True):
        untried = worth.doubt(*seat, level) > _UNTRIED
        middle = untried and level in _HARD and seat[1] == "middle"
        spare.append(wish > 0 or middle or gain < -threshold)
    return kept, spare, [gain if wish > 0 else 0.0 for gain, wish in zip(gains, bought, strict=True)]


def _at_most(chances: list[float], gains: Sequence[float], calls: float | None) -> list[float]:
    """Those of the largest gain that as many strong calls cover."""
    if calls is None or sum(chances) <= int(calls):
        return chances
    left, kept = float(int(calls)), [0.0] * len(chances)
    for at in sorted(range(len(chances)), key=lambda at: -gains[at]):
        kept[at] = min(chances[at], left)
        left -= kept[at]
    return kept


def _over_levels(
    seats: Sequence[tuple[str, Place]], level: Level, worth: Worth, calls: float, came: Sequence[float]
) -> list[float]:
    """A knapsack over seats and levels, each as often as it came; strong calls cost the same everywhere."""
    often = np.array(came, dtype=float) / sum(came)
    gains = np.array([[worth.expected(*seat, one) for one in Level] for seat in seats]).reshape(-1)
    left, chances = calls, np.zeros(len(gains))
    for at in np.argsort(-gains, kind="stable"):
        share = often[at % len(Level)]
        if gains[at] <= 0 or left <= 0:
            break
        chances[at] = min(1.0, left / share) if share > 0 else 1.0
        left -= chances[at] * share
    return [float(chance) for chance in chances.reshape(len(seats), len(Level))[:, level - 1]]
