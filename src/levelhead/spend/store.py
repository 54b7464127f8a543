"""What the ledger asks of a store that worker processes share: SQLite, Redis; anything with atomic updates will do.

A store keeps accounts, one for each budgeted scope and window: `spent`, and `leased` to workers. A worker spends from
its leases without asking, and moves what it spent from leased to spent now and then. What the store guarantees:
spent + leased <= limit after every grant, and what a dead worker leased is spent, never free again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from ..types import Nanos
from .scopes import Per


class AccountKey(NamedTuple):
    """`scope` is `kind:name`."""

    scope: str
    per: Per
    window: int


@dataclass(frozen=True, slots=True)
class Ask:
    """What one request still needs in one account, nanodollars.

    `need` or nothing; `unit`, the size of the whole request, sets how much more is worth leasing. `offer` is what the
    worker holds unused and gives back should `need` not be there. `fresh`: the worker holds nothing of this account
    yet, so that it may be moved to the latest window that anybody has seen: a clock set back refills nothing.
    """

    key: AccountKey
    limit: Nanos
    need: Nanos
    unit: Nanos
    offer: Nanos = 0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """An account after a transaction. `leased` counts every worker's lease, `mine` the asking worker's."""

    key: AccountKey
    limit: Nanos
    spent: Nanos
    leased: Nanos
    mine: Nanos


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one request's asks, in their order. `denied`: which one can't be met; then nothing was granted.

    `extras`: what was leased beyond the needs.
    """

    standings: tuple[Standing, ...]
    extras: tuple[Nanos, ...]
    denied: int | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """What a worker reports of an account: `spent` of which `uncovered` is beyond its lease, and `release` unused."""

    key: AccountKey
    spent: Nanos
    uncovered: Nanos
    release: Nanos


class WorkerUnknown(Exception):
    """The store took this worker for dead and charged its leases: whatever it still holds is void."""


class Unanswered(Exception):
    """The store may have done what it was asked, or not: ask the very same again, before anything else."""


@dataclass(frozen=True, slots=True)
class StoredRow:
    """An account as it lies in the store, for whoever only looks."""

    key: AccountKey
    limit: Nanos
    spent: Nanos
    leased: Nanos


class Store(Protocol):
    """One worker's door to the shared accounts. Blocking: called from one thread at a time, never the event loop's.

    Any other exception than the named ones says that nothing was changed.
    """

    def grant(self, requests: Sequence[Sequence[Ask]], at: float) -> list[Verdict]:
        """Each request's needs all or none, in one durable transaction. Raises `WorkerUnknown`, `Unanswered`."""
        ...

    def post(self, moves: Sequence[Move], at: float) -> list[Standing]:
        """Raises `WorkerUnknown`; then nothing was posted. Raises `Unanswered`."""
        ...

    def wanted(self) -> list[AccountKey]:
        """Accounts that this worker has a lease of and another one was refused for."""
        ...

    def read(self, keys: Sequence[AccountKey]) -> list[Standing]:
        """Each account in its latest window, but none before the one asked for; limit 0 where nothing is known."""
        ...

    def join(self, at: float) -> None:
        """Makes this worker known, under a new name if it was known before."""
        ...

    def sweep(self, at: float) -> Nanos:
        """Charges what dead workers leased; how much that was."""
        ...

    def close(self) -> None:
        """Charges what is still leased and leaves."""
        ...


def extra_lease(unit: Nanos, available: Nanos) -> Nanos:
    """How much to lease beyond the need: enough for many requests, and an ever smaller part of what is left.

    So a budget's last money is handed out request by request, and nobody sits on it.
    """
    extra = min(32 * unit, available // 16)
    return extra if extra >= unit else 0
