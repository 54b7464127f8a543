"""How several processes come to share a new SQLite file."""

from __future__ import annotations

import sqlite3
import time

_PAUSE_SECONDS = 0.005


def write_ahead(db: sqlite3.Connection, seconds: float) -> None:
    """Puts the file into WAL mode, where readers never wait. Raises `sqlite3.OperationalError`.

    Of two processes that do so at once SQLite refuses one immediately, whatever its busy timeout: the step begins as
    a read, and SQLite doesn't wait where a read becomes a write. So this waits, for up to `seconds`.
    """
    until = time.monotonic() + seconds
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_PAUSE_SECONDS)
