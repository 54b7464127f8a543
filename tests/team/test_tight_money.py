"""Agents that start at once on too little money: as many as it covers are served, whoever comes later isn't starved."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from cast import ScriptedRouter, plain
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead.errors import BudgetExhausted
from levelhead.team import Team
from levelhead.team.purse import Purse
from levelhead.types import PROTOCOLS, Level


class Dear(ScriptedRouter):
    """A call costs a dollar cent; with less it is refused."""

    price = 0.01
    refused = 0

    async def achat(self, messages, **fields):
        if float(fields["max_cost_usd"]) < self.price:
            self.refused += 1
            raise BudgetExhausted("too little", scope="run")
        return replace(await super().achat(messages, **fields), cost_usd=self.price)


def play(protocol: str, agents: int, budget_usd: float):
    router = Dear(plain)
    team = Team("m", agents=agents, protocol=protocol, budget_usd=budget_usd, batch_size=8, router=router)
    return router, asyncio.run(team.arun("task"))


@pytest.mark.parametrize("protocol", ["shared", "batched", "coordinator"])
def test_what_is_left_goes_to_fewer(protocol: str) -> None:
    router, run = play(protocol, 64, 0.205)
    assert run.result
    assert 15 <= run.calls <= 20
    assert run.cost_usd <= 0.205
    assert router.refused < 8 * 64


@settings(max_examples=60)
@given(st.sampled_from(PROTOCOLS), st.integers(2, 40), st.floats(0.011, 0.5))
def test_a_run_that_can_pay_for_one_call_has_a_result_and_never_overspends(protocol, agents, budget):
    try:
        _, run = play(protocol, agents, budget)
    except BudgetExhausted:
        assert budget < 0.02  # two calls at once, each with a half of it
        return
    assert run.result
    assert run.cost_usd <= budget
    assert run.calls <= budget / Dear.price + 1e-9


@given(st.integers(0, 10**9), st.lists(st.floats(0.1, 5), min_size=2, max_size=20), st.integers(1, 30))
def test_parts_are_equal_and_come_out_of_the_purse(budget, needs, parts):
    purse = Purse(budget, dict(enumerate(needs)), 0)
    assert sum(purse.due(turn) for turn in range(len(needs))) <= budget
    given_out = purse.share(purse.due(0, 1), parts)
    assert len(set(given_out)) == 1
    assert 0 <= sum(given_out) <= purse.due(0, 1) + budget
    assert purse.left + sum(given_out) == budget


def test_the_final_turn_keeps_what_a_call_costs() -> None:
    purse = Purse(1_000, dict.fromkeys(range(100), 1.0), 99, least=200)
    (early,) = purse.take(0)
    assert early <= 800
    purse.settle(early, early)
    rest = purse.take(*range(1, 99))
    assert purse.left >= 200
    assert sum(rest) + early <= 800


@pytest.mark.parametrize(("cheaper", "leans"), [(1.0, [1, -1, -1, -1]), (0.1, [1, -1, -1, 1])])
def test_a_seat_that_money_kept_from_strength_gets_it_when_others_cost_less(cheaper: float, leans: list[int]) -> None:
    """Foreseen: 0.2 cents a cheap call, 2 a strong one; the budget covers one strong call and the first seat has it."""

    class Foreseeing(ScriptedRouter):
        def explain(self, messages, **fields):
            models = [SimpleNamespace(tier_rank=rank, name=str(rank)) for rank in (0, 1)]
            pairs = zip(models, (0.001, 0.01), strict=True)
            able = [SimpleNamespace(eligible=True, model=model, expected_cost_usd=cost) for model, cost in pairs]
            return SimpleNamespace(level=Level.L3, candidates=able, model=models[0])

        async def achat(self, messages, **fields):
            cost = 0.02 if float(fields.get("lean", 0)) > 0 else 0.002
            outcome = await super().achat(messages, **fields)
            return replace(outcome, cost_usd=min(cost * cheaper, float(fields["max_cost_usd"])))

    run = Team("m", agents=4, budget_usd=0.028, router=Foreseeing(plain), pacing=256).run("task")
    assert [turn.lean for turn in run.contributions] == leans
    assert run.cost_usd <= 0.028
