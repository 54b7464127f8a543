"""What `previous_response_id` refers to: the items of a conversation up to and with an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import orjson

from .disk import DiskTier
from .memory import MemoryTier

MAX_BYTES = 4_000_000  # of one conversation; a longer one isn't kept
_TTL_SECONDS = 24 * 3600.0


class Conversations:
    """Bounded in bytes, entries and time; the oldest go first. A key's conversations are its own.

    `disk` serves the other workers of this machine: they know what is stored there a second or two later.
    """

    def __init__(self, disk: DiskTier | None = None, *, max_bytes: int = 64_000_000, ttl: float = _TTL_SECONDS) -> None:
        self._memory = MemoryTier(ttl_seconds=ttl, max_bytes=max_bytes)
        self._disk = disk

    def put(self, tenant: str, response_id: str, items: Sequence[Mapping[str, Any]]) -> None:
        written = orjson.dumps(items)
        if len(written) > MAX_BYTES:
            return
        key = _key(tenant, response_id)
        self._memory.put(key, written)
        if self._disk is not None:
            self._disk.put(key, written)

    def get(self, tenant: str, response_id: str) -> list[Mapping[str, Any]] | None:
        key = _key(tenant, response_id)
        written = self._memory.get(key)
        if written is None and self._disk is not None and (found := self._disk.get(key)) is not None:
            written = found[0]
        if written is None:
            return None
        try:
            items = orjson.loads(written)
        except orjson.JSONDecodeError:
            return None
        return items if isinstance(items, list) else None

    def close(self) -> None:
        if self._disk is not None:
            self._disk.close()


def _key(tenant: str, response_id: str) -> bytes:
    return blake2b(orjson.dumps([tenant, response_id]), digest_size=32).digest()
