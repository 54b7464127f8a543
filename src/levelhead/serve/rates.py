"""Requests per minute of a key, counted over all workers of this machine."""

from __future__ import annotations

import fcntl
import mmap
import os
import time
from array import array
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from ..errors import RateLimited

_FIELDS = 2  # how many tokens are missing, and when that was counted
_BYTES = 8 * _FIELDS


class Bucket:
    """A token bucket of one minute's requests; refuses with the seconds until the next token.

    `state` may lie in memory that other processes share, under `lock`; `clock` then has to be theirs, too.
    """

    def __init__(
        self,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        state: MutableSequence[float] | None = None,
        lock: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._rate = per_minute / 60.0
        self._most = float(per_minute)
        self._clock = clock
        self._state = array("d", [0.0] * _FIELDS) if state is None else state
        self._lock = lock

    def take(self) -> None:
        state = self._state
        with self._lock():
            now = self._clock()
            missing = max(0.0, state[0] - max(0.0, now - state[1]) * self._rate)
            beyond = missing + 1.0 - self._most
            state[0], state[1] = missing if beyond > 0 else missing + 1.0, now
        if beyond > 0:
            raise RateLimited("Too many requests with this key.", retry_after=beyond / self._rate)


def buckets(
    limits: Sequence[tuple[str, int]], shared: Path | None = None, clock: Callable[[], float] = time.monotonic
) -> dict[str, Bucket]:
    """One for each (key, requests per minute). `shared`: a directory of the workers that count together."""
    if shared is None or not limits:
        return {name: Bucket(per_minute, clock) for name, per_minute in limits}
    ours = _Shared(shared / "rates", len(limits))
    return {
        name: Bucket(per_minute, clock, state=ours.state(at), lock=ours.lock(at))
        for at, (name, per_minute) in enumerate(limits)
    }


class _Shared:
    """A file in memory. The system lets go of the locks of a worker that is killed."""

    def __init__(self, path: Path, count: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, count * _BYTES)
        self._view = memoryview(mmap.mmap(self._file, count * _BYTES)).cast("d")

    def state(self, at: int) -> MutableSequence[float]:
        part: MutableSequence[float] = self._view[at * _FIELDS : (at + 1) * _FIELDS]  # type: ignore[assignment]
        return part

    def lock(self, at: int) -> Callable[[], AbstractContextManager[None]]:
        @contextmanager
        def held() -> Iterator[None]:
            fcntl.lockf(self._file, fcntl.LOCK_EX, _BYTES, at * _BYTES)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN, _BYTES, at * _BYTES)

        return held
