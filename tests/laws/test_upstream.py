"""Laws of the HTTP client: framing doesn't matter, and no stream ever reads another's bytes."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead.errors import UpstreamUnavailable
from levelhead.testing.http_server import Exchange, HttpConnection
from levelhead.upstream.client import HttpClient
from levelhead.upstream.connection import Connection
from levelhead.upstream.limits import Limits, Timeouts
from levelhead.upstream.response import Response


class Wire(asyncio.Transport):
    """A transport that only remembers what became of it."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: Any) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.closed = True


async def read(wire_bytes: bytes, cuts: list[int]) -> tuple[Any, int, bool]:
    """The body or the error, the status, and whether the connection may be used again."""
    free: list[Connection] = []
    loop = asyncio.get_running_loop()
    connection = Connection(loop, Limits(), Timeouts(), free.append, lambda lost: None)
    connection.connection_made(Wire())
    response = Response(loop, loop.time() + 60)
    connection.send(response, b"", b"")
    edges = [0, *sorted(min(cut, len(wire_bytes)) for cut in cuts), len(wire_bytes)]
    for start, end in itertools.pairwise(edges):
        if end > start and not response.complete:
            connection.data_received(wire_bytes[start:end])
    if not response.complete:
        connection.connection_lost(None)
    try:
        return await response.read(), response.status, bool(free)
    except UpstreamUnavailable:
        return None, response.status, bool(free)
    finally:
        connection.abort()
        if not response.complete or free:
            connection.connection_lost(None)


def framed(body: bytes, how: str, sizes: list[int]) -> bytes:
    if how == "length":
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    if how == "close":
        return b"HTTP/1.1 200 OK\r\n\r\n" + body
    chunks, at = [], 0
    for size in [*sizes, len(body)]:
        piece = body[at : at + size]
        at += size
        if piece:
            chunks.append(b"%x\r\n%b\r\n" % (len(piece), piece))
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(chunks) + b"0\r\n\r\n"


BODIES = st.binary(max_size=400)
CUTS = st.lists(st.integers(0, 900), max_size=12)
SIZES = st.lists(st.integers(1, 90), max_size=8)


@given(BODIES, st.sampled_from(["length", "chunked", "close"]), SIZES, CUTS)
def test_a_body_is_itself_in_every_framing_and_chunking(body, how, sizes, cuts):
    assert asyncio.run(read(framed(body, how, sizes), cuts)) == (body, 200, how != "close")


@given(st.binary(min_size=1, max_size=400), st.sampled_from(["length", "chunked"]), SIZES, CUTS, st.data())
def test_a_cut_body_is_never_taken_for_a_whole_one(body, how, sizes, cuts, data):
    whole = framed(body, how, sizes)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    got, _, free = asyncio.run(read(cut, cuts))
    assert (got, free) == (None, False)


CLIENT = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 10), st.sampled_from(["read", "leave", "release"])),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.lists(CLIENT, min_size=1, max_size=5))
def test_no_stream_reads_anothers_bytes(clients):
    """Clients that share a pool, each asking again as soon as it has read, or given up, its last answer."""
    asyncio.run(play(clients))


async def play(clients: list[list[tuple[int, int, str]]]) -> None:
    async def handler(exchange: Exchange) -> None:
        pieces, name = exchange.request.body
        exchange.start(200, [])
        for _ in range(pieces):
            await exchange.write(b"%s;" % name.encode())
        exchange.end()

    opened: set[HttpConnection] = set()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: HttpConnection(handler, 0, opened), "127.0.0.1", 0)
    client = HttpClient(Timeouts(connect=30, first_byte=30, idle=30))
    endpoint = client.endpoint("POST", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    async def ask(name: str, pieces: int, stop: int, how: str) -> None:
        response = await client.send(endpoint, orjson.dumps([pieces, name]), within=30)
        got, reads = b"", 0
        while piece := await response.receive():
            got, reads = got + piece, reads + 1
            if how != "read" and reads >= stop:
                break
        assert set(got.split(b";")) <= {name.encode(), b""}
        if how == "read":
            assert got == f"{name};".encode() * pieces
        elif how == "release":
            response.release()
        else:
            response.close()

    async def play_one(number: int, steps: list[tuple[int, int, str]]) -> None:
        for at, (pieces, stop, how) in enumerate(steps):
            await ask(f"{number}.{at}", pieces, stop, how)

    await asyncio.gather(*(play_one(number, steps) for number, steps in enumerate(clients)))
    await client.aclose()
    server.close()
    for connection in list(opened):
        connection.transport.abort()
    await asyncio.sleep(0)
