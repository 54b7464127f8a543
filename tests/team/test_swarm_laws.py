"""Laws of the protocols after biology, for teams of any size: how many calls, in how many steps, on what."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from cast import Heard, ScriptedRouter, answer, plain
from hypothesis import example, given, settings
from hypothesis import strategies as st

from levelhead.errors import BudgetExhausted
from levelhead.team import Team
from levelhead.team.answers import read_ranking
from levelhead.team.swarms import clones

sizes = st.integers(4, 256)
few = settings(max_examples=6)  # one of them plays up to 514 turns
WIDE = 10_000_000  # a window that nothing has to be cut for


def play(protocol: str, agents: int, respond=plain, **more):
    router = ScriptedRouter(respond)
    team = Team("mission", agents=agents, protocol=protocol, router=router, context_tokens=WIDE, **more)
    return router, asyncio.run(team.arun("task", run="r"))


@few
@given(sizes, st.data())
@example(256, None)
def test_stigmergic_sees_the_text_as_it_was_left_and_nothing_else(agents, data):
    silent = data.draw(st.sets(st.integers(1, agents - 1), max_size=agents - 1)) if data else set()

    def respond(heard: Heard) -> str:
        return answer("idle", "", contribute=False) if heard.agent in silent else plain(heard)

    router, run = play("stigmergic", agents, respond)
    assert (run.calls, len(router.calls), run.steps, router.most_at_once) == (agents, agents, agents, 1)
    left: list[str] = []
    for heard in router.calls:
        assert [entry["contribution"] for entry in heard.seen] == left
        if heard.agent not in silent:
            left = [f"work of {heard.agent}"]
    assert run.result == left[0]


@few
@given(sizes)
@example(256)
def test_morphogenetic_sees_two_neighbours(agents):
    router, run = play("morphogenetic", agents)
    assert run.calls == len(router.calls) == 2 * agents
    assert (run.steps, router.most_at_once) == (2, agents)
    stated, worked = router.calls[:agents], router.calls[agents:]
    assert all(heard.phase == "intend" and heard.seen == [] for heard in stated)
    for heard in worked:
        beside = [at for at in (heard.agent - 1, heard.agent + 1) if 0 <= at < agents]
        assert [(entry["agent"], entry["intention"]) for entry in heard.seen] == [(n, f"work of {n}") for n in beside]
    assert "You stand at 0.00 of the row." in worked[0].messages[-1]["content"]
    assert "You stand at 1.00 of the row." in worked[-1].messages[-1]["content"]
    assert run.final_agent is None
    assert run.result.count("[agent ") == agents


@few
@given(sizes, st.randoms(use_true_random=False))
@example(256, None)
def test_clonal_drafts_ranks_varies_and_chooses(agents, rng):
    order = list(range(agents))
    if rng:
        rng.shuffle(order)

    def respond(heard: Heard) -> str:
        return json.dumps({"ranking": order}) if heard.phase == "rank" else plain(heard)

    router, run = play("clonal", agents, respond)
    assert run.calls == len(router.calls) == 2 * agents + 2
    assert (run.steps, router.most_at_once) == (4, agents)
    drafts, (ranking, *varied), chosen = router.calls[:agents], router.calls[agents:-1], router.calls[-1]
    assert all(heard.phase == "draft" and heard.seen == [] for heard in drafts)
    assert (ranking.agent, sorted(ranking.sees)) == (0, list(range(agents)))
    parents = [heard.sees for heard in varied]
    assert all(len(seen) == 1 for seen in parents)
    ranks = [order.index(seen[0]) for seen in parents]
    assert ranks == sorted(ranks)
    assert ranks.count(0) == max(1, round(agents / 2))
    assert "small changes" in varied[0].messages[-1]["content"]
    assert (chosen.agent, chosen.phase, sorted(chosen.sees)) == (0, "integrate", list(range(agents)))
    assert (run.result, run.final_agent, len(run.contributions)) == ("work of 0", 0, agents)


@given(st.integers(1, 256), st.integers(1, 256))
def test_every_agent_has_a_draft_and_better_ones_no_fewer_clones(drafts, agents):
    found = clones(drafts, agents)
    counts = [found.count(rank) for rank in range(drafts)]
    assert len(found) == agents
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("ranking", ["no idea", '{"ranking": "best"}', "{}"])
def test_a_ranking_that_cannot_be_read_keeps_the_order_of_seats(ranking):
    def respond(heard: Heard) -> str:
        return ranking if heard.phase == "rank" else plain(heard)

    router, run = play("clonal", 6, respond)
    assert [heard.sees for heard in router.calls[7:13]] == [[0], [0], [0], [1], [1], [2]]
    assert [turn.malformed for turn in run.turns if turn.phase == "rank"] == [True]
    assert run.emergence.malformed == 1


def test_rankings_are_read_as_well_as_they_can_be():
    assert read_ranking('Here: {"ranking": [3, "agent 1", 3, null, true, -2, {"a": 1}]}') == (3, 1)


def test_clonal_without_drafts_still_answers():
    def respond(heard: Heard) -> str:
        return answer("idle", "", contribute=False) if heard.phase in ("draft", "rank") else plain(heard)

    _, run = play("clonal", 4, respond)
    assert (run.result, run.steps) == ("work of 0", 4)


@few
@given(sizes)
@example(256)
@example(255)
def test_ripple_wakes_each_once_by_those_nearer_to_the_source(agents):
    router, run = play("ripple", agents)
    assert run.calls == len(router.calls) == agents
    assert (run.steps, router.most_at_once) == (agents // 2 + 1, 2)
    assert sorted(heard.agent for heard in router.calls) == list(range(agents))
    for heard in router.calls:
        distance = min(heard.agent, agents - heard.agent)
        beside = {(heard.agent - 1) % agents, (heard.agent + 1) % agents}
        assert heard.sees == sorted(n for n in beside if min(n, agents - n) < distance)
    assert run.result.count("[agent ") == agents


@few
@given(st.integers(1, 3), st.sampled_from(["morphogenetic", "clonal", "stigmergic", "ripple"]))
def test_the_smallest_teams_have_a_result(agents, protocol):
    assert play(protocol, agents)[1].result


@pytest.mark.parametrize("protocol", ["morphogenetic", "clonal", "stigmergic", "ripple"])
def test_no_budget_is_overspent_and_a_result_is_left(protocol):
    class Dear(ScriptedRouter):
        async def achat(self, messages, **fields):
            most = float(fields["max_cost_usd"])
            if most < 0.001:
                raise BudgetExhausted("too little", scope="run")
            return replace(await super().achat(messages, **fields), cost_usd=min(most, 0.004))

    router = Dear(plain)
    run = asyncio.run(Team("m", agents=32, protocol=protocol, budget_usd=0.05, router=router).arun("task"))
    assert 0.02 < run.cost_usd <= 0.05
    assert run.result
    assert run.emergence.abstentions["budget"] > 0
