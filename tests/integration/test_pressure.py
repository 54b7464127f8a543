"""More than there is room for: who waits, who is turned away with what words, and that others are served."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from levelhead.testing import Fault

from .conftest import PAIR
from .house import Proxy, Vendors, eventually

LIMITS = {"in_flight": 3, "in_flight_per_key": 2, "in_flight_per_upstream": 1, "waiting": 2, "wait": 0.3}


@pytest.fixture(scope="module")
def narrow(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(
        tmp_path_factory.mktemp("narrow"),
        running_vendors,
        keys={"greedy": {"models": PAIR}, "modest": {"models": PAIR}},
        slots={"frugal": {"max_quality_loss": 1.0}},
        budgets=[{"scope": "key", "usd": 10}],
        limits=LIMITS,
    ) as proxy:
        yield proxy


def test_one_key_has_its_fill(narrow: Proxy, vendors: Vendors) -> None:
    greedy, modest = narrow.client("greedy"), narrow.client("modest")
    refused = narrow.metric("requests_total", outcome="refused")
    vendors.deepseek.script(Fault("stall"))
    vendors.claude.script(Fault("stall"))
    calls = [greedy.begin(model=model) for model in PAIR]
    eventually(lambda: vendors.asked == 2, "both are under way")
    said = greedy.chat("one more")
    assert (said.status, said.error["code"]) == (429, "rate_limit_exceeded")
    assert int(said.headers["retry-after"]) >= 1
    assert "x-should-retry" not in said.headers
    busy = modest.chat(model="deepseek-flash")
    assert (busy.status, busy.error["code"]) == (503, "upstream_busy")
    assert "x-should-retry" not in busy.headers
    assert int(busy.headers["retry-after"]) >= 1
    assert narrow.metric("breaker_state", model="deepseek-flash") == 0
    assert narrow.metric("requests_total", outcome="refused") - refused == 1
    for call in calls:
        call.close()
    eventually(lambda: all(modest.chat(model=model).status == 200 for model in PAIR), "there is room again")
    assert modest.balance("key:modest").reserved == 0


def test_a_full_upstream_leaves_the_answer_to_another(narrow: Proxy, vendors: Vendors) -> None:
    vendors.deepseek.script(Fault("stall"))
    call = narrow.client("greedy").begin(model="deepseek-flash")
    eventually(lambda: vendors.asked == 1, "one is under way")
    said = narrow.client("modest").chat(model="frugal")
    assert (said.status, said.model) == (200, "claude-sonnet")
    assert said.headers["x-levelhead-reason"] == "fallback"
    call.close()
