"""Memory before disk, behind the one port that the router sees."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .memory import MemoryTier

if TYPE_CHECKING:
    from .disk import DiskTier


class TieredCache:
    """`ports.ResponseCache`. What the disk knows moves up into memory, for as long as it had left to live there."""

    def __init__(self, memory: MemoryTier, disk: DiskTier | None = None) -> None:
        self._memory = memory
        self._disk = disk

    def get(self, key: bytes) -> tuple[bytes, str] | None:
        value = self._memory.get(key)
        if value is not None:
            return value, self._memory.name
        if self._disk is None or (found := self._disk.get(key)) is None:
            return None
        value, seconds_left = found
        self._memory.put(key, value, ttl_seconds=seconds_left)
        return value, self._disk.name

    def recent(self, key: bytes) -> bytes | None:
        return self._memory.get(key)

    def put(self, key: bytes, value: bytes) -> None:
        self._memory.put(key, value)
        if self._disk is not None:
            self._disk.put(key, value)

    async def aclose(self) -> None:
        """Writes what is queued, for at most five seconds."""
        if self._disk is not None:
            await asyncio.to_thread(self._disk.flush)
            self._disk.close(timeout=0.5)  # here: each thread closes its own connection
