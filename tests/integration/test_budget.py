"""Budgets that hold, seen from outside: refusals, thrift, a rush on one budget, restarts and kills."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from levelhead.testing import Fault, Reply
from levelhead.types import Usage

from .conftest import PAIR
from .house import Proxy, Vendors, eventually
from .talk import Client, Said

# What each key may spend, USD; one by the month, which ends under fewer tests than a day does. At a cap of 8,192 tokens
# Claude reserves 8 cents, DeepSeek one.
PURSES = {
    "rich": 100.0,
    "monthly": 0.003,
    "modest": 0.02,
    "poor": 0.005,
    "beggar": 0.0001,
    "rushed": 0.02,
    "team-a": 10.0,
}
BUDGETS = [
    *(
        {"scope": "key", "name": name, "usd": usd, "per": "month" if name == "monthly" else None}
        for name, usd in PURSES.items()
    ),
    {"scope": "run", "name": "short", "usd": 0.002},
    {"scope": "slot", "name": "critic", "usd": 0.002, "per": "run"},
]
SETTINGS: dict[str, Any] = {
    "keys": {name: {"models": PAIR} for name in PURSES},
    "budgets": BUDGETS,
    "slots": {"critic": {"floor": "strong", "min_output_tokens": 100}},
    "goal": {"uncertified": "strong"},  # so that it is known what money rules out
}
# 100 tokens out and 10 in: $0.00102 of Claude, which reserves about $0.0014 for it.
DEAR = Reply(text="So be it.", usage=Usage(input=10, output=100))
PRICE = Decimal("0.00102")


@pytest.fixture(scope="module")
def bank(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("bank"), running_vendors, **SETTINGS) as proxy:
        yield proxy


def ask(client: Client, said: str = "?", **fields: Any) -> Said:
    return client.chat(said, **{"model": "claude-sonnet", "max_tokens": 100, **fields})


def test_a_spent_budget(bank: Proxy, vendors: Vendors) -> None:
    vendors.claude.answer = lambda body: DEAR
    client = bank.client("monthly")
    first, second, refused = (ask(client) for _ in range(3))
    assert first.cost == second.cost == PRICE
    assert Decimal(second.headers["x-levelhead-budget-remaining-usd"]) == Decimal("0.003") - 2 * PRICE
    assert refused.status == 429
    assert refused.error["type"] == refused.error["code"] == "insufficient_quota"
    assert refused.headers["x-should-retry"] == "false"
    assert "key monthly" in refused.error["message"]
    assert "until 20" in refused.error["message"]
    assert 0 < int(refused.headers["retry-after"]) <= 31 * 86_400
    left = Decimal("0.003") - 2 * PRICE
    assert client.balance("key:monthly") == (Decimal("0.003"), 2 * PRICE, 0, left)
    assert len(vendors.claude.requests) == 2
    vendors.claude.answer = None
    assert ask(client, max_tokens=20).status == 200  # a smaller request still fits


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("key", "model", "downgrade", "caps"),
    [
        ("rich", "claude-sonnet", None, range(8192, 8193)),
        ("modest", "deepseek-flash", "budget", range(8192, 8193)),
        ("poor", "deepseek-flash", "cap", range(256, 4200)),
    ],
)
def test_thrift_comes_before_refusal(
    bank: Proxy, vendors: Vendors, key: str, model: str, downgrade: str | None, caps: range, stream: bool
) -> None:
    """Cheaper model first, then a lower output cap, which the vendor is told."""
    client = bank.client(key)
    kinds = ("budget", "cap", "refused", "fallback")
    before = {kind: bank.metric("downgrades_total", reason=kind) for kind in kinds}
    fields = {"model": "auto", "max_tokens": None}
    if stream:
        with client.stream("?", **fields) as answer:
            headers = answer.headers
            assert "echo" in answer.text()
    else:
        headers = ask(client, **fields).headers
    reason = "budget" if downgrade else "only_eligible"
    assert (headers["x-levelhead-model"], headers["x-levelhead-reason"]) == (model, reason)
    (request,) = [request for vendor in vendors.all for request in vendor.requests]
    assert request.body["max_tokens"] in caps
    for kind in kinds:
        assert bank.metric("downgrades_total", reason=kind) - before[kind] == (kind == downgrade)


@pytest.mark.parametrize("model", ["auto", "claude-sonnet", "efficient"])
def test_nothing_fits(bank: Proxy, vendors: Vendors, model: str) -> None:
    client = bank.client("beggar")
    before = bank.metric("downgrades_total", reason="refused")
    refused = ask(client, model=model, max_tokens=None)
    assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")
    assert "key beggar" in refused.error["message"]
    assert bank.metric("downgrades_total", reason="refused") == before + 1
    assert vendors.asked == 0
    assert client.balance("key:beggar").remaining == Decimal("0.0001")


@pytest.mark.parametrize(
    ("headers", "model", "scope"),
    [
        ({"x-levelhead-run": "short"}, "claude-sonnet", "run"),
        ({"x-levelhead-run": "r1"}, "auto/critic", "slot"),
        ({"x-levelhead-run": "r2"}, "auto/critic", "slot"),
    ],
)
def test_runs_and_slots(bank: Proxy, vendors: Vendors, headers: dict[str, str], model: str, scope: str) -> None:
    """Each run has its own; the key pays, and isn't what refuses."""
    vendors.claude.answer = lambda body: DEAR
    client = bank.client("team-a")
    before = client.balance("key:team-a").spent
    assert ask(client, model=model, headers=headers).cost == PRICE
    refused = ask(client, model=model, headers=headers)
    assert refused.status == 429
    assert refused.error["message"].startswith(f"budget of {scope} team-a/{headers['x-levelhead-run']}")
    assert client.balance("key:team-a").spent - before == PRICE


def test_a_rush_on_one_budget(bank: Proxy, vendors: Vendors) -> None:
    """64 at once, streamed and not: whoever is served is paid for, and never more than there was."""
    vendors.claude.answer = lambda body: DEAR
    client = bank.client("rushed")

    def one(number: int) -> Decimal | None:
        if number % 2:
            answer = ask(client, f"{number}")
            assert answer.status == 200 or answer.error["code"] == "insufficient_quota"
            return answer.cost if answer.status == 200 else None
        with client.stream(f"{number}", model="claude-sonnet", max_tokens=100) as stream:
            *_, last = stream
        assert stream.done or last["error"]["code"] == "insufficient_quota"
        return Decimal(str(last["usage"]["cost_usd"])) if stream.done else None

    with ThreadPoolExecutor(64) as pool:
        costs = [cost for cost in pool.map(one, range(64)) if cost is not None]
    spent = sum(costs, Decimal())
    after = client.balance("key:rushed")
    assert 10 <= len(costs) == len(vendors.claude.requests)
    assert spent == after.spent <= after.limit
    assert after.reserved == 0
    assert bank.metric("budget_overrun_usd_total") == 0


def test_a_ledger_outlives_its_processes(vendors: Vendors, tmp_path: Path) -> None:
    """What was spent survives a stop; what a killed process had under way is charged, not forgotten."""
    vendors.claude.answer = lambda body: DEAR
    with Proxy(tmp_path, vendors, **SETTINGS) as first:
        assert ask(first.client("team-a")).cost == PRICE
        assert first.stop() in (0, -signal.SIGTERM)
    with Proxy(tmp_path, vendors, **SETTINGS) as second:
        client = second.client("team-a")
        assert client.balance("key:team-a").spent == PRICE
        vendors.claude.script(Fault("stall"))
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(ask, client)
            eventually(lambda: len(vendors.claude.requests) == 2, "the call is under way")
            reserved = client.balance("key:team-a").reserved
            assert reserved > PRICE / 2
            second.stop(signal.SIGKILL)
            assert isinstance(pending.exception(), ConnectionError)
    with Proxy(tmp_path, vendors, **SETTINGS) as third:
        client = third.client("team-a")
        eventually(lambda: client.balance("key:team-a").spent >= PRICE + reserved, "the reservation is charged")
        assert client.balance("key:team-a").spent <= 10
        assert ask(client).status == 200
