"""The journal as the proxy uses it: written behind, read without blocking the event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import orjson

from ...types import Attempt, Record, Secret, Verdict
from .redis import RedisJournal
from .rows import decision_row, kept
from .sqlite import SqliteJournal
from .store import JournalStore, Row
from .verdicts import verdict_from, verdict_row

T = TypeVar("T")

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.2
_MOST_WAITING = 20_000  # rows; more are dropped and counted, for a log must not eat the memory
_MOST_PROMPTS = 1_000  # rows, where each holds on to its request
_MOST_AT_ONCE = 1_000
_JSON = orjson.OPT_SERIALIZE_NUMPY


class Journal:
    """`ports.Observer` that logs decisions, and the line of verdicts. `lost` is told of rows that could not be kept."""

    def __init__(self, store: JournalStore, *, lost: Callable[[int], None] = lambda rows: None) -> None:
        self._store = store
        self._lost = lost
        self._waiting: deque[Record] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="levelhead-journal")
        self._writer = threading.Thread(target=self._write_behind, name="levelhead-journal-writer", daemon=True)
        self._one_at_a_time = threading.RLock()
        self._writer.start()

    def attempted(self, attempt: Attempt) -> None:
        pass

    def finished(self, record: Record) -> None:
        if len(self._waiting) >= (_MOST_WAITING if record.prompt is None else _MOST_PROMPTS):
            self._lost(1)
        else:
            self._waiting.append(record)

    async def decision(self, id: str) -> dict[str, Any] | None:
        """A logged decision, by any worker. Raises `OSError` where the store can't be read."""
        found = await self._aside(lambda: self._find(id))
        return None if found is None else decision_row(found)

    async def decisions(self, *, since: float = 0.0, key: str | None = None, most: int = 1_000) -> list[dict[str, Any]]:
        """The newest ones first. Raises `OSError`."""
        return await self._aside(lambda: [decision_row(doc) for doc in self._store.decisions(since, key, most)])

    async def judge(self, verdict: Verdict) -> bool:
        """Adds a verdict; False where its source has judged this decision before. Raises `OSError`."""
        doc = orjson.dumps(verdict_row(verdict), option=_JSON)
        return await self._aside(lambda: self._store.judge(verdict.decision_id, verdict.source, doc))

    async def verdicts_of(self, decision_id: str) -> list[dict[str, Any]]:
        """What was said of one decision, the first first. Raises `OSError`."""
        return await self._aside(lambda: [orjson.loads(doc) for doc in self._store.verdicts_of(decision_id)])

    async def verdicts(self, after: int, most: int) -> list[tuple[int, Verdict]]:
        """The verdicts that follow place `after` in the line, with their places. Raises `OSError`."""
        rows = await self._aside(lambda: self._store.verdicts(after, most))
        return [(place, verdict_from(orjson.loads(doc))) for place, doc in rows]

    async def audits(self, after: int, most: int) -> tuple[int, list[Verdict]] | None:
        """Of the next `most` verdicts the last one's place, and those that audits gave. None: no more.

        Raises `OSError`.
        """
        rows = await self._aside(lambda: self._store.verdicts(after, most))
        if not rows:
            return None
        return rows[-1][0], [verdict_from(orjson.loads(doc)) for _, doc in rows if b'"audit":{' in doc]

    async def snapshot(self) -> tuple[int, Mapping[str, Any]] | None:
        """What had been learnt at some place in the line. Raises `OSError`."""
        found = await self._aside(self._store.snapshot)
        return None if found is None else (found[0], orjson.loads(found[1]))

    async def keep(self, place: int, learnt: Mapping[str, Any]) -> None:
        """Raises `OSError`."""
        doc = orjson.dumps(learnt)
        await self._aside(lambda: self._store.keep(place, doc))

    async def aclose(self) -> None:
        """Writes what waits, then closes the store."""
        self._closing = True
        self._wake.set()
        await asyncio.to_thread(self._writer.join)
        self._reader.shutdown()
        self._store.close()

    def _find(self, id: str) -> bytes | None:
        self.flush()
        return self._store.decision(id)

    def flush(self) -> None:
        """Writes everything that waits. A store that fails is logged, and its rows are lost."""
        with self._one_at_a_time:
            while self._waiting:
                records = [self._waiting.popleft() for _ in range(min(_MOST_AT_ONCE, len(self._waiting)))]
                rows = [row for record in records if (row := self._row(record)) is not None]
                try:
                    self._store.write(rows)
                except OSError as error:
                    log.warning("decision log: %d rows lost: %s", len(rows), error)
                    self._lost(len(rows))

    def _row(self, record: Record) -> Row | None:
        try:
            return Row(record.id, record.at, record.identity.key.name, kept(record))
        except Exception as error:  # the type alone: a message may quote the request
            log.warning("decision log: a row lost: %s", type(error).__name__)
            self._lost(1)
            return None

    def _write_behind(self) -> None:
        while not self._closing:
            self._wake.wait(FLUSH_SECONDS)
            self.flush()
        self.flush()

    async def _aside(self, work: Callable[[], T]) -> T:
        def alone() -> T:
            with self._one_at_a_time:
                return work()

        return await asyncio.get_running_loop().run_in_executor(self._reader, alone)


def open_journal(
    where: Path | str,
    *,
    password: Secret | None = None,
    simulated: bool = False,
    clock: Callable[[], float] = time.time,
    lost: Callable[[int], None] = lambda rows: None,
    connect: Callable[[str, Secret | None], Any] | None = None,
) -> Journal:
    """As `open_store`, for the proxy."""
    return Journal(open_store(where, password=password, simulated=simulated, clock=clock, connect=connect), lost=lost)


def open_store(
    where: Path | str,
    *,
    password: Secret | None = None,
    simulated: bool = False,
    clock: Callable[[], float] = time.time,
    connect: Callable[[str, Secret | None], Any] | None = None,
) -> JournalStore:
    """`where`: the state's SQLite file, beside which the journal lies, or a `redis://` URL, which `connect` opens.

    Raises `ConfigError` where it can't be opened.
    """
    if isinstance(where, Path):
        return SqliteJournal(journal_file(where), clock)
    assert connect is not None
    kind = "simulated-journal" if simulated else "journal"
    return RedisJournal(connect(where, password), f"levelhead:{{{kind}}}")


def journal_file(state: Path) -> Path:
    return state.with_name(f"{state.stem}-journal.db")
