"""May a model choose its own roles? A paired comparison that may be looked at after every pair.

Each pair is one team task done twice, with free and with given roles; d = right when free minus right when given. A
bettor bets against "freedom costs at least `MARGIN`": under it the wealth is a nonnegative supermartingale, so it ever
reaches 1/alpha with probability at most alpha (Ville), whatever the pairs and whenever one stops. A second one bets
against "freedom costs nothing". Undecided after `MOST_PAIRS` means given roles: structure hurts strong models little
(3.5 % in arXiv:2603.28990), freedom hurts weak ones more (9.6 %).
"""

from __future__ import annotations

from math import log, sqrt
from typing import Literal

ALPHA = 0.05
MARGIN = 0.10
MOST_PAIRS = 60
LEAST_RIGHT = 0.2  # below this share of right answers the tasks are too hard to show a difference

Verdict = Literal["free", "fixed", "undecided"]


class Bettor:
    """Bets on a mean above `bound` of values in [-1, 1]; bets are predictable, sized for `horizon` values."""

    def __init__(self, bound: float, alpha: float, horizon: int) -> None:
        self._bound = bound
        self._aim = 2 * log(1 / alpha) / horizon
        self._needed = log(1 / alpha)
        self._boldest = 0.95 / (1 + bound)
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        self.wealth = 0.0  # its log
        self.won = False

    def add(self, value: float) -> None:
        variance = (0.05 * 4 + self._squares) / (self._count + 4)
        bet = min(sqrt(self._aim / variance), self._boldest)
        self.wealth += log(1 + bet * (value - self._bound))
        self.won = self.won or self.wealth >= self._needed
        self._count += 1
        self._sum += value
        self._squares += (value - self._sum / (self._count + 1)) ** 2


class Gate:
    """`add` pairs until `verdict` isn't None. "free" is wrong with probability at most `ALPHA` where freedom costs
    `MARGIN` or more."""

    def __init__(self, *, margin: float = MARGIN, alpha: float = ALPHA, most: int = MOST_PAIRS) -> None:
        self._harmless = Bettor(-margin, alpha, most)
        self._harmful = Bettor(0.0, alpha, most)
        self.most = most
        self.pairs = self.free_right = self.given_right = 0

    def add(self, free_right: bool, given_right: bool) -> None:
        self.pairs += 1
        self.free_right += free_right
        self.given_right += given_right
        difference = int(free_right) - int(given_right)
        self._harmless.add(difference)
        self._harmful.add(-difference)

    @property
    def verdict(self) -> Verdict | None:
        """None: go on."""
        if self._harmful.won:
            return "fixed"
        if self._harmless.won and self.free_right + self.given_right >= 2 * LEAST_RIGHT * self.pairs:
            return "free"
        return "undecided" if self.pairs >= self.most else None
