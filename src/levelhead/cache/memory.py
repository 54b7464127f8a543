"""The first tier: this process's own memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

_ENTRY_BYTES = 250  # what Python keeps around one key and value


class MemoryTier:
    """Least recently used goes first; bounded by entries and by bytes. Safe in threads."""

    name = "memory"

    def __init__(
        self,
        *,
        ttl_seconds: float,
        max_bytes: int = 64_000_000,
        max_entries: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl_seconds
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_bytes(self) -> int:
        """What is held, keys and bookkeeping included."""
        return self._bytes

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            expires, value = entry
            if expires <= self._clock():
                self._forget(key)
                return None
            self._entries.move_to_end(key)
            return value

    def put(self, key: bytes, value: bytes, *, ttl_seconds: float | None = None) -> None:
        """`ttl_seconds` shortens the tier's own, for an entry that another tier has held for a while."""
        ttl = self._ttl if ttl_seconds is None else min(self._ttl, ttl_seconds)
        size = _size(key, value)
        with self._lock:
            if key in self._entries:
                self._forget(key)
            if ttl <= 0 or size > self._max_bytes or self._max_entries < 1:
                return
            self._entries[key] = (self._clock() + ttl, value)
            self._bytes += size
            while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
                self._forget(next(iter(self._entries)))

    def _forget(self, key: bytes) -> None:
        _, value = self._entries.pop(key)
        self._bytes -= _size(key, value)


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + _ENTRY_BYTES
