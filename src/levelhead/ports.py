"""Every Protocol on one screen: what the router asks of its rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from .types import (
    Answer,
    Assessment,
    Attempt,
    Balance,
    Call,
    Chat,
    Chunk,
    Model,
    Nanos,
    Record,
    Reservation,
    Scope,
    Usage,
    Wire,
)


class QualityModel(Protocol):
    """Reads a task: its level, and for each model the probability of serving it well. Pure, CPU only."""

    def assess(self, chat: Chat, models: Sequence[Model]) -> Assessment: ...
    def threshold(self, max_quality_loss: float, models: Sequence[Model] | None = None) -> float:
        """The largest predicted uplift that may stay on the cheaper of `models` for the mean loss to keep the goal."""
        ...


class AnswerStream(Protocol):
    """A streamed answer: one list of chunks per network read, so that a burst goes out as one write.

    The last chunk that carries `usage` is normalised to OpenAI's form: empty `choices`, sent exactly once.
    Raises `StreamBroken` when the upstream fails midway or ends without its closing event.
    """

    wire: Wire

    @property
    def usage(self) -> Usage | None:
        """None until the usage chunk is out."""
        ...

    @property
    def counted(self) -> Usage | None:
        """What the vendor has counted so far, where it counts ahead: better than an estimate for a broken stream."""
        ...

    @property
    def output_bytes(self) -> int:
        """The text produced so far: what an abandoned stream is settled on."""
        ...

    def __aiter__(self) -> AsyncIterator[list[Chunk]]: ...
    async def aclose(self) -> None: ...


class Upstream(Protocol):
    """One vendor's wire. Raises `UpstreamError`s only; a cancelled call cancels the vendor's work."""

    async def complete(self, call: Call) -> Answer: ...
    async def stream(self, call: Call) -> AnswerStream: ...
    async def aclose(self) -> None: ...


class Ledger(Protocol):
    """Budgets that hold: all scopes or none, before the call. Amounts are nanodollars."""

    def remaining(self, scopes: Sequence[Scope]) -> Nanos | None:
        """The least that is left over the budgeted scopes; None where none of them has a budget. May be stale."""
        ...

    async def reserve(self, id: str, scopes: Sequence[Scope], amount: Nanos) -> Reservation:
        """Raises `BudgetExhausted` naming the first scope that can't cover `amount`; then nothing is reserved."""
        ...

    async def settle(self, reservation: Reservation, cost: Nanos) -> None:
        """Charges `cost` (0: release) and frees the rest. Idempotent by the reservation's id."""
        ...

    def balances(self) -> Sequence[Balance]: ...
    async def aclose(self) -> None: ...


class ResponseCache(Protocol):
    """Whole answers by canonical key. A value is opaque bytes; a failing store is a miss, never an error."""

    def get(self, key: bytes) -> tuple[bytes, str] | None:
        """The stored bytes and the tier (`memory`, `disk`) they came from; takes microseconds, never waits."""
        ...

    def recent(self, key: bytes) -> bytes | None:
        """As `get`, by the fastest tier alone: what this process stored or read a moment ago."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Returns at once; slower tiers are written behind."""
        ...

    async def aclose(self) -> None: ...


class Observer(Protocol):
    """Told of what happened; never raises, never waits."""

    def attempted(self, attempt: Attempt) -> None: ...
    def finished(self, record: Record) -> None: ...


class Certified(Protocol):
    """What metrics read of a certificate; `slot` and `domain` are "" for all."""

    @property
    def slot(self) -> str: ...
    @property
    def domain(self) -> str: ...
    @property
    def estimate(self) -> float: ...
    @property
    def upper(self) -> float: ...
    @property
    def n(self) -> int:
        """The verdicts it rests on."""
        ...

    @property
    def valid(self) -> bool: ...
