"""Raw ASGI, as little as the routes need: reading a bounded body, sending one, noticing that the client left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any

from ..errors import BodyTooLarge

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]

# Seconds until a client that leaves early is looked for: most answers are out by then, and a watcher costs a task.
WATCH_AFTER = 0.05

# How long and how much more of a body that is too large is taken in after it was refused.
LINGER_SECONDS = 5.0
LINGER_BYTES = 64 * 1024 * 1024


class ClientGone(Exception):
    """The client closed its connection; there is nobody to answer."""


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Lower-case names; values as UTF-8 where they are, else Latin-1."""
    found = {}
    for name, value in scope["headers"]:
        try:
            found[name.decode("latin-1")] = value.decode()
        except UnicodeDecodeError:
            found[name.decode("latin-1")] = value.decode("latin-1")
    return found


async def read_body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """The whole body. Raises `BodyTooLarge` as soon as that is known, `ClientGone` when the client leaves midway."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(f"The body has {int(declared):,} bytes; the most is {limit:,}.")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge(f"The body has more than {limit:,} bytes.")
        if part:
            parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


async def send_body(send: Send, status: int, headers: HeaderList, body: bytes, *, head_only: bool = False) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": b"" if head_only else body})


async def refuse_body(send: Send, receive: Receive, status: int, headers: HeaderList, body: bytes) -> None:
    """Answers at once and then takes in what is still on its way: who writes into a closed connection never reads."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    left = LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0 and (message := await receive()).get("more_body", False):
                left -= len(message["body"])
    await send({"type": "http.response.body", "body": b""})


async def send_stream(send: Send, status: int, headers: HeaderList, frames: AsyncIterator[bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    async for frame in frames:
        await send({"type": "http.response.body", "body": frame, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


class Watch:
    """Cancels the request's own task when its client leaves: `async with Watch(receive): ...` raises `ClientGone`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watcher: asyncio.Task[None] | None = None
        self._gone = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER, self._start)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._gone and kind is asyncio.CancelledError:
            self._task.uncancel()
            raise ClientGone from None

    def _start(self) -> None:
        self._watcher = asyncio.get_running_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._task.cancel()
