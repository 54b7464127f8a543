"""What audits say of the loss against always-strong, by slot and level: of the policy that runs, and no other."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..stats import AuditedLoss, Bounded
from ..types import Verdict, value
from .labels import NONE, OTHER

ALL = "all"


@value
class Measured:
    """The mean loss of one cell. Each bound holds at the goal's confidence, at every moment at once."""

    slot: str
    level: str
    found: Bounded


class Losses:
    """Fed with verdicts; those without an audit that certifies, or on another `policy` (None: any), say nothing.

    `slots`: the declared ones; a client's own are "other" together. `delta`: the chance that a bound may be wrong.
    """

    def __init__(self, slots: Collection[str], policy: str | None, delta: float) -> None:
        self._slots = frozenset(slots)
        self._policy = policy
        self._delta = delta
        self._cells: dict[tuple[str, str], AuditedLoss] = {}
        self._known: dict[tuple[str, str], Bounded] = {}

    def add(self, verdict: Verdict) -> None:
        audit = verdict.audit
        if audit is None or not audit.certifies or self._policy not in (None, audit.policy):
            return
        slot = verdict.slot if verdict.slot in self._slots else OTHER if verdict.slot else NONE
        for cell in ((slot, verdict.level.name), (slot, ALL), (ALL, ALL)):
            self._cells.setdefault(cell, AuditedLoss()).add(audit.loss, audit.propensity)
            self._known.pop(cell, None)

    def measured(self) -> Iterator[Measured]:
        """Every cell with an audit."""
        for cell, losses in self._cells.items():
            if cell not in self._known:
                self._known[cell] = losses.told(self._delta)
            yield Measured(*cell, self._known[cell])
