from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
import uvicorn

from levelhead.serve.cork import MOST_HEAD_BYTES, CorkedProtocol, CorkedTransport

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Wire:
    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, name: str) -> None:
        return None

    def pause_reading(self) -> None: ...


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def corked(wire: Wire) -> CorkedTransport:
    return CorkedTransport(cast(Any, wire), asyncio.get_running_loop())


async def test_head_and_body_are_one_write_and_frames_go_out_at_once(corked: CorkedTransport, wire: Wire) -> None:
    corked.write(HEAD)
    assert wire.writes == []
    corked.write(b"first")
    corked.write(b"second")
    assert wire.writes == [HEAD + b"first", b"second"]
    await asyncio.sleep(0)
    assert len(wire.writes) == 2


async def test_a_head_alone_leaves_with_the_turn(corked: CorkedTransport, wire: Wire) -> None:
    corked.write(HEAD)
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]


async def test_nothing_held_is_lost_at_close_or_sent_after_it(corked: CorkedTransport, wire: Wire) -> None:
    corked.write(HEAD)
    corked.close()
    assert (wire.writes, wire.closed) == ([HEAD], True)
    corked.write(HEAD)
    await asyncio.sleep(0)
    assert wire.writes == [HEAD]


class Parsing(CorkedProtocol):
    """The protocol without a server behind it: what its parser made of the bytes."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.bodies: list[bytes] = []
        config = uvicorn.Config(None, http=CorkedProtocol, ws="none", log_level="critical")  # type: ignore[arg-type]
        super().__init__(config, uvicorn.server.ServerState(), {})

    def _start_asgi_task(self, cycle: Any, app: Any) -> None: ...

    def on_body(self, body: bytes) -> None:
        self.bodies.append(body)

    def send_400_response(self, msg: str) -> None:
        self.refused.append(msg)
        self.transport.close()


@pytest.fixture
async def parsing() -> Parsing:
    parsing = Parsing()
    parsing.connection_made(cast(Any, Wire()))
    return parsing


@pytest.mark.parametrize("offer", [b"Upgrade: h2c", b"upgrade:h2c ", b"X-Note: h2c"])
async def test_a_body_behind_an_offer_of_http2_is_a_body(parsing: Parsing, offer: bytes) -> None:
    """The JDK's client makes this offer on every plain connection."""
    offered = b"Connection: Upgrade, HTTP2-Settings\r\n" + offer + b"\r\nHTTP2-Settings: AAEAAEAA\r\n"
    parsing.data_received(b"POST / HTTP/1.1\r\nHost: x\r\n" + offered + b'Content-Length: 7\r\n\r\n{"a":1}')
    assert parsing.bodies == [b'{"a":1}']


async def test_headers_end_or_are_refused(parsing: Parsing) -> None:
    parsing.data_received(b"POST / HTTP/1.1\r\nContent-Length: %d\r\nX-A: " % (2 * MOST_HEAD_BYTES))
    parsing.data_received(b"a" * (MOST_HEAD_BYTES // 2) + b"\r\n\r\n")
    for _ in range(4):
        parsing.data_received(b"b" * (MOST_HEAD_BYTES // 2))
    assert parsing.refused == []  # a body may be longer
    parsing.data_received(b"GET / HTTP/1.1\r\n")
    for _ in range(4):
        parsing.data_received(b"X-A: " + b"a" * (MOST_HEAD_BYTES // 3) + b"\r\n")
    assert parsing.refused == ["The headers of this request are too long."]
