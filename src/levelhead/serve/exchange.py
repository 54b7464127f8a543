"""One HTTP request, and the way to answer it: whole, or piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus
from typing import Any, Protocol

from ..errors import LevelheadError
from ..types import Key
from .limits import SLOW_SECONDS

JSON_HEAD = b"content-type: application/json\r\n"
_STATUS_LINES = {s.value: f"HTTP/1.1 {s.value} {s.phrase}\r\n".encode() for s in HTTPStatus}

Work = Coroutine[Any, Any, None]


class ClientGone(Exception):
    """The client reads no more; there is nobody to answer."""


class Application(Protocol):
    """What the protocol asks of the proxy."""

    def greet(self, exchange: Exchange) -> None:
        """The headers are in. Raises `LevelheadError` to refuse the request before its body is read."""
        ...

    def serve(self, exchange: Exchange) -> Work | None:
        """The body is in: answers at once, or returns what is still to be done, for a task. Raises nothing."""
        ...

    def refuse(self, exchange: Exchange, error: LevelheadError) -> None:
        """Answers with an error in the client's dialect."""
        ...


class Connection(Protocol):
    """What an exchange needs of the connection it came by."""

    @property
    def date(self) -> bytes: ...
    @property
    def writable(self) -> asyncio.Event | None: ...

    def send(self, data: bytes) -> None: ...
    def finished(self, exchange: Exchange) -> None: ...
    def abort(self) -> None: ...


class Exchange:
    """`headers` have lower-case names. `gone`: the client left; its task was cancelled."""

    __slots__ = (
        "_chunked", "_connection", "_head", "body", "complete", "cut", "done", "gone", "headers", "keep_alive", "key",
        "method", "modern", "parts", "path", "raw", "refusal", "route", "size", "started", "stored", "task",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, method: str, path: str, headers: dict[str, str], *, modern: bool, keep_alive: bool
    ) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.modern = modern  # HTTP/1.1
        self.keep_alive = keep_alive
        self.body = b""
        self.parts: list[bytes] = []
        self.size = 0  # bytes of the body so far
        self.stored = 0  # bytes of it that its connection has accounted for
        self.raw = 0  # bytes that these took on their way
        self.complete = False  # the whole request is in, or as much of it as will be read
        self.cut = False  # the rest of it is not read
        self.started = False  # an answer has begun
        self.done = False
        self.gone = False
        self.refusal: LevelheadError | None = None
        self.route: Any = None  # the application's
        self.key: Key | None = None
        self.task: asyncio.Task[None] | None = None
        self._connection = connection
        self._head = b""
        self._chunked = False

    def reply(self, status: int, body: bytes, head: bytes = JSON_HEAD) -> None:
        """A whole answer. `head`: header lines, each with its line end."""
        assert not self.started  # a second response is refused once one has started
        self.started = True
        shown = b"" if self.method == "HEAD" else body
        self._connection.send(
            b"%b%b%bcontent-length: %d\r\n%b\r\n%b"
            % (_status_line(status), self._connection.date, head, len(body), self._closing(), shown)
        )
        self._end()

    def begin(self, status: int, head: bytes) -> None:
        """The head of an answer in pieces; it leaves with the first of them."""
        assert not self.started
        self.started = True
        self._chunked = self.modern
        if not self.modern:
            self.keep_alive = False
        framing = b"transfer-encoding: chunked\r\n" if self._chunked else b""
        self._head = b"%b%b%b%b%b\r\n" % (_status_line(status), self._connection.date, head, framing, self._closing())

    def write(self, piece: bytes) -> None:
        if self.gone or not piece:
            return
        if self._chunked:
            piece = b"%b%x\r\n%b\r\n" % (self._head, len(piece), piece)
        elif self._head:
            piece = self._head + piece
        self._head = b""
        self._connection.send(piece)

    @property
    def behind(self) -> bool:
        """The client reads more slowly than it is written to: `drain` before the next piece."""
        return self._connection.writable is not None

    async def drain(self) -> None:
        """Waits until the client has caught up. Raises `ClientGone` where it doesn't."""
        if (writable := self._connection.writable) is not None:
            try:
                await asyncio.wait_for(writable.wait(), SLOW_SECONDS)
            except TimeoutError:
                self.gone = True
                raise ClientGone from None

    def end(self) -> None:
        """The last piece has been written."""
        if not self.gone:
            last = b"0\r\n\r\n" if self._chunked else b""
            self._connection.send(self._head + last)
        self._end()

    def abort(self) -> None:
        """Cuts the connection: the client must not take what it has for a whole answer."""
        self.done = True
        self._connection.abort()

    def _closing(self) -> bytes:
        return b"" if self.keep_alive else b"connection: close\r\n"

    def _end(self) -> None:
        self.done = True
        self._connection.finished(self)


def _status_line(status: int) -> bytes:
    """Vendors' statuses are handed on, and they have some of their own: 529, 499."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d Refused\r\n" % status
