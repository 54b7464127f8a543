"""Audits: a random sample of requests is also put to the other tier, after the answer is out, and both are graded.

Requests of both paths are sampled alike, by a coin that knows nothing of them. Everything happens behind the client's
back and on the operator's own budget: what is dropped (too many at once, no money left, a caller whose own budgets
are tight) is counted, and never waited for. What was asked and answered is held in memory while its audit runs.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, cast

from .check import JUDGE_TOKENS, LONGEST_ANSWER, family, judgement, message_of, read_judgement, said_in, text_of
from .deciding import output_cap
from .errors import BudgetExhausted, LevelheadError, Overloaded, UpstreamError, UpstreamTimeout
from .pairing import Pair, pair_of
from .passage import Passage, slot_label
from .policy import Promises, paired_of
from .ports import Ledger, Observer, Upstream
from .spend import cost, input_bound, worst_case, worst_rates
from .types import (
    NANOS_PER_USD,
    Answer,
    Audited,
    Balance,
    Call,
    Chat,
    Level,
    Model,
    Nanos,
    Reservation,
    Scope,
    Spent,
    Usage,
    Verdict,
    Wire,
)
from .upstream import Attempts, Health

log = logging.getLogger("levelhead.auditing")

SCOPE = Scope("audit", "all")
SOURCE = "audit"
PATIENCE = 3.0  # seconds that closing waits for audits under way
MOST_AT_ONCE = 4  # of each worker
TIGHT = 0.1  # of a caller's budget: with less left, none of its requests are audited

Result = Literal["judged", "unreadable", "failed", "budget", "busy", "tight", "cancelled", "lost"]


class Told(Protocol):
    """Metrics: how an audit ended, and what it paid for."""

    def audited(self, result: str, slot: str, level: Level | None, bill: Sequence[Spent]) -> None: ...


@dataclass(frozen=True, slots=True)
class Auditing:
    """The operator's settings. `keep` takes a verdict and the tier it is on; raises `OSError` where it can't.

    `balances`: of some scopes, each in its current window. `coin`: uniform in [0, 1).
    """

    judge: Model
    rate: float
    policy: str
    keep: Callable[[Verdict, str], Awaitable[object]]
    told: Told
    balances: Callable[[Sequence[Scope]], Sequence[Balance]]
    clock: Callable[[], float]
    coin: Callable[[], float] = field(default_factory=lambda: random.Random().random)  # noqa: S311 - a sample, no secret
    most_at_once: int = MOST_AT_ONCE


class Auditor:
    """Lives in one event loop. `timeout`: seconds for each call."""

    def __init__(
        self,
        settings: Auditing,
        models: Sequence[Model],
        upstreams: Mapping[Wire, Upstream],
        ledger: Ledger,
        health: Health,
        observer: Observer,
        *,
        timeout: float,
    ) -> None:
        self._settings = settings
        self._models = tuple(models)
        self._top = max(model.tier_rank for model in models)
        self._upstreams = upstreams
        self._ledger = ledger
        self._health = health
        self._observer = observer
        self._timeout = timeout
        self._running: set[asyncio.Task[None]] = set()
        self._closing = False
        self._rests_until = 0.0  # Unix seconds

    def draw(self) -> float:
        """Whether the next request is sampled: the chance it had if so, else 0."""
        rate = self._settings.rate
        return rate if self._settings.coin() < rate else 0.0

    def begin(self, passage: Passage, served: Answer) -> None:
        """Starts the audit of a sampled request whose answer is complete and paid; returns at once."""
        settings = self._settings
        pair = pair_of(passage, served, self._models, self._health.available)
        if pair is None:
            return
        if self._closing or len(self._running) >= settings.most_at_once:
            self._told("busy", pair)
        elif settings.clock() < self._rests_until:
            self._told("budget", pair)
        elif any(b.remaining < TIGHT * b.limit for b in settings.balances(passage.scopes)):
            self._told("tight", pair)
        else:
            task = asyncio.get_running_loop().create_task(self._run(pair))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def aclose(self, within: float = PATIENCE) -> None:
        """Waits for what is running, at most `within` seconds; the rest is cancelled, and charged what it may cost."""
        self._closing = True
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, pair: Pair) -> None:
        bill: list[Spent] = []
        result: Result = "failed"
        reservation = await self._reserve(pair)
        if reservation is None:
            self._told("budget", pair)
            return
        try:
            result = await self._compare(pair, bill)
        except asyncio.CancelledError:
            result = "cancelled"
            raise
        except Exception as error:
            log.error("an audit failed: %s", type(error).__name__)  # no more: a message may quote the request
        finally:
            await self._ledger.settle(reservation, sum(round(one.cost_usd * NANOS_PER_USD) for one in bill))
            self._told(result, pair, bill)

    async def _compare(self, pair: Pair, bill: list[Spent]) -> Result:
        """Asks, has it judged, keeps the verdict."""
        passage, judge, answer = pair.passage, self._settings.judge, pair.answered
        if answer is None:
            answer = await self._ask(self._call_other(pair), passage.at, bill)
            if answer is None:
                return "failed"
        served_first = self._settings.coin() < 0.5
        texts = said_in(pair.served), said_in(answer)
        chat = _judged_chat(passage.chat, texts if served_first else texts[::-1])
        said = await self._ask(Call(chat, judge, _judge_cap(judge), self._timeout), passage.at, bill)
        if said is None:
            return "failed"
        scores = read_judgement(text_of(message_of(said)))
        if scores is None:
            return "unreadable"
        verdict = self._verdict(pair, scores if served_first else scores[::-1], served_first, bill)
        try:
            await self._settings.keep(verdict, pair.by.tier)
        except OSError as error:
            log.warning("the verdict of an audit can't be kept: %s", error)
            return "lost"
        return "judged"

    def _call_other(self, pair: Pair) -> Call:
        passage, other = pair.passage, pair.other
        chat = replace(passage.chat, stream=False, include_usage=False)
        headers = passage.forward_headers if other.wire == "anthropic" else ()
        return Call(chat, other, output_cap(chat, other, passage.slot), self._timeout, forward_headers=headers)

    async def _ask(self, call: Call, at: float, bill: list[Spent]) -> Answer | None:
        """One call, once, on the bill; None where the model fails. What was cut off may be billed up to its bound."""
        attempts = Attempts(self._health, self._observer, deadline_seconds=self._timeout, per_model=1)
        model = call.model
        try:
            answer = await attempts.complete(self._upstreams[model.wire], call)
        except UpstreamError as error:
            if isinstance(error, UpstreamTimeout):
                bill.append(_at_most(call))
            return None
        except LevelheadError:  # this model can't be told this chat
            return None
        except BaseException:
            bill.append(_at_most(call))
            raise
        bill.append(Spent(model, "audit", answer.usage, cost(answer.usage, model.price, at) / NANOS_PER_USD))
        return answer

    async def _reserve(self, pair: Pair) -> Reservation | None:
        """Money for the worst case of both calls; None: there isn't enough, and if that's spent, not before it refills.

        What is set aside is the same for either path. Were it less for one, the last money of a day would go to that
        one's audits alone; and once one doesn't fit no other does, or it would go to short requests alone.
        """
        need = self._worst(pair)
        try:
            return await self._ledger.reserve(f"{pair.passage.id}.audit", (SCOPE,), need)
        except Overloaded:
            return None
        except BudgetExhausted as error:
            (balance,) = self._settings.balances((SCOPE,))
            if balance.limit - balance.spent < need <= balance.limit:
                self._rests_until = error.refills_at or 0.0
            return None

    def _worst(self, pair: Pair) -> Nanos:
        """Every byte a token, every answer as long as it may be."""
        chat, judge, longest = pair.passage.chat, self._settings.judge, "x" * LONGEST_ANSWER
        judging = _bound(_judged_chat(chat, (longest, longest)), judge, _judge_cap(judge))
        caps = ((model, output_cap(chat, model, pair.passage.slot)) for model in (pair.by, pair.other))
        return judging + max(_bound(chat, model, cap) for model, cap in caps)

    def _verdict(self, pair: Pair, scores: tuple[float, float], served_first: bool, bill: Sequence[Spent]) -> Verdict:
        passage, by, other, settings = pair.passage, pair.by, pair.other, self._settings
        assessed = pair.decision.assessment
        shipped = assessed.success if assessed.shipped is None else assessed.shipped
        house = family(settings.judge.upstream_model)
        mine, others = scores
        audit = Audited(
            path="efficient" if pair.chose_efficient else "strong",
            route=cast(Literal["direct", "cascade", ""], pair.route),
            trust=pair.trust,
            propensity=passage.sampled,
            efficient=mine if pair.served_efficiently else others,
            strong=others if pair.served_efficiently else mine,
            other=other.name,
            other_lean=other.lean(self._top),
            other_predicted=shipped.get(other.name, 0.5),
            judge=settings.judge.name,
            certifies=house not in (family(by.upstream_model), family(other.upstream_model)),
            served_first=served_first,
            policy=settings.policy,
            cost_usd=sum(one.cost_usd for one in bill),
        )
        return Verdict(
            passage.id, passage.key.name, passage.identity.slot, by.name, assessed.level, by.lean(self._top),
            shipped.get(by.name, 0.5), tuple(assessed.vector), mine, SOURCE, settings.clock(), audit,
        )  # fmt: skip

    def _told(self, result: Result, pair: Pair, bill: Sequence[Spent] = ()) -> None:
        self._settings.told.audited(result, slot_label(pair.passage), pair.passage.level, bill)


def hold_to(promises: Promises, verdict: Verdict, slots: Collection[str]) -> None:
    """Tells the certificates of what an audit found: enough of a loss, and they are withdrawn."""
    if (paired := paired_of(verdict, slots)) is not None:
        promises.verdict(*paired)


def _judged_chat(chat: Chat, answers: tuple[str, str]) -> Chat:
    messages = judgement(chat, *answers, fence=secrets.token_hex(6))
    size = sum(len(message["content"].encode()) for message in messages)
    body = {"messages": messages}
    return Chat("chat", body, "auto", messages, output_cap=JUDGE_TOKENS, text_bytes=size)


def _judge_cap(judge: Model) -> int:
    return min(JUDGE_TOKENS, judge.capabilities.max_output_tokens)


def _bound(chat: Chat, model: Model, cap: int) -> Nanos:
    return worst_case(input_bound(chat), cap, chat.n, worst_rates(model.price))


def _at_most(call: Call) -> Spent:
    usd = _bound(call.chat, call.model, call.output_cap) / NANOS_PER_USD
    return Spent(call.model, "audit", Usage(), usd)
