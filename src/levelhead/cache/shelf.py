"""Bytes that the workers of one machine share at once: a small SQLite file of one server's own, gone when it ends."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from .._wal import write_ahead

log = logging.getLogger(__name__)

_LOCK_SECONDS = 1.0
_BEGIN_SECONDS = 10.0  # only once, and who fails then never shares
_SWEEP_PUTS = 64
_TABLE = "CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, at REAL NOT NULL, value BLOB NOT NULL) WITHOUT ROWID"


class Shelf:
    """What is put is there for everybody when `put` returns (tens of microseconds). The oldest go first.

    A shelf that fails is a miss and a warning, never an error.
    """

    def __init__(
        self, path: Path, *, ttl_seconds: float, max_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._ttl = ttl_seconds
        self._max = max_bytes
        self._clock = clock
        self._puts = 0
        self._db: sqlite3.Connection | None = None
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600))
            db = sqlite3.connect(path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False)
            write_ahead(db, _BEGIN_SECONDS)
            db.execute("PRAGMA synchronous = OFF")  # it doesn't outlive the server, let alone the machine
            db.execute(_TABLE)
            self._db = db
        except (OSError, sqlite3.Error) as error:
            self._failed(error)

    def put(self, key: bytes, value: bytes) -> None:
        if self._db is None:
            return
        try:
            self._db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (key, self._clock(), value))
            self._puts += 1
            if self._puts % _SWEEP_PUTS == 0:
                self._sweep(self._db)
        except sqlite3.Error as error:
            self._failed(error)

    def get(self, key: bytes) -> bytes | None:
        if self._db is None:
            return None
        try:
            found = self._db.execute(
                "SELECT value FROM kept WHERE key = ? AND at > ?", (key, self._clock() - self._ttl)
            ).fetchone()
        except sqlite3.Error as error:
            self._failed(error)
            return None
        return None if found is None else bytes(found[0])

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _sweep(self, db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM kept WHERE at <= ?", (self._clock() - self._ttl,))
        size, oldest = db.execute("SELECT total(length(value)), min(at) FROM kept").fetchone()
        while size > self._max:  # a quarter of the time that is kept, at least one row
            newest = db.execute("SELECT max(at) FROM kept").fetchone()[0]
            db.execute("DELETE FROM kept WHERE at <= ?", (oldest + (newest - oldest) / 4,))
            size, oldest = db.execute("SELECT total(length(value)), min(at) FROM kept").fetchone()

    def _failed(self, error: Exception) -> None:
        log.warning("conversations: workers can't share them (%s)", type(error).__name__)
