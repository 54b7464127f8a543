"""/metrics after real traffic: valid, complete, and right to the nanodollar."""

from __future__ import annotations

import shutil
import subprocess
from decimal import Decimal

import pytest

from levelhead.testing import Reply
from levelhead.types import Usage

from .house import Proxy, Vendors, eventually
from .talk import Client


@pytest.fixture(autouse=True)
def alone(proxy: Proxy) -> None:
    """No request of an earlier test is still under way: each reserves money of its key."""
    eventually(lambda: proxy.metric("budget_usd", kind="reserved") == 0, "all has ended")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool isn't installed (Debian: prometheus)")
def test_promtool(team: Client, proxy: Proxy) -> None:
    assert team.chat().status == 200
    page = proxy.client(None).get("/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=page.raw, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_formats(proxy: Proxy) -> None:
    client = proxy.client(None)
    assert client.get("/metrics").headers["content-type"].startswith("text/plain; version=")
    openmetrics = client.get("/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.raw.endswith(b"# EOF\n")


MONEY = ("cost_usd_total", "baseline_cost_usd_total", "saved_usd_total", "excess_usd_total")


def test_money_adds_up(team: Client, proxy: Proxy, vendors: Vendors) -> None:
    """Whole, streamed, cached and failed answers of every kind of token: metrics, headers and ledger agree."""
    before = {name: proxy.metric(name) for name in MONEY}
    requests, spent = proxy.metric("requests_total"), team.balance("key:team").spent
    used = Usage(input=1_003, cached_input=517, output=91)
    costs, baselines = [], []
    for model, vendor in (
        ("deepseek-flash", vendors.deepseek),
        ("gpt-mini", vendors.openai),
        ("claude-sonnet", vendors.claude),
    ):
        vendor.script(Reply(text="a", usage=used), Reply(text="b", usage=used))
        for temperature in (0, 0, 1):
            said = team.chat("add up", model=model, temperature=temperature)
            costs.append(said.cost)
            baselines.append(Decimal(said.headers["x-levelhead-baseline-cost-usd"]))
        assert (costs[-2], costs[-3]) == (0, costs[-1])
        with team.stream("add up", model=model) as stream:
            *_, last = stream
        costs.append(Decimal(str(last["usage"]["cost_usd"])))
    assert team.chat(model="nobody").status == 404
    moved = {name: proxy.metric(name) - before[name] for name in MONEY}
    assert moved["cost_usd_total"] == sum(costs) == team.balance("key:team").spent - spent
    assert moved["saved_usd_total"] - moved["excess_usd_total"] == moved["baseline_cost_usd_total"] - sum(costs)
    assert moved["baseline_cost_usd_total"] > sum(baselines) > sum(costs[::4])
    assert proxy.metric("requests_total") - requests == 13


def test_tokens_and_slots(team: Client, proxy: Proxy, vendors: Vendors) -> None:
    vendors.claude.script(
        Reply(text="a", usage=Usage(input=100, cached_input=10, cache_write=7, cache_write_1h=3, output=5))
    )
    kinds = {"input": 100, "cached_input": 10, "cache_write": 10, "output": 5}
    before = {kind: proxy.metric("tokens_total", slot="critic", type=kind) for kind in kinds}
    assert team.chat(model="critic").cost == Decimal("0.0002805")
    for kind, count in kinds.items():
        assert proxy.metric("tokens_total", slot="critic", type=kind) - before[kind] == count
    others = proxy.metric("requests_total", slot="other", outcome="ok")
    assert team.chat(headers={"x-levelhead-slot": "nobody-declared-me"}).status == 200
    assert proxy.metric("requests_total", slot="other", outcome="ok") - others == 1
    assert b"nobody-declared-me" not in proxy.client(None).get("/metrics").raw
