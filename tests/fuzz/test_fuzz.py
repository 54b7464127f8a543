"""A taste of each target; `python -m tests.fuzz --seconds 600` is the meal."""

from __future__ import annotations

import random

import orjson
import pytest

from levelhead.config import from_mapping
from levelhead.errors import LevelheadError
from levelhead.passage import Ask
from levelhead.types import Dialect, Key

from .targets import ENVIRONMENT, FILE, REQUESTS, TARGETS, house

ROUNDS = {"cache_file": 5, "config": 60}


@pytest.mark.parametrize("dialect", REQUESTS)
def test_what_is_damaged_is_sound_before(dialect: Dialect):
    pipeline, _ = house()
    pipeline.explain(Ask(orjson.dumps(REQUESTS[dialect]), {}, Key("team"), dialect))
    from_mapping(FILE, env=ENVIRONMENT)


@pytest.mark.parametrize("name", TARGETS)
def test_no_damage_crashes_it(name: str):
    for seed in range(ROUNDS.get(name, 250)):
        try:
            TARGETS[name](random.Random(f"{name} {seed}"))
        except LevelheadError:
            continue
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
