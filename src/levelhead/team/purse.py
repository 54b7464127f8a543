"""A run's money: split over the turns still to come by what they are expected to need, and split again after each.

Every call takes a ceiling out of the purse before it is made and puts back what it didn't cost, so that the run can't
exceed its budget whatever the calls do at once. A ceiling is a worst case and several times what a call tends to cost:
a turn may take up to `headroom` shares, and turns that start together all there is but the share of the turn whose
output is final, which stays untouched until then.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping

from ..types import NANOS_PER_USD, Nanos

HEADROOM = 8.0


class Purse:
    """`budget` in nanodollars, None: no limit. `needs`: weight of every planned turn. `least`: what is kept for the
    final one at least. Of one event loop."""

    def __init__(
        self,
        budget: Nanos | None,
        needs: Mapping[Hashable, float],
        final: Hashable | None = None,
        headroom: float = HEADROOM,
        least: Nanos = 0,
    ) -> None:
        self.budget = budget
        self.spent: Nanos = 0
        self._free = budget or 0
        self._needs = dict(needs)
        self._final = final
        self._headroom = headroom
        self._least = least

    @property
    def left(self) -> Nanos:
        """Neither spent nor set aside."""
        return self._free

    @property
    def coming(self) -> Collection[Hashable]:
        """The planned turns that haven't begun."""
        return self._needs.keys()

    def plan(self, turn: Hashable, need: float) -> None:
        """One more turn to come."""
        self._needs[turn] = need

    def weigh(self, turn: Hashable, factor: float) -> None:
        """What a planned turn needs, times `factor`."""
        if turn in self._needs:
            self._needs[turn] *= factor

    def take(self, *turns: Hashable) -> list[Nanos | None]:
        """Sets a ceiling aside for each of these turns, which start at once; None: no limit."""
        if self.budget is None:
            for turn in turns:
                self.waive(turn)
            return [None] * len(turns)
        total = sum(self._needs.values())
        needs = [self._needs.pop(turn, 0.0) for turn in turns]
        together = sum(needs)
        if total <= 0 or together <= 0:
            return [0] * len(turns)
        free = self._free
        kept = self._needs.get(self._final, 0.0) / total * free
        room = free - max(kept, self._least if kept else 0)  # the rest is the final turn's
        taken = [int(max(min(free * need / total * self._headroom, room * need / together), 0.0)) for need in needs]
        self._free -= sum(taken)
        return list(taken)

    def due(self, *turns: Hashable) -> Nanos:
        """What these turns should cost together, going by what they and those still to come need."""
        total = sum(self._needs.values())
        return int(self._free * sum(self._needs.get(turn, 0.0) for turn in turns) / total) if total > 0 else 0

    def share(self, amount: Nanos, parts: int) -> list[Nanos]:
        """Sets as much aside, or what there is, in equal parts."""
        part = max(0, min(amount, self._free)) // parts
        self._free -= part * parts
        return [part] * parts

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
