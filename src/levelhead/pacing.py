"""Pacing: a budget with a window is spent evenly to the window's end, where money buys the most quality.

For each paced scope the price of money is re-solved from the money that is left and the work that is to be expected by
the window's end, over a sample of the scope's recent requests. Decisions read it; what they cost comes back as records.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from math import exp, inf

import numpy as np

from .policy import dual_price
from .spend import Scoping
from .types import NANOS_PER_USD, Attempt, Balance, Budget, Candidate, Record, Scope

SAMPLE = 256  # requests
_SOLVE_SECONDS = 0.25
_FRESH_SAMPLE = 64  # requests between two solutions that are looked at; the rest of a rush is only counted
_NEGLIGIBLE = 0.01  # a price at which a dollar may buy one point of quality
_MEMORY = 0.99  # of what costs came to against what was expected, per call
_BIAS = (0.1, 10.0)
_RATE_WINDOWS = 24  # the request rate is that of the last 24th of a window
_MOST_SCOPES = 1_000
_SECONDS = {"hour": 3_600.0, "day": 86_400.0, "month": 30 * 86_400.0}


class Pace:
    """One budget's price of money, `price` in quality per USD, and what it is solved from."""

    def __init__(self, models: Sequence[str]) -> None:
        self._column = {name: i for i, name in enumerate(models)}
        # Rows of as many cells as there are models; arrays, for single cells of numpy's take several times as long.
        self._width = len(models)
        self._success = array("d", [-inf]) * (SAMPLE * self._width)
        self._cost = array("d", [0.0]) * (SAMPLE * self._width)
        self._real = [1e-12] * len(models)
        self._expected = [1e-12] * len(models)
        self.seen = 0
        self.price = 0.0

    def offered(self, candidates: Sequence[Candidate]) -> None:
        """What one request could have had."""
        first = self.seen % SAMPLE * self._width
        self.seen += 1
        success, cost = self._success, self._cost
        for cell in range(first, first + self._width):
            success[cell] = -inf
        for candidate in candidates:
            if candidate.eligible and (column := self._column.get(candidate.model.name)) is not None:
                success[first + column] = candidate.success
                cost[first + column] = candidate.expected_cost_usd

    def paid(self, model: str, expected_usd: float, real_usd: float) -> None:
        """What a call came to: expectations may be wrong by a factor, which the price makes up for."""
        if (column := self._column.get(model)) is not None:
            self._real[column] = _MEMORY * self._real[column] + real_usd
            self._expected[column] = _MEMORY * self._expected[column] + expected_usd

    def solve(self, allowance: float) -> float:
        """The new price, for an allowance of USD per request: half of the way, in logs, from the old to the exact."""
        seen = min(self.seen, SAMPLE)
        bias = np.clip(np.divide(self._real, self._expected), *_BIAS)
        success, cost = (np.frombuffer(a).reshape(SAMPLE, -1)[:seen] for a in (self._success, self._cost))
        exact = dual_price(success, cost, cost * bias, allowance)
        if exact and self.price:
            exact = (exact * self.price) ** 0.5
        elif self.price > _NEGLIGIBLE:
            exact = self.price / 4
        self.price = exact
        return exact


class _Paced(Pace):
    """A scope's pace by the clock: how much work is left is its own request rate times the time that is left.

    `share`: how many requests of all workers there are for one of this one's, by what each has spent.
    """

    def __init__(self, models: Sequence[str], memory: float, at: float) -> None:
        super().__init__(models)
        self._memory = memory
        self._since = self._last = at
        self._requests = 0.0
        self.fresh = 0  # requests since the price was last solved
        self._own = self._own_seen = 0.0
        self._spent: float | None = None
        self._ratio = (0.0, 0.0)
        self.solved_at = 0.0

    def cost(self, usd: float) -> None:
        self._own += usd

    def rate(self, spent_usd: float, at: float) -> float:
        """Requests per second of all workers. `spent_usd`: by everybody, in the current window."""
        own, everybody = self._own - self._own_seen, spent_usd - (self._spent or 0.0)
        if self._spent is not None and everybody >= 0:  # else a window has ended
            self._ratio = 0.9 * self._ratio[0] + own, 0.9 * self._ratio[1] + everybody
        self._own_seen, self._spent = self._own, spent_usd
        share = max(1.0, self._ratio[1] / self._ratio[0]) if self._ratio[0] > 0 else 1.0
        self._requests = self._requests * exp(-max(0.0, at - self._last) / self._memory) + self.fresh
        self._last, self.fresh = max(at, self._last), 0
        return share * self._requests / max(1.0, min(self._memory, at - self._since))


class Pacer:
    """Prices for every scope with a windowed budget. An observer: it learns from the records of what was done.

    `windows`: the balances of some scopes, each in its current window.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        models: Sequence[str],
        windows: Callable[[Sequence[Scope]], Sequence[Balance]],
        clock: Callable[[], float],
    ) -> None:
        self._budgets = tuple(budget for budget in budgets if budget.per in _SECONDS)
        self._scopes = Scoping(self._budgets)
        self._memory = min((_SECONDS[budget.per or ""] for budget in self._budgets), default=0.0) / _RATE_WINDOWS
        self._models = tuple(models)
        self._windows = windows
        self._clock = clock
        self._paces: dict[Scope, _Paced] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to pace."""
        return bool(self._budgets)

    def price(self, scopes: Sequence[Scope]) -> float:
        """Quality per USD: the highest of the scopes' prices, 0 where nothing has to be saved."""
        highest = 0.0
        for scope in scopes:
            pace = self._paces.get(scope)
            if pace is not None and pace.price > highest:
                highest = pace.price
        return highest

    def attempted(self, attempt: Attempt) -> None:
        """Attempts say nothing of money."""

    def finished(self, record: Record) -> None:
        decision, at = record.decision, self._clock()
        if decision is None:
            return
        for scope in self._scopes(record.identity):
            pace = self._paces.get(scope)
            if pace is None:
                pace = self._opened(scope, at)
            pace.fresh += 1
            pace.cost(record.cost_usd)
            if pace.fresh <= _FRESH_SAMPLE:
                pace.offered(decision.candidates)
                if record.outcome == "ok" and record.model is decision.model:
                    pace.paid(decision.model.name, decision.expected_cost_usd, record.cost_usd)
            if at - pace.solved_at >= _SOLVE_SECONDS:
                pace.solved_at = at
                self._solve(scope, pace, at)

    def _opened(self, scope: Scope, at: float) -> _Paced:
        if len(self._paces) >= _MOST_SCOPES:
            del self._paces[next(iter(self._paces))]
        pace = self._paces[scope] = _Paced(self._models, self._memory, at)
        return pace

    def _solve(self, scope: Scope, pace: _Paced, at: float) -> None:
        """The tightest of the scope's windows rules."""
        windows = [(b, b.refills_at - at) for b in self._windows([scope]) if b.refills_at is not None]
        if windows:
            rate = pace.rate(windows[0][0].spent / NANOS_PER_USD, at)
            pace.solve(min(b.remaining / NANOS_PER_USD / max(1.0, rate * seconds) for b, seconds in windows))
