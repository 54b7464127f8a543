"""Teams through a real proxy: one budget over hundreds of agents, the proxy's books as witness."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from levelhead import Team
from levelhead.errors import BudgetExhausted, InvalidRequest, ModelNotFound, Unauthenticated, UpstreamUnavailable
from levelhead.team import ProxyRouter
from levelhead.testing import Refusal, Reply
from levelhead.types import Level, Usage

from .house import Proxy, Vendors

TASK = "Plan the cut-over of billing to the new ledger; legal and sales disagree about the date."
RUN_USD = 0.4


@pytest.fixture(scope="module")
def house(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    budgets = [{"scope": "run", "usd": RUN_USD}]
    with Proxy(tmp_path_factory.mktemp("teams"), running_vendors, keys={"team": {}}, budgets=budgets) as running:
        yield running


@pytest.fixture
def spoken(vendors: Vendors) -> Vendors:
    for vendor in vendors.all:
        vendor.answer = answered
    return vendors


def answered(body: Any) -> Reply:
    """What the agent was asked for, as both vendors' bodies hold it."""
    text = json.dumps(body["messages"][-1]["content"])
    found = re.search(r"You are agent (\d+) of", text)
    agent = int(found[1]) if found else 0
    said = {"role": f"role {agent}", "contribute": agent % 5 != 4, "why": "w", "used": [], "contribution": "work " * 30}
    return Reply(text=json.dumps(said))


def memory_kib(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


async def test_256_agents_on_one_budget(house: Proxy, spoken: Vendors) -> None:
    async with ProxyRouter(house.url, "sk-team") as router:
        grown = []
        for number, protocol in enumerate(("broadcast", "batched", "batched")):
            before = house.metric("cost_usd_total")
            team = Team(
                "m",
                agents=256,
                protocol=protocol,
                batch_size=32,
                budget_usd=RUN_USD,
                router=router,
                context_tokens=6_000,
            )
            run = await team.arun(TASK, run=f"wide-{number}")
            spent = house.metric("cost_usd_total") - before
            assert spent == Decimal(str(run.cost_usd)).quantize(Decimal("1e-9"))
            assert 0 < spent <= Decimal(str(RUN_USD))
            assert run.result
            assert run.calls + sum(turn.abstention == "budget" for turn in run.turns) == len(run.turns)
            assert run.emergence.contributing >= 150
            assert {turn.level for turn in run.turns if turn.called} == {run.level}
            grown.append(memory_kib(house.process.pid))
        assert grown[2] - grown[1] < 24_000  # KiB; the first runs fill what is bounded


async def test_a_poor_wide_team_still_answers(house: Proxy, spoken: Vendors) -> None:
    async with ProxyRouter(house.url, "sk-team") as router:
        run = await Team("m", agents=256, protocol="shared", budget_usd=0.004, router=router).arun(TASK, run="poor")
    assert run.result
    assert run.cost_usd <= 0.004
    assert run.emergence.abstentions["budget"] > 200
    assert run.budget_forced


async def test_the_proxys_own_budget_binds_a_team(house: Proxy, spoken: Vendors) -> None:
    """The team has no limit of its own; the operator's for a run holds all the same."""
    spoken.claude.answer = lambda body: Reply(text="w", usage=Usage(input=500, output=min(4_000, body["max_tokens"])))
    async with ProxyRouter(house.url, "sk-team") as router:
        team = Team("m", agents=64, protocol="shared", router=router, max_output_tokens=8_000, model="claude-sonnet")
        run = await team.arun(TASK, run="bound")
    assert 0 < run.cost_usd <= RUN_USD
    assert run.emergence.abstentions["budget"] > 0


async def test_errors_come_back_as_what_they_are(house: Proxy, vendors: Vendors) -> None:
    hello = [{"role": "user", "content": "hello"}]
    async with ProxyRouter(house.url + "/v1/", "sk-team") as router:
        told = await router.aexplain([{"role": "user", "content": "Say hello."}])
        assert told is not None
        assert told.level is Level.L1
        assert 0 < told.cheap_usd < told.dear_usd
        assert (await router.achat(hello, max_tokens=50)).text == "echo: hello"
        with pytest.raises(ModelNotFound):
            await router.achat(hello, model="nobody")
        with pytest.raises(InvalidRequest) as refused:
            await router.achat(hello, temperature="hot")
        assert refused.value.param == "temperature"
        with pytest.raises(BudgetExhausted):
            await router.achat(hello, max_cost_usd="0.0000001")
        vendors.claude.script(*[Refusal(status=529, type="overloaded_error", message="Overloaded")] * 4)
        with pytest.raises(UpstreamUnavailable):
            await router.achat(hello, model="claude-sonnet")
    async with ProxyRouter(house.url, "sk-nobody") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.achat(hello)
    async with ProxyRouter("http://127.0.0.1:1") as nowhere:
        assert await nowhere.aexplain(hello) is None
        with pytest.raises(UpstreamUnavailable) as lost:
            await nowhere.achat(hello, max_cost_usd=0.25)
        assert lost.value.cost_usd == 0.25  # what became of it isn't known


def test_blocking_runs_share_no_loop(house: Proxy, spoken: Vendors) -> None:
    team = Team("m", agents=2, router=ProxyRouter(house.url, "sk-team"))
    assert team.run(TASK).result == team.run(TASK).result
