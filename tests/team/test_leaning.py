"""Which seats strength is bought for: by rule before any trial, by worth and money, by coins of a known chance."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelhead.team.coins import toss, within
from levelhead.team.leaning import RAREST, Lean, Money, lean_plan, place_of, upgraded
from levelhead.team.worth import PLACES, Worth, worth
from levelhead.types import Level


def known(uplifts: dict[str, list[float]]) -> Worth:
    """By place, on L1 to L4, beyond doubt."""
    mean = np.array([uplifts[place] for place in PLACES])
    return Worth({("", place): at for at, place in enumerate(PLACES)}, mean, np.full(mean.shape, 1e-9))


def plan_of(agents: int, level: Level | None = None, **more: Any) -> list[Lean]:
    turns: Any = [(at, "act") for at in range(agents)]
    slots = [f"s{at}" for at in range(agents)]
    given = {"worth": worth(), "seed": "s", **more}
    return list(lean_plan(turns, slots, level, **given).values())


def leans(plan: list[Lean]) -> list[float]:
    return [one.lean for one in plan]


def test_places() -> None:
    assert [place_of(n, 4) for n in range(4)] == ["first", "middle", "middle", "last"]
    assert (place_of(0, 4, "integrate"), place_of(2, 4, "assign")) == ("last", "first")


@pytest.mark.parametrize("level", [Level.L3, Level.L4])
def test_before_any_trial_edges_of_hard_tasks_are_strong(level: Level) -> None:
    assert leans(plan_of(4, level)) == [1, -1, -1, 1]
    assert leans(plan_of(4, Level.L1)) == leans(plan_of(4, Level.L2)) == leans(plan_of(4)) == [0, 0, 0, 0]


def test_the_prior_of_l4_is_weaker_than_that_of_l3() -> None:
    for place in PLACES:
        assert 0 < worth().expected("", place, Level.L4) < worth().expected("", place, Level.L3)


@pytest.mark.parametrize(
    ("units", "expected"),
    [(None, [1, 1, 1, 1]), (4, [-1, -1, -1, -1]), (13, [-1, -1, -1, 1]), (22, [1, -1, -1, 1]), (31, [1, 1, -1, 1])],
)
def test_strength_goes_where_it_is_worth_most_of_what_a_budget_covers(units: float, expected: list[int]) -> None:
    sure = known({"first": [0.1] * 4, "middle": [0.05] * 4, "last": [0.2] * 4})
    assert leans(plan_of(4, Level.L3, worth=sure, money=Money(10.0, units))) == expected


def test_an_average_moves_money_from_levels_where_it_buys_little() -> None:
    """Two strong calls on average over four levels that come alike: L3's four seats, then the best of L2's."""
    sure = known({"first": [0.01, 0.05, 0.2, -0.1], "middle": [0.0, 0.02, 0.1, -0.1], "last": [0.01, 0.06, 0.3, -0.1]})
    money = Money(10.0, None, 4 + 1.5 * 9, (5, 5, 5, 5))
    plans = {level: plan_of(4, level, worth=sure, money=money) for level in Level}
    assert leans(plans[Level.L3]) == [1, 1, 1, 1]
    assert leans(plans[Level.L2]) == [1, -1, -1, 1]
    assert leans(plans[Level.L1]) == leans(plans[Level.L4]) == [-1, -1, -1, -1]
    rarely = Money(10.0, None, 4 + 2.01 * 9, (8, 8, 2, 2))  # hard tasks are rare: there is money for all of L2's seats
    assert leans(plan_of(4, Level.L2, worth=sure, money=rarely)) == [1, 1, 1, 1]


def test_an_average_is_met_where_one_seat_more_would_be_too_much() -> None:
    sure = known({"first": [0.2] * 4, "middle": [0.1] * 4, "last": [0.3] * 4})
    money = Money(10.0, None, 4 + 1.25 * 9, (0, 1, 0, 0))
    found = [plan_of(4, Level.L2, worth=sure, money=money, seed=str(n)) for n in range(800)]
    assert sum(one.lean > 0 for plan in found for one in plan) / 800 == pytest.approx(1.25, abs=0.05)
    for plan in found:
        assert plan[3] == Lean(1.0)
        assert plan[0] in (Lean(1.0, pytest.approx(0.25)), Lean(-1.0, pytest.approx(0.75)))


def test_coins_are_fair_independent_and_written_down() -> None:
    tossed = [plan_of(8, explore=1.0, seed=str(number)) for number in range(800)]
    assert {one.propensity for plan in tossed for one in plan} == {0.5}
    table = np.array([leans(plan) for plan in tossed])
    assert np.abs(table.mean(axis=0)).max() < 0.15
    together = np.corrcoef(table.T) - np.eye(8)
    assert np.abs(together).max() < 0.15


def test_exploring_fades_as_doubt_narrows() -> None:
    sure = known({"first": [0.1] * 4, "middle": [-0.1] * 4, "last": [0.1] * 4})
    plan = plan_of(4, Level.L3, worth=sure, explore=0.5)
    rare = 0.5 * RAREST * 0.5
    chances = [one.propensity if one.lean > 0 else 1 - one.propensity for one in plan]
    assert chances == pytest.approx([1 - rare, rare, rare, 1 - rare])
    fresh = plan_of(4, Level.L3, explore=0.5)
    assert [one.propensity if one.lean > 0 else 1 - one.propensity for one in fresh] == pytest.approx(
        [0.75, 0.25, 0.25, 0.75]
    )


def test_coins_never_ask_for_more_than_the_budget_covers() -> None:
    plans = [plan_of(6, Level.L3, explore=1.0, seed=str(n), money=Money(10.0, 6 + 2.5 * 9)) for n in range(600)]
    table = np.array([leans(plan) for plan in plans]) > 0
    assert table.sum(axis=1).max() == 2
    chances = np.array([[p.propensity if p.lean > 0 else 1 - p.propensity for p in plan] for plan in plans])
    assert table.mean(axis=0) == pytest.approx(chances.mean(axis=0), abs=0.06)


def test_what_others_leave_buys_strength_where_it_gains_most() -> None:
    """Money for one strong call beside four cheap ones; agents 1 and 2 missed it, 2 by more."""
    turns: Any = [(at, "act") for at in range(4)]
    missed = dict(zip(turns, (Lean(1.0), Lean(-1.0, missed=0.05), Lean(-1.0, missed=0.1), Lean(0.0)), strict=True))
    for calls, starting, found in (
        (14, turns, []),  # what the plan needs: 10 + 3
        (22, turns, [turns[2]]),
        (22, turns[:2], []),  # kept for agent 2
        (31, turns, [turns[2], turns[1]]),
        (31, turns[:2], [turns[1]]),
    ):
        assert upgraded(missed, starting, turns, calls, 10.0) == found
    assert upgraded(missed, turns[1:2], turns[1:2], 10, 10.0) == [turns[1]]  # the others are through
    assert [one.missed for one in plan_of(4, Level.L3, money=Money(10.0, 13))] == [0, 0, 0, pytest.approx(0.06)]


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=6), st.integers(0, 6))
def test_the_chances_written_down_are_exact(chances: list[float], most: int) -> None:
    """Against all ways in which the coins can fall."""
    allowed, strong = 0.0, np.zeros(len(chances))
    for fallen in product((False, True), repeat=len(chances)):
        chance = float(np.prod([p if up else 1 - p for p, up in zip(chances, fallen, strict=True)]))
        if sum(fallen) <= most:
            allowed += chance
            strong += chance * np.array(fallen)
    assert within(chances, min(most, len(chances))) == pytest.approx(strong / allowed)


def test_coins_that_cannot_be_kept_to_are_refused() -> None:
    with pytest.raises(ValueError, match="for sure"):
        toss([1.0, 1.0], 1, random.Random(0))
