"""The pipeline: nine steps from a client's bytes to an answer in its dialect.

1 read        `wire.dialects`  what does the client ask?
2 recognise   `wire.identity`  which key, run, slot, session?
3 recall      `cache`          did we answer exactly this before?
4 assess      `difficulty`     how hard, and how likely is each model to serve it well?
5 decide      `policy`         which model?
6 reserve     `spend`          is the worst case covered?
7 call        `upstream`       ask, retry, fall back; never after the first byte went out
8 settle      `spend`          real usage -> cost, metrics, cache
9 render      `wire.dialects`  the client's own dialect, with `x-levelhead-*` headers

Steps 4 and 5 are spelled out in `deciding.py`, 6 to 8 in `calling.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal

from .auditing import Auditor
from .cache import Conversations, Entry, Seat, SingleFlight, cache_key, cacheable, decode, encode, serving_set
from .cascading import Cascade
from .deciding import Decider, Question
from .drafting import Drafting
from .errors import LevelheadError, PermissionDenied, UpstreamError
from .observe.tracing import Tracing
from .passage import Ask, Ending, Passage, Reply, collect, once, record, remember, reply_head, shared, unread
from .policy import Affinity
from .ports import AnswerStream, Ledger, Observer, ResponseCache, Upstream
from .spend import belongs_to, estimate_input
from .types import (
    NANOS_PER_USD,
    Answer,
    Balance,
    Call,
    Chunk,
    Decision,
    Identity,
    Key,
    Model,
    Nanos,
    Reason,
    Scope,
    Slot,
    Wire,
)
from .upstream import AnthropicUpstream, Health
from .wire.chat import Collector
from .wire.dialects import DIALECTS, render
from .wire.housekeeping import is_housekeeping
from .wire.identity import Target, identify, resolve_model
from .wire.usage import estimate_usage
from .wire.wishes import read_wishes


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the pipeline works with; `assemble.py` builds it from a configuration. `timeout`: seconds for a request."""

    models: Mapping[str, Model]
    tiers: Sequence[str]
    slots: Mapping[str, Slot]
    aliases: Mapping[str, str]
    scopes: Callable[[Identity], tuple[Scope, ...]]  # the budgets that bind a request
    decider: Decider
    ledger: Ledger
    cache: ResponseCache | None
    cache_when: Literal["deterministic", "always"]
    conversations: Conversations
    affinity: Affinity
    health: Health
    upstreams: Mapping[Wire, Upstream]
    observer: Observer
    drafting: Drafting
    timeout: float
    clock: Callable[[], float]
    auditor: Auditor | None = None
    keeps_prompts: bool = False
    tracing: Tracing | None = None


class Pipeline:
    """Routes requests. Lives in one event loop."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self._caller = Cascade(
            rooms.upstreams, rooms.ledger, rooms.decider, rooms.health, rooms.observer,
            timeout=rooms.timeout, drafting=rooms.drafting,
        )  # fmt: skip
        self._flights: SingleFlight[Entry] = SingleFlight()
        self._pools: dict[tuple[str, str], tuple[tuple[Model, ...], tuple[str, ...]]] = {}

    @property
    def models(self) -> Mapping[str, Model]:
        return self._rooms.models

    async def respond(self, ask: Ask) -> Reply:
        """The whole path. Raises `LevelheadError`; then nothing is charged but what an upstream may have billed."""
        admitted = self.admit(ask)
        return admitted if isinstance(admitted, Reply) else await self.answer(admitted)

    def admit(self, ask: Ask) -> Passage | Reply:
        """Steps 1 to 3, without waiting: the stored answer, or the request on its way to `answer`."""
        try:
            passage = self._open(ask)
            entry = self._recall(passage, ask.headers.get("x-levelhead-cache"))
        except LevelheadError as error:
            self._rooms.observer.finished(unread(ask.key, self._rooms.clock(), error))
            raise
        return passage if entry is None else self._replay(passage, entry)

    async def answer(self, passage: Passage) -> Reply:
        """Steps 3 to 9 for what was admitted. Raises as `respond` does."""
        seat = self._flights.join(passage.cache_key) if passage.cache == "miss" and passage.cache_key else None
        try:
            if seat is not None and (entry := await shared(passage, seat, self._rooms.cache)) is not None:
                return self._replay(passage, entry)
            self._decide(passage)
            if (auditor := self._rooms.auditor) is not None:
                passage.sampled = auditor.draw()
            source = await self._caller.call(passage, lambda most: self._decide(passage, most))
            if isinstance(source, Answer):
                return await self._finish(passage, source, seat)
            chunks, seat = self._stream(passage, source, seat), None
            return Reply(passage, self._head(passage), chunks=chunks)
        except LevelheadError as error:
            ending: Ending = "refused"
            error.cost_usd = passage.cost_usd
            if isinstance(error, UpstreamError):
                ending = "error"
                if seat is not None:
                    seat.fail(error)
            self._rooms.observer.finished(record(passage, ending, error.code or error.openai_type))
            raise
        except asyncio.CancelledError:
            self._rooms.observer.finished(record(passage, "cancelled"))
            raise
        finally:
            if seat is not None:
                seat.leave()

    def turned_away(self, key: Key, error: BaseException) -> None:
        """Counts a request that was not let in: `LevelheadError`, or the client left while it waited."""
        self._rooms.observer.finished(unread(key, self._rooms.clock(), error))

    def explain(self, ask: Ask) -> tuple[Decision, Identity]:
        """Steps 1, 2, 4 and 5: what would be done. Calls no model, spends nothing, records nothing."""
        passage = self._open(ask, default_model="auto")
        return self._decide(passage), passage.identity

    async def count(self, ask: Ask) -> int:
        """About how many input tokens a request has: the vendor's count where it gives one. Spends nothing."""
        passage = self._open(ask, default_model="auto")
        model = self._decide(passage).model
        upstream = self._rooms.upstreams[model.wire]
        if isinstance(upstream, AnthropicUpstream):
            call = Call(passage.chat, model, 1, self._rooms.timeout, forward_headers=passage.forward_headers)
            if (counted := await upstream.count(call)) is not None:
                return counted
        return estimate_input(passage.chat)

    def model_names(self, key: Key) -> Iterator[tuple[str, str]]:
        """(name, owner) of everything that `key` may send as `model`."""
        rooms = self._rooms
        yield "auto", "levelhead"
        for slot in rooms.slots:
            if key.slots is None or slot in key.slots:
                yield f"auto/{slot}", "levelhead"
        for tier in rooms.tiers:
            yield tier, "levelhead"
        for name, model in rooms.models.items():
            if key.models is None or name in key.models:
                yield name, model.wire

    def balances(self, key: Key | None) -> list[Balance]:
        """Every budgeted scope in use: the key's own, or all of them for None."""
        known = self._rooms.ledger.balances()
        return [b for b in known if key is None or belongs_to(b, key)]

    async def aclose(self) -> None:
        """Ends audits, flushes the ledger, then closes cache and connections."""
        if self._rooms.auditor is not None:
            await self._rooms.auditor.aclose()
        await self._rooms.ledger.aclose()
        if self._rooms.cache is not None:
            await self._rooms.cache.aclose()
        self._rooms.conversations.close()
        await self._caller.aclose()
        for upstream in self._rooms.upstreams.values():
            await upstream.aclose()
        if self._rooms.tracing is not None:
            await self._rooms.tracing.aclose()

    # 1 read, 2 recognise

    def _open(self, ask: Ask, default_model: str | None = None) -> Passage:
        rooms, key = self._rooms, ask.key
        chat = DIALECTS[ask.dialect].read_request(
            ask.raw, default_model=default_model, recall=lambda id: rooms.conversations.get(key.name, id)
        )
        target = resolve_model(
            chat.model, models=rooms.models, tiers=rooms.tiers, slots=rooms.slots, aliases=rooms.aliases
        )
        who = identify(chat, ask.headers, key, slots=rooms.slots, aliases=rooms.aliases, target=target)
        if key.slots is not None and who.slot not in key.slots:
            raise PermissionDenied("This key may use its own slots only.", param="model")
        slot = rooms.slots.get(who.slot) if who.slot else None
        passage = Passage(key, rooms.clock(), chat, target, who, slot, read_wishes(ask.headers))
        passage.scopes = rooms.scopes(who)
        if rooms.keeps_prompts:
            passage.logged = chat
        if rooms.tracing is not None:
            passage.trace = rooms.tracing.begin(ask.headers, passage.id, chat)
        if ask.dialect == "messages":
            passage.forward_headers = tuple((n, v) for n, v in ask.headers.items() if n.startswith("anthropic-"))
        return passage

    # 3 recall

    def _recall(self, passage: Passage, directive: str | None) -> Entry | None:
        """The stored answer, where the cache has a part in this request."""
        rooms, target = self._rooms, passage.target
        if rooms.cache is None or passage.wishes.lean:  # what leans elsewhere isn't the same question
            return None
        use = cacheable(passage.chat, rooms.cache_when, directive)
        if not use.write:
            return None
        key = passage.cache_key = cache_key(
            passage.chat,
            tenant=passage.key.name,
            slot=passage.identity.slot,
            models=self._pool(target)[1],
            pinned=None if target.kind == "auto" else target.name,
            headers=passage.forward_headers,
        )
        if not use.read:
            return None
        passage.cache = "miss"
        found = rooms.cache.get(key)
        if found is None or (entry := decode(found[0])) is None:
            return None
        passage.cache_tier = found[1]
        return entry

    def _replay(self, passage: Passage, entry: Entry) -> Reply:
        passage.cache, passage.cache_key = "hit", None
        passage.model = self._rooms.models.get(entry.model)
        passage.level, passage.confidence, passage.reason = entry.level, entry.confidence, Reason.CACHE
        passage.baseline_usd = entry.baseline_usd
        self._rooms.observer.finished(record(passage, "cached"))
        remember(self._rooms.conversations, passage, entry.body)
        chat = passage.chat
        if not chat.stream:
            return Reply(passage, self._head(passage), body=entry.body)
        chunks = DIALECTS[chat.dialect].replay(entry.body, entry.usage, entry.finish, chat)
        return Reply(passage, self._head(passage), chunks=once(chunks))

    # 4 assess, 5 decide

    def _decide(self, passage: Passage, most: Nanos | None = None) -> Decision:
        """`most`: nanodollars that turned out to be too much, when this is a second decision."""
        began = perf_counter()
        rooms = self._rooms
        left = rooms.ledger.remaining(passage.scopes) if passage.scopes else None
        limits = (left, passage.wishes.most, None if most is None else most - 1)
        pool = self._pool(passage.target)[0]
        question = Question(
            passage.chat,
            passage.key,
            pool,
            passage.slot,
            passage.target.kind != "auto",
            min((one for one in limits if one is not None), default=None),
            passage.at,
            passage.wishes.lean,
            passage.scopes,
            rooms.affinity.warm(passage.conversation, passage.chat, pool, estimate_input(passage.chat)),
            is_housekeeping(passage.chat),
        )
        assessment = (
            passage.decision.assessment if passage.decision else rooms.decider.assess(passage.chat, passage.identity)
        )
        decision = passage.decision = rooms.decider.decide(question, assessment)
        passage.level, passage.confidence, passage.reason = assessment.level, assessment.confidence, decision.reason
        passage.decided_in += perf_counter() - began
        return decision

    def _pool(self, target: Target) -> tuple[tuple[Model, ...], tuple[str, ...]]:
        """The models that a target leaves open, and their names for the cache's key."""
        at = (target.kind, target.name)
        known = self._pools.get(at)
        if known is None:
            every = self._rooms.models.values()
            if target.kind == "model":
                models = tuple(m for m in every if m.name == target.name)
            else:
                models = tuple(m for m in every if target.kind == "auto" or m.tier == target.name)
            known = self._pools[at] = models, serving_set(models)
        return known

    # 8 settle, 9 render

    async def _finish(self, passage: Passage, answer: Answer, seat: Seat[Entry] | None) -> Reply:
        await self._caller.charge(passage, answer.usage)
        body = render(answer, passage.chat)
        self._store(passage, answer, body, seat)
        remember(self._rooms.conversations, passage, body)
        self._settled(passage, "ok")
        self._audit(passage, answer)
        return Reply(passage, self._head(passage), body=body)

    async def _stream(
        self, passage: Passage, stream: AnswerStream, seat: Seat[Entry] | None
    ) -> AsyncGenerator[list[Chunk], None]:
        """Passes chunks on; settles, stores and reports when the stream ends in whatever way."""
        ending: Ending = "cancelled"
        code = ""
        remembers = passage.chat.dialect == "responses"
        collector = Collector() if passage.cache_key is not None or remembers or passage.sampled else None
        whole: Answer | None = None
        began = perf_counter()
        try:
            async for chunks in stream:
                if stream.usage is not None and not passage.charged:
                    await self._caller.charge(passage, stream.usage)
                collector = collect(collector, chunks)
                yield chunks
            ending = "ok"
            if collector is not None:
                answer = whole = collector.answer()
                body = render(answer, passage.chat)
                self._store(passage, answer, body, seat)
                remember(self._rooms.conversations, passage, body)
        except LevelheadError as error:
            ending, code = "error", error.code or error.openai_type
            if passage.model is not None:
                self._rooms.health.record(passage.model.name, False)
            raise
        finally:
            passage.upstream_seconds += perf_counter() - began
            await stream.aclose()
            if not passage.charged:
                usage = stream.counted or estimate_usage(passage.chat, stream.output_bytes)
                await self._caller.charge(passage, usage, estimated=True)
            self._settled(passage, ending, code)
            if whole is not None:
                self._audit(passage, whole)
            if seat is not None:
                seat.leave()

    def _settled(self, passage: Passage, ending: Ending, code: str = "") -> None:
        """Whatever became of the answer: a model has been asked, and its vendor's prompt cache filled."""
        if passage.model is not None and passage.reason is not Reason.HOUSEKEEPING:
            routed = passage.decision.routed if passage.decision else None  # it must find its own caches warm
            spoke = passage.model if routed is None else routed.model
            switched = self._rooms.affinity.noted(passage.conversation, spoke, passage.usage)
            passage.switched = switched and routed is None
        self._rooms.observer.finished(record(passage, ending, code))

    def _audit(self, passage: Passage, answer: Answer) -> None:
        if passage.sampled and self._rooms.auditor is not None:
            self._rooms.auditor.begin(passage, answer)

    def _store(self, passage: Passage, answer: Answer, body: bytes, seat: Seat[Entry] | None) -> None:
        if passage.cache_key is None or self._rooms.cache is None:
            return
        assert passage.model is not None
        if passage.decided.reason is Reason.BUDGET:
            return  # a cheaper or shorter answer than was wanted: the next one to ask may have more money
        entry = Entry(
            body=body,
            finish=answer.finish,
            model=passage.model.name,
            tier=passage.model.tier,
            reason=passage.decided.reason.value,
            level=passage.level,
            confidence=passage.confidence,
            cost_usd=passage.cost_usd,
            baseline_usd=passage.baseline_usd,
            usage=passage.usage,
        )
        self._rooms.cache.put(passage.cache_key, encode(entry))
        if seat is not None:
            seat.land(entry)

    def _head(self, passage: Passage) -> bytes:
        left = self._rooms.ledger.remaining(passage.scopes) if passage.scopes else None
        return reply_head(passage, remaining_usd=None if left is None else left / NANOS_PER_USD)
