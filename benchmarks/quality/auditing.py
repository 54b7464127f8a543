"""Recorded outcomes as traffic that is audited: levelhead's own auditor, ledger and estimator, answers as recorded."""

from __future__ import annotations

import asyncio
import random
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from levelhead.auditing import SCOPE, Auditing, Auditor
from levelhead.learn.tables import Table
from levelhead.passage import Passage
from levelhead.spend import Ledger, open_ledger
from levelhead.stats import AuditedLoss
from levelhead.testing import FakeClock
from levelhead.types import (
    NANOS_PER_USD,
    Answer,
    Assessment,
    Budget,
    Call,
    Chat,
    Decision,
    Identity,
    Key,
    Level,
    Model,
    Price,
    Reason,
    Spent,
    Usage,
    Verdict,
)
from levelhead.upstream import Health
from levelhead.wire.identity import Target

Floats = npt.NDArray[np.float64]

RATE = 0.02
CONFIDENCE = 0.95
LOOKS = (25, 50, 100, 150, 200, 300, 400)  # audits after which somebody looks at the interval
FIRST_MIDNIGHT = 1_790_035_200.0  # Unix seconds, UTC
KEY = Key("team")
_SHOWN = re.compile(r"<answer_([12])-\w+>\n(\w+) (\d+)\n")


def _model(name: str, tier: int, upstream: str, price: tuple[float, float]) -> Model:
    per = [usd / 1e6 for usd in price]
    return Model(name, str(tier), tier, "openai", upstream, Price(per[0], per[1], per[0], per[0], per[0]))


# Prices as of the recorded models' time, USD per million tokens.
EFFICIENT = _model("efficient", 0, "deepseek-v2.5", (0.14, 0.28))
STRONG = _model("strong", 1, "claude-3-5-sonnet", (3.0, 15.0))
JUDGE = _model("judge", 1, "gemini-1.5-pro", (1.25, 5.0))


@dataclass(frozen=True)
class Traffic:
    """A source under a fixed policy: what either tier scored on each prompt, and who of them is served."""

    name: str
    prompts: Sequence[str]
    efficient: Floats
    strong: Floats
    tokens: Floats  # of either answer
    served_efficiently: npt.NDArray[np.bool_]

    @property
    def loss(self) -> Floats:
        return np.where(self.served_efficiently, self.strong - self.efficient, 0.0)


def traffic_of(name: str, table: Table, served_efficiently: npt.NDArray[np.bool_]) -> Traffic:
    """`table`: prompts x (efficient, strong). Only scores that a judge's grades can say, which is nearly all."""
    whole = np.isin(table.score * 2, (0, 1, 2)).all(axis=1)
    tokens = np.nan_to_num(table.tokens, nan=300.0)
    prompts = [prompt for prompt, keep in zip(table.prompts, whole, strict=True) if keep]
    return Traffic(name, prompts, *table.score[whole].T, tokens[whole], served_efficiently[whole])


class Replay:
    """An upstream on which everybody answers as recorded, and the judge grades by the recorded scores."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    async def complete(self, call: Call) -> Answer:
        await asyncio.sleep(0)
        if call.model is not JUDGE:
            return self.answer(call.model, int(call.request_id or call.chat.model))
        shown = str(call.chat.messages[-1]["content"])
        scores = {"efficient": self._traffic.efficient, "strong": self._traffic.strong}
        grades = {at: round(2 * scores[who][int(row)]) for at, who, row in _SHOWN.findall(shown)}
        text = f'{{"answer_1": {grades["1"]}, "answer_2": {grades["2"]}}}'
        return _answer(text, Usage(input=len(shown) // 4, output=150))

    def answer(self, model: Model, row: int) -> Answer:
        tokens = self._traffic.tokens[row, model.tier_rank]
        usage = Usage(input=len(self._traffic.prompts[row]) // 4, output=int(tokens))
        return _answer(f"{model.name} {row}\n", usage)

    async def stream(self, call: Call) -> Any:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


@dataclass(frozen=True)
class Run:
    """What one day of traffic gave: the estimate with its bounds at each look, and what it cost."""

    estimate: float
    audits: int
    inside: bool  # at every look at once
    normal_inside: bool  # of the usual interval, at every look
    width: float
    spent_usd: float
    results: Counter[str]
    sampled: tuple[int, int]  # of either path: strong, efficient


class Day:
    """One run: `requests` drawn with replacement over a day, each with the coin's chance of being audited."""

    def __init__(self, traffic: Traffic, requests: int, seed: int) -> None:
        self._traffic = traffic
        self._truth = float(traffic.loss.mean())
        self._draws = np.random.default_rng(seed).integers(0, len(traffic.prompts), requests)
        self._replay = Replay(traffic)
        self._known, self._losses = AuditedLoss(), list[float]()
        self._inside = self._normal_inside = True
        self._results: Counter[str] = Counter()
        self._sampled = [0, 0]
        self._done = asyncio.Event()
        self._coin = random.Random(seed)

    async def run(self, ledger: Ledger, clock: FakeClock) -> Run:
        """`clock` stands at a midnight."""
        settings = Auditing(JUDGE, RATE, "benchmark", self._keep, self, ledger.windows, clock, self._coin.random)
        auditor = Auditor(
            settings, (EFFICIENT, STRONG), {"openai": self._replay}, ledger, Health(clock), _Nobody(), timeout=60
        )  # fmt: skip
        step = 86_000 / len(self._draws)
        for row in self._draws.tolist():
            clock.advance(step)
            if chance := auditor.draw():
                self._sampled[bool(self._traffic.served_efficiently[row])] += 1
                self._done.clear()
                passage = self._passage(row, chance, clock())
                assert passage.model is not None
                auditor.begin(passage, self._replay.answer(passage.model, row))
                await self._done.wait()
        await auditor.aclose()
        await ledger.flush()
        (balance,) = ledger.windows((SCOPE,))
        told = self._known.told((1 - CONFIDENCE) / 2)
        return Run(
            told.estimate, told.n, self._inside, self._normal_inside, told.upper - told.lower,
            balance.spent / NANOS_PER_USD, self._results, (self._sampled[0], self._sampled[1]),
        )  # fmt: skip

    def audited(self, result: str, slot: str, level: Level | None, bill: Sequence[Spent]) -> None:
        self._results[result] += 1
        self._done.set()

    async def _keep(self, verdict: Verdict, tier: str) -> None:
        audit = verdict.audit
        assert audit is not None
        assert audit.certifies
        self._known.add(audit.loss, audit.propensity)
        self._losses.append(audit.loss)
        if self._known.n in LOOKS:
            told = self._known.told((1 - CONFIDENCE) / 2)
            self._inside &= told.lower <= self._truth <= told.upper
            losses = np.array(self._losses)
            reach = 1.96 * losses.std() / losses.size**0.5
            self._normal_inside &= bool(abs(losses.mean() - self._truth) <= reach)

    def _passage(self, row: int, chance: float, at: float) -> Passage:
        model = EFFICIENT if self._traffic.served_efficiently[row] else STRONG
        prompt = self._traffic.prompts[row]
        messages = [{"role": "user", "content": prompt}]
        chat = Chat(
            "chat", {"messages": messages}, str(row), messages, text_bytes=len(prompt.encode()), output_cap=2_000
        )
        assessed = Assessment(Level.L2, 0.5, 0.9, {"efficient": 0.8, "strong": 0.9})
        reason = Reason.QUALITY_MET if model is EFFICIENT else Reason.UPLIFT
        decision = Decision(model, reason, 0.0, 0.0, (), (model,), assessed, 2_000, baseline=STRONG)
        passage = Passage(KEY, at, chat, Target("auto"), Identity(KEY), None)
        passage.decision, passage.model, passage.reason, passage.sampled = decision, model, reason, chance
        return passage


class _Nobody:
    def attempted(self, attempt: object) -> None: ...
    def finished(self, record: object) -> None: ...


def _answer(text: str, usage: Usage) -> Answer:
    return Answer({"choices": [{"message": {"role": "assistant", "content": text}}]}, usage, "stop")


def days(traffic: Traffic, requests: int, usd_per_day: float, runs: int, seed: int) -> list[Run]:
    """One after the other, on one ledger."""
    cap = round(usd_per_day * NANOS_PER_USD)
    memory = Path("/dev/shm")  # a disk would be most of the time that this takes
    folder = tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)

    async def all_of_them() -> list[Run]:
        clock, found = FakeClock(FIRST_MIDNIGHT), []
        with folder as name:
            ledger = open_ledger((Budget("audit", cap, SCOPE.name, "day"),), Path(name) / "state.db", clock=clock)
            assert isinstance(ledger, Ledger)
            for at in range(runs):
                clock.now = FIRST_MIDNIGHT + at * 86_400
                found.append(await Day(traffic, requests, seed + at).run(ledger, clock))
            await ledger.aclose()
        return found

    return asyncio.run(all_of_them())
