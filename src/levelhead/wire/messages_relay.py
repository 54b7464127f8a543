"""Claude's own stream for a client of its own dialect: every frame as it came, and the counts that levelhead needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..types import Chunk
from .messages_stream import StreamReader
from .messages_write import event
from .sse import Event

__all__ = ["Closing", "RelayReader"]

_SILENT: dict[str, Any] = {"choices": []}
_set = object.__setattr__


class Closing(Chunk):
    """The last two events. They wait for each other, so that what the answer cost can be said in the first."""

    __slots__ = ("said", "stop")
    said: Mapping[str, Any] | None
    stop: bytes

    def __init__(self, data: dict[str, Any], said: Mapping[str, Any] | None, stop: bytes) -> None:
        _set(self, "data", data)
        _set(self, "raw", None)
        _set(self, "said", said)
        _set(self, "stop", stop)

    def frame(self, cost_usd: float | None) -> bytes:
        said = self.said
        if said is None:
            return self.stop
        usage = said.get("usage") or {}
        if cost_usd is not None:
            said = {**said, "usage": {**usage, "cost_usd": cost_usd}}
        return event("message_delta", **{name: value for name, value in said.items() if name != "type"}) + self.stop


class RelayReader(StreamReader):
    """As its twin, but each chunk has the frame it came in as `raw`; what gave no chunk of its own gives a silent one.

    A frame that gave several chunks goes with the first; the others' `raw` is empty.
    """

    _held: Mapping[str, Any] | None = None

    def _read(self, event: Event, chunks: list[Chunk]) -> None:
        fresh: list[Chunk] = []
        was_finished = self.finished
        super()._read(event, fresh)
        if was_finished:
            return
        if self.finished:
            *rest, last = fresh
            chunks += [Chunk(chunk.data, b"") for chunk in rest]
            chunks.append(Closing(last.data, self._held, event.raw))
            return
        if b'"message_delta"' in event.data[:64] or event.event == "message_delta":
            said = orjson.loads(event.data)
            if self._held is not None:  # a vendor may count more than once: the last one has it all
                said = {**self._held, **said, "delta": {**self._held.get("delta", {}), **(said.get("delta") or {})}}
            self._held = said
            chunks += [Chunk(chunk.data, b"") for chunk in fresh]
            return
        raw = event.raw
        for chunk in fresh or (Chunk(_SILENT),):
            chunks.append(Chunk(chunk.data, raw))
            raw = b""
