"""What one worker holds of a budget, and what it asks for when that is not enough.

Of every account `lease + uncovered = free + reserved + unposted`, the lease being what the store knows this worker to
hold, `uncovered` what real costs took beyond it.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from math import inf

from ..types import Balance, Nanos, Reservation, Scope
from .scopes import Per, window_end
from .store import AccountKey, Ask, Standing, Verdict


class Account:
    """What this worker holds of one budget in one window."""

    __slots__ = (
        "ends_at",
        "free",
        "fresh",
        "idle",
        "key",
        "limit",
        "low",
        "others",
        "pinned",
        "posted",
        "refilling",
        "reserved",
        "retired",
        "scope",
        "tight",
        "uncovered",
        "unposted",
        "void",
    )

    key: AccountKey

    def __init__(self, scope: Scope, per: Per, limit: Nanos, window: int, *, pinned: bool) -> None:
        self.scope = scope
        self.limit = limit
        self.pinned = pinned  # configured by name: stays in memory, so that balances show it
        self.free = self.reserved = self.unposted = self.uncovered = 0
        self.posted = 0  # spent by everybody, as the store last said
        self.others = 0  # leased to other workers, as the store last said
        self.low = 0  # below this much free money a refill is asked for ahead of need
        self.idle = 0
        self.fresh = True  # the store has not been asked yet
        self.refilling = self.tight = self.retired = self.void = False
        self.place(per, window)

    def place(self, per: Per, window: int) -> None:
        self.key = AccountKey(str(self.scope), per, window)
        end = window_end(per, window)
        self.ends_at = inf if end is None else end

    def heard(self, standing: Standing) -> None:
        self.posted = standing.spent
        self.others = standing.leased - standing.mine

    @property
    def spent(self) -> Nanos:
        return self.posted + self.unposted

    def balance(self) -> Balance:
        refills_at = None if self.ends_at == inf else self.ends_at
        return Balance(self.scope, self.limit, self.spent, self.reserved + self.others, refills_at)


@dataclass(slots=True, eq=False)
class Shortage:
    """A request for which the leases are too small. What it needs is set aside meanwhile, in all of its accounts.

    `short`: the accounts to ask the store for, each with its unused money; `id` None: a refill ahead of need.
    """

    id: str | None
    amount: Nanos
    accounts: tuple[Account, ...]
    short: tuple[tuple[Account, Nanos], ...]
    answer: Future[Reservation | Verdict] = field(default_factory=Future)

    def asks(self) -> list[Ask]:
        return [
            Ask(a.key, a.limit, self.amount - unused if self.id else 0, self.amount, unused, a.fresh)
            for a, unused in self.short
        ]
