"""What teams learn and who changed what, in one SQLite file beside the ledger's.

Three append-only tables: probes of models, trials (seats and settings that a coin decided, with their score), and the
charter's log. Small and rarely written; processes may share the file.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._wal import write_ahead

_LOCK_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS probes(
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, model TEXT NOT NULL, report TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS seat_trials(
    seq INTEGER PRIMARY KEY, run TEXT NOT NULL, place TEXT NOT NULL, level INTEGER NOT NULL, strong INTEGER NOT NULL,
    propensity REAL NOT NULL, score REAL NOT NULL, slot TEXT NOT NULL DEFAULT '', verdict REAL);
CREATE TABLE IF NOT EXISTS setting_trials(
    seq INTEGER PRIMARY KEY, trial INTEGER NOT NULL, run TEXT NOT NULL, challenger INTEGER NOT NULL,
    propensity REAL NOT NULL, reward REAL NOT NULL);
CREATE TABLE IF NOT EXISTS charter_log(
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL, ring INTEGER NOT NULL,
    action TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, why TEXT NOT NULL, allowed INTEGER NOT NULL,
    reason TEXT NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL);
"""
MOST_TRIALS = 100_000  # that are learned from: some hundred runs of 256 seats, many thousand of eight
_LATER = {"slot": "TEXT NOT NULL DEFAULT ''", "verdict": "REAL"}  # columns that files of earlier versions lack


@dataclass(frozen=True, slots=True)
class SeatTrial:
    """A seat of a run in which coins decided some. `propensity`: the chance that it had to be strong; 0 or 1 where no
    coin decided. `score` 0..1 is the run's, `verdict` 0..1 the contribution's, None: nobody judged it."""

    run: str
    place: str
    level: int
    strong: bool
    propensity: float
    score: float
    slot: str = ""
    verdict: float | None = None


class TeamState:
    """`path`: the file, made on first use, its owner's only. Raises `sqlite3.Error` where it can't be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._process = 0
        self._lock = threading.RLock()

    @contextmanager
    def open(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction; `write` takes the file's lock at once, so that what was read still holds when writing."""
        with self._lock:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None or self._process != os.getpid():  # SQLite's connections don't survive a fork
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(
                self.path, timeout=_LOCK_SECONDS, isolation_level=None, check_same_thread=False
            )
            write_ahead(self._connection, _LOCK_SECONDS)
            self._connection.executescript(_SCHEMA)
            _widen(self._connection)
            self._process = os.getpid()
        return self._connection

    # probes

    def add_probe(self, model: str, at: float, report: Mapping[str, Any]) -> None:
        with self.open(write=True) as db:
            db.execute("INSERT INTO probes(at, model, report) VALUES (?, ?, ?)", (at, model, json.dumps(report)))

    def probes(self) -> dict[str, dict[str, Any]]:
        """The newest report of each model."""
        with self.open() as db:
            rows = db.execute("SELECT model, report FROM probes ORDER BY seq").fetchall()
        return {model: json.loads(report) for model, report in rows}

    # trials

    def add_seat_trials(self, trials: Sequence[SeatTrial]) -> None:
        """A run that was scored before is scored anew."""
        with self.open(write=True) as db:
            db.executemany("DELETE FROM seat_trials WHERE run = ?", [(run,) for run in {t.run for t in trials}])
            db.executemany(
                "INSERT INTO seat_trials(run, place, level, strong, propensity, score, slot, verdict)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(t.run, t.place, t.level, t.strong, t.propensity, t.score, t.slot, t.verdict) for t in trials],
            )

    def seat_trials(self, most: int = MOST_TRIALS) -> list[SeatTrial]:
        """The newest ones, in the order in which they came."""
        with self.open() as db:
            rows = db.execute(
                "SELECT run, place, level, strong, propensity, score, slot, verdict FROM seat_trials"
                " ORDER BY seq DESC LIMIT ?",
                (most,),
            )
            found = [SeatTrial(run, place, level, bool(strong), *rest) for run, place, level, strong, *rest in rows]
        return found[::-1]

    def seat_trial_count(self) -> int:
        """0 where there is no file yet: none is made for the asking."""
        if not self.path.exists():
            return 0
        with self.open() as db:
            return int(db.execute("SELECT count(*) FROM seat_trials").fetchone()[0])

    def add_setting_trial(self, trial: int, run: str, challenger: bool, propensity: float, reward: float) -> None:
        with self.open(write=True) as db:
            db.execute(
                "INSERT INTO setting_trials(trial, run, challenger, propensity, reward) VALUES (?, ?, ?, ?, ?)",
                (trial, run, challenger, propensity, reward),
            )

    def setting_trials(self, trial: int) -> list[tuple[bool, float]]:
        """(challenger, reward) in the order in which they came."""
        with self.open() as db:
            rows = db.execute(
                "SELECT challenger, reward FROM setting_trials WHERE trial = ? ORDER BY seq", (trial,)
            ).fetchall()
        return [(bool(challenger), reward) for challenger, reward in rows]


def _widen(db: sqlite3.Connection) -> None:
    have = {row[1] for row in db.execute("PRAGMA table_info(seat_trials)")}
    for name, kind in _LATER.items():
        if name not in have:
            with suppress(sqlite3.OperationalError):  # another process was first
                db.execute(f"ALTER TABLE seat_trials ADD COLUMN {name} {kind}")
