"""The floor below uvicorn: an HTTP server that is one `asyncio.Protocol` with httptools' parser, to measure with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol, cast

import httptools

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Upstream(Protocol):
    """A client that answers a POST whole or in pieces."""

    def post(self, body: bytes) -> AsyncIterator[bytes]:
        """Yields the answer's pieces."""
        ...

    async def read(self, body: bytes) -> bytes:
        """Returns the whole answer."""
        ...


class RawServer(asyncio.Protocol):
    """One client connection; requests on it are answered one after the other."""

    def __init__(self, client: Upstream | None, answer: Callable[[bytes], bytes]) -> None:
        self._client, self._answer = client, answer
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        if self._client is None or not body:
            answer = self._answer(body)
            self.transport.write(OK % (len(answer), answer))
        elif b'"stream": true' in body:
            self._start(self._carry_stream(self._client, body))
        else:
            self._start(self._carry(self._client, body))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, client: Upstream, body: bytes) -> None:
        answer = await client.read(body)
        self.transport.write(OK % (len(answer), answer))

    async def _carry_stream(self, client: Upstream, body: bytes) -> None:
        self.transport.write(STREAM)
        async for piece in client.post(body):
            self.transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        self.transport.write(b"0\r\n\r\n")


async def serve(port: int, client: Upstream | None, answer: Callable[[bytes], bytes]) -> None:
    """Serves on loopback until it is cancelled."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: RawServer(client, answer), "127.0.0.1", port, backlog=4096)
    async with server:
        await server.serve_forever()
