"""The shared accounts in one SQLite file, for any number of worker processes on one machine.

WAL, so that readers never wait. A grant is synchronous=FULL: the lease must be on disk before money is spent from it,
or a power cut could spend it twice. What is posted is NORMAL: a posting that a power cut takes back leaves the amount
leased to a worker that is gone, and the next sweep charges that. A file that can't be read is refused, never replaced.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from uuid import uuid4

from .._wal import write_ahead
from ..errors import ConfigError
from ..types import Nanos
from .store import AccountKey, Ask, Move, Standing, Verdict, WorkerUnknown, extra_lease
from .workers import Worker, this_process

SCHEMA = 1
_BUSY_MILLISECONDS = 10_000
_FORGET_RUNS_SECONDS = 7 * 86_400
_PRUNE_SECONDS = 3_600
_TABLES = """
CREATE TABLE IF NOT EXISTS ledger_schema (version INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS ledger_accounts (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL,
    per TEXT NOT NULL,
    window INTEGER NOT NULL,
    cap INTEGER NOT NULL,
    spent INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),
    leased INTEGER NOT NULL DEFAULT 0 CHECK (leased >= 0),
    wanted INTEGER NOT NULL DEFAULT 0,
    touched REAL NOT NULL,
    UNIQUE (scope, per, window)
);
CREATE TABLE IF NOT EXISTS ledger_workers (
    id TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started TEXT NOT NULL,
    seen REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ledger_leases (
    worker TEXT NOT NULL,
    account INTEGER NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (worker, account)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ledger_leases_by_account ON ledger_leases (account);
"""
_ACCOUNT = """
SELECT a.id, a.window, a.cap, a.spent, a.leased, a.wanted, coalesce(l.amount, 0)
FROM ledger_accounts a LEFT JOIN ledger_leases l ON l.account = a.id AND l.worker = ?
WHERE a.scope = ? AND a.per = ?
"""


@dataclass(slots=True)
class _Row:
    """One account within one transaction."""

    id: int
    key: AccountKey
    limit: Nanos
    spent: Nanos
    leased: Nanos
    wanted: bool
    mine: Nanos
    changed: bool = False

    @property
    def available(self) -> Nanos:
        return self.limit - self.spent - self.leased

    def lease(self, amount: Nanos) -> None:
        self.leased += amount
        self.mine += amount
        self.changed = self.changed or amount != 0

    def standing(self) -> Standing:
        return Standing(self.key, self.limit, self.spent, self.leased, self.mine)


class SqliteStore:
    """Opens or creates `path`: 0600, in a directory made 0700. Raises `ConfigError` for a file that isn't a ledger."""

    def __init__(self, path: Path, *, worker: Worker | None = None) -> None:
        self.path = path
        self._worker = worker or this_process()
        self._me = ""
        self._db = _opened(path)
        self._inode = path.stat().st_ino
        self._pruned = 0.0

    def grant(self, requests: Sequence[Sequence[Ask]], at: float) -> list[Verdict]:
        rows: dict[AccountKey, _Row] = {}
        with self._transaction(durable=True):
            self._must_be_known()
            decided = [self._decide(asks, rows, at) for asks in requests]
            extras: dict[AccountKey, Nanos] = {}
            for asks, (found, denied) in zip(requests, decided, strict=True):
                for ask, row in zip(asks, found, strict=True):
                    if denied is None and row.key not in extras:
                        extras[row.key] = extra_lease(ask.unit, row.available)
                        row.lease(extras[row.key])
            for row in rows.values():
                if row.changed:
                    self._write(row, at)
        verdicts = []
        for found, denied in decided:
            # The first request of an account takes what was leased beyond all needs.
            mine = tuple(0 if denied is not None else extras.pop(row.key, 0) for row in found)
            verdicts.append(Verdict(tuple(row.standing() for row in found), mine, denied))
        return verdicts

    def post(self, moves: Sequence[Move], at: float) -> list[Standing]:
        with self._transaction():
            if not self._db.execute("UPDATE ledger_workers SET seen = ? WHERE id = ?", (at, self._me)).rowcount:
                raise WorkerUnknown
            known: dict[AccountKey, _Row] = {}
            rows = [self._row(Ask(move.key, 0, 0, 0), known, at) for move in moves]
            for move, row in zip(moves, rows, strict=True):
                row.spent += move.spent
                row.lease(move.uncovered - move.spent - move.release)
                self._write(row, at)
        return [row.standing() for row in rows]

    def wanted(self) -> list[AccountKey]:
        found = self._db.execute(
            "SELECT a.scope, a.per, a.window FROM ledger_leases l JOIN ledger_accounts a ON a.id = l.account"
            " WHERE l.worker = ? AND a.wanted",
            (self._me,),
        )
        return [AccountKey(*row) for row in found]

    def read(self, keys: Sequence[AccountKey]) -> list[Standing]:
        standings = []
        for key in keys:
            row = self._latest(key)
            standings.append(Standing(key, 0, 0, 0, 0) if row is None else row.standing())
        return standings

    def join(self, at: float) -> None:
        self._me = uuid4().hex
        me = self._worker
        with self._transaction(durable=True):
            self._db.execute(
                "INSERT INTO ledger_workers VALUES (?, ?, ?, ?, ?)", (self._me, me.node, me.pid, me.started, at)
            )

    def sweep(self, at: float) -> Nanos:
        rows = self._db.execute("SELECT id, node, pid, started, seen FROM ledger_workers WHERE id != ?", (self._me,))
        dead = [id for id, node, pid, started, seen in rows if not self._worker.sees(node, pid, started, seen, at)]
        charged = sum(self._bury(worker, at) for worker in dead)
        if at - self._pruned >= _PRUNE_SECONDS:
            self._pruned = at
            with self._transaction():
                self._db.execute(
                    "DELETE FROM ledger_accounts WHERE touched < ? AND leased = 0"
                    " AND (per = 'run' OR scope GLOB 'run:*')",
                    (at - _FORGET_RUNS_SECONDS,),
                )
        return charged

    def close(self) -> None:
        if self._me:
            self._bury(self._me, None)
            self._me = ""
        self._db.close()

    def _bury(self, worker: str, at: float | None) -> Nanos:
        """Charges all leases of a worker and forgets it. The transaction is what makes it happen once."""
        with self._transaction(durable=True):
            leases = self._db.execute(
                "SELECT account, amount FROM ledger_leases WHERE worker = ?", (worker,)
            ).fetchall()
            for account, amount in leases:
                self._db.execute(
                    "UPDATE ledger_accounts SET spent = spent + ?, leased = leased - ?, touched = coalesce(?, touched)"
                    " WHERE id = ?",
                    (amount, amount, at, account),
                )
            self._db.execute("DELETE FROM ledger_leases WHERE worker = ?", (worker,))
            self._db.execute("DELETE FROM ledger_workers WHERE id = ?", (worker,))
        return sum(amount for _, amount in leases)

    def _decide(self, asks: Sequence[Ask], rows: dict[AccountKey, _Row], at: float) -> tuple[list[_Row], int | None]:
        found = [self._row(ask, rows, at) for ask in asks]
        for i, (ask, row) in enumerate(zip(asks, found, strict=True)):
            if row.available >= ask.need or ask.need == 0:
                continue
            row.lease(-ask.offer)
            others = row.leased - row.mine
            if others and not row.wanted and row.limit - row.spent - row.mine >= ask.need:
                row.wanted = row.changed = True  # the other workers hand back what they don't use
            return found, i
        for ask, row in zip(asks, found, strict=True):
            row.lease(ask.need)
            if row.wanted:
                row.wanted, row.changed = False, True
        return found, None

    def _row(self, ask: Ask, rows: dict[AccountKey, _Row], at: float) -> _Row:
        """The account of an ask, made if it isn't there; in its latest window if the worker is new to it."""
        row = rows.get(ask.key)
        if row is None or ask.fresh:
            row = self._latest(ask.key) if ask.fresh else self._exact(ask.key)
        if row is None:
            cursor = self._db.execute(
                "INSERT INTO ledger_accounts (scope, per, window, cap, touched) VALUES (?, ?, ?, ?, ?)",
                (*ask.key, ask.limit, at),
            )
            row = _Row(cast(int, cursor.lastrowid), ask.key, ask.limit, 0, 0, False, 0)
        row = rows.setdefault(row.key, row)
        row.limit = ask.limit or row.limit
        return row

    def _exact(self, key: AccountKey) -> _Row | None:
        return self._found(key, self._db.execute(_ACCOUNT + " AND a.window = ?", (self._me, *key)))

    def _latest(self, key: AccountKey) -> _Row | None:
        return self._found(
            key, self._db.execute(_ACCOUNT + " AND a.window >= ? ORDER BY window DESC LIMIT 1", (self._me, *key))
        )

    def _found(self, key: AccountKey, rows: sqlite3.Cursor) -> _Row | None:
        found = rows.fetchone()
        if found is None:
            return None
        id, window, cap, spent, leased, wanted, mine = found
        return _Row(id, key._replace(window=window), cap, spent, leased, bool(wanted), mine)

    def _write(self, row: _Row, at: float) -> None:
        self._db.execute(
            "UPDATE ledger_accounts SET cap = ?, spent = ?, leased = ?, wanted = ?, touched = ? WHERE id = ?",
            (row.limit, row.spent, row.leased, row.wanted, at, row.id),
        )
        if row.mine:
            self._db.execute("INSERT OR REPLACE INTO ledger_leases VALUES (?, ?, ?)", (self._me, row.id, row.mine))
        else:
            self._db.execute("DELETE FROM ledger_leases WHERE worker = ? AND account = ?", (self._me, row.id))

    def _must_be_known(self) -> None:
        if self._db.execute("SELECT 1 FROM ledger_workers WHERE id = ?", (self._me,)).fetchone() is None:
            raise WorkerUnknown

    @contextmanager
    def _transaction(self, *, durable: bool = False) -> Iterator[None]:
        if self.path.stat().st_ino != self._inode:
            raise sqlite3.OperationalError("the ledger's file was replaced while it was in use")
        self._db.execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise


def _opened(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # before SQLite makes it with the umask's permissions
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"state.url: {path} can't be opened: {error.strerror}", param="state.url") from error
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        db.execute(f"PRAGMA busy_timeout={_BUSY_MILLISECONDS}")
        write_ahead(db, _BUSY_MILLISECONDS / 1000)
        _check(db, path)
        db.execute("BEGIN IMMEDIATE")
        for statement in filter(str.strip, _TABLES.split(";")):
            db.execute(statement)
        if db.execute("SELECT version FROM ledger_schema").fetchone() is None:
            db.execute("INSERT INTO ledger_schema VALUES (?)", (SCHEMA,))
        db.execute("COMMIT")
    except sqlite3.OperationalError as error:
        db.close()
        raise ConfigError(f"state.url: {path} can't be used: {error}", param="state.url") from error
    except sqlite3.DatabaseError as error:
        db.close()
        raise unreadable(path, str(error)) from error
    except ConfigError:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    found = db.execute("PRAGMA quick_check(1)").fetchone()
    if found is None or found[0] != "ok":
        raise unreadable(path, "its check failed")
    if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'ledger_schema'").fetchone() is None:
        return
    version = db.execute("SELECT version FROM ledger_schema").fetchone()
    if version is not None and version[0] != SCHEMA:
        raise unreadable(path, f"it is of schema {version[0]}, this release reads {SCHEMA}")


def unreadable(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"state.url: {path} is no ledger that can be trusted ({why}); restore it, or move it away to start from zero",
        param="state.url",
    )
