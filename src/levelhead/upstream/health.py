"""A circuit breaker for each model: after failures in a row it rests, then one call at a time tries it again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

State = Literal["closed", "open", "half_open"]


@dataclass(slots=True)
class _Breaker:
    failures: int = 0  # in a row
    rest: float = 0.0  # seconds of the current rest; 0: closed
    until: float = 0.0  # clock time
    trial: bool = False  # a call is out to see whether the model is back


class Health:
    """Open after `threshold` failures in a row, for `rest` seconds, doubled each time up to `longest`.

    `clock` is monotonic seconds. Nothing leaks when a trial call is cancelled: a trial only postpones the next one.
    """

    def __init__(
        self, clock: Callable[[], float], *, threshold: int = 5, rest: float = 5.0, longest: float = 60.0
    ) -> None:
        self._clock = clock
        self._threshold = threshold
        self._rest = rest
        self._longest = longest
        self._breakers: dict[str, _Breaker] = {}

    def available(self, name: str) -> bool:
        """Whether a call may be sent: closed, or its rest is over. Changes nothing."""
        breaker = self._breakers.get(name)
        return breaker is None or breaker.rest == 0 or self._clock() >= breaker.until

    def state(self, name: str) -> State:
        breaker = self._breakers.get(name)
        if breaker is None or breaker.rest == 0:
            return "closed"
        return "half_open" if self._clock() >= breaker.until else "open"

    def begin(self, name: str) -> None:
        """A call starts: while the breaker is half open it is the trial, and the others wait for its outcome."""
        breaker = self._breakers.get(name)
        if breaker is not None and breaker.rest > 0 and self._clock() >= breaker.until:
            breaker.trial, breaker.until = True, self._clock() + breaker.rest

    def record(self, name: str, ok: bool, *, retry_after: float | None = None) -> None:
        """How a call ended. `retry_after`: the seconds the vendor asked for."""
        breaker = self._breakers.get(name)
        if ok:
            self._breakers.pop(name, None)
            return
        breaker = self._breakers.setdefault(name, _Breaker())
        breaker.failures += 1
        if breaker.rest > 0:
            if not breaker.trial:
                return  # began before the breaker opened: says nothing new
            breaker.rest = min(self._longest, breaker.rest * 2)
        elif breaker.failures >= self._threshold:
            breaker.rest = self._rest
        else:
            return
        breaker.trial = False
        breaker.until = self._clock() + max(breaker.rest, min(retry_after or 0.0, self._longest))
