"""The journal in one SQLite file, for any number of worker processes on one machine."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._wal import write_ahead
from ...errors import ConfigError
from .store import KEPT_DECISIONS, KEPT_SECONDS, Row

SCHEMA = 1
_BUSY_SECONDS = 10.0
_PAGE = 1_000  # rows in memory at a time
_LONGEST = 3_600.0  # seconds of a request: rows stand in the order of their ends, and tell their beginnings
_ROWS = 32  # in one statement: for each the interpreter's lock changes hands with a busy event loop
_INSERT = "INSERT OR IGNORE INTO decisions (id, at, key, doc) VALUES "
_FIRST_SINCE = "SELECT place FROM decisions WHERE at >= ? ORDER BY place LIMIT 1"
_PRUNE_ROWS = 5_000  # written between two looks at what is too old
_TABLES = """
CREATE TABLE IF NOT EXISTS decisions (
    place INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at REAL NOT NULL, key TEXT NOT NULL, doc BLOB NOT NULL
);
DROP INDEX IF EXISTS decisions_by_time;
CREATE TABLE IF NOT EXISTS verdicts (
    place INTEGER PRIMARY KEY AUTOINCREMENT, decision TEXT NOT NULL, source TEXT NOT NULL, doc BLOB NOT NULL,
    UNIQUE (decision, source)
);
CREATE TABLE IF NOT EXISTS snapshots (place INTEGER PRIMARY KEY, doc BLOB NOT NULL);
"""


class SqliteJournal:
    """`JournalStore` in a file, made with mode 0600. Raises `ConfigError` where it isn't a journal.

    Decisions may be lost in a power cut, verdicts not.
    """

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._unpruned = _PRUNE_ROWS
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
            self._db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA page_size = 8192")  # a row has 1 kB; a file that is there keeps its own
            write_ahead(self._db, _BUSY_SECONDS)
            self._db.execute("PRAGMA synchronous = NORMAL")
            found = self._db.execute("PRAGMA user_version").fetchone()[0]
            if found not in (0, SCHEMA):
                raise ConfigError(f"{path}: a journal of version {found}; this levelhead reads {SCHEMA}")
            with self._writing():
                for statement in _TABLES.strip().split(";\n"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(f"{path}: the journal can't be opened ({error})", param="state.url") from error

    def write(self, rows: Sequence[Row]) -> None:
        with self._writing():
            for at in range(0, len(rows), _ROWS):
                some = rows[at : at + _ROWS]
                values = [cell for row in some for cell in (row.id, row.at, row.key, row.doc)]
                self._db.execute(_INSERT + ", ".join(["(?, ?, ?, ?)"] * len(some)), values)
            self._unpruned += len(rows)
            if self._unpruned >= _PRUNE_ROWS:
                self._unpruned = 0
                self._prune()

    def decision(self, id: str) -> bytes | None:
        found = self._read("SELECT doc FROM decisions WHERE id = ?", id)
        return found[0][0] if found else None

    def decisions(self, since: float, key: str | None, most: int) -> Iterator[bytes]:
        given = 0
        try:
            rows = self._db.execute("SELECT at, key, doc FROM decisions ORDER BY place DESC")
            while page := rows.fetchmany(min(_PAGE, most)):
                for at, of, doc in page:
                    if given == most or at < since - _LONGEST:
                        return
                    if at >= since and key in (None, of):
                        given += 1
                        yield doc
        except sqlite3.Error as error:
            raise OSError(f"journal: {error}") from error

    def judge(self, decision_id: str, source: str, doc: bytes) -> bool:
        self._db.execute("PRAGMA synchronous = FULL")
        try:
            with self._writing():
                found = self._db.execute(
                    "INSERT OR IGNORE INTO verdicts (decision, source, doc) VALUES (?, ?, ?)",
                    (decision_id, source, doc),
                )
                return found.rowcount == 1
        finally:
            self._db.execute("PRAGMA synchronous = NORMAL")

    def verdicts(self, after: int, most: int) -> list[tuple[int, bytes]]:
        return self._read("SELECT place, doc FROM verdicts WHERE place > ? ORDER BY place LIMIT ?", after, most)

    def verdicts_of(self, decision_id: str) -> list[bytes]:
        found = self._read("SELECT doc FROM verdicts WHERE decision = ? ORDER BY place", decision_id)
        return [row[0] for row in found]

    def snapshot(self) -> tuple[int, bytes] | None:
        found = self._read("SELECT place, doc FROM snapshots ORDER BY place DESC LIMIT 1")
        return found[0] if found else None

    def keep(self, place: int, learnt: bytes) -> None:
        with self._writing():
            self._db.execute("INSERT OR IGNORE INTO snapshots VALUES (?, ?)", (place, learnt))
            self._db.execute("DELETE FROM snapshots WHERE place < ?", (place,))

    def close(self) -> None:
        self._db.close()

    def _prune(self) -> None:
        """No index by time: every row would pay for it."""
        newest = self._db.execute("SELECT max(place) FROM decisions").fetchone()[0] or 0
        young = self._db.execute(_FIRST_SINCE, (self._clock() - KEPT_SECONDS,)).fetchone()
        first = young[0] if young else newest + 1
        self._db.execute("DELETE FROM decisions WHERE place < ?", (max(first, newest - KEPT_DECISIONS + 1),))

    def _read(self, statement: str, *values: object) -> list[Any]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise OSError(f"journal: {error}") from error

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(f"journal: {error}") from error
