"""Laws of the coordination protocols, for teams of any size: how many calls, in how many steps, on what."""

from __future__ import annotations

import asyncio
import json

from cast import Heard, ScriptedRouter, answer, plain
from hypothesis import example, given, settings
from hypothesis import strategies as st

from levelhead.team import Team
from levelhead.team.purse import Purse
from levelhead.team.record import Turn
from levelhead.team.transcript import excerpt

sizes = st.integers(4, 256)
few = settings(max_examples=6)  # one of them plays up to 512 turns
WIDE = 10_000_000  # a window that nothing has to be cut for


def play(protocol: str, agents: int, respond=plain, **more):
    router = ScriptedRouter(respond)
    team = Team("mission", agents=agents, protocol=protocol, router=router, context_tokens=WIDE, **more)
    return router, asyncio.run(team.arun("task", run="r")), team


@few
@given(sizes)
@example(256)
def test_sequential_sees_all_before(agents):
    router, run, _ = play("sequential", agents)
    assert (run.calls, len(router.calls), run.steps, router.most_at_once) == (agents, agents, agents, 1)
    for heard in router.calls:
        assert [entry["contribution"] for entry in heard.seen] == [f"work of {n}" for n in range(heard.agent)]
    assert [turn.sees for turn in run.contributions] == [tuple(range(n)) for n in range(agents)]
    assert (run.result, run.final_agent) == (f"work of {agents - 1}", agents - 1)
    assert run.emergence.hierarchy_depth == agents


@few
@given(sizes, st.integers(1, 64))
@example(256, 1)
@example(255, 16)
def test_batched_sees_earlier_groups_only(agents, size):
    router, run, _ = play("batched", agents, batch_size=size)
    assert run.calls == len(router.calls) == agents
    assert run.steps == -(-agents // size)
    assert router.most_at_once == min(size, agents)
    for heard in router.calls:
        first = heard.agent - heard.agent % size
        assert heard.sees == list(range(first))
        assert heard.at == first  # nobody starts before the group before it has ended
    assert run.final_agent == agents - 1


@few
@given(sizes, st.data())
def test_coordinator_plans_works_and_integrates(agents, data):
    phases = {n: data.draw(st.integers(1, 4)) for n in range(1, min(agents, 12))}
    rows = [{"agent": n, "role": f"given {n}", "phase": phase} for n, phase in phases.items()]

    def respond(heard: Heard) -> str:
        return json.dumps({"assignments": rows}) if heard.phase == "assign" else plain(heard)

    router, run, _ = play("coordinator", agents, respond)
    everyone = {n: phases.get(n, 1) for n in range(1, agents)}
    assert run.calls == len(router.calls) == agents + 1
    assert run.steps == 2 + len(set(everyone.values()))
    for heard in router.calls[1:-1]:
        assert sorted(heard.sees) == [n for n, phase in everyone.items() if phase < everyone[heard.agent]]
        if heard.agent in phases:
            assert f"Your role: given {heard.agent}." in heard.messages[-1]["content"]
    assert (router.calls[0].agent, router.calls[0].sees) == (0, [])
    assert (router.calls[-1].agent, sorted(router.calls[-1].sees)) == (0, list(range(1, agents)))
    assert (run.result, run.final_agent, len(run.contributions)) == ("work of 0", 0, agents)


@few
@given(sizes)
def test_broadcast_shows_intentions_to_all_and_work_to_nobody(agents):
    router, run, _ = play("broadcast", agents)
    assert run.calls == len(router.calls) == 2 * agents
    assert (run.steps, router.most_at_once) == (2, agents)
    intents, decisions = router.calls[:agents], router.calls[agents:]
    assert all(heard.phase == "intend" and heard.seen == [] for heard in intents)
    for heard in decisions:
        assert [(entry["agent"], entry["intention"]) for entry in heard.seen] == [
            (n, f"work of {n}") for n in range(agents)
        ]
    assert run.final_agent is None
    assert [run.result.index(f"work of {n}\n") for n in range(agents - 1)] == sorted(
        run.result.index(f"work of {n}\n") for n in range(agents - 1)
    )


@few
@given(sizes)
def test_shared_shows_roles_of_earlier_tasks_only(agents):
    router, run, team = play("shared", agents)
    assert (run.calls, run.steps, router.most_at_once) == (agents, 1, agents)
    assert all(heard.seen == [] for heard in router.calls)
    router.calls.clear()
    asyncio.run(team.arun("next task"))
    roles = {str(n): f"role {n}" for n in range(agents)}
    assert all(heard.seen == [{"roles": roles}] for heard in router.calls)
    assert "work of" not in router.calls[0].messages[-1]["content"]


@few
@given(sizes, st.sampled_from(["sequential", "batched", "broadcast", "shared"]), st.data())
def test_whoever_abstains_is_shown_as_such_and_costs_no_result(agents, protocol, data):
    silent = data.draw(st.sets(st.integers(0, agents - 1), max_size=agents - 1))

    def respond(heard: Heard) -> str:
        if heard.phase == "act" and heard.agent in silent:
            return answer("idle", "", contribute=False, why="nothing to add")
        return plain(heard)

    _, run, _ = play(protocol, agents, respond)
    assert run.emergence.abstentions == {"voluntary": len(silent), "directed": 0, "budget": 0}
    assert run.emergence.contributing == agents - len(silent)
    assert run.result


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.text(max_size=400), st.booleans()), max_size=12),
    st.integers(0, 3_000),
)
def test_an_excerpt_fits_and_the_newest_goes_last(texts, room):
    turns = [
        Turn(n, "s", "act", n, "contributed" if spoke else "abstained", role="r", text=text if spoke else "")
        for n, (text, spoke) in enumerate(texts)
    ]
    found = excerpt(turns, room)
    assert len(found.text.encode()) <= room
    assert list(found.sees) == list(range(len(turns)))[len(turns) - len(found.sees) :]
    assert "<" not in found.text
    shown = [json.loads(line) for line in found.text.splitlines()]
    assert [entry["agent"] for entry in shown if "agent" in entry] == list(found.sees)
    for entry in shown:
        whole = texts[entry["agent"]][0] if "agent" in entry else ""
        assert entry.get("contribution", "").removesuffix(" [cut]") in whole
    if found.cut == 0:
        assert len(found.sees) == len(turns)


@given(
    st.integers(0, 10**9),
    st.lists(st.tuples(st.floats(0.1, 5), st.floats(0, 1), st.integers(1, 4)), min_size=1, max_size=40),
    st.floats(1, 16),
)
def test_a_purse_never_gives_out_more_than_it_holds(budget, plan, headroom):
    purse = Purse(budget, {n: need for n, (need, _, _) in enumerate(plan)}, len(plan) - 1, headroom)
    at = 0
    while at < len(plan):
        group = range(at, min(at + plan[at][2], len(plan)))
        taken = purse.take(*group)
        assert purse.spent + purse.left + sum(taken) == budget
        assert all(amount >= 0 for amount in taken)
        for n, amount in zip(group, taken, strict=True):
            purse.settle(amount, int(amount * plan[n][1]))
        assert 0 <= purse.spent <= budget
        assert purse.spent + purse.left == budget
        at = group[-1] + 1
