"""What every streamed answer does alike: hold back until there is content, then hand on what each read brings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Protocol, Self

from ..errors import UpstreamError
from ..types import Chunk, Model, Usage
from .faults import broken


class Reader(Protocol):
    """A codec's incremental reader of one stream."""

    @property
    def usage(self) -> Usage | None: ...
    @property
    def finished(self) -> bool: ...
    @property
    def output_bytes(self) -> int: ...
    def feed(self, data: bytes) -> list[Chunk]: ...
    def finish(self) -> list[Chunk]: ...


class ReadStream(ABC):
    """An `AnswerStream` over a codec's reader. After `begin` its first content is in hand."""

    def __init__(self, model: Model, reader: Reader) -> None:
        self.wire = model.wire
        self._model = model
        self._reader = reader
        self._held: list[Chunk] = []
        self._ended = False

    @property
    def usage(self) -> Usage | None:
        return self._reader.usage if self._reader.finished else None  # Claude counts the input before it answers

    @property
    def counted(self) -> Usage | None:
        return self._reader.usage

    @property
    def output_bytes(self) -> int:
        return self._reader.output_bytes

    async def begin(self) -> None:
        """Reads up to the first content. Raises the vendor's `UpstreamError`, or `StreamBroken` from the codec."""
        while not self._ended:
            chunks = await self._read()
            self._held += chunks
            if any(has_content(chunk.data) for chunk in chunks):
                return

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Chunk]:
        if self._held:
            held, self._held = self._held, []
            return held
        while not self._ended:
            try:
                chunks = await self._read()
            except UpstreamError as error:
                raise broken(error, self._model) from None
            if chunks:
                return chunks
        raise StopAsyncIteration

    @abstractmethod
    async def aclose(self) -> None: ...

    @abstractmethod
    async def _read(self) -> list[Chunk]:
        """What one read brings. Sets `_ended` at the end; raises where it comes too soon."""


def has_content(data: Mapping[str, Any]) -> bool:
    """Whether a chunk holds anything of the answer itself: more than a role, a ping or a count."""
    for choice in data.get("choices") or ():
        if choice.get("finish_reason"):
            return True
        delta = choice.get("delta")
        if delta and any(value for name, value in delta.items() if name != "role"):
            return True
    return False
