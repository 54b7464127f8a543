"""How much is worked on at once, and who is next: bounded in all and for each key, keys taking turns."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import Overloaded, RateLimited

LONGEST_ADVICE = 30.0  # seconds, the most that Retry-After says


@dataclass(frozen=True, slots=True)
class Bounds:
    """Requests in one process. `wait`: the seconds for which one stands in line."""

    in_flight: int = 1000
    per_key: int = 500
    waiting: int = 1000
    wait: float = 10.0


class Gate:
    """Admission to the work that takes time. Lives in one event loop.

    Every key has a line of its own, and a place that becomes free goes to the next line: a key that sends a thousand
    requests delays another's by one turn. Where the lines are full the longest of them loses its last.
    """

    def __init__(self, bounds: Bounds | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._bounds = bounds or Bounds()
        self._clock = clock
        self._busy: dict[str, int] = {}
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}  # in the order of their turns
        self._left_at = clock()
        self._pace = 0.1  # seconds between two that leave while others wait, smoothed
        self.in_flight = 0
        self.waiting = 0

    def check(self, key: str) -> None:
        """Raises `Overloaded` where a newcomer of this key would find no place to wait."""
        if self.waiting >= self._bounds.waiting and key in self._lines and key == self._longest():
            raise self._full()

    def enter(self, key: str) -> asyncio.Future[None] | None:
        """None: go on. Else a place in line: `wait` for it. Raises `Overloaded`. Who is in must `leave`."""
        busy = self._busy.get(key, 0)
        bounds = self._bounds
        if self.in_flight < bounds.in_flight and busy < bounds.per_key and key not in self._lines:
            self.in_flight += 1
            self._busy[key] = busy + 1
            return None
        if bounds.waiting == 0:
            raise self._full()
        self.check(key)
        if self.waiting >= bounds.waiting:
            self._lose_last(self._longest())
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.waiting:
            self._left_at = self._clock()
        self._lines.setdefault(key, deque()).append(place)
        self.waiting += 1
        return place

    async def wait(self, key: str, place: asyncio.Future[None]) -> None:
        """Returns when it is this one's turn. Raises `Overloaded`, or `RateLimited` where the key has its fill."""
        try:
            async with asyncio.timeout(self._bounds.wait):
                await place
        except TimeoutError:
            self._give_up(key, place)
            if self._busy.get(key, 0) >= self._bounds.per_key:
                raise RateLimited("Too many requests at once with this key.", retry_after=self._advice()) from None
            raise self._full() from None
        except asyncio.CancelledError:
            self._give_up(key, place)
            raise

    def leave(self, key: str) -> None:
        self.in_flight -= 1
        busy = self._busy[key] - 1
        if busy:
            self._busy[key] = busy
        else:
            del self._busy[key]
        if self.waiting:  # else it costs next to nothing
            now = self._clock()
            self._pace += 0.05 * (min(max(now - self._left_at, 0.0), LONGEST_ADVICE) - self._pace)
            self._left_at = now
            self._next()

    def _next(self) -> None:
        """Gives free places away, one to each line in turn."""
        for key in list(self._lines):
            if self.in_flight >= self._bounds.in_flight:
                return
            if self._busy.get(key, 0) >= self._bounds.per_key:
                continue
            line = self._lines.pop(key)
            place = line.popleft()
            if line:
                self._lines[key] = line  # behind the others
            self.waiting -= 1
            self.in_flight += 1
            self._busy[key] = self._busy.get(key, 0) + 1
            place.set_result(None)

    def _give_up(self, key: str, place: asyncio.Future[None]) -> None:
        line = self._lines.get(key)
        if line is not None and place in line:
            self._take_out(key, line, place)
        elif place.done() and not place.cancelled() and place.exception() is None:
            self.leave(key)  # its turn came at the same moment

    def _lose_last(self, key: str) -> None:
        line = self._lines[key]
        place = line[-1]
        self._take_out(key, line, place)
        place.set_exception(self._full())

    def _take_out(self, key: str, line: deque[asyncio.Future[None]], place: asyncio.Future[None]) -> None:
        line.remove(place)
        self.waiting -= 1
        if not line:
            del self._lines[key]

    def _longest(self) -> str:
        return max(self._lines, key=lambda key: len(self._lines[key]))

    def _full(self) -> Overloaded:
        return Overloaded("levelhead is working on as much as it can.", retry_after=self._advice())

    def _advice(self) -> float:
        """Seconds until those who wait now are through, at the pace of late."""
        return min(max(1.0, self.waiting * self._pace), LONGEST_ADVICE)
