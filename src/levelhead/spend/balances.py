"""Balances straight from the store, for a command line that finds no proxy running, or runs beside one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal, cast

from ..types import NANOS_PER_USD, Balance, Budget, Key, Scope, Secret
from .redis import connect, prefix_of, stored_rows
from .scopes import Per, budgets_of, part, window_end, window_of
from .sqlite import unreadable
from .store import AccountKey, StoredRow

_RECENT_SECONDS = 86_400
_QUERY = """
SELECT scope, per, max(window), cap, spent, leased FROM ledger_accounts
WHERE scope GLOB 'key:*' OR scope GLOB 'team:*' OR scope GLOB 'audit:*' OR touched >= ?
GROUP BY scope, per ORDER BY scope, per
"""


def stored_balances(
    where: Path | str,
    budgets: Sequence[Budget],
    at: float,
    *,
    password: Secret | None = None,
    simulated: bool = False,
) -> list[Balance]:
    """Every budget with a name, and every scope that was used within a day; `reserved` holds the workers' leases.

    Changes nothing and needs no lock. A file that isn't there yet holds no spending. Raises `ConfigError` for a store
    that can't be read.
    """
    if isinstance(where, Path):
        rows = _rows(where, at)
    else:
        with closing(connect(where, password, patience=0)) as db:
            rows = stored_rows(db, prefix=prefix_of(simulated=simulated))
    found: dict[tuple[Scope, Per], Balance] = {}
    for budget in budgets:
        if budget.name is not None and budget.kind in ("key", "team", "audit"):
            scope = Scope(budget.kind, part(budget.name))
            for per, own in budgets_of(budgets, scope).items():
                found[scope, per] = Balance(scope, own.amount, 0, 0, window_end(per, window_of(per, at)))
    for row in rows:
        (name, per, window), spent, leased = row.key, row.spent, row.leased
        kind, _, rest = name.partition(":")
        scope = Scope(cast('Literal["key", "team", "run", "slot", "audit"]', kind), rest)
        binding = budgets_of(budgets, scope).get(per)
        if binding is None:
            continue
        if window < window_of(per, at):
            window, spent, leased = window_of(per, at), 0, 0
        found[scope, per] = Balance(scope, binding.amount, spent, leased, window_end(per, window))
    return list(found.values())


def as_json(balance: Balance) -> dict[str, object]:
    """A balance in USD, as `levelhead budgets --json` and `GET /v1/budgets` show it."""
    return {
        "scope": str(balance.scope),
        "limit_usd": balance.limit / NANOS_PER_USD,
        "spent_usd": balance.spent / NANOS_PER_USD,
        "reserved_usd": balance.reserved / NANOS_PER_USD,
        "remaining_usd": balance.remaining / NANOS_PER_USD,
        "refills_at": balance.refills_at,
    }


def belongs_to(balance: Balance, key: Key) -> bool:
    """Whether a scope is the key's own, its team's, or a run or slot under it. Audits are nobody's."""
    if balance.scope.kind == "audit":
        return False
    if balance.scope.kind == "team":
        return key.team is not None and balance.scope.name == part(key.team)
    return balance.scope.name.partition("/")[0] == part(key.name)


def _rows(path: Path, at: float) -> list[StoredRow]:
    if not path.exists():
        return []
    try:
        db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        try:
            db.execute("PRAGMA busy_timeout=2000")
            found = db.execute(_QUERY, (at - _RECENT_SECONDS,)).fetchall()
            return [StoredRow(AccountKey(*row[:3]), *row[3:]) for row in found]
        finally:
            db.close()
    except sqlite3.DatabaseError as error:
        raise unreadable(path, str(error)) from error
