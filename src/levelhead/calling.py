"""Steps 6 to 8: reserve the worst case, call, settle what it really cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter

from .deciding import Decider, output_cap
from .errors import BudgetExhausted, LevelheadError, UpstreamError, UpstreamTimeout
from .passage import Passage
from .ports import AnswerStream, Ledger, Observer, Upstream
from .spend import cost
from .types import NANOS_PER_USD, Answer, Call, Decision, Model, Nanos, Reason, Usage, Wire
from .upstream import Attempts, Health

MOST_REDECISIONS = 3


class Caller:
    """Asks upstreams under a reservation. `timeout`: seconds for one request, all its attempts together."""

    def __init__(
        self,
        upstreams: Mapping[Wire, Upstream],
        ledger: Ledger,
        decider: Decider,
        health: Health,
        observer: Observer,
        *,
        timeout: float,
    ) -> None:
        self._upstreams = upstreams
        self._ledger = ledger
        self._decider = decider
        self._health = health
        self._observer = observer
        self._timeout = timeout

    async def call(self, passage: Passage, redecide: Callable[[Nanos], Decision]) -> Answer | AnswerStream:
        """The answer of the decision's model, or of the next in its ranking.

        `redecide(most)` decides again with less than `most` nanodollars: another request may have taken the money
        since. Raises `BudgetExhausted` or the last `UpstreamError`; by then nothing stays reserved.
        """
        attempts = Attempts(self._health, self._observer, deadline_seconds=self.left(passage))
        passage.trail = attempts.trail
        decision = passage.decided if passage.reservation else await self._secure(passage, redecide)
        for model in attempts.models(decision.ranking):
            cap = decision.output_cap if model is decision.model else output_cap(passage.chat, model, passage.slot)
            if not await self._covered(passage, decision, model, cap):
                continue
            passage.model = model
            try:
                return await self._ask(passage, attempts, model, cap)
            except UpstreamError as error:
                await self.settle(passage, _reserved(passage) if isinstance(error, UpstreamTimeout) else 0)
                if not attempts.may_go_on(error):
                    raise
                passage.reason = Reason.FALLBACK
        await self.settle(passage, 0)
        raise attempts.exhausted()

    async def charge(self, passage: Passage, usage: Usage, *, estimated: bool = False) -> None:
        """Settles an answer by its usage, and notes what always-strong would have cost.

        An estimate counts bytes, and long tokens have many: it never exceeds what the call could cost at most.
        """
        assert passage.model is not None
        baseline = passage.decided.baseline or passage.model
        passage.usage = usage
        passage.charged = True
        if not estimated:
            self._decider.inputs.observe(passage.chat, passage.model.name, usage)
        amount, would_be = (cost(usage, model.price, passage.at) for model in (passage.model, baseline))
        if estimated and passage.reservation is not None and amount > (most := _reserved(passage)):
            amount, would_be = most, would_be * most // amount  # what is too high for one is too high for both
        passage.baseline_usd = would_be / NANOS_PER_USD
        if (routed := passage.decided.routed) is not None:
            longer = replace(usage, output=2 * usage.output)
            once, twice = (cost(one, routed.model.price, passage.at) for one in (usage, longer))
            passage.routed_usd = once / NANOS_PER_USD, twice / NANOS_PER_USD
        await self.settle(passage, amount)

    async def settle(self, passage: Passage, amount: Nanos) -> None:
        amount, passage.spent = amount + passage.spent, 0
        passage.cost_usd += amount / NANOS_PER_USD
        if passage.reservation is not None:
            reservation, passage.reservation = passage.reservation, None
            await self._ledger.settle(reservation, amount)

    async def _secure(self, passage: Passage, redecide: Callable[[Nanos], Decision]) -> Decision:
        decision = passage.decided
        for _ in range(MOST_REDECISIONS):
            try:
                await self._reserve(passage, decision.model, decision.output_cap)
                return decision
            except BudgetExhausted:
                bound = self._decider.bound(passage.chat, decision.model, passage.slot, decision.output_cap)
                decision = redecide(bound)
        await self._reserve(passage, decision.model, decision.output_cap)
        return decision

    async def _covered(self, passage: Passage, decision: Decision, model: Model, cap: int) -> bool:
        """Moves the reservation to `model` where it isn't the one that was reserved for; False: no money for it."""
        if model is decision.model and not passage.trail:
            return True
        await self.settle(passage, 0)
        try:
            await self._reserve(passage, model, cap)
        except BudgetExhausted:
            return False
        return True

    async def _reserve(self, passage: Passage, model: Model, cap: int) -> None:
        if passage.scopes or passage.wishes.most is not None:
            bound = self._decider.bound(passage.chat, model, passage.slot, cap)
            await self.reserve(passage, bound, f"{passage.id}.{len(passage.trail)}.{model.name}")

    async def reserve(self, passage: Passage, bound: Nanos, name: str) -> None:
        """Raises `BudgetExhausted` where a budget, or what the request itself allows, doesn't cover `bound`."""
        most = passage.wishes.most
        if most is not None and bound > most - round(passage.cost_usd * NANOS_PER_USD) - passage.spent:
            raise BudgetExhausted(
                "This request could cost more than the ceiling it named: raise x-levelhead-max-cost-usd, or ask for"
                " fewer tokens.",
                scope="request",
            )
        if passage.scopes:
            passage.reservation = await self._ledger.reserve(name, passage.scopes, bound)
            passage.reserved = bound

    def left(self, passage: Passage) -> float:
        """Seconds until the request's deadline."""
        return self._timeout - (perf_counter() - passage.started) if passage.asked else self._timeout

    async def _ask(self, passage: Passage, attempts: Attempts, model: Model, cap: int) -> Answer | AnswerStream:
        upstream = self._upstreams[model.wire]
        passage.repairs = {}
        headers = passage.headers_for(model)
        call = Call(passage.chat, model, cap, attempts.remaining, passage.id, headers, passage.repairs)
        began = perf_counter()
        try:
            if passage.chat.stream:
                return await attempts.stream(upstream, call)
            return await attempts.complete(upstream, call)
        except asyncio.CancelledError:
            await self.settle(passage, _reserved(passage))
            raise
        except UpstreamError:
            raise
        except LevelheadError:  # the codec's: the vendor's request couldn't be written, so nothing was sent
            await self.settle(passage, 0)
            raise
        except BaseException:
            await self.settle(passage, _reserved(passage))
            raise
        finally:
            now = perf_counter()
            passage.upstream_seconds += now - began
            passage.first_byte = now - passage.started


def _reserved(passage: Passage) -> Nanos:
    """A call that was cut off may be billed up to what was reserved for it: that is charged, not forgotten."""
    return max(0, passage.reservation.amount - passage.spent) if passage.reservation is not None else 0
