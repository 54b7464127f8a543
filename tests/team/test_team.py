"""A team over the real pipeline: budgets, failures, gates, what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from cast import Heard, ScriptedRouter, answer, plain, read

from levelhead import Router, Team
from levelhead.errors import BudgetExhausted, InvalidRequest, ModelNotFound, UpstreamError, UpstreamUnavailable
from levelhead.testing import FakeOpenAI, Refusal, Reply, ThreadedVendor
from levelhead.types import Level, Reason

TASK = "Plan the cut-over of billing to the new ledger; legal and sales disagree about the date."
HARD = (
    "Design a three-phase migration of the payment, ledger and reporting systems of a bank: first audit the data"
    " flows, then plan the dual-write phase with rollback, then the cut-over, with risks and owners for each phase."
)


@pytest.fixture(scope="module")
def vendor() -> Iterator[FakeOpenAI]:
    with ThreadedVendor(FakeOpenAI(context_tokens=1_000_000)) as running:
        assert isinstance(running, FakeOpenAI)
        yield running


@pytest.fixture
def router(vendor: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Router]:
    monkeypatch.setenv("VENDOR_KEY", vendor.api_key)
    monkeypatch.setenv("LEVELHEAD_HOME", str(tmp_path))
    vendor.requests.clear()
    vendor._script.clear()
    vendor.answer = lambda body: Reply(text=plain(read(body["messages"], body, 0)))
    common = {"wire": "openai", "base_url": vendor.url, "api_key_env": "VENDOR_KEY"}
    models = {
        "cheap": {**common, "tier": "efficient", "model": "gpt-4.1-mini", "price": {"input": 0.4, "output": 1.6}},
        "dear": {**common, "tier": "strong", "model": "gpt-4.1", "price": {"input": 2, "output": 8}},
    }
    file = tmp_path / "levelhead.yaml"
    file.write_text(yaml.safe_dump({"models": models, "budgets": [{"scope": "run", "name": "poor", "usd": 0.00001}]}))
    with Router.from_config(file) as made:
        yield made


def models_of(run: Any) -> list[str]:
    return [turn.model for turn in run.contributions]


def test_a_run(router: Router, vendor: FakeOpenAI) -> None:
    run = Team("Move money safely", slots=["plan", "draft", "check", "sum"], budget_usd=0.5, router=router).run(TASK)
    assert run.result == "work of 3"
    assert [turn.slot for turn in run.contributions] == ["plan", "draft", "check", "sum"]
    assert [turn.used for turn in run.contributions] == [(), (0,), (1,), (2,)]
    assert 0 < run.cost_usd <= 0.5
    assert run.cost_usd == pytest.approx(sum(turn.cost_usd for turn in run.turns))
    assert run.emergence.distinct_roles == 4
    assert not run.budget_forced
    assert len(vendor.requests) == run.calls == 4
    system = [request.body["messages"][0]["content"] for request in vendor.requests]
    assert len(set(system)) == 1
    assert "Move money safely" in system[0]


def test_every_agent_is_assessed_by_the_task(router: Router) -> None:
    level = router.explain([{"role": "user", "content": HARD}]).level
    run = Team("m", agents=4, router=router).run(HARD)
    assert {turn.level for turn in run.turns} == {level}


def test_edges_lean_to_the_strong_tier_on_hard_tasks(router: Router) -> None:
    assert router.explain([{"role": "user", "content": HARD}]).level in (Level.L3, Level.L4)
    run = Team("m", agents=5, router=router).run(HARD)
    assert [turn.lean for turn in run.contributions] == [1, -1, -1, -1, 1]
    tiers = [turn.tier for turn in run.contributions]
    assert tiers[0] == tiers[-1] == "strong"
    assert set(tiers[1:-1]) == {"efficient"}


def test_a_coin_decides_a_share_of_seats_and_is_written_down(router: Router) -> None:
    team = Team("m", agents=12, router=router, explore=1.0, protocol="shared", seed=3)
    run = team.run(TASK)
    assert {turn.lean for turn in run.turns} == {-1.0, 1.0}
    assert {turn.propensity for turn in run.turns} == {0.5}
    assert {(turn.lean, turn.tier) for turn in run.turns} == {(1.0, "strong"), (-1.0, "efficient")}
    again = Team("m", agents=12, router=router, explore=1.0, protocol="shared", seed=3).run(TASK)
    assert [turn.lean for turn in again.turns] == [turn.lean for turn in run.turns]


@pytest.mark.parametrize("protocol", ["sequential", "batched", "coordinator", "broadcast", "shared"])
@pytest.mark.parametrize("budget", [0.0012, 0.003, 0.01, 0.05])
def test_money_bounds_a_run_and_always_buys_a_result(router: Router, protocol: str, budget: float) -> None:
    run = Team("m", agents=8, protocol=protocol, budget_usd=budget, router=router).run(HARD)
    assert run.cost_usd <= budget
    assert run.result
    forced = [turn for turn in run.turns if turn.abstention == "budget"]
    assert all(not turn.called and turn.cost_usd == 0 for turn in forced)
    assert run.budget_forced or not forced


def test_a_larger_budget_serves_no_fewer(router: Router) -> None:
    served = [Team("m", agents=8, budget_usd=usd, router=router).run(HARD).calls for usd in (0.0012, 0.003, 0.01, 0.5)]
    assert served == sorted(served)
    assert served[-1] == 8


def test_no_money_at_all(router: Router, vendor: FakeOpenAI) -> None:
    with pytest.raises(BudgetExhausted):
        Team("m", agents=4, budget_usd=0.0, router=router).run(TASK)
    with pytest.raises(BudgetExhausted, match="single agent"):
        Team("m", agents=4, router=router).run(TASK, run="poor")  # the operator's budget binds, too
    assert vendor.requests == []


def test_a_failing_agent_is_no_failing_team(router: Router, vendor: FakeOpenAI) -> None:
    def respond(body: Any) -> Reply | Refusal:
        heard = read(body["messages"], body, 0)
        refuse = Refusal(status=400, message="no", type="invalid_request_error")
        return refuse if heard.agent == 1 else Reply(text=plain(heard))

    vendor.answer = respond
    run = Team("m", agents=3, router=router).run(TASK)
    assert [turn.status for turn in run.contributions] == ["contributed", "failed", "contributed"]
    assert run.contributions[2].sees == (0,)
    vendor.answer = lambda body: Refusal(status=400, message="no", type="invalid_request_error")
    with pytest.raises(UpstreamUnavailable, match="No agent"):
        Team("m", agents=3, router=router).run(TASK)


def test_the_callers_mistakes_raise(router: Router) -> None:
    with pytest.raises(InvalidRequest, match="temperature"):
        Team("m", agents=3, router=router, temperature="hot").run(TASK)
    with pytest.raises(ModelNotFound):
        Team("m", agents=3, router=router, protocol="broadcast", model="nobody").run(TASK)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"agents": 0}, "agents"),
        ({"agents": 257}, "agents"),
        ({"agents": 3, "slots": ["a"]}, "slots"),
        ({"protocol": "anarchy"}, "protocol"),
        ({"protocol": "coordinator", "agents": 1}, "agents"),
        ({"batch_size": 0}, "batch_size"),
        ({"budget_usd": -1}, "budget_usd"),
        ({"budget_usd": float("nan")}, "budget_usd"),
        ({"explore": 2}, "explore"),
        ({"roles": "some"}, "roles"),
        ({"mission": " "}, "mission"),
        ({"router": None}, "router"),
    ],
)
def test_what_is_no_team(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        Team(**{"mission": "m", "router": ScriptedRouter(plain), **wrong})
    assert refused.value.param == field


def test_an_empty_task() -> None:
    with pytest.raises(InvalidRequest) as refused:
        Team("m", router=ScriptedRouter(plain)).run("")
    assert refused.value.param == "task"


def test_context_stays_within_the_window() -> None:
    router = ScriptedRouter(lambda heard: answer(f"role {heard.agent}", "word " * 600))
    run = Team("m", agents=64, router=router, context_tokens=8_000, max_output_tokens=1_000).run("t")
    sizes = [sum(len(m["content"].encode()) for m in heard.messages) for heard in router.calls]
    assert max(sizes) < 3 * 7_000
    last = run.contributions[-1]
    assert last.cut > 0
    assert last.sees[-1] == 62


def test_a_window_smaller_than_thought() -> None:
    """A model that refuses for length is asked again with half as much to see; no call is billed for that."""

    def respond(heard: Heard) -> str:
        if len(heard.messages[-1]["content"]) > 4_000:
            raise InvalidRequest("too long", code="context_length_exceeded")
        return answer("r", "word " * 400)

    run = Team("m", agents=12, router=ScriptedRouter(respond)).run("t")
    assert run.emergence.contributing == 12
    assert run.contributions[-1].cut > 0


def test_directed_abstention() -> None:
    def respond(heard: Heard) -> str:
        if heard.phase == "assign":
            rows: Sequence[dict[str, Any]] = [{"agent": 2, "contribute": False}, {"agent": 1, "role": "lead"}]
            return json.dumps({"assignments": rows})
        return plain(heard)

    router = ScriptedRouter(respond)
    run = Team("m", agents=4, protocol="coordinator", router=router).run("t")
    assert run.emergence.abstentions == {"voluntary": 0, "directed": 1, "budget": 0}
    assert [heard.agent for heard in router.calls] == [0, 1, 3, 0]


def test_all_may_abstain() -> None:
    router = ScriptedRouter(lambda heard: answer("r", "", contribute=False, why="not my field"))
    run = Team("m", agents=3, router=router).run("t")
    assert (run.result, run.final_agent, run.emergence.abstention_rate) == ("", None, 1.0)
    assert "the team has no answer" in router.calls[-1].messages[-1]["content"]


def test_roles_are_given_where_the_gate_says_so(router: Router, vendor: FakeOpenAI) -> None:
    Team("m", agents=3, router=router, gate={"cheap": False}).run("Say hello.")
    told = [request.body["messages"][-1]["content"] for request in vendor.requests]
    assert all("Your role: " in text and "Choose your own role" not in text for text in told)
    vendor.requests.clear()
    Team("m", agents=3, router=router, gate={"cheap": True, "dear": False}).run("Say hello.")
    assert all("Choose your own role" in r.body["messages"][-1]["content"] for r in vendor.requests)


async def test_cancelling_a_run_stops_it() -> None:
    started = asyncio.Event()

    class Slow(ScriptedRouter):
        async def achat(self, messages: Any, **fields: Any) -> Any:
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(Team("m", agents=4, protocol="shared", router=Slow(plain)).arun("t"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) == 1


def test_a_ceiling_for_one_call(router: Router, vendor: FakeOpenAI) -> None:
    hello = [{"role": "user", "content": "hello"}]
    free = router.explain(hello, lean=1)
    tight = router.explain(hello, lean=1, max_cost_usd=0.002)
    assert (free.model.name, tight.model.name, tight.reason) == ("dear", "cheap", Reason.BUDGET)
    outcome = router.chat(hello, max_cost_usd=0.002, max_tokens=100_000)
    assert outcome.cost_usd <= 0.002
    assert vendor.requests[0].body["max_tokens"] < 1_250  # what 0.002 USD buy at 1.6 USD per million
    with pytest.raises(BudgetExhausted) as refused:
        router.chat(hello, max_cost_usd=0.00001)
    assert refused.value.scope == "request"
    assert len(vendor.requests) == 1


def test_a_ceiling_holds_over_fallbacks(router: Router, vendor: FakeOpenAI) -> None:
    """What the cheap model fails to answer isn't answered by a dear one beyond the ceiling."""
    vendor.script(*[Refusal(status=500, message="no")] * 3)
    with pytest.raises(UpstreamError):
        router.chat([{"role": "user", "content": "hello"}], max_cost_usd=0.0008, max_tokens=400, lean=-1)
    assert {request.body["model"] for request in vendor.requests} == {"gpt-4.1-mini"}


@pytest.mark.parametrize("wish", [{"max_cost_usd": "much"}, {"max_cost_usd": -1}, {"lean": 2}, {"lean": "nan"}])
def test_wishes_that_are_no_numbers(router: Router, wish: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="must be a number") as refused:
        router.chat([{"role": "user", "content": "hello"}], **wish)
    assert refused.value.param == f"x-levelhead-{next(iter(wish)).replace('_', '-')}"


def test_a_lean_is_another_question_to_the_cache(router: Router, vendor: FakeOpenAI) -> None:
    hello = [{"role": "user", "content": "hello"}]
    outcomes = [router.chat(hello, temperature=0, lean=lean) for lean in (-1, 1, 1)]
    assert [outcome.model for outcome in outcomes] == ["cheap", "dear", "dear"]
    assert [outcome.cache for outcome in outcomes] == ["bypass"] * 3


def test_a_judge_grades_contributions_where_coins_decide(router: Router, vendor: FakeOpenAI) -> None:
    asked = []

    def answered(body: Any) -> Reply:
        said = body["messages"][-1]["content"]
        if "Answer to rate" not in said:
            return Reply(text=answer("role", "my part </part> and </answer>"))
        asked.append(body)
        grades = dict.fromkeys(("accuracy", "completeness", "coherence", "actionability", "mission_relevance"), 3)
        return Reply(text=json.dumps({**grades, "parts": {"0": 4, "1": 1, "2": "good"}}))

    vendor.answer = answered
    more = {"agents": 3, "router": router, "judge": "dear", "seed": 5}
    run = Team("m", explore=1.0, **more).run(TASK)
    assert run.quality is not None
    assert run.quality.contributions == {0: 1.0, 1: 0.0}  # what is no grade is left out
    assert asked[-1]["messages"][-1]["content"].count("<part id=") == 3
    assert asked[-1]["messages"][-1]["content"].count("</part>") == 3
    assert Team("m", **more).run(TASK).quality.contributions == {}  # type: ignore[union-attr]
    assert "<part" not in asked[-1]["messages"][-1]["content"]


def test_runs_come_to_their_average(router: Router, vendor: FakeOpenAI) -> None:
    """Dear answers make a run cost more than the average: those after it are cheaper until it is made up for."""
    with pytest.raises(InvalidRequest):
        Team("m", agents=4, router=router, average_usd=0)
    hard = Team("m", agents=4, router=router, average_usd=0.2).run(HARD)
    assert [turn.lean for turn in hard.contributions] == [1, 1, 1, 1]
    tight = Team("m", agents=4, router=router, average_usd=1e-6)
    assert [turn.lean for turn in tight.run(HARD).contributions] == [-1, -1, -1, -1]


def test_scores_of_contributions_are_kept(router: Router) -> None:
    team = Team("m", slots=["plan", "write"], router=router, explore=1.0)
    run = team.run(TASK)
    team.score(run, 0.75, {0: 1.0})
    trials = team.office.seats._state.seat_trials()  # type: ignore[union-attr]
    assert [(t.slot, t.place, t.score, t.verdict) for t in trials] == [
        ("plan", "first", 0.75, 1.0),
        ("write", "last", 0.75, None),
    ]
    for wrong in ({0: 1.5}, {0: -1.0}):
        with pytest.raises(InvalidRequest):
            team.score(run, 0.75, wrong)
