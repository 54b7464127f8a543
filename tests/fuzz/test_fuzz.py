"""A taste of each target; `python -m tests.fuzz --seconds 600` is the meal."""

from __future__ import annotations

import random

import pytest

from levelhead.errors import LevelheadError

from .targets import TARGETS

ROUNDS = {"cache_file": 5, "config": 60}


@pytest.mark.parametrize("name", TARGETS)
def test_no_damage_crashes_it(name: str):
    for seed in range(ROUNDS.get(name, 250)):
        try:
            TARGETS[name](random.Random(f"{name} {seed}"))
        except LevelheadError:
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
