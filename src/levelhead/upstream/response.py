"""One answer while it arrives.

A `Response` owns the bytes of its answer, the `Connection` only the socket: a connection that is free again can't hand
the bytes of one answer to another.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ..errors import UpstreamError, UpstreamUnavailable

if TYPE_CHECKING:
    from .connection import Connection

DRAIN_SECONDS = 1.0  # how long the closing bytes of an answer that is no longer needed are waited for


class Response:
    """One answer while it arrives: read it whole or piece by piece, from one task."""

    __slots__ = (
        "_loop", "_waiter", "buffered", "complete", "connection", "deadline", "error", "heard",
        "pieces", "raw_headers", "status", "unread", "whole",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        self.deadline = deadline  # loop time
        self.status = 0  # 0 until the headers are in
        self.heard = False  # whether any byte arrived
        self.complete = False
        self.error: UpstreamError | None = None
        self.pieces: list[bytes] = []
        self.buffered = 0  # bytes in `pieces`
        self.whole = False  # the reader wants to wake up once, at the end
        self.unread = False  # nobody wants the rest
        self._loop = loop
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self._waiter: asyncio.Future[None] | None = None
        self.connection: Connection | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; repeated ones joined by a comma."""
        found: dict[str, str] = {}
        for raw_name, raw_value in self.raw_headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    async def started(self) -> None:
        """Returns when the headers are in."""
        while not self.status and self.error is None:
            await self._more()
        if not self.status and self.error is not None:
            raise self.error

    async def read(self) -> bytes:
        """The rest of the body. Raises `UpstreamUnavailable` where it exceeds the limit or is cut short."""
        self.whole = True
        if self.connection is not None:
            self.connection.resume()
        while not self.complete and self.error is None:
            await self._more()
        if self.error is not None:
            raise self.error
        return self._take()

    async def receive(self) -> bytes:
        """Everything that has arrived since the last call, b"" at the end."""
        while not self.pieces:
            if self.complete:
                return b""
            if self.error is not None:
                raise self.error
            await self._more()
        return self._take()

    def release(self) -> None:
        """The rest isn't needed: the connection is kept if it ends by itself at once."""
        self.unread = True
        self._take()
        if self.connection is not None:
            self.deadline = min(self.deadline, self._loop.time() + DRAIN_SECONDS)
            self.connection.watch(self.deadline)

    def close(self) -> None:
        """Cancels the answer: unless all of it has arrived, the connection is closed at once."""
        if self.connection is not None:
            self.connection.fail(UpstreamUnavailable("the answer was cancelled"))

    def _take(self) -> bytes:
        pieces = self.pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.pieces, self.buffered = [], 0
        if self.connection is not None:
            self.connection.resume()
        return data

    async def _more(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        except BaseException:  # cancelled: the vendor must stop working for nobody
            self.close()
            raise
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
