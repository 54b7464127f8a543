"""The second tier: diskcache, with the pickle taken out.

diskcache 5.6.3 unpickles what lies in its files (CVE-2025-69872): a row whose mode says pickle, and a key whose raw
flag is 0. Whoever can write to the directory then runs code in this process. Here keys and values are bytes, everything
else that a row may claim is refused, values live in the database (so that no row names a file to read or delete), and
the directory must be ours alone. A store that fails is a miss, never an error.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import chain
from pathlib import Path
from threading import Condition, Thread
from typing import Any, NoReturn

import diskcache

from .filter import KeyFilter

log = logging.getLogger(__name__)

MAX_VALUE_BYTES = 8_000_000
_QUEUE_BYTES = 64_000_000
_BATCH = 512  # one commit for at most this many writes; another process may wait for it
_ROWS = 32  # in one statement, which SQLite compiles once
_LINGER_SECONDS = 0.25  # writes gather for this long: waking the writer for each would cost the event loop more
_LEARN_SECONDS = 1.0  # how often the writer looks for what other processes have stored
_LOCK_SECONDS = 0.25  # how long a read or a batch waits for another process
_MODE_RAW = 1


class RefusedRow(Exception):
    """A row that this cache would never have written."""


class BytesDisk(diskcache.Disk):  # type: ignore[misc]  # diskcache has no types
    """Bytes in, bytes out: no pickle, no text, no files, in any operation of `diskcache.Cache`."""

    def put(self, key: object) -> tuple[Any, bool]:
        if type(key) is not bytes:
            raise RefusedRow("keys are bytes")
        return sqlite3.Binary(key), True

    def get(self, key: object, raw: object) -> bytes:
        if raw != 1 or type(key) is not bytes:
            raise RefusedRow("a key that isn't raw bytes")
        return key

    def store(self, value: object, read: bool, key: object = None) -> tuple[int, int, None, Any]:
        if type(value) is not bytes or read:
            raise RefusedRow("values are bytes")
        return 0, _MODE_RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> bytes:
        if mode != _MODE_RAW or filename is not None or type(value) is not bytes or read:
            raise RefusedRow("a value that isn't raw bytes")
        return value

    def filename(self, key: object = None, value: object = None) -> NoReturn:
        raise RefusedRow("values live in the database")

    def remove(self, file_path: object) -> None:
        """Called for the file that a row names when the row goes: none of ours names one."""


class DiskTier:
    """Reads inline (tens of microseconds, less than a hop to a thread), writes behind in one thread.

    `lost(result)` is told of everything that went wrong: `dropped` (the queue was full), `failed` (SQLite or the file
    system said no), `refused` (a row nobody here wrote). A database that is damaged switches the tier off.
    """

    name = "disk"

    def __init__(
        self,
        directory: Path,
        *,
        ttl_seconds: float,
        max_bytes: int,
        lost: Callable[[str], None] = lambda result: None,
    ) -> None:
        self._ttl = ttl_seconds
        self._lost = lost
        self._wake = Condition()
        self._queue: deque[tuple[bytes, bytes]] = deque()
        self._queued_bytes = 0
        self._writing = False
        self._closing = False
        self._hurried = False
        self._writer: Thread | None = None
        self._known: KeyFilter | None = None  # None: not yet read from the database
        self._learned = 0  # the last row in the filter
        self._learn_at = 0.0  # monotonic
        self._cache: Any = None
        try:
            self._cache = _open(private_directory(directory), max_bytes)
            self._start()
        except Exception as error:  # whatever lies in that directory, the proxy starts
            self._lost("failed")
            log.warning("the response cache on disk is off: %s", _plain(error))

    @property
    def on(self) -> bool:
        return self._cache is not None

    def get(self, key: bytes) -> tuple[bytes, float] | None:
        """The value and the seconds it has left to live."""
        cache = self._cache
        if cache is None or (self._known is not None and key not in self._known):
            return None
        try:
            value, expires = cache.get(key, expire_time=True)
        except Exception as error:  # a failing store is a miss
            self._failed(error)
            return None
        if value is None or type(expires) is not float:  # None: no such row
            return None
        return value, expires - time.time()

    def put(self, key: bytes, value: bytes) -> None:
        if self._cache is None or len(value) > MAX_VALUE_BYTES:
            return
        with self._wake:
            if self._closing or self._queued_bytes + len(value) > _QUEUE_BYTES:
                self._lost("dropped")
                return
            self._queue.append((key, value))
            self._queued_bytes += len(value)
            if self._writer is None or not self._writer.is_alive():  # not alive: this is a forked child
                self._start()
            if len(self._queue) == 1:
                self._wake.notify_all()

    def flush(self, timeout: float = 5.0) -> bool:
        """Waits until everything queued is written or lost; False when that took longer than `timeout` seconds."""
        with self._wake:
            self._hurried = True
            self._wake.notify_all()
            try:
                return self._wake.wait_for(lambda: not self._queue and not self._writing, timeout)
            finally:
                self._hurried = False

    def close(self, timeout: float = 5.0) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        if self._writer is not None:
            self._writer.join(timeout)
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()  # this thread's connection; the writer closed its own

    def _start(self) -> None:
        self._writer = Thread(target=self._write_behind, name="levelhead-cache", daemon=True)
        self._writer.start()

    def _write_behind(self) -> None:
        cache = self._cache
        while not self._closing or self._queue:
            batch = self._next_batch()
            try:
                if self._cache is None:
                    continue
                if batch:
                    _store(cache, dict(batch), self._ttl)
                    if self._known is not None:
                        self._known.add(key for key, _ in batch)
                    if cache.volume() > cache.size_limit:
                        cache.cull()
                if time.monotonic() >= self._learn_at:
                    self._learn(cache)
            except Exception as error:  # a full disk loses the batch, not the thread
                self._failed(error, max(1, len(batch)))
        cache.close()

    def _learn(self, cache: Any) -> None:
        """Reads the keys that came since the last time, from whichever process."""
        self._learn_at = time.monotonic() + _LEARN_SECONDS
        known = self._known or KeyFilter()
        while rows := cache._sql(_KEYS, (self._learned, _KEYS_AT_ONCE)).fetchall():
            known.add(key for _, key in rows if type(key) is bytes)
            self._learned = rows[-1][0]
        self._known = known

    def _next_batch(self) -> list[tuple[bytes, bytes]]:
        """What is queued; nothing where there has been nothing for a while."""
        with self._wake:
            self._writing = False
            self._wake.notify_all()
            if not self._wake.wait_for(lambda: self._queue or self._closing, self._learn_at - time.monotonic()):
                return []
            if len(self._queue) < _BATCH:
                self._wake.wait_for(lambda: self._closing or self._hurried, _LINGER_SECONDS)
            batch = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            self._queued_bytes -= sum(len(value) for _, value in batch)
            self._writing = bool(batch)
            return batch

    def _failed(self, error: Exception, count: int = 1) -> None:
        for _ in range(count):
            self._lost("refused" if isinstance(error, RefusedRow) else "failed")
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        cache = self._cache
        if damaged and cache is not None:
            self._cache = None
            with suppress(Exception):
                cache.close()
            log.warning("the response cache on disk is off: %s", _plain(error))


_INSERT = (
    "INSERT INTO Cache (key, raw, store_time, expire_time, access_time, access_count, tag, size, mode, filename, value)"
    " VALUES {} ON CONFLICT (key, raw) DO UPDATE SET store_time = excluded.store_time, mode = excluded.mode,"
    " expire_time = excluded.expire_time, size = 0, filename = NULL, value = excluded.value"
)


_MANY, _ONE = (_INSERT.format(", ".join(["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"] * rows)) for rows in (_ROWS, 1))
_KEYS = "SELECT rowid, key FROM Cache WHERE rowid > ? ORDER BY rowid LIMIT ?"
_KEYS_AT_ONCE = 2_000


def _store(cache: Any, rows: dict[bytes, bytes], ttl_seconds: float) -> None:
    """`cache.set` for many rows in few statements.

    Row by row it takes five statements each, and each hands the interpreter's lock to and fro with the event loop,
    which costs the requests in flight more than the write itself.
    """
    now = time.time()
    known = (1, now, now + ttl_seconds, now, 0, None, 0, _MODE_RAW, None)
    written = [(key, *known, value) for key, value in rows.items()]
    whole = len(written) // _ROWS * _ROWS
    with cache.transact():
        for at in range(0, whole, _ROWS):
            cache._sql(_MANY, tuple(chain.from_iterable(written[at : at + _ROWS])))
        for row in written[whole:]:
            cache._sql(_ONE, row)


def _open(directory: Path, max_bytes: int) -> Any:
    return diskcache.Cache(
        str(directory),
        timeout=_LOCK_SECONDS,
        disk=BytesDisk,
        size_limit=max_bytes,
        eviction_policy="least-recently-stored",  # the one that lets a read be only a read
        cull_limit=0,  # per write it would see no room made until the batch is committed, and evict on
        statistics=0,
        tag_index=0,
        sqlite_mmap_size=0,  # a damaged file must be an error, not SIGBUS
        sqlite_trusted_schema=0,
    )


def private_directory(path: Path) -> Path:
    """`path` with mode 0700, made if need be. Raises `PermissionError` for one that others could have filled."""
    path = path.absolute()
    if os.path.expandvars(path) != str(path):
        raise PermissionError(f"{path} holds a $NAME that the store would expand")
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise PermissionError(f"{path} is a symbolic link; name the directory itself")
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user")
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(f"{path} is writable by others; empty it and chmod it to 700")
    for parent in path.resolve().parents:
        mode = parent.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise PermissionError(f"{parent}, above {path}, is writable by everyone")
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def _plain(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
