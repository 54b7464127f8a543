"""Deadlines of one exchange, and a reader that is slower than its server. Time passes only as the tests say."""

from __future__ import annotations

import asyncio

import pytest

from levelhead.errors import UpstreamTimeout
from levelhead.upstream.client import HttpClient
from levelhead.upstream.limits import Limits, Timeouts
from levelhead.upstream.response import Response

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
BEGUN = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi"


async def post(client: HttpClient, url: str, within: float = 3000) -> Response:
    return await client.send(client.endpoint("POST", url), b"{}", within=within)


@pytest.mark.parametrize(
    ("timeouts", "within", "said", "words"),
    [
        (Timeouts(first_byte=5), 500, b"", "did not begin"),
        (Timeouts(idle=5), 500, BEGUN, "sent nothing"),
        (Timeouts(), 5, BEGUN, "whole call"),
        (Timeouts(), 5, b"", "whole call"),
    ],
)
async def test_timeouts(timeouts, within, said, words, raw, clock):
    client = HttpClient(timeouts)
    asked, left = asyncio.Event(), asyncio.Event()

    async def talk(reader, writer):
        await raw.read_request(reader)
        writer.write(said)
        asked.set()
        try:
            await reader.read()
        finally:
            left.set()

    async def ask() -> bytes:
        response = await post(client, url, within=within)
        heard.set()
        return await response.read()

    heard = asyncio.Event()
    async with raw.server(talk) as url:
        task = asyncio.create_task(ask())
        await (heard if said else asked).wait()
        clock.now += 4.9
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        clock.now += 0.2
        with pytest.raises(UpstreamTimeout, match=words):
            await task
        await left.wait()
    await client.aclose()


async def test_timers_of_one_request_dont_hit_the_next(raw, clock):
    client = HttpClient(Timeouts(first_byte=5, idle=5))

    async def talk(reader, writer):
        for _ in range(6):
            await raw.read_request(reader)
            clock.now += 1
            await asyncio.sleep(0)  # what is due by now fires
            writer.write(OK)

    async with raw.server(talk) as url:
        for _ in range(6):  # together longer than either timeout
            assert await (await post(client, url)).read() == b"hi"
    await client.aclose()


async def test_a_slow_reader_is_not_an_idle_server(raw, clock):
    client = HttpClient(Timeouts(idle=5), Limits(high_water=1000))
    sent = 0

    async def talk(reader, writer):
        nonlocal sent
        await raw.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 40000000\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 100_000)
            await writer.drain()
            sent += 1

    async with raw.server(talk) as url:
        response = await post(client, url)
        while response.buffered <= 1000:  # noqa: ASYNC110 - nobody waits for what isn't read
            await asyncio.sleep(0)
        for _ in range(3):
            clock.now += 4
            for _ in range(100):
                await asyncio.sleep(0)
        assert sent < 400  # held back
        total = 0
        while piece := await response.receive():
            total += len(piece)
        assert total == 40_000_000
    await client.aclose()
