"""Which budgets bind a request, and in which window of time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from ..types import Budget, Identity, Scope

Per = Literal["hour", "day", "month", "run", "ever"]

_SECONDS = {"hour": 3_600, "day": 86_400}
_MOST_KNOWN = 4_096  # identities
_NOBODY = "none"  # a request without run and session: they share one run rather than having none


def scopes_for(budgets: Sequence[Budget], identity: Identity) -> tuple[Scope, ...]:
    """The scopes of a request that have a budget: key, then team, then run, then slot.

    A team is the key's own; a run is `<key>/<run>`; a slot is `<key>/<run>/<slot>` where its budget is per run, else
    `<key>/<slot>`.
    """
    key = part(identity.key.name)
    run = f"{key}/{part(identity.run or identity.session or _NOBODY)}"
    scopes: dict[Scope, None] = {}
    team = identity.key.team
    for kind in ("key", "team", "run", "slot"):
        for budget in budgets:
            if budget.kind != kind:
                continue
            if kind == "key" and budget.name in (None, identity.key.name):
                scopes[Scope("key", key)] = None
            elif kind == "team" and team is not None and budget.name in (None, team):
                scopes[Scope("team", part(team))] = None
            elif kind == "run" and budget.name in (None, identity.run):
                scopes[Scope("run", run)] = None
            elif kind == "slot" and identity.slot is not None and budget.name in (None, identity.slot):
                owner = run if budget.per == "run" else key
                scopes[Scope("slot", f"{owner}/{part(identity.slot)}")] = None
    return tuple(scopes)


class Scoping:
    """`scopes_for` some budgets, remembered: agents ask again and again as who they are."""

    def __init__(self, budgets: Sequence[Budget]) -> None:
        self._budgets = tuple(budgets)
        self._by_run = any(budget.kind in ("run", "slot") for budget in budgets)
        self._known: dict[tuple[str | None, ...], tuple[Scope, ...]] = {}

    def __call__(self, identity: Identity) -> tuple[Scope, ...]:
        if not self._budgets:
            return ()
        key = identity.key
        at: tuple[str | None, ...] = (key.name, key.team)
        if self._by_run:
            at = (*at, identity.slot, identity.run, None if identity.run else identity.session)
        scopes = self._known.get(at)
        if scopes is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            scopes = self._known[at] = scopes_for(self._budgets, identity)
        return scopes


def budgets_of(budgets: Sequence[Budget], scope: Scope) -> dict[Per, Budget]:
    """The budgets that bind `scope`, one for each kind of window.

    One with a name replaces the one for everybody of its kind and window; otherwise the smaller one binds.
    """
    names = scope.name.split("/")
    own = scope.name if scope.kind in ("key", "team", "audit") else names[-1]
    found: dict[Per, Budget] = {}
    for budget in sorted(budgets, key=lambda b: (b.name is None, b.amount), reverse=True):
        if budget.kind != scope.kind or (budget.name is not None and part(budget.name) != own):
            continue
        if scope.kind == "slot" and (budget.per == "run") != (len(names) > 2):
            continue
        found[budget.per or "ever"] = budget
    return found


def window_of(per: Per, at: float) -> int:
    """The number of the calendar window, in UTC, that holds `at` (Unix seconds); 0 where there is but one."""
    if per == "month":
        day = datetime.fromtimestamp(at, UTC)
        return day.year * 12 + day.month - 1
    return int(at // _SECONDS[per]) if per in _SECONDS else 0


def window_end(per: Per, window: int) -> float | None:
    """When the window ends and the budget refills, Unix seconds; None: never."""
    if per == "month":
        year, month = divmod(window + 1, 12)
        return datetime(year, month + 1, 1, tzinfo=UTC).timestamp()
    return float((window + 1) * _SECONDS[per]) if per in _SECONDS else None


def part(name: str) -> str:
    """A name inside a scope's name: no slash of its own, or one key's run could pose as another key's."""
    return name.replace("%", "%25").replace("/", "%2F") if "/" in name or "%" in name else name
