"""Retry and fallback: the one declared order.

1. The decision's models, best first; one whose breaker is open is passed over, unless none is left.
2. For each, up to `PER_MODEL` tries: again only where the failure is `retryable`, after a jittered wait that honours
   Retry-After; a wait longer than `LONGEST_WAIT` means elsewhere at once.
3. The next model only where the failure says `elsewhere`; after an overflow of the context one with a larger context
   before any other.
4. At most `IN_ALL` tries and never beyond the request's deadline.
5. Never after the first content of an answer: `Upstream.stream` returns with it in hand.

The router makes the calls (a reservation for each model, released where it fails); this class keeps count:

    attempts = Attempts(health, observer, deadline_seconds=600)
    for model in attempts.models(decision.ranking):
        try:
            answer = await attempts.complete(upstreams[model.wire], call_for(model))
            break
        except UpstreamError as error:
            if not attempts.may_go_on(error):
                raise
    else:
        raise attempts.exhausted()
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from ..errors import UpstreamBusy, UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from ..ports import AnswerStream, Observer, Upstream
from ..types import Answer, Attempt, Call, Model
from .health import Health

PER_MODEL = 2
IN_ALL = 4
FIRST_WAIT = 0.25  # seconds, doubled for each further try, then jittered to 50-100 %
LONGEST_WAIT = 2.0

T = TypeVar("T")


class Attempts:
    """The tries of one request. `trail` lists them in order."""

    def __init__(
        self,
        health: Health,
        observer: Observer | None = None,
        *,
        deadline_seconds: float,
        per_model: int = PER_MODEL,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.trail: list[Attempt] = []
        self.last_error: UpstreamError | None = None
        self._health = health
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._ends = clock() + deadline_seconds
        self._per_model = per_model

    @property
    def remaining(self) -> float:
        """Seconds until the request's deadline."""
        return self._ends - self._clock()

    def models(self, ranking: Sequence[Model]) -> Iterator[Model]:
        """The models to ask, in order, as long as tries and time are left."""
        asked, left = False, list(ranking)
        while left:
            model = left.pop(0)
            if not self._health.available(model.name):
                continue
            if not self._may_try():
                return
            asked = True
            yield model
            if self.last_error is not None and self.last_error.code == "context_length_exceeded":
                held = model.capabilities.context_tokens
                left.sort(key=lambda other: other.capabilities.context_tokens <= held)
        if not asked and ranking:  # all rest: trying is better than refusing
            yield ranking[0]

    def may_go_on(self, error: UpstreamError) -> bool:
        """Whether the next model may be asked after this failure."""
        return error.elsewhere and self._may_try()

    def exhausted(self) -> UpstreamError:
        """What to raise when no model is left."""
        return self.last_error or UpstreamUnavailable("no model is available")

    async def complete(self, upstream: Upstream, call: Call) -> Answer:
        """Asks one model. Raises the last `UpstreamError`."""
        return await self._ask(upstream.complete, call)

    async def stream(self, upstream: Upstream, call: Call) -> AnswerStream:
        """Asks one model for a stream, whose first content has arrived. Raises the last `UpstreamError`."""
        return await self._ask(upstream.stream, call)

    async def _ask(self, ask: Callable[[Call], Awaitable[T]], call: Call) -> T:
        tries = 0
        while True:
            tries += 1
            try:
                return await self._once(ask, call)
            except UpstreamError as error:
                self.last_error = error
                wait = self._wait(error, tries)
                if wait is None:
                    raise
            await self._sleep(wait)
            call = replace(call, timeout=min(call.timeout, self.remaining))

    async def _once(self, ask: Callable[[Call], Awaitable[T]], call: Call) -> T:
        name, began = call.model.name, self._clock()
        self._health.begin(name)
        try:
            answer = await ask(call)
        except UpstreamError as error:
            refused = isinstance(error, UpstreamRefused)
            if not isinstance(error, UpstreamBusy):
                self._health.record(name, refused, retry_after=error.retry_after)
            outcome = "refused" if refused else "timeout" if isinstance(error, UpstreamTimeout) else "error"
            self._note(Attempt(name, outcome, _code(error), self._clock() - began))  # type: ignore[arg-type]
            raise
        except asyncio.CancelledError:
            self._note(Attempt(name, "cancelled", "", self._clock() - began))
            raise
        self._health.record(name, True)
        self._note(Attempt(name, "ok", "", self._clock() - began))
        return answer

    def _note(self, attempt: Attempt) -> None:
        self.trail.append(attempt)
        if self._observer is not None:
            self._observer.attempted(attempt)

    def _may_try(self) -> bool:
        return len(self.trail) < IN_ALL and self.remaining > 0

    def _wait(self, error: UpstreamError, tries: int) -> float | None:
        """Seconds until the same model is asked again; None: not again."""
        if not error.retryable or tries >= self._per_model or not self._may_try():
            return None
        wait = FIRST_WAIT * 2 ** (tries - 1) * (0.5 + self._jitter() / 2)
        if error.retry_after is not None:
            wait = max(wait, error.retry_after)
        return wait if wait <= min(LONGEST_WAIT, self.remaining) else None


def _code(error: UpstreamError) -> str:
    """A bounded metric label: what the vendor's status was, else levelhead's own code."""
    return str(error.upstream_status) if error.upstream_status else error.code or ""
