"""A run's money: split over the turns still to come by what they are expected to need, and split again after each.

Every call takes a ceiling out of the purse before it is made and puts back what it didn't cost, so that the run can't
exceed its budget whatever the calls do at once. A ceiling is a worst case and several times what a call tends to cost:
a turn that runs alone may take up to `headroom` shares of what is left, turns that run together one share each. The
share of the turn whose output is final stays untouched until then.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from ..types import NANOS_PER_USD, Nanos

HEADROOM = 8.0


class Purse:
    """`budget` in nanodollars, None: no limit. `needs`: weight of every planned turn. Of one event loop."""

    def __init__(
        self,
        budget: Nanos | None,
        needs: Mapping[Hashable, float],
        final: Hashable | None = None,
        headroom: float = HEADROOM,
    ) -> None:
        self.budget = budget
        self.spent: Nanos = 0
        self._free = budget or 0
        self._needs = dict(needs)
        self._final = final
        self._headroom = headroom

    @property
    def left(self) -> Nanos:
        """Neither spent nor set aside."""
        return self._free

    def plan(self, turn: Hashable, need: float) -> None:
        """One more turn to come."""
        self._needs[turn] = need

    def take(self, turn: Hashable, together: int = 1) -> Nanos | None:
        """Sets a ceiling aside for `turn`, one of `together` turns that start at once; None: no limit."""
        if self.budget is None:
            self._needs.pop(turn, None)
            return None
        total = sum(self._needs.values())
        need = self._needs.pop(turn, 0.0)
        share = self._free * need / total if total > 0 else float(self._free)
        kept = self._free * self._needs.get(self._final, 0.0) / total if total > 0 else 0.0
        most = share if together > 1 else min(share * self._headroom, self._free - kept)
        taken = min(self._free, int(max(most, 0.0)))
        self._free -= taken
        return taken

    def take_all(self) -> Nanos | None:
        """The last resort: all that is left."""
        if self.budget is None:
            return None
        taken, self._free = self._free, 0
        return taken

    def settle(self, taken: Nanos | None, cost: Nanos) -> None:
        """Puts back what a call didn't cost."""
        self.spent += cost
        if taken is not None:
            self._free += taken - cost

    def waive(self, turn: Hashable) -> None:
        """A turn that won't take place: its share goes to the others."""
        self._needs.pop(turn, None)


def usd(nanos: Nanos) -> float:
    return nanos / NANOS_PER_USD
