"""Main effects from randomised seats: intervals that cover the truth, interactions included."""

from __future__ import annotations

import numpy as np

from levelhead.team.state import SeatTrial
from levelhead.team.uplift import LEAST_RUNS, effects, interval
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
