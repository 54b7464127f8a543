"""One request on its way through the pipeline: what came in, what is known so far, what goes out."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import perf_counter, time
from typing import Literal

import orjson

from .cache import Conversations, Entry, Seat, decode
from .errors import LevelheadError, StreamBroken
from .ports import ResponseCache
from .types import (
    NANOS_PER_USD,
    ON_QUALITY,
    Answer,
    Attempt,
    Chat,
    Chunk,
    Decision,
    Dialect,
    Identity,
    Key,
    Level,
    Model,
    Nanos,
    Reason,
    Record,
    Reservation,
    Scope,
    Slot,
    Spent,
    Trace,
    Usage,
    value,
)
from .wire.chat import Collector
from .wire.dialects import DIALECTS, write
from .wire.errors import header_value
from .wire.identity import Target
from .wire.responses_read import items_of
from .wire.responses_tools import left_out
from .wire.wishes import NONE, Wishes

CacheState = Literal["hit", "miss", "bypass"]
Ending = Literal["ok", "cached", "refused", "error", "cancelled"]

_LEVELS = {level: level.name.encode() for level in Level}
_REASONS = {reason: reason.value.encode() for reason in Reason}
_UNCERTIFIED = {reason: text + b"; uncertified" for reason, text in _REASONS.items()}
_IDS_AT_ONCE = 256
_ids: list[str] = []
os.register_at_fork(after_in_child=_ids.clear)  # a child must not give out its parent's


def new_id() -> str:
    """The second, then 64 random bits: what is written together lies together in a store's index.

    The system is asked for many at once: each time hands the interpreter's lock to other threads.
    """
    try:
        chance = _ids.pop()
    except IndexError:
        digits = secrets.token_hex(8 * _IDS_AT_ONCE)
        _ids.extend(digits[i : i + 16] for i in range(0, len(digits), 16))
        chance = _ids.pop()
    return f"dec_{int(time()) & 0xFFFFFFFF:08x}{chance}"


def made_at(id: str) -> int:
    """The Unix second of an id that `new_id` made; 0 for any other."""
    try:
        return int(id[4:12], 16)
    except ValueError:
        return 0


@value
class Ask:
    """What a client sent: the body as bytes, lower-case headers, and the key it was recognised by."""

    raw: bytes
    headers: Mapping[str, str]
    key: Key
    dialect: Dialect = "chat"


@dataclass(slots=True)
class Passage:
    """The working state of one request. Each step of the pipeline fills in its part."""

    key: Key
    at: float  # Unix seconds
    chat: Chat
    target: Target
    identity: Identity
    slot: Slot | None
    wishes: Wishes = NONE
    id: str = field(default_factory=new_id)
    started: float = field(default_factory=perf_counter)
    cache: CacheState = "bypass"
    cache_tier: str = ""
    cache_key: bytes | None = None  # where the answer will be stored; None: nowhere
    decision: Decision | None = None  # None when the cache answered
    level: Level | None = None
    reason: Reason | None = None
    confidence: float = 0.0
    decided_in: float = 0.0
    model: Model | None = None
    scopes: tuple[Scope, ...] = ()
    reservation: Reservation | None = None
    reserved: Nanos | None = None  # the last reservation's amount, still known when it is settled
    trail: list[Attempt] = field(default_factory=list)
    upstream_seconds: float = 0.0
    first_byte: float | None = None
    charged: bool = False
    usage: Usage = field(default_factory=Usage)
    cost_usd: float = 0.0
    baseline_usd: float = 0.0
    routed_usd: tuple[float, float] | None = None  # of what shadow mode didn't do; and were answers twice as long
    spent: Nanos = 0  # paid for drafts and checks, not settled yet
    sampled: float = 0.0  # for an audit, with this chance; 0: not
    discarded: tuple[Model, Answer] | None = None  # the draft of a sampled request, where the strong model answered
    extras: list[Spent] = field(default_factory=list)
    asked: list[Attempt] = field(default_factory=list)  # for drafts and checks
    forward_headers: tuple[tuple[str, str], ...] = ()  # the client's own for its vendor
    repairs: dict[str, int] = field(default_factory=dict)  # what of the history had to be mended, by kind
    switched: bool = False  # the conversation's last answer was another model's
    trace: Trace | None = None  # where requests are traced
    logged: Chat | None = None  # what the log may keep of the request: nothing unless `log_prompts`

    @property
    def conversation(self) -> tuple[str, str]:
        """Unique over all keys."""
        return self.key.name, self.identity.session or ""

    def headers_for(self, model: Model) -> tuple[tuple[str, str], ...]:
        """What travels on to a model's vendor besides the body."""
        own = self.forward_headers if model.wire == "anthropic" else ()
        return own if self.trace is None else (*own, *self.trace.headers)

    @property
    def decided(self) -> Decision:
        assert self.decision is not None
        return self.decision


@dataclass(slots=True)
class Reply:
    """An answer: whole (`body`, JSON in the client's dialect), or `chunks` of a stream. `head`: its header lines.

    Close `chunks` when the client leaves: that cancels the upstream and settles what was produced.
    """

    passage: Passage
    head: bytes
    body: bytes = b""
    chunks: AsyncGenerator[list[Chunk], None] | None = None


def reply_head(passage: Passage, *, remaining_usd: float | None) -> bytes:
    """The `x-levelhead-*` header lines of an answer; a stream's final cost is in its usage chunk instead."""
    head = b"x-levelhead-decision-id: %b\r\nx-levelhead-cache: %b\r\nx-levelhead-attempts: %d\r\n" % (
        passage.id.encode(),
        passage.cache.encode(),
        len(passage.asked) + len(passage.trail),
    )
    if passage.model is not None:
        head += _served_by(passage.model.name, passage.model.tier, passage.identity.slot)
    if passage.level is not None and passage.reason is not None:
        head += b"x-levelhead-level: %b\r\nx-levelhead-reason: %b\r\nx-levelhead-confidence: %.3f\r\n" % (
            _LEVELS[passage.level],
            _told(passage.reason, passage.decision),
            passage.confidence,
        )
    if passage.decision is not None:
        head += b"x-levelhead-expected-cost-usd: %.9f\r\n" % passage.decision.expected_cost_usd
    if left := left_out(passage.chat):
        head += b"x-levelhead-left-out: %b\r\n" % left.encode()
    if passage.chat.dialect == "messages":
        head += b"request-id: req_%b\r\n" % passage.id[4:].encode()
    if remaining_usd is not None:
        head += b"x-levelhead-budget-remaining-usd: %.9f\r\n" % remaining_usd
    if not passage.chat.stream:
        head += b"x-levelhead-cost-usd: %.9f\r\nx-levelhead-baseline-cost-usd: %.9f\r\n" % (
            passage.cost_usd,
            passage.baseline_usd,
        )
    return head


def _told(reason: Reason, decision: Decision | None) -> bytes:
    doubtful = reason in ON_QUALITY and (decision is None or not decision.certified)
    return _UNCERTIFIED[reason] if doubtful else _REASONS[reason]


@lru_cache(256)
def _served_by(model: str, tier: str, slot: str | None) -> bytes:
    lines = f"x-levelhead-model: {header_value(model)}\r\nx-levelhead-tier: {header_value(tier)}\r\n"
    if slot:
        lines += f"x-levelhead-slot: {header_value(slot)}\r\n"
    return lines.encode()


def record(passage: Passage, outcome: Ending, error_code: str = "") -> Record:
    """What metrics and the log are told when a request has ended."""
    total = perf_counter() - passage.started
    return Record(
        id=passage.id,
        at=passage.at,
        identity=passage.identity,
        outcome=outcome,
        decision=passage.decision,
        level=passage.level,
        model=passage.model,
        usage=passage.usage,
        cost_usd=passage.cost_usd,
        baseline_usd=passage.baseline_usd,
        routed_usd=passage.routed_usd,
        cache=passage.cache,
        cache_tier=passage.cache_tier,
        attempts=(*passage.asked, *passage.trail),
        decision_seconds=passage.decided_in,
        overhead_seconds=max(0.0, total - passage.upstream_seconds),
        first_byte_seconds=passage.first_byte,
        total_seconds=total,
        error_code=error_code,
        slot_label=slot_label(passage),
        extras=tuple(passage.extras),
        reserved_usd=None if passage.reserved is None else passage.reserved / NANOS_PER_USD,
        repairs=passage.repairs,
        switch=passage.reason if passage.switched else None,
        dialect=passage.chat.dialect,
        trace=passage.trace,
        prompt=None if passage.logged is None else passage.logged.messages,
    )


def slot_label(passage: Passage) -> str:
    """Bounded for metrics: only declared slots have a name of their own."""
    if passage.slot is not None:
        return passage.slot.name
    return "other" if passage.identity.slot else "none"


def unread(key: Key, at: float, error: BaseException) -> Record:
    """For a request that ended before it was understood: refused, or its client left."""
    if isinstance(error, LevelheadError):
        return Record("", at, Identity(key), "refused", error_code=error.code or error.openai_type)
    return Record("", at, Identity(key), "cancelled")


async def frames(reply: Reply) -> AsyncGenerator[bytes, None]:
    """A stream as it goes out. A failure after the first byte becomes an error event: nothing else can be said then."""
    passage = reply.passage
    assert reply.chunks is not None
    writer = DIALECTS[passage.chat.dialect].writer(passage.chat)
    try:
        async for chunks in reply.chunks:
            if frame := write(writer, chunks, passage.cost_usd):
                yield frame
        if frame := writer.end():
            yield frame
    except StreamBroken as error:
        yield writer.fail(error)
    finally:
        await reply.chunks.aclose()


def collect(collector: Collector | None, chunks: list[Chunk]) -> Collector | None:
    """None from the first deltas on that don't fit together: the client still gets them, the cache doesn't."""
    if collector is not None:
        try:
            collector.add(chunks)
        except StreamBroken:
            return None
    return collector


async def once(chunks: list[Chunk]) -> AsyncGenerator[list[Chunk], None]:
    yield chunks


async def shared(passage: Passage, seat: Seat[Entry], cache: ResponseCache | None) -> Entry | None:
    """The answer that another request gets, or got since this one was looked up: it may have waited in line."""
    began = perf_counter()
    try:
        entry = await seat.wait()
    finally:
        passage.upstream_seconds += perf_counter() - began  # a vendor's time, no overhead
    passage.cache_tier = "flight"
    if entry is None and cache is not None and passage.cache_key is not None:
        passage.cache_tier = "memory"
        if (entry := decode(cache.recent(passage.cache_key))) is not None:
            seat.land(entry)
    return entry


def remember(conversations: Conversations, passage: Passage, body: bytes) -> None:
    """For a client that will go on from this response by its id."""
    chat = passage.chat
    if chat.dialect != "responses" or chat.source is None or chat.source.get("store") is False:
        return
    response = orjson.loads(body)
    tenant, earlier = passage.key.name, chat.source.get("previous_response_id")
    before = conversations.get(tenant, earlier) if earlier else None
    conversations.put(tenant, response["id"], [*(before or ()), *items_of(chat), *response["output"]])
