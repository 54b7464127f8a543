"""One connection without a network: a client's bytes in, the proxy's bytes out, and a clock that the test moves."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

import httptools
import orjson

from levelhead.errors import LevelheadError, Unauthenticated
from levelhead.serve.exchange import ClientGone, Exchange, Work
from levelhead.serve.protocol import HttpProtocol

T = TypeVar("T")
HIGH_WATER = 65_536
KEEP_ALIVE = 75


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time stands still until it is told."""

    now = 1_000.0

    def time(self) -> float:
        return self.now

    async def pass_(self, seconds: float) -> None:
        """Lets time pass, one second after the other: timers that fire set others."""
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + 1)
            await settle()


async def settle() -> None:
    """Lets everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


def live(scene: Callable[[Clock], Coroutine[Any, Any, T]]) -> T:
    """Runs a scene in a loop of its own."""
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(scene(runner.get_loop()))  # type: ignore[arg-type]


class Pipe(asyncio.Transport):
    """What the protocol writes is in `out`. `taken`: whether the client reads it."""

    def __init__(self, protocol: HttpProtocol) -> None:
        super().__init__()
        self.out = bytearray()
        self.taken = True
        self.unread = 0
        self.reading = True
        self.closing = self.aborted = False
        self._protocol = protocol
        self._full = False

    def write(self, data: Any) -> None:
        assert not self.closing, "written after it was closed"
        self.out += data
        if not self.taken:
            self.unread += len(data)
            if self.unread > HIGH_WATER and not self._full:
                self._full = True
                self._protocol.pause_writing()

    def take(self) -> None:
        """The client reads again, and has caught up."""
        self.taken, self.unread = True, 0
        if self._full:
            self._full = False
            self._protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed without a pause"
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        self.close()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def echo(self) -> Any:
        return orjson.loads(self.body)


class Echo:
    """An application that says what it understood.

    /refused refuses by the headers alone, /slow waits for `gate`, /stream answers in pieces, /big with `big` bytes.
    """

    def __init__(self) -> None:
        self.served: list[tuple[str, str, bytes]] = []
        self.gate = asyncio.Event()
        self.cancelled = 0
        self.pieces = 3
        self.piece = b"piece\n"
        self.big = 100_000

    def greet(self, exchange: Exchange) -> None:
        if exchange.path == "/refused":
            raise Unauthenticated("no")
        if exchange.path == "/broken":
            raise RuntimeError("secret")

    def serve(self, exchange: Exchange) -> Work | None:
        self.served.append((exchange.method, exchange.path, exchange.body))
        if exchange.path == "/slow":
            return self._slow(exchange)
        if exchange.path == "/stream":
            return self._stream(exchange)
        if exchange.path == "/big":
            exchange.reply(200, b"x" * self.big)
            return None
        said = {
            "method": exchange.method,
            "path": exchange.path,
            "headers": exchange.headers,
            "size": len(exchange.body),
            "hash": hashlib.sha256(exchange.body).hexdigest(),
        }
        exchange.reply(200, orjson.dumps(said))
        return None

    def refuse(self, exchange: Exchange, error: LevelheadError) -> None:
        exchange.reply(error.http_status, orjson.dumps({"code": error.code}))

    async def _slow(self, exchange: Exchange) -> None:
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        exchange.reply(200, b'{"slow":true}')

    async def _stream(self, exchange: Exchange) -> None:
        try:
            exchange.begin(200, b"content-type: text/event-stream\r\n")
            for _ in range(self.pieces):
                exchange.write(self.piece)
                if exchange.behind:
                    await exchange.drain()
                await asyncio.sleep(0)
            exchange.end()
        except (asyncio.CancelledError, ClientGone) as error:
            self.cancelled += 1
            if isinstance(error, ClientGone):
                exchange.abort()
            else:
                raise


class Peer:
    """A client's end of one connection."""

    def __init__(self, app: Echo | None = None, state: Any = None, most: int | None = None) -> None:
        self.app = app or Echo()
        self.state = state or SimpleNamespace(connections=set(), tasks=set(), default_headers=[], total_requests=0)
        config: Any = SimpleNamespace(loaded_app=self.app, timeout_keep_alive=KEEP_ALIVE, limit_concurrency=most)
        self.protocol = HttpProtocol(config, self.state)  # type: ignore[arg-type]
        self.pipe = Pipe(self.protocol)
        self.protocol.connection_made(self.pipe)

    async def send(self, *pieces: bytes) -> None:
        """Each piece is one read of the proxy's; what a paused or closed connection doesn't read is lost."""
        for piece in pieces:
            for _ in range(50):
                if self.pipe.reading or self.pipe.closing:
                    break
                await settle()
            if self.pipe.closing or not self.pipe.reading:
                return
            self.protocol.data_received(piece)
            await settle()

    def leave(self) -> None:
        self.pipe.closing = True
        self.protocol.connection_lost(ConnectionResetError())

    @property
    def open(self) -> bool:
        return not self.pipe.closing

    @property
    def answers(self) -> list[Answer]:
        """Every whole answer so far; 100s are left out. Fails where the proxy's bytes are no HTTP."""
        return list(read_answers(bytes(self.pipe.out)))

    @property
    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers]


def read_answers(raw: bytes) -> Iterable[Answer]:
    found: list[Answer] = []
    headers: dict[str, str] = {}
    body = bytearray()

    class Reader:
        def on_header(self, name: bytes, value: bytes) -> None:
            assert name.decode() not in headers
            headers[name.decode()] = value.decode()

        def on_body(self, piece: bytes) -> None:
            body.extend(piece)

        def on_message_complete(self) -> None:
            if parser.get_status_code() != 100:
                found.append(Answer(parser.get_status_code(), dict(headers), bytes(body)))
            headers.clear()
            body.clear()

    parser = httptools.HttpResponseParser(Reader())
    parser.feed_data(raw)
    return found


def request(
    method: str = "POST", path: str = "/", body: bytes | None = b"{}", *headers: str, version: str = "1.1"
) -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: proxy", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def chunked(body: bytes, sizes: Iterable[int], path: str = "/", trailer: bytes = b"") -> bytes:
    pieces = []
    for size in sizes:
        piece, body = body[:size], body[size:]
        if piece:
            pieces.append(piece)
    if body:
        pieces.append(body)
    framed = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    head = f"POST {path} HTTP/1.1\r\nHost: proxy\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + framed + b"0\r\n" + trailer + b"\r\n"
