"""What `previous_response_id` refers to: the items of a conversation up to and with an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from .memory import MemoryTier
from .shelf import Shelf

MAX_BYTES = 4_000_000  # of one conversation; a longer one isn't kept
_SHARED_BYTES = 512_000_000
_TTL_SECONDS = 24 * 3600.0


class Conversations:
    """Bounded in bytes, entries and time; the oldest go first. A key's conversations are its own.

    `shared`: a file for the workers of one server, who go on with each other's conversations.
    """

    def __init__(self, shared: Path | None = None, *, max_bytes: int = 64_000_000, ttl: float = _TTL_SECONDS) -> None:
        self._memory = MemoryTier(ttl_seconds=ttl, max_bytes=max_bytes)
        self._shelf = Shelf(shared, ttl_seconds=ttl, max_bytes=_SHARED_BYTES) if shared is not None else None

    def put(self, tenant: str, response_id: str, items: Sequence[Mapping[str, Any]]) -> None:
        written = orjson.dumps(items)
        if len(written) > MAX_BYTES:
            return
        key = _key(tenant, response_id)
        self._memory.put(key, written)
        if self._shelf is not None:
            self._shelf.put(key, written)

    def get(self, tenant: str, response_id: str) -> list[Mapping[str, Any]] | None:
        key = _key(tenant, response_id)
        written = self._memory.get(key)
        if written is None and self._shelf is not None:
            written = self._shelf.get(key)
        if written is None:
            return None
        try:
            items = orjson.loads(written)
        except orjson.JSONDecodeError:
            return None
        return items if isinstance(items, list) else None

    def close(self) -> None:
        if self._shelf is not None:
            self._shelf.close()


def _key(tenant: str, response_id: str) -> bytes:
    return blake2b(orjson.dumps([tenant, response_id]), digest_size=32).digest()
