"""Identical requests in flight share one call."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from ..errors import UpstreamError

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """One call for all who ask the same at the same time, in one event loop.

        seat = flights.join(key)
        try:
            value = await seat.wait()
            if value is None:           # this one leads, and makes the call
                value = seat.land(await call())
            return value
        finally:
            seat.leave()

    The others wait for what the leader lands. A leader that leaves without landing (cancelled, its client gone in
    mid-stream, out of its own budget) hands the call to the follower that has waited longest. An `UpstreamError` is
    shared (`fail`): asking again would only repeat it. Who has waited `patience` seconds goes alone: a leader streams
    at the pace of its own client.
    """

    def __init__(self, *, patience: float = 120.0) -> None:
        self._patience = patience
        self._flights: dict[bytes, deque[asyncio.Future[T | None]]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def join(self, key: bytes) -> Seat[T]:
        """The first one leads, until it leaves."""
        leads = key not in self._flights
        if leads:
            self._flights[key] = deque()
        return Seat(self._flights, key, self._patience, leads)


class Seat(Generic[T]):
    """One request's place in a flight."""

    __slots__ = ("_flights", "_key", "_patience", "leads")

    def __init__(
        self, flights: dict[bytes, deque[asyncio.Future[T | None]]], key: bytes, patience: float, leads: bool
    ) -> None:
        self.leads = leads
        self._flights = flights
        self._key = key
        self._patience = patience

    async def wait(self) -> T | None:
        """What the leader landed; None for the one that leads, or that has waited long enough. Raises its error."""
        if self.leads:
            return None
        turn: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()
        followers = self._flights.get(self._key)
        if followers is None:  # the leader is gone since `join`
            self.leads = True
            self._flights[self._key] = deque()
            return None
        followers.append(turn)
        try:
            await asyncio.wait((turn,), timeout=self._patience)
        except asyncio.CancelledError:
            self._decline(turn)
            raise
        if not turn.done():
            self._decline(turn)  # goes alone: nobody waits for this one
            return None
        value = turn.result()
        self.leads = value is None
        return value

    def land(self, value: T) -> T:
        """The complete answer, for every follower. Nobody who asks from now on shares it: that is the cache's part."""
        for follower in self._ended():
            follower.set_result(value)
        return value

    def fail(self, error: UpstreamError) -> None:
        for follower in self._ended():
            follower.set_exception(error)

    def leave(self) -> None:
        """Hands the lead on where nothing was landed. May be called at any time, and again."""
        if self.leads:
            self._hand_over()

    def _ended(self) -> Iterable[asyncio.Future[T | None]]:
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
