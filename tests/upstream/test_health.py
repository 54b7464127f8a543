"""The breaker, told by a fake clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelhead.testing import FakeClock
from levelhead.upstream import Health


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def health(clock) -> Health:
    return Health(clock, threshold=3, rest=10, longest=30)


def fail(health: Health, times: int = 1, **options) -> None:
    for _ in range(times):
        health.record("m", False, **options)


def test_opens_after_failures_in_a_row_only(health):
    fail(health, 2)
    health.record("m", True)
    fail(health, 2)
    assert health.state("m") == "closed"
    fail(health)
    assert (health.state("m"), health.available("m")) == ("open", False)
    assert health.available("another")


def test_one_trial_at_a_time(health, clock):
    fail(health, 3)
    clock.advance(10)
    assert (health.state("m"), health.available("m")) == ("half_open", True)
    assert health.available("m")  # asking changes nothing
    health.begin("m")
    assert not health.available("m")
    health.record("m", True)
    assert health.state("m") == "closed"


def test_failed_trials_rest_longer_up_to_a_bound(health, clock):
    fail(health, 3)
    for rest in (10, 20, 30, 30):
        clock.advance(rest - 0.1)
        assert not health.available("m")
        clock.advance(0.1)
        assert health.available("m")
        health.begin("m")
        fail(health)


def test_calls_that_were_under_way_dont_prolong_the_rest(health, clock):
    fail(health, 50)
    clock.advance(10)
    assert health.available("m")


def test_a_trial_that_never_ends_doesnt_block(health, clock):
    fail(health, 3)
    clock.advance(10)
    health.begin("m")
    clock.advance(10)
    assert health.available("m")


def test_retry_after_prolongs_the_rest_within_bounds(health, clock):
    fail(health, 3, retry_after=20)
    clock.advance(19)
    assert not health.available("m")
    clock.advance(1)
    assert health.available("m")
    health.record("m", True)
    fail(health, 3, retry_after=9999)
    clock.advance(30)
    assert health.available("m")


@given(st.lists(st.one_of(st.booleans(), st.just("begin"), st.floats(0, 100))))
def test_it_always_comes_back(steps):
    clock = FakeClock()
    health = Health(clock, threshold=3, rest=10, longest=30)
    for step in steps:
        if step == "begin":
            health.begin("m")
        elif isinstance(step, bool):
            health.record("m", step)
        else:
            clock.advance(step)
        assert health.available("m") == (health.state("m") != "open")
    clock.advance(60)
    assert health.available("m")
