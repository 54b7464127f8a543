"""What the fake vendors share: a socket, a script, a record of what was asked, and faults.

    async with FakeAnthropic() as claude:
        claude.script(Reply(text="Hello"), Refusal(status=529, type="overloaded_error", message="Overloaded"))
        ...                      # point a client at claude.url with the key claude.api_key
        assert claude.requests[0].body["max_tokens"] == 100

Without a script a vendor echoes, deterministically. A request that the real vendor would refuse is refused first.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Self

import orjson

from .http_server import Exchange, HttpConnection, Received
from .replies import Fault, Refusal, Reply, Scripted

__all__ = ["ThreadedVendor", "VendorServer"]

Json = Mapping[str, Any]
CREATED = 1_790_000_000  # the fakes' present, Unix seconds


class VendorServer(ABC):
    """A vendor's API on a real socket of 127.0.0.1. Use it as an async context manager.

    `requests` holds what came in, refused ones included; `connections` counts the sockets that were opened.
    """

    chat_path: str
    models: tuple[str, ...]

    def __init__(
        self, *, api_key: str = "sk-fake-0123456789", tls: ssl.SSLContext | None = None, context_tokens: int = 200_000
    ) -> None:
        self.api_key = api_key
        self.context_tokens = context_tokens
        self.requests: list[Received] = []
        self.connections = 0
        self.answer: Callable[[Json], Scripted] | None = None  # answers when the script is empty; None: an echo
        self._tls = tls
        self._script: deque[Scripted] = deque()
        self._released = asyncio.Event()
        self._open: set[HttpConnection] = set()
        self._count = 0

    def script(self, *replies: Scripted) -> None:
        """Queues answers: one for each chat request that passes the vendor's own checks."""
        self._script.extend(replies)

    def release(self) -> None:
        """Ends every stall, now and later."""
        self._released.set()

    @property
    def url(self) -> str:
        """The base URL, as the vendor's own documentation would give it."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}{self.base_path}"

    base_path = ""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.drop_connections()
        await asyncio.sleep(0)

    def drop_connections(self) -> None:
        """Closes every open connection, as a server does with idle ones."""
        for connection in list(self._open):
            connection.transport.close()

    def _connect(self) -> HttpConnection:
        self.connections += 1
        return HttpConnection(self._handle, self.connections, self._open)

    # --- what a vendor must say about itself ---

    @abstractmethod
    def admit(self, request: Received) -> Refusal | None:
        """What the headers alone decide: key, version."""

    @abstractmethod
    def check(self, body: Json) -> Refusal | None: ...
    @abstractmethod
    def envelope(self, refusal: Refusal) -> bytes: ...
    @abstractmethod
    def error_headers(self) -> list[tuple[str, str]]: ...
    @abstractmethod
    def echo(self, body: Json) -> Reply: ...
    @abstractmethod
    def render(self, reply: Reply, body: Json) -> bytes: ...
    @abstractmethod
    def events(self, reply: Reply, body: Json) -> list[bytes]:
        """The stream's frames, terminator included."""

    @abstractmethod
    def error_event(self, fault: Fault) -> bytes: ...

    def other(self, request: Received) -> bytes | Refusal:
        """The other paths: 404 unless a vendor knows better."""
        return Refusal(status=404, message="Not Found", type=self.not_found_type)

    not_found_type = "invalid_request_error"

    def next_number(self) -> int:
        """Numbers that ids are made of."""
        self._count += 1
        return self._count

    # --- answering ---

    async def _handle(self, exchange: Exchange) -> None:
        request = exchange.request
        self.requests.append(request)
        refused = self.admit(request)
        if refused is not None:
            self._refuse(exchange, refused)
        elif request.path.split("?")[0] != self.chat_path:
            found = self.other(request)
            if isinstance(found, Refusal):
                self._refuse(exchange, found)
            else:
                exchange.respond(200, [("content-type", "application/json"), *self.error_headers()], found)
        else:
            await self._chat(exchange)

    async def _chat(self, exchange: Exchange) -> None:
        body = exchange.request.body
        if not isinstance(body, dict):
            refused: Refusal | None = Refusal(message="We could not parse the JSON body of your request.")
            body = {}
        else:
            refused = self._checked(body)
        if refused is not None:
            self._refuse(exchange, refused)
            return
        reply = self._script.popleft() if self._script else self.answer(body) if self.answer else self.echo(body)
        if isinstance(reply, Fault):
            if await self._strike(exchange, reply):
                return
            reply = self.echo(body)
        if isinstance(reply, Refusal):
            self._refuse(exchange, reply)
        elif body.get("stream"):
            await self._stream(exchange, reply, body)
        else:
            await self._whole(exchange, reply, body)

    def _checked(self, body: Json) -> Refusal | None:
        try:
            return self.check(body)
        except (AttributeError, KeyError, TypeError):  # a value of a type that no rule expects
            return Refusal(message="We could not parse the JSON body of your request.", type="invalid_request_error")

    def _refuse(self, exchange: Exchange, refusal: Refusal) -> None:
        headers = [("content-type", refusal.content_type), *self.error_headers(), *refusal.headers]
        exchange.respond(refusal.status, headers, self.envelope(refusal) if refusal.body is None else refusal.body)

    def before_body(self) -> bytes:
        """What an unstreamed answer may be preceded by."""
        return b""

    async def _whole(self, exchange: Exchange, reply: Reply, body: Json) -> None:
        raw = self.before_body() + self.render(reply, body)
        headers = [("content-type", "application/json"), *self.error_headers(), *reply.headers]
        if reply.close_delimited:
            exchange.start(200, headers, close_delimited=True)
            await exchange.write(raw)
            exchange.end()
        elif reply.fault is None:
            exchange.respond(200, headers, raw)
        else:
            exchange.respond(200, headers, raw, sent=len(raw) // 2)
            if not await self._strike(exchange, reply.fault):
                exchange.write_raw(raw[len(raw) // 2 :])
                exchange.done = True

    async def _stream(self, exchange: Exchange, reply: Reply, body: Json) -> None:
        headers = [("content-type", "text/event-stream; charset=utf-8"), *self.error_headers(), *reply.headers]
        exchange.start(200, headers, close_delimited=reply.close_delimited)
        frames = self.events(reply, body)
        for number, frame in enumerate(frames):
            fault = reply.fault
            if fault is not None and fault.after == number and await self._strike(exchange, fault):
                return
            step = reply.drip or len(frame)
            for at in range(0, len(frame), step):
                await exchange.write(frame[at : at + step])
        exchange.end()

    async def _strike(self, exchange: Exchange, fault: Fault) -> bool:
        """Whether the fault ended the answer."""
        if fault.kind == "stall":
            await self._released.wait()
            return False
        if fault.kind == "error":
            await exchange.write(self.error_event(fault))
            exchange.end()
        elif fault.kind == "cut":
            exchange.cut()
        else:
            exchange.reset()
        return True


class ThreadedVendor:
    """Runs a vendor in a thread with a loop of its own, for clients that block. A plain context manager."""

    def __init__(self, vendor: VendorServer) -> None:
        self.vendor = vendor
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return self.vendor.url

    def __enter__(self) -> VendorServer:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self.vendor.__aenter__(), self._loop).result()
        return self.vendor

    def __exit__(self, *exc: object) -> None:
        asyncio.run_coroutine_threadsafe(self.vendor.__aexit__(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def dumps(value: object) -> bytes:
    return orjson.dumps(value)
