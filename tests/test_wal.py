"""Workers of one server find a new file at the same moment."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import pytest

from levelhead import _wal
from levelhead.cache.shelf import Shelf
from levelhead.observe.journal.sqlite import SqliteJournal
from levelhead.spend import SqliteStore
from levelhead.team.state import TeamState


def shelf(path: Path) -> None:
    with closing(Shelf(path, ttl_seconds=60, max_bytes=1_000)) as opened:
        opened.put(b"key", b"value")
        assert opened.get(b"key") == b"value"


OPENERS: dict[str, Callable[[Path], object]] = {
    "ledger": SqliteStore,
    "journal": lambda path: SqliteJournal(path, time.time),
    "shelf": shelf,
    "teams": lambda path: TeamState(path).probes(),
}


@pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS.keys())
def test_who_comes_second_waits(tmp_path: Path, opener: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch):
    waits = Event()
    pause = SimpleNamespace(monotonic=lambda: 0.0, sleep=lambda seconds: (waits.set(), time.sleep(seconds)))
    monkeypatch.setattr(_wal, "time", pause)
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as first, ThreadPoolExecutor(1) as pool:
        first.execute("BEGIN IMMEDIATE")
        second = pool.submit(opener, path)
        second.add_done_callback(lambda done: waits.set())
        waits.wait()
        assert not second.done()
        first.execute("COMMIT")
        second.result()


def test_nobody_waits_for_ever(tmp_path: Path):
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as first, closing(sqlite3.connect(path)) as second:
        first.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            _wal.write_ahead(second, 0.0)
