"""Budgets that hold: reserve the worst case in every scope before a call, settle at what it really cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from math import ceil
from pathlib import Path

from ..errors import BudgetExhausted, ConfigError, Overloaded
from ..types import NANOS_PER_USD, Balance, Budget, Nanos, Reservation, Scope, Secret
from .accounts import Shortage
from .books import Books
from .keeper import Keeper
from .redis import RedisStore, prefix_of, too_large
from .scopes import window_end
from .sqlite import SqliteStore
from .store import Standing, Store, Verdict

_FLUSH_SECONDS = 0.5
_PATIENCE_SECONDS = 15.0  # a store that restarts is back by then
_TRIES = 6  # over a round and a bit, in which other workers hand back what they don't use


class Ledger:
    """`ports.Ledger` over a store that workers share. Reserving touches the store only when a lease runs short.

    `overruns`: nanodollars by which real costs exceeded what was reserved; `on_overrun` hears of each. `on_trouble`
    hears when the store can't be reached or written: what is leased is spent meanwhile, and nothing beyond.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        store: Store,
        *,
        clock: Callable[[], float] = time.time,
        flush_seconds: float = _FLUSH_SECONDS,
        on_overrun: Callable[[Nanos], None] | None = None,
        on_trouble: Callable[[], None] = lambda: None,
    ) -> None:
        self._books = Books(budgets, clock)
        self._keeper = Keeper(self._books, store, clock=clock, seconds=flush_seconds, on_trouble=on_trouble)
        self._patience = _PATIENCE_SECONDS
        self._pause = 1.25 * flush_seconds / (_TRIES - 1)
        self._on_overrun = on_overrun
        self.overruns: Nanos = 0

    @property
    def rescued(self) -> Nanos:
        """Nanodollars charged because the worker that had leased them died."""
        return self._keeper.rescued

    def remaining(self, scopes: Sequence[Scope]) -> Nanos | None:
        return self._books.remaining(scopes)

    async def reserve(self, id: str, scopes: Sequence[Scope], amount: Nanos) -> Reservation:
        if amount < 0:
            raise ValueError("a reservation can't be negative")
        for tries in range(_TRIES):
            taken = self._books.take(id, scopes, amount)
            if self._books.thirsty:
                self._keeper.refill()
            if isinstance(taken, Reservation):
                return taken
            answer = await self._asked(taken)
            if isinstance(answer, Reservation):
                return answer
            scope, standing = _refused(taken, answer)
            others = standing.leased - standing.mine
            if not others or standing.limit - standing.spent - standing.mine < amount or tries == _TRIES - 1:
                break
            await asyncio.sleep(self._pause)
        raise _exhausted(scope, standing, amount)

    async def _asked(self, shortage: Shortage) -> Reservation | Verdict:
        answer = shortage.answer
        self._keeper.submit(shortage)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), self._patience)
        except asyncio.CancelledError:
            answer.add_done_callback(self._released)
            raise
        except TimeoutError:
            answer.add_done_callback(self._released)
            raise Overloaded("The budget store can't be reached right now.", retry_after=1.0) from None

    def _released(self, answer: Future[Reservation | Verdict]) -> None:
        """Nobody waits for the answer any more."""
        if not answer.cancelled() and answer.exception() is None:
            result = answer.result()
            if isinstance(result, Reservation):
                self._books.settle(result.id, 0)

    async def settle(self, reservation: Reservation, cost: Nanos) -> None:
        if cost < 0:
            raise ValueError("a cost can't be negative")
        over = self._books.settle(reservation.id, cost)
        if over:
            self.overruns += over
            if self._on_overrun is not None:
                self._on_overrun(over)

    def balances(self) -> Sequence[Balance]:
        return self._books.balances()

    def windows(self, scopes: Sequence[Scope]) -> Sequence[Balance]:
        """The balances of these scopes, each in its current window."""
        return self._books.windows(scopes)

    async def flush(self) -> None:
        """Returns when everything that was settled is in the store."""
        await asyncio.wrap_future(self._keeper.flush())

    async def aclose(self) -> None:
        """What is still reserved is charged: its call may be running at the vendor's."""
        await asyncio.wrap_future(self._keeper.close())


class Unlimited:
    """The ledger of a proxy without budgets: everything is allowed, nothing is kept."""

    def remaining(self, scopes: Sequence[Scope]) -> None:
        return None

    async def reserve(self, id: str, scopes: Sequence[Scope], amount: Nanos) -> Reservation:
        return Reservation(id, (), amount)

    async def settle(self, reservation: Reservation, cost: Nanos) -> None:
        pass

    def balances(self) -> Sequence[Balance]:
        return ()

    def windows(self, scopes: Sequence[Scope]) -> Sequence[Balance]:
        return ()

    async def aclose(self) -> None:
        pass


def open_ledger(
    budgets: Sequence[Budget],
    where: Path | str,
    *,
    password: Secret | None = None,
    simulated: bool = False,
    clock: Callable[[], float] = time.time,
    on_overrun: Callable[[Nanos], None] | None = None,
    on_trouble: Callable[[], None] = lambda: None,
) -> Ledger | Unlimited:
    """`where`: the SQLite file, or a `redis://` URL, where simulated money has accounts of its own.

    Raises `ConfigError` where it can't be opened or isn't a ledger.
    """
    if not budgets:
        return Unlimited()
    if isinstance(where, Path):
        return Ledger(budgets, SqliteStore(where), clock=clock, on_overrun=on_overrun, on_trouble=on_trouble)
    for i, budget in enumerate(budgets):
        if why := too_large(budget.amount):
            raise ConfigError(f"budgets[{i}].usd: {why}", param=f"budgets[{i}].usd")
    store = RedisStore(where, password=password, prefix=prefix_of(simulated=simulated))
    return Ledger(budgets, store, clock=clock, on_overrun=on_overrun, on_trouble=on_trouble)


def _refused(shortage: Shortage, verdict: Verdict) -> tuple[Scope, Standing]:
    assert verdict.denied is not None
    return shortage.short[verdict.denied][0].scope, verdict.standings[verdict.denied]


def _exhausted(scope: Scope, standing: Standing, amount: Nanos) -> BudgetExhausted:
    left = max(0, standing.limit - standing.spent - standing.leased)
    refills_at = window_end(standing.key.per, standing.key.window)
    until = "" if refills_at is None else datetime.fromtimestamp(refills_at, UTC).strftime(" until %Y-%m-%d %H:%M UTC")
    return BudgetExhausted(
        f"budget of {scope.kind} {scope.name}: needs up to {_usd(amount, up=True)}, {_usd(left)} left{until}",
        scope=str(scope),
        refills_at=refills_at,
    )


def _usd(nanos: Nanos, *, up: bool = False) -> str:
    """Rounded so that what is needed never reads as less than what is left."""
    decimals = 4 if nanos >= NANOS_PER_USD // 1000 or nanos == 0 else 9
    step = 10 ** (9 - decimals)
    shown = (ceil(nanos / step) if up else nanos // step) * step
    return f"${shown / NANOS_PER_USD:.{decimals}f}"
