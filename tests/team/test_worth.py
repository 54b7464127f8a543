"""What trials teach: signs and sizes that are true, little from little, more from verdicts on contributions."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from levelhead.team.state import SeatTrial, TeamState
from levelhead.team.worth import LEAST_RUNS, MOST_SEATS, Place, worth
from levelhead.types import Level

PLACES: tuple[Place, ...] = ("first", "middle", "middle", "last")
WEIGHTS = np.array([0.1, 0.05, 0.25, 0.5])
OWN = {Level.L2: 0.3, Level.L4: -0.2}  # by how much strength betters a contribution


def trials(rng: np.random.Generator, runs: int, *, judged: bool, chance: float = 0.5) -> list[SeatTrial]:
    found = []
    for run in range(runs):
        level = (Level.L2, Level.L4)[run % 2]
        strong = rng.random(4) < chance
        good = rng.random(4) < 0.5 + OWN[level] * strong
        score = float(np.clip(0.1 + WEIGHTS @ good + rng.normal(0, 0.05), 0, 1))
        for seat, place in enumerate(PLACES):
            verdict = float(good[seat]) if judged else None
            trial = SeatTrial(f"r{run}", place, level, bool(strong[seat]), chance, score, f"s{seat}", verdict)
            found.append(trial)
    return found


def errors(runs: int, *, judged: bool) -> float:
    """Root mean squared, over seats, levels and repetitions."""
    found = []
    for seed in range(12):
        known = worth(trials(np.random.default_rng(seed), runs, judged=judged))
        for level, own in OWN.items():
            found += [
                known.expected(f"s{seat}", place, level) - WEIGHTS[seat] * own for seat, place in enumerate(PLACES)
            ]
    return float(np.sqrt(np.mean(np.square(found))))


def test_verdicts_teach_several_times_as_fast() -> None:
    alone, judged = errors(200, judged=False), errors(200, judged=True)
    assert judged < 0.5 * alone
    assert errors(1_600, judged=False) < 0.8 * alone


@pytest.mark.parametrize("judged", [True, False])
def test_signs_and_order_are_found(judged: bool) -> None:
    known = worth(trials(np.random.default_rng(1), 4_000, judged=judged))
    gains = [known.expected(f"s{seat}", place, Level.L2) for seat, place in enumerate(PLACES)]
    assert gains[3] > max(gains[:3])
    assert gains[2] > gains[1] > 0
    assert known.expected("s3", "last", Level.L4) < 0
    assert known.expected("s3", "last", None) == 0
    assert known.doubt("s3", "last", Level.L2) < 0.3


def test_a_seat_that_was_never_tried_is_known_by_its_place() -> None:
    known = worth(trials(np.random.default_rng(1), 1_500, judged=True))
    stranger = known.expected("other", "last", Level.L4)
    assert stranger < worth().expected("other", "last", Level.L4)
    assert known.doubt("other", "last", Level.L2) > known.doubt("s3", "last", Level.L2)


def test_few_runs_leave_the_prior() -> None:
    few = trials(np.random.default_rng(0), LEAST_RUNS - 1, judged=True)
    assert worth(few).expected("s3", "last", Level.L4) == worth().expected("s3", "last", Level.L4)
    assert worth(few).doubt("s3", "last", Level.L4) == 1


def test_seats_without_coins_teach_nothing_of_strength() -> None:
    """Their propensity is 0 or 1: whatever scores come, what strength is worth stays as the verdict's part says."""
    fixed = [SeatTrial(f"r{n}", "last", 3, n % 2 == 1, float(n % 2), 0.9 if n % 2 else 0.1, "s") for n in range(200)]
    assert worth(fixed).expected("s", "last", Level.L3) == pytest.approx(worth().expected("s", "last", Level.L3))


def test_many_slots_stay_cheap() -> None:
    rng = np.random.default_rng(0)
    found = [
        SeatTrial(f"r{run}", "middle", 3, bool(rng.random() < 0.5), 0.5, float(rng.random()), f"s{seat}")
        for run in range(40)
        for seat in range(256)
    ]
    assert len(worth(found).seats) == 3 + MOST_SEATS


def test_a_file_of_an_earlier_version_is_read_on(tmp_path: Path) -> None:
    path = tmp_path / "teams.db"
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE seat_trials(seq INTEGER PRIMARY KEY, run TEXT NOT NULL, place TEXT NOT NULL,"
            " level INTEGER NOT NULL, strong INTEGER NOT NULL, propensity REAL NOT NULL, score REAL NOT NULL)"
        )
        db.execute("INSERT INTO seat_trials VALUES (1, 'old', 'last', 3, 1, 0.5, 0.75)")
    db.close()
    state = TeamState(path)
    state.add_seat_trials([SeatTrial("new", "first", 4, False, 0.25, 0.5, "plan", 1.0)])
    old, new = state.seat_trials()
    assert old == SeatTrial("old", "last", 3, True, 0.5, 0.75)
    assert new == SeatTrial("new", "first", 4, False, 0.25, 0.5, "plan", 1.0)
    assert state.seat_trial_count() == 2
