"""SIGTERM: new work is turned away, what is under way may end; only then the server hears of the signal and closes."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

GRACE_SECONDS = 30.0


class Drain:
    """`with drain` around what is under way. A second signal ends the wait for it."""

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self.begun = False
        self._busy = 0
        self._idle: asyncio.Event | None = None  # somebody waits for it
        self._grace = grace
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Stands before the server's own handler. Call it in the event loop, once the server handles signals."""
        handler = signal.getsignal(signal.SIGTERM)
        if threading.current_thread() is not threading.main_thread() or not callable(handler):
            return
        loop = asyncio.get_running_loop()

        def on_term(number: int, frame: FrameType | None) -> None:
            if self.begun or loop.is_closed():
                handler(number, frame)
            else:
                self.begun = True
                loop.call_soon_threadsafe(self._start, lambda: handler(number, None))

        signal.signal(signal.SIGTERM, on_term)

    async def settle(self, within: float) -> None:
        """Waits until nothing is under way, at most `within` seconds."""
        if self._busy:
            self._idle = asyncio.Event()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), within)

    def __enter__(self) -> None:
        self._busy += 1

    def __exit__(self, *exc: object) -> None:
        self._busy -= 1
        if not self._busy and self._idle is not None:
            self._idle.set()

    def _start(self, tell: Callable[[], None]) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(tell))

    async def _run(self, tell: Callable[[], None]) -> None:
        await self.settle(self._grace)
        tell()
