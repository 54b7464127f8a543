"""Raw servers: each connection is a coroutine that reads and writes bytes as it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request's head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return head + await reader.readexactly(length)


@asynccontextmanager
async def raw_server(*talks: Talk, **options: Any) -> AsyncIterator[str]:
    """Connection k is served by talks[k], the last one serving all that follow. Gives the base URL."""
    tasks: set[asyncio.Task[None]] = set()
    count = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        talk = talks[min(count, len(talks) - 1)]
        count += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, **options)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if options.get('ssl') else 'http'}://127.0.0.1:{port}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def saying(*answers: bytes) -> Talk:
    """Answers one request after the other with these bytes, then closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    return talk


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The running loop's time as `now`: it stands still but for what a test adds, so that no busy machine is late."""
    loop = asyncio.get_running_loop()
    clock = SimpleNamespace(now=loop.time())
    monkeypatch.setattr(loop, "time", lambda: clock.now)
    return clock


@pytest.fixture(scope="session")
def raw() -> SimpleNamespace:
    return SimpleNamespace(server=raw_server, saying=saying, read_request=read_request)
