"""Deadlines of one exchange, and a reader that is slower than its server."""

from __future__ import annotations

import asyncio

import pytest

from levelhead.errors import UpstreamTimeout
from levelhead.upstream.client import HttpClient
from levelhead.upstream.limits import Limits, Timeouts
from levelhead.upstream.response import Response

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


async def post(client: HttpClient, url: str, within: float = 30) -> Response:
    return await client.send(client.endpoint("POST", url), b"{}", within=within)


@pytest.mark.parametrize(
    ("timeouts", "within", "said", "words"),
    [
        (Timeouts(first_byte=0.05), 5, b"", "did not begin"),
        (Timeouts(idle=0.05), 5, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", "sent nothing"),
        (Timeouts(), 0.05, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", "whole call"),
    ],
)
async def test_timeouts(timeouts, within, said, words, raw):
    client = HttpClient(timeouts)
    left = asyncio.Event()

    async def talk(reader, writer):
        await raw.read_request(reader)
        writer.write(said)
        await reader.read()
        left.set()

    async with raw.server(talk) as url:
        with pytest.raises(UpstreamTimeout, match=words):
            await (await post(client, url, within=within)).read()
        await left.wait()
    await client.aclose()


async def test_timers_of_one_request_dont_hit_the_next(raw):
    client = HttpClient(Timeouts(first_byte=0.5, idle=0.5))

    async def talk(reader, writer):
        for _ in range(6):
            await raw.read_request(reader)
            await asyncio.sleep(0.1)
            writer.write(OK)

    async with raw.server(talk) as url:
        for _ in range(6):  # together longer than either timeout
            assert await (await post(client, url)).read() == b"hi"
    await client.aclose()


async def test_a_slow_reader_is_not_an_idle_server(raw):
    client = HttpClient(Timeouts(idle=0.3), Limits(high_water=1000))
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
        await asyncio.sleep(0.4)
        assert sent < 400  # held back
        total = 0
        while piece := await response.receive():
            total += len(piece)
        assert total == 40_000_000
    await client.aclose()
