"""Identical requests in flight share one call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Generic, TypeVar

from ..errors import UpstreamError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One call for all who ask the same at the same time, in one event loop.

        async with flights.join(key) as seat:
            if seat.value is None:      # this one leads, and makes the call
                seat.land(await call())
            return seat.value

    The others wait at `async with` for what the leader lands. A leader that leaves without landing (cancelled, its
    client gone in mid-stream, out of its own budget) hands the call to the follower that has waited longest. An
    `UpstreamError` is shared: asking again would only repeat it. Who has waited `patience` seconds goes alone: a leader
    streams at the pace of its own client.
    """

    def __init__(self, *, patience: float = 120.0) -> None:
        self._patience = patience
        self._flights: dict[bytes, deque[asyncio.Future[T | None]]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, key: bytes) -> Seat[T]:
        return Seat(self._flights, key, self._patience)


class Seat(Generic[T]):
    """One request's place in a flight. `value` is None for the leader until it has landed."""

    def __init__(self, flights: dict[bytes, deque[asyncio.Future[T | None]]], key: bytes, patience: float) -> None:
        self.value: T | None = None
        self.leads = False
        self._flights = flights
        self._key = key
        self._patience = patience

    def land(self, value: T) -> None:
        """The complete answer, for every follower. Nobody who asks from now on shares it: that is the cache's part."""
        self.value = value
        for follower in self._leave():
            follower.set_result(value)

    async def __aenter__(self) -> Seat[T]:
        followers = self._flights.get(self._key)
        if followers is None:
            self._flights[self._key] = deque()
            self.leads = True
            return self
        turn: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        followers.append(turn)
        try:
            await asyncio.wait((turn,), timeout=self._patience)
        except asyncio.CancelledError:
            self._decline(turn)
            raise
        if turn.done():
            self.value = turn.result()
            self.leads = self.value is None
        else:
            self._decline(turn)  # goes alone: nobody waits for this one
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.leads:
            return
        if isinstance(error, UpstreamError):
            for follower in self._leave():
                follower.set_exception(error)
        else:
            self._hand_over()

    def _leave(self) -> Iterable[asyncio.Future[T | None]]:
        """Ends the flight: who waits for it. Nobody does where this seat goes alone."""
        if not self.leads:
            return ()
        self.leads = False
        return self._flights.pop(self._key)

    def _hand_over(self) -> None:
        self.leads = False
        followers = self._flights[self._key]
        if followers:
            followers.popleft().set_result(None)
        else:
            del self._flights[self._key]

    def _decline(self, turn: asyncio.Future[T | None]) -> None:
        """Leaves the queue, or hands on the lead that came in the same moment."""
        if not turn.done():
            self._flights[self._key].remove(turn)
        elif turn.exception() is None and turn.result() is None:
            self._hand_over()
