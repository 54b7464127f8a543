"""A small HTTP/1.1 server that can misbehave on purpose: reset, cut short, stall, dribble."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import orjson

__all__ = ["Exchange", "Handler", "HttpConnection", "Received"]

Handler = Callable[["Exchange"], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Received:
    """One request as it came in. `gone` is set when the client left before its answer was complete."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    connection: int
    gone: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    @property
    def body(self) -> Any:
        """The parsed JSON body; None where it isn't JSON."""
        try:
            return orjson.loads(self.raw)
        except orjson.JSONDecodeError:
            return None


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, request: Received, transport: asyncio.Transport, resumed: asyncio.Event) -> None:
        self.request = request
        self.done = False
        self._transport = transport
        self._resumed = resumed  # set while the transport takes more
        self._chunked = False
        self._closes = False

    def respond(self, status: int, headers: list[tuple[str, str]], body: bytes, *, sent: int | None = None) -> None:
        """A whole answer; with `sent`, only so many bytes of its body."""
        head = self._head(status, [*headers, ("content-length", str(len(body)))])
        self._transport.write(head + (body if sent is None else body[:sent]))
        self.done = sent is None

    def start(self, status: int, headers: list[tuple[str, str]], *, close_delimited: bool = False) -> None:
        """Begins a streamed answer."""
        self._chunked, self._closes = not close_delimited, close_delimited
        framing = ("connection", "close") if close_delimited else ("transfer-encoding", "chunked")
        self._transport.write(self._head(status, [*headers, framing]))

    async def write(self, data: bytes) -> None:
        self._transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        await self._resumed.wait()
        await asyncio.sleep(0)  # a write of its own

    def write_raw(self, data: bytes) -> None:
        """Bytes outside of any framing."""
        self._transport.write(data)

    def end(self) -> None:
        if self._chunked:
            self._transport.write(b"0\r\n\r\n")
        self.done = True
        if self._closes:
            self._transport.close()

    def broken(self, error: Exception) -> bytes:
        """What is said where the fake itself fails."""
        body = orjson.dumps({"error": {"type": "fake_error", "message": f"the fake vendor failed: {error!r}"}})
        return self._head(501, [("content-length", str(len(body))), ("connection", "close")]) + body

    def cut(self) -> None:
        """Closes the connection in good order, wherever the answer is."""
        self.done = True
        self._transport.close()

    def reset(self) -> None:
        """Closes it with a TCP reset."""
        self.done = True
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _head(self, status: int, headers: list[tuple[str, str]]) -> bytes:
        lines = [f"HTTP/1.1 {status} Status", *(f"{name}: {value}" for name, value in headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class HttpConnection(asyncio.Protocol):
    """Parses requests, one at a time, and hands each to the handler in a task of its own."""

    def __init__(self, handler: Handler, number: int, open_connections: set[HttpConnection]) -> None:
        self._handler = handler
        self._number = number
        self._open = open_connections
        self._resumed = asyncio.Event()
        self._resumed.set()
        self._task: asyncio.Task[None] | None = None
        self._exchange: Exchange | None = None
        self._waiting: list[Received] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._parser: Any = httptools.HttpRequestParser(self)
        self._open.add(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def pause_writing(self) -> None:
        self._resumed.clear()

    def resume_writing(self) -> None:
        self._resumed.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._open.discard(self)
        self._parser = None
        self._resumed.set()
        if self._exchange is not None and not self._exchange.done:
            self._exchange.request.gone.set()
        if self._task is not None:
            self._task.cancel()

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", dict[str, str](), list[bytes]()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, piece: bytes) -> None:
        self._body.append(piece)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        request = Received(method, self._url.decode(), self._headers, b"".join(self._body), self._number)
        self._waiting.append(request)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._serve())

    async def _serve(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while self._waiting:
                exchange = self._exchange = Exchange(self._waiting.pop(0), self.transport, self._resumed)
                try:
                    await self._handler(exchange)
                except Exception as error:  # a fake that breaks must not look like a vendor that is slow
                    self.transport.write(exchange.broken(error))
                    self.transport.close()
                    raise
                if not exchange.done or self.transport.is_closing():
                    self.transport.close()
                    return
        self._task = None
