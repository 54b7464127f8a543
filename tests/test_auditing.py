"""Audits behind the pipeline, upstreams being fakes: who is picked, who is asked, what is learnt from it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import yaml

from levelhead.assemble import rooms_of
from levelhead.auditing import SCOPE, Auditing, Auditor, hold_to
from levelhead.check import DEFAULT_ACCEPTANCE
from levelhead.config import load
from levelhead.difficulty import Corrections
from levelhead.learning import Learner
from levelhead.observe.journal import open_journal
from levelhead.passage import Ask
from levelhead.policy import Certificate, Promises
from levelhead.router import Pipeline
from levelhead.spend import Ledger, open_ledger
from levelhead.testing import FakeClock, FakeUpstream, answer_of
from levelhead.types import NANOS_PER_USD, Answer, Audited, Budget, Call, Key, Level, Spent, Verdict
from levelhead.upstream import Health

EASY = "Translate 'cat' into French"
HARD = "Prove that there are infinitely many primes congruent to 3 mod 4, then bound their density."
PRICES = {"cheap": (0.3, 1.2), "mid": (0.5, 2.0), "best": (2.0, 10.0), "judge": (1.0, 4.0)}
UPSTREAM = {"cheap": "deepseek-v4", "mid": "qwen-3", "best": "claude-sonnet-5-5", "judge": "gemini-3-pro"}
CONFIG: dict[str, Any] = {
    "models": {
        name: {
            "tier": "strong" if name in ("best", "judge") else "efficient", "wire": "openai", "model": UPSTREAM[name],
            "base_url": "http://127.0.0.1:1/v1", "price": {"input": PRICES[name][0], "output": PRICES[name][1]},
        }
        for name in PRICES
    },
    "slots": {"lax": {"max_quality_loss": 1}, "drafts": {"cascade": "always"}},
    "cascade": "off",
}  # fmt: skip
KEY = Key("team", models=frozenset({"cheap", "best"}))
DRAFTERS = Key("drafters", models=frozenset({"cheap", "mid", "best"}))


class Bench:
    """A pipeline that audits every request unless `rate` says otherwise; what was kept, told and asked."""

    def __init__(self, folder: Path, *, rate: float = 1.0, usd: float = 5.0, seed: int = 1, **config: Any) -> None:
        file = folder / "levelhead.yaml"
        file.write_text(yaml.safe_dump(CONFIG | config))
        self.clock = FakeClock()
        self.kept: list[Verdict] = []
        self.told: Counter[str] = Counter()
        self.ended = asyncio.Event()
        self.bills: list[Sequence[Spent]] = []
        self.says: Callable[[Call], str] = lambda call: f"{call.model.name} says so"
        self.grades = '{"answer_1": 2, "answer_2": 1}'
        budgets = (Budget("audit", round(usd * NANOS_PER_USD), SCOPE.name, "day"),)
        ledger = open_ledger(budgets, folder / "state.db", clock=self.clock)
        assert isinstance(ledger, Ledger)
        self.ledger = ledger
        rooms = rooms_of(load(file, env={"LEVELHEAD_HOME": str(folder)}), self.clock)
        self.upstream = FakeUpstream(*[self._answer] * 10_000)
        settings = Auditing(
            rooms.models["judge"], rate, "p1", self._keep, self, ledger.windows, self.clock, random.Random(seed).random
        )
        self.auditor = Auditor(
            settings, tuple(rooms.models.values()), {"openai": self.upstream}, ledger, Health(self.clock),
            rooms.observer, timeout=60,
        )  # fmt: skip
        rooms = replace(rooms, upstreams={"openai": self.upstream}, ledger=ledger, auditor=self.auditor)
        self.pipeline = Pipeline(rooms)

    def audited(self, result: str, slot: str, level: Level | None, bill: Sequence[Spent]) -> None:
        self.told[result] += 1
        self.ended.set()
        self.bills.append(bill)

    async def ask(self, said: str = EASY, *, key: Key = KEY, slot: str = "lax", **fields: Any) -> str:
        """The model that answered; once its audit has ended, if it was picked."""
        self.ended.clear()
        body = {"model": f"auto/{slot}", "messages": [{"role": "user", "content": said}], **fields}
        reply = await self.pipeline.respond(Ask(orjson.dumps(body), {}, key))
        if reply.chunks is not None:
            async for _ in reply.chunks:
                pass
        if reply.passage.sampled:
            await asyncio.wait_for(self.ended.wait(), 30)
        assert reply.passage.model is not None
        return reply.passage.model.name

    def _answer(self, call: Call) -> Answer:
        return answer_of(call, self.grades if call.model.name == "judge" else self.says(call))

    async def _keep(self, verdict: Verdict, tier: str) -> None:
        self.kept.append(verdict)

    @property
    def audit(self) -> Audited:
        found = self.kept[-1].audit
        assert found is not None
        return found


def on(folder: Path, work: Callable[[Bench], Any], **settings: Any) -> Bench:
    async def run() -> Bench:
        bench = Bench(folder, **settings)
        await work(bench)
        await bench.pipeline.aclose()
        return bench

    return asyncio.run(run())


def test_both_paths_are_picked_by_the_same_coin(tmp_path: Path) -> None:
    """200 requests of either path at a rate of a fifth, by a seeded coin: each path's count is a binomial's."""
    served: Counter[str] = Counter()

    async def work(bench: Bench) -> None:
        for at in range(200):
            for said, slot in ((EASY, "lax"), (HARD, "strict")):
                served[await bench.ask(f"{said} {at}", slot=slot)] += 1

    bench = on(tmp_path, work, rate=0.2, seed=5, slots={"lax": {"max_quality_loss": 1}, "strict": {"cascade": "off"}},
               goal={"max_quality_loss": 0})  # fmt: skip
    assert served == {"cheap": 200, "best": 200}
    paths = Counter(one.audit.path for one in bench.kept if one.audit)
    assert bench.told == {"judged": paths.total()}
    for path in ("efficient", "strong"):
        assert abs(paths[path] - 40) <= 3 * (200 * 0.2 * 0.8) ** 0.5
    assert {one.audit.propensity for one in bench.kept if one.audit} == {0.2}


def test_without_a_rate_nothing_is_picked(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        for _ in range(20):
            await bench.ask()

    bench = on(tmp_path, work, rate=0.0)
    assert (len(bench.upstream.calls), bench.told) == (20, Counter())


def test_a_draft_that_was_discarded_is_what_the_strong_answer_is_compared_with(tmp_path: Path) -> None:
    """Nobody is asked twice for it, and its trust is the one it was discarded with."""
    other = iter(("41", "42"))

    async def work(bench: Bench) -> None:
        bench.says = lambda call: "I know: 42" if call.model.name == "best" else f"The answer is {next(other)}."
        assert await bench.ask("How much is 6 x 7?", key=DRAFTERS, slot="drafts") == "best"

    bench = on(tmp_path, work)
    assert [call.model.name for call in bench.upstream.calls] == ["mid", "cheap", "best", "judge"]
    audit = bench.audit
    assert (audit.path, audit.route, audit.other) == ("strong", "cascade", "mid")
    assert audit.trust < DEFAULT_ACCEPTANCE
    assert [spent.model.name for spent in bench.bills[-1]] == ["judge"]


def test_a_draft_that_passed_is_compared_with_a_strong_answer(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        bench.says = lambda call: "The answer is 42."
        assert await bench.ask("How much is 6 x 7?", key=DRAFTERS, slot="drafts") == "mid"

    bench = on(tmp_path, work)
    assert [call.model.name for call in bench.upstream.calls] == ["mid", "cheap", "best", "judge"]
    audit = bench.audit
    assert (audit.path, audit.route, audit.other) == ("efficient", "cascade", "best")
    assert audit.trust >= DEFAULT_ACCEPTANCE


def test_in_shadow_mode_the_policy_s_own_choice_is_audited(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        assert await bench.ask() == "best"

    bench = on(tmp_path, work, mode="shadow", shadow={"serve": "best"})
    assert bench.kept[-1].model == "best"
    assert (bench.audit.path, bench.audit.other) == ("efficient", "cheap")


@pytest.mark.parametrize(
    ("judge", "certifies"), [("gemini-3-pro", True), ("claude-haiku-5", False), ("deepseek-r9", False)]
)
def test_a_judge_of_either_family_never_certifies(tmp_path: Path, judge: str, certifies: bool) -> None:
    async def work(bench: Bench) -> None:
        await bench.ask()

    models = {**CONFIG["models"], "judge": {**CONFIG["models"]["judge"], "model": judge}}
    bench = on(tmp_path, work, models=models)
    assert bench.audit.certifies is certifies
    promises = Promises([Certificate("p", "direct", "", "", 0.0, 0.02, 0.95, 100, 0, 0.01, 1.0, "exact")], "p")
    for _ in range(40):
        hold_to(promises, replace(bench.kept[-1], audit=replace(bench.audit, efficient=0.0, strong=1.0)), {})
    (certificate,) = promises.certificates()
    assert certificate.valid is not certifies


def test_the_day_s_last_money_goes_to_neither_path(tmp_path: Path) -> None:
    """Once a worst case isn't covered no other audit starts before midnight, however cheap: it would be a choice."""

    async def work(bench: Bench) -> None:
        while not bench.told["budget"]:
            await bench.ask("word " * 50, max_tokens=1_000)
        spent = bench.told["judged"]
        for _ in range(3):
            await bench.ask("hi", max_tokens=1)
        assert bench.told == {"judged": spent, "budget": 4}
        bench.clock.advance(86_400)
        await bench.ask("hi", max_tokens=1)
        assert bench.told["judged"] == spent + 1

    bench = on(tmp_path, work, usd=0.06)
    assert bench.told["judged"] > 3


def test_what_can_never_be_paid_ends_nothing(tmp_path: Path) -> None:
    async def work(bench: Bench) -> None:
        await bench.ask("word " * 20_000)
        assert bench.told == {"budget": 1}
        await bench.ask(max_tokens=10)
        assert bench.told == {"budget": 1, "judged": 1}

    on(tmp_path, work, usd=0.06)


def test_what_is_set_aside_is_the_same_for_either_path(tmp_path: Path) -> None:
    reserved = []

    async def work(bench: Bench) -> None:
        def says(call: Call) -> str:
            reserved.append(bench.ledger.balances()[0].reserved)
            return "so"

        bench.says = says
        for slot in ("loose", "tight"):
            await bench.ask(HARD, slot=slot, max_tokens=500)

    bench = on(tmp_path, work, slots={"loose": {"max_quality_loss": 1}, "tight": {}}, goal={"max_quality_loss": 0})
    assert Counter(one.audit.path for one in bench.kept if one.audit) == {"efficient": 1, "strong": 1}
    (first, second) = [amount for amount in reserved if amount]
    assert first == second


@pytest.mark.parametrize("certifies", [True, False])
def test_an_audit_teaches_both_tiers_unless_the_judge_is_a_relative(tmp_path: Path, certifies: bool) -> None:
    audit = Audited(
        "efficient", "direct", 0.9, 0.02, 0.0, 1.0, "best", 1.0, 0.9, "judge", certifies, served_first=True, policy="p",
        cost_usd=0.01,
    )  # fmt: skip
    size = 3
    learnt: list[tuple[Verdict, bool]] = []

    async def work() -> Learner:
        corrections = Corrections(np.ones((2, size)))
        journal = open_journal(tmp_path / "state.db")
        clock = FakeClock(100.0)
        learner = Learner(journal, corrections, lambda *_: None, clock, lambda *told: learnt.append(told))
        for at in range(3):
            verdict = (f"dec_{at}", "team", None, "cheap", Level.L1, -1.0, 0.8, (0.5,) * size, 0.0, "audit", 99.0 + at)
            await learner.audit(Verdict(*verdict, audit), "efficient")
        assert corrections.count("team") == (6 if certifies else 0)
        await learner.aclose()
        return learner

    asyncio.run(work())
    assert [new for _, new in learnt] == [False, True, True]
    assert learnt[0][0].audit == audit
