"""Main effects from randomised seats: intervals that cover the truth, interactions included."""

from __future__ import annotations

import numpy as np
import pytest

from levelhead.team.state import SeatTrial
from levelhead.team.uplift import LEAST_RUNS, by_slot, effects, interval
from levelhead.types import Level


def trials(rng: np.random.Generator, runs: int) -> list[SeatTrial]:
    """Four seats; a strong last seat helps only where the first is strong too: .2 at best, .1 on average."""
    found = []
    for run in range(runs):
        coins = rng.random(4) < 0.5
        score = 0.5 + 0.1 * coins[0] + 0.2 * coins[3] * coins[0] - 0.05 * coins[1:3].sum() + rng.normal(0, 0.15)
        for seat, place in enumerate(("first", "middle", "middle", "last")):
            found.append(SeatTrial(f"r{run}", place, 3, bool(coins[seat]), 0.5, float(score)))
    return found


def test_intervals_cover_main_effects() -> None:
    rng = np.random.default_rng(0)
    truth = {"first": 0.2, "middle": -0.05, "last": 0.1}
    covered = dict.fromkeys(truth, 0)
    for _ in range(300):
        found = effects(trials(rng, 80))
        for place, effect in truth.items():
            low, high = interval(found[place, Level.L3])  # type: ignore[index]
            covered[place] += low <= effect <= high
    assert min(covered.values()) >= 0.92 * 300


def test_too_few_runs_say_nothing() -> None:
    rng = np.random.default_rng(0)
    assert effects(trials(rng, LEAST_RUNS - 1)) == {}
    assert len(effects(trials(rng, LEAST_RUNS))) == 3


def test_only_what_coins_decided_counts() -> None:
    rng = np.random.default_rng(0)
    some = [trial for trial in trials(rng, 50) if trial.place != "last"]
    assert {place for place, _ in effects(some)} == {"first", "middle"}


def test_slots_have_main_effects_over_all_levels() -> None:
    rng = np.random.default_rng(0)
    found = [
        SeatTrial(t.run, t.place, 1 + int(t.run[1:]) % 4, t.strong, t.propensity, t.score, f"{t.place}-slot")
        for t in trials(rng, 1_200)
    ]
    shown = by_slot(found)
    assert shown["first-slot"].mean == pytest.approx(0.2, abs=0.03)
    assert shown["middle-slot"].mean == pytest.approx(-0.05, abs=0.03)
    assert shown["last-slot"].runs == 1_200
    assert by_slot(trials(rng, 100)) == {}  # no names, no slots


def test_uneven_and_changing_chances_leave_no_bias() -> None:
    """Strength is made likelier where it helps, and where tasks are easier: the mean of scores would mislead."""
    rng = np.random.default_rng(0)
    found = []
    for run in range(4_000):
        easy = rng.random() < 0.5
        chance = 0.85 if easy else 0.2
        strong = rng.random() < chance
        found.append(SeatTrial(f"r{run}", "first", 3, strong, chance, 0.3 + 0.4 * easy + 0.05 * strong, "s"))
    low, high = interval(by_slot(found)["s"])
    assert low <= 0.05 <= high
    assert high - low < 0.06
