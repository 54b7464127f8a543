"""One worker's accounts: reserving moves free money to reserved, settling to spent; the keeper tops up and posts.

Nothing here waits or touches a disk; the lock is held for microseconds, by the event loop and the keeper's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from threading import Lock
from time import monotonic

from ..types import Balance, Budget, Nanos, Reservation, Scope
from .accounts import Account, Shortage
from .scopes import budgets_of, part, window_of
from .store import AccountKey, Move, Standing, Verdict, extra_lease

# In scans, which are some seconds apart:
_IDLE_SCANS = 2  # an unused lease goes back
_FORGET_SCANS = 12  # an account that nobody uses leaves the memory
_MOST_FOUND = 4_096
_MOST_IDLE = 10_000  # accounts; beyond that they leave as soon as their lease is back
_HOLD_SECONDS = 3_600.0  # a reservation that nobody settled by then is charged in full


class Books:
    """`thirsty`: accounts whose lease will soon be used up, each with the size of a request."""

    def __init__(
        self, budgets: Sequence[Budget], clock: Callable[[], float], timer: Callable[[], float] = monotonic
    ) -> None:
        self._budgets = tuple(budgets)
        self._kinds = {budget.kind for budget in budgets}
        self._clock = clock
        self._timer = timer
        self._lock = Lock()
        self._current: dict[Scope, list[Account]] = {}
        # What `_accounts` found for some scopes, and until when that holds.
        self._found: dict[tuple[Scope, ...], tuple[tuple[Account, ...], float]] = {}
        self._open: dict[str, tuple[tuple[Account, ...], Nanos, float]] = {}
        self._touched: set[Account] = set()
        self.thirsty: list[tuple[Account, Nanos]] = []
        for budget in budgets:
            if budget.kind in ("key", "team", "audit") and budget.name is not None:
                self._gathered((Scope(budget.kind, part(budget.name)),), clock(), pinned=True)

    # --- the hot path -------------------------------------------------------------------------------------------

    def take(self, id: str, scopes: Sequence[Scope], amount: Nanos) -> Reservation | Shortage:
        with self._lock:
            accounts = self._accounts(scopes)
            for account in accounts:
                if account.free < amount:
                    return self._set_aside(id, accounts, amount)
            for account in accounts:
                account.free -= amount
                account.reserved += amount
                account.idle = 0
                if account.free < account.low and not account.refilling:
                    account.refilling = True
                    self.thirsty.append((account, amount))
            return self._opened(id, accounts, amount)

    def settle(self, id: str, cost: Nanos) -> Nanos:
        """Returns by how much `cost` exceeds what was reserved; 0 for a reservation that isn't open."""
        with self._lock:
            hold = self._open.pop(id, None)
            if hold is None:
                return 0
            accounts, amount, _ = hold
            for account in accounts:
                self._charge(account, amount, cost)
            return max(0, cost - amount)

    def _charge(self, account: Account, amount: Nanos, cost: Nanos) -> None:
        if account.void:
            return  # charged in full when the store took this worker for dead
        account.reserved -= amount
        account.unposted += cost
        account.free += amount - cost
        account.idle = 0
        if account.free < 0:
            account.uncovered -= account.free
            account.free = 0
        self._touched.add(account)

    def _opened(self, id: str, accounts: tuple[Account, ...], amount: Nanos) -> Reservation:
        if not accounts:
            return Reservation(id, (), amount)
        while id in self._open:  # a second reservation for the same call settles by itself
            id += "+"
        self._open[id] = (accounts, amount, self._timer())
        return Reservation(id, tuple([a.scope for a in accounts]), amount, tuple([a.key.window for a in accounts]))

    def _accounts(self, scopes: Sequence[Scope]) -> tuple[Account, ...]:
        now = self._clock()
        at = tuple(scopes)
        known = self._found.get(at)
        if known is not None and now < known[1]:
            return known[0]
        if len(self._found) >= _MOST_FOUND:
            self._found.clear()
        found = self._gathered(at, now)
        self._found[at] = found, min((account.ends_at for account in found), default=0.0)
        return found

    def _gathered(self, scopes: Iterable[Scope], now: float, *, pinned: bool = False) -> tuple[Account, ...]:
        """Opened where they are new, in today's window where another has ended."""
        found: list[Account] = []
        for scope in scopes:
            accounts = self._current.get(scope)
            if accounts is None:
                if scope.kind not in self._kinds:
                    continue
                accounts = [
                    Account(scope, per, budget.amount, window_of(per, now), pinned=pinned)
                    for per, budget in budgets_of(self._budgets, scope).items()
                ]
                if not accounts:
                    continue
                self._current[scope] = accounts
            for i, account in enumerate(accounts):
                if now >= account.ends_at:
                    accounts[i] = self._rolled(account, now)
            found += accounts
        return tuple(found)

    def _rolled(self, old: Account, now: float) -> Account:
        """A window ends: its reservations stay with it, what is unused of it goes back."""
        old.retired = True
        self._found.clear()
        self._touched.add(old)
        per = old.key.per
        return Account(old.scope, per, old.limit, window_of(per, now), pinned=old.pinned)

    # --- when a lease is short ----------------------------------------------------------------------------------

    def _set_aside(self, id: str, accounts: tuple[Account, ...], amount: Nanos) -> Shortage:
        short = []
        for account in accounts:
            account.idle = 0
            if account.free < amount:
                short.append((account, account.free))
                account.free = 0
            else:
                account.free -= amount
                account.reserved += amount
        return Shortage(id, amount, accounts, tuple(short))

    def refill(self) -> list[Shortage]:
        with self._lock:
            thirsty, self.thirsty = self.thirsty, []
            return [Shortage(None, amount, (account,), ((account, 0),)) for account, amount in thirsty]

    def granted(self, shortage: Shortage, verdict: Verdict) -> Reservation | None:
        """None for a refill."""
        with self._lock:
            self._heard(shortage, verdict)
            for (account, _), extra in zip(shortage.short, verdict.extras, strict=True):
                account.free += extra
                account.low = 0 if account.tight else max(account.low, extra // 4)
                if shortage.id is not None:
                    account.reserved += shortage.amount
                if account.retired:  # its window ended meanwhile
                    self._touched.add(account)
            if shortage.id is None:
                return None
            return self._opened(shortage.id, shortage.accounts, shortage.amount)

    def denied(self, shortage: Shortage, verdict: Verdict) -> None:
        """Nothing was granted, and what was unused of the account that can't cover the need is back in the store."""
        with self._lock:
            self._heard(shortage, verdict)
            self._put_back(shortage, verdict.denied)

    def failed(self, shortage: Shortage) -> None:
        with self._lock:
            self._put_back(shortage, None)

    def _heard(self, shortage: Shortage, verdict: Verdict) -> None:
        for (account, _), standing in zip(shortage.short, verdict.standings, strict=True):
            account.refilling = False
            if account.fresh and standing.key.window != account.key.window:
                account.place(standing.key.per, standing.key.window)
                self._found.clear()
            account.fresh = False
            account.heard(standing)
            account.tight = extra_lease(shortage.amount, account.limit - standing.spent - standing.leased) == 0

    def _put_back(self, shortage: Shortage, given_back: int | None) -> None:
        short = {account for account, _ in shortage.short}
        for i, (account, unused) in enumerate(shortage.short):
            account.refilling = False
            if i != given_back:
                account.free += unused
            self._touched.add(account)
        for account in shortage.accounts:
            if account not in short:
                account.reserved -= shortage.amount
                account.free += shortage.amount
                self._touched.add(account)

    # --- the keeper's rounds ------------------------------------------------------------------------------------

    def harvest(self, wanted: Iterable[AccountKey] = ()) -> list[tuple[Account, Move]]:
        """What changed since the last time, and what of the leases others need more."""
        keys = set(wanted)
        with self._lock:
            if keys:
                self._touched.update(a for a in self._all() if a.key in keys)
            touched, self._touched = self._touched, set()
            moves = []
            for a in touched:
                gives = a.retired or a.tight or a.idle >= _IDLE_SCANS or a.key in keys
                move = Move(a.key, a.unposted, a.uncovered, a.free if gives else 0)
                if a.void or not (move.spent or move.release):
                    continue
                a.posted += a.unposted
                a.unposted = a.uncovered = 0
                a.free -= move.release
                moves.append((a, move))
            return moves

    def posted(self, moves: Sequence[tuple[Account, Move]], standings: Sequence[Standing]) -> None:
        with self._lock:
            for (account, _), standing in zip(moves, standings, strict=True):
                account.heard(standing)

    def unposted(self, moves: Sequence[tuple[Account, Move]]) -> None:
        """The store could not be written: everything as before `harvest`."""
        with self._lock:
            for account, move in moves:
                account.posted -= move.spent
                account.unposted += move.spent
                account.uncovered += move.uncovered
                account.free += move.release
                self._touched.add(account)

    def scan(self) -> None:
        """Lets go of what nobody uses, and charges reservations that nobody settled."""
        with self._lock:
            self._expire(self._timer() - _HOLD_SECONDS)
            patience = _FORGET_SCANS if len(self._current) <= _MOST_IDLE else _IDLE_SCANS + 1
            for scope, accounts in list(self._current.items()):
                for a in accounts:
                    a.idle += 1
                    if a.idle >= _IDLE_SCANS and a.free:
                        self._touched.add(a)
                if all(a.idle >= patience and not (a.pinned or a.reserved or a.unposted or a.free) for a in accounts):
                    del self._current[scope]
                    self._found.clear()

    def _expire(self, before: float) -> None:
        while self._open:
            id = next(iter(self._open))
            accounts, amount, since = self._open[id]
            if since > before:
                return
            del self._open[id]
            for account in accounts:
                self._charge(account, amount, amount)

    def abandon(self) -> None:
        """The last round: whatever is still open is charged, whatever is free goes back."""
        with self._lock:
            self._expire(inf)
            for account in self._all():
                account.tight = True
                self._touched.add(account)

    def void(self) -> None:
        """The store has charged everything that this worker held: start anew with empty hands."""
        with self._lock:
            holders = {a for accounts, _, _ in self._open.values() for a in accounts}
            for account in {*self._all(), *holders, *self._touched}:
                account.void = True
            self._touched.clear()
            self._found.clear()
            self.thirsty.clear()
            now = self._clock()
            for scope, accounts in list(self._current.items()):
                kept = [
                    Account(scope, a.key.per, a.limit, max(a.key.window, window_of(a.key.per, now)), pinned=True)
                    for a in accounts
                    if a.pinned
                ]
                if kept:
                    self._current[scope] = kept
                else:
                    del self._current[scope]

    # --- to look at ---------------------------------------------------------------------------------------------

    def pinned(self) -> list[AccountKey]:
        with self._lock:
            self._gathered([scope for scope, accounts in self._current.items() if accounts[0].pinned], self._clock())
            return [a.key for a in self._all() if a.pinned]

    def refresh(self, standings: Sequence[Standing]) -> None:
        """What the store says of accounts that are in memory; a later window replaces one that holds nothing."""
        with self._lock:
            known = {(a.key.scope, a.key.per): a for a in self._all()}
            for standing in standings:
                account = known.get((standing.key.scope, standing.key.per))
                if account is None or standing.key.window < account.key.window:
                    continue
                if standing.key.window > account.key.window:
                    if not account.fresh:
                        continue
                    account.place(standing.key.per, standing.key.window)
                    self._found.clear()
                account.heard(standing)

    def remaining(self, scopes: Sequence[Scope]) -> Nanos | None:
        least: Nanos | None = None
        with self._lock:
            for a in self._accounts(scopes):
                left = a.limit - a.posted - a.unposted - a.reserved - a.others
                if least is None or left < least:
                    least = left if left > 0 else 0
        return least

    def windows(self, scopes: Sequence[Scope]) -> list[Balance]:
        with self._lock:
            return [account.balance() for account in self._accounts(scopes)]

    def balances(self) -> list[Balance]:
        with self._lock:
            return [account.balance() for account in self._gathered(list(self._current), self._clock())]

    def _all(self) -> list[Account]:
        return [account for accounts in self._current.values() for account in accounts]
