"""The processes that client_cost.py measures: bare clients, and bare servers in front of them. No router here."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol, cast

import aiohttp
import httptools
import uvicorn
import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness import raw_server

BODY = (
    b'{"model":"auto","messages":[{"role":"system","content":"You are a careful assistant."},'
    b'{"role":"user","content":"What is the capital of France? (nonce:0123456789abcdef)"}],"max_tokens":400}'
)
ANSWER = b'{"choices":[{"message":{"content":"nonce:%s"}}]}' + b" " * 560
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class Client(Protocol):
    """What both clients offer: a POST whose answer comes in pieces."""

    def post(self, body: bytes) -> AsyncIterator[bytes]:
        """Yields the body's pieces as they come."""
        ...

    async def read(self, body: bytes) -> bytes:
        """Returns the whole body."""
        ...


class AiohttpClient:
    """aiohttp with everything switched off that can be: no cookies, no decompression, no automatic headers."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/v1/chat/completions"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "user-agent"),
            headers={"content-type": "application/json", "authorization": "Bearer x"},
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def post(self, body: bytes) -> AsyncIterator[bytes]:
        async with self._session.post(self._url, data=body) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def read(self, body: bytes) -> bytes:
        async with self._session.post(self._url, data=body) as answer:
            return await answer.read()


class Wire(asyncio.Protocol):
    """One keep-alive connection: httptools parses, a future or a queue hands the pieces over."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class

    def start(self, request: bytes) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.pieces: list[bytes] = []
        self.done = False
        self.waiter: asyncio.Future[None] | None = None
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.wake()

    def on_message_complete(self) -> None:
        self.done = True
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.done = True


class HttptoolsClient:
    """A prototype: no timeouts, no limits, no errors; it shows the floor and nothing else."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Wire] = []
        self._head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer x\r\ncontent-length: %d\r\n\r\n%b"
        )

    async def _send(self, body: bytes) -> Wire:
        if self._idle:
            wire = self._idle.pop()
        else:
            wire = (await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", self._port))[1]
        wire.start(self._head % (len(body), body))
        return wire

    async def post(self, body: bytes) -> AsyncIterator[bytes]:
        wire = await self._send(body)
        loop = asyncio.get_running_loop()
        while not (wire.done and not wire.pieces):
            if not wire.pieces:
                wire.waiter = loop.create_future()
                await wire.waiter
            pieces, wire.pieces = wire.pieces, []
            if pieces:
                yield b"".join(pieces)
        self._idle.append(wire)

    async def read(self, body: bytes) -> bytes:
        wire = await self._send(body)
        loop = asyncio.get_running_loop()
        while not wire.done:
            wire.waiter = loop.create_future()
            await wire.waiter
        self._idle.append(wire)
        return b"".join(wire.pieces)


CLIENTS: dict[str, Callable[[int], Client]] = {"aiohttp": AiohttpClient, "httptools": HttptoolsClient}


class App:
    """A raw ASGI app: answers by itself (no upstream) or carries the body through a client."""

    def __init__(self, kind: str, upstream: int) -> None:
        self._kind, self._upstream = kind, upstream
        self._client: Client | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        if self._kind == "hello" or not body:
            await reply(send, local_answer(body))
            return
        if self._client is None:
            self._client = CLIENTS[self._kind](self._upstream)
        if b'"stream": true' in body:
            await reply_stream(send, self._client.post(body))
        else:
            await reply(send, await self._client.read(body))


def local_answer(body: bytes) -> bytes:
    """Returns an answer of the mock's size with the request's nonce; `ok` where there is no body."""
    at = body.find(b"nonce:") + 6
    return ANSWER % body[at : at + 16] if body else b"ok"


async def reply(send: Send, body: bytes) -> None:
    """Sends a whole JSON answer."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def reply_stream(send: Send, pieces: AsyncIterator[bytes]) -> None:
    """Sends the pieces as they come."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def load(kind: str, port: int, requests: int) -> float:
    """Returns CPU microseconds per request with 32 requests in flight."""
    client = CLIENTS[kind](port)

    async def worker(count: int) -> None:
        for _ in range(count):
            assert b"nonce:0123456789abcdef" in await client.read(BODY)

    await asyncio.gather(*(worker(20) for _ in range(32)))
    before = time.process_time()
    await asyncio.gather(*(worker(requests // 32) for _ in range(32)))
    return (time.process_time() - before) / (requests // 32 * 32) * 1e6


async def serve_raw(kind: str, port: int, upstream: int) -> None:
    """Serves without uvicorn and ASGI."""
    await raw_server.serve(port, CLIENTS[kind](upstream) if kind in CLIENTS else None, local_answer)


def main() -> None:
    """Runs `load-<client> PORT REQUESTS`, `serve-<hello|client> PORT UPSTREAM` or the same with `raw-`."""
    role, port, number = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    verb, kind = role.split("-")
    if verb == "load":
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            print(runner.run(load(kind, port, number)))
            return
    if verb == "raw":
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve_raw(kind, port, number))
    uvicorn.run(
        App(kind, number), host="127.0.0.1", port=port, loop="uvloop", http="httptools", log_level="error",
        access_log=False, lifespan="off", backlog=4096, server_header=False, date_header=False,
    )  # fmt: skip


if __name__ == "__main__":
    main()
