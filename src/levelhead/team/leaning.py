"""Which end of the tiers a seat leans to: a prior by its position and the task's level, then what trials have shown.

The prior: on L3 and L4 the first seat, the last and whoever plans or integrates lean to the strong tier, the seats
between to the efficient one; on L1 and L2 nobody leans. On L4 the prior is weak, for strong models weren't better there
in arXiv:2603.28990 (Claude Sonnet 4.6 scored .594, DeepSeek .629): what holds is learned, not assumed.
Where the expected uplift is above the threshold the seat leans wholly to strength, below its negative wholly to thrift,
between them the router decides by the text. A lean moves a choice within what slot, key and budget allow.

A small share of seats is randomised, each independently of the others: it leans wholly to one end by a fair coin. From
those the uplift of a strong model in a place is estimated without bias; see `uplift.py`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..types import Level
from .record import Phase

Place = Literal["first", "middle", "last"]
PLACES: tuple[Place, ...] = ("first", "middle", "last")
COIN = 0.5
THRESHOLD = 0.02
RATIO = 8.0  # where nothing is known of prices

# (mean, standard deviation) of the uplift from a strong model, by place; ours, before any trial.
_EDGE = {Level.L3: (0.10, 0.10), Level.L4: (0.03, 0.15)}
_MIDDLE = {Level.L3: (-0.05, 0.10), Level.L4: (-0.03, 0.15)}
_ELSEWHERE = (0.0, 0.10)


@dataclass(frozen=True, slots=True)
class Lean:
    """`lean`: 1 strength, -1 thrift, 0 as the router reads it; `propensity`: its probability, 1 without a coin."""

    lean: float
    propensity: float = 1.0
    randomised: bool = False


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimated uplift of the strong tier in a place on a level: mean and standard error, in quality 0..1."""

    mean: float
    error: float


Learned = Mapping[tuple[Place, Level], Effect]


def place_of(agent: int, agents: int, phase: Phase = "act") -> Place:
    """Planners count as first, integrators as last."""
    if phase == "integrate":
        return "last"
    if phase == "assign":
        return "first"
    return "last" if agent == agents - 1 else "first" if agent == 0 else "middle"


def prior(place: Place, level: Level | None) -> tuple[float, float]:
    """Mean and standard deviation of the uplift."""
    if level is None:
        return (0.0, 0.10)
    return (_MIDDLE if place == "middle" else _EDGE).get(level, _ELSEWHERE)


def uplift(place: Place, level: Level | None, learned: Learned) -> float:
    """Expected: the prior and what trials have shown, weighed by precision."""
    mean, sd = prior(place, level)
    shown = learned.get((place, level)) if level is not None else None
    if shown is not None and shown.error > 0:
        weight = sd**2 / (sd**2 + shown.error**2)
        mean += weight * (shown.mean - mean)
    return mean


def lean_plan(
    turns: Sequence[tuple[int, Phase]],
    agents: int,
    level: Level | None,
    *,
    learned: Learned,
    explore: float,
    seed: str,
    threshold: float = THRESHOLD,
    ratio: float = RATIO,
    units: float | None = None,
) -> dict[tuple[int, Phase], Lean]:
    """The leans of one run's turns. `explore`: share that is randomised; the same `seed` tosses the same coins.

    `threshold`: the uplift, in quality 0..1, that a strong model must be expected to bring to be preferred. `ratio`:
    what a strong call costs in cheap ones; `units`: the budget in cheap calls, None: no limit. Where strength is
    expected to pay in more turns than the budget covers, those with the largest uplift get it, the others lean to
    thrift.
    """
    plan: dict[tuple[int, Phase], Lean] = {}
    wanting: list[tuple[float, int, tuple[int, Phase]]] = []
    for order, (agent, phase) in enumerate(turns):
        toss = random.Random(f"{seed}/{agent}/{phase}")  # noqa: S311 - a trial's coin, guards nothing
        if phase != "intend" and toss.random() < explore:
            plan[agent, phase] = Lean(1.0 if toss.random() < COIN else -1.0, COIN, randomised=True)
            continue
        expected = uplift(place_of(agent, agents, phase), level, learned) if phase != "intend" else 0.0
        plan[agent, phase] = Lean(-1.0 if expected < -threshold else 0.0)
        if expected > threshold:
            wanting.append((-expected, order, (agent, phase)))
    left = None if units is None else units - sum(ratio if lean.lean > 0 else 1.0 for lean in plan.values())
    for _, _, turn in sorted(wanting):
        afford = left is None or left >= ratio - 1
        if left is not None and afford:
            left -= ratio - 1
        plan[turn] = Lean(1.0 if afford else -1.0)
    return plan
