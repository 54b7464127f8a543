"""Budgets and what is set aside in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from .base import Nanos, value


class Scope(NamedTuple):  # a tuple: looked up several times a request, and tuples hash in C
    """A budget's address: `kind` key, team, run or slot, and the name inside it, namespaced by the key.

    `audit` is the operator's own, which no request is charged to.
    """

    kind: Literal["key", "team", "run", "slot", "audit"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit the operator set. `name` None: every scope of that kind gets this much for itself.

    `per` None: for ever; "run": as long as the run lives (slot and run budgets).
    """

    kind: Literal["key", "team", "run", "slot", "audit"]
    amount: Nanos
    name: str | None = None
    per: Literal["hour", "day", "month", "run"] | None = None


@value
class Reservation:
    """Money set aside in every scope at once before a call. `id` makes settlement idempotent."""

    id: str
    scopes: tuple[Scope, ...]
    amount: Nanos
    windows: tuple[int, ...] = ()  # which window of each scope it was taken from


@dataclass(frozen=True, slots=True)
class Balance:
    """One scope's money now. `refills_at` is None where it never refills."""

    scope: Scope
    limit: Nanos
    spent: Nanos
    reserved: Nanos
    refills_at: float | None = None

    @property
    def remaining(self) -> Nanos:
        return max(0, self.limit - self.spent - self.reserved)
