"""The charter: three rings of what a team is and may become, and a log of everybody who touched them.

| ring | what | person | system | client |
|---|---|---|---|---|
| 1 | mission, values, the right to abstain | edits the file | reads | reads |
| 2 | budgets, targets, metrics | proposes, approves, rejects | proposes | reads |
| 3 | quality threshold, pacing, batch size, protocol | sets, freezes, rolls back | sets within bounds | reads |

Whatever else is tried is refused and written down. "system" is levelhead's own code, "client" whatever comes with a
request or a `Team(...)` call, "person" whoever uses `levelhead charter` on the machine that holds the state. The log
is a chain of hashes; the values in force are what its allowed entries add up to, and can be changed nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import InvalidRequest, PermissionDenied
from ..types import PROTOCOLS
from .charter_log import Entry, append, read, standing
from .state import TeamState

Kind = Literal["person", "system", "client"]
RIGHTS = ("abstain",)

# Ring 2, with the values that hold until somebody approves others: the most that a run may cost in USD (None: as the
# budgets say), the quality that is aimed at, how likely a coin decides a seat, the share of runs that are judged.
RING_2: Mapping[str, Any] = {"run_budget_usd": None, "target_quality": 1.0, "explore": 0.0, "judge_share": 1.0}
_RING_2_BOUNDS = {
    "run_budget_usd": (0.0, 1e9),
    "target_quality": (0.0, 1.0),
    "explore": (0.0, 1.0),
    "judge_share": (0.0, 1.0),
}
RING_3: Mapping[str, Any] = {"quality_threshold": 0.02, "pacing": 8.0, "batch_size": 4, "protocol": "sequential"}
_RING_3_BOUNDS = {"quality_threshold": (0.0, 1.0), "pacing": (1.0, 256.0), "batch_size": (1.0, 256.0)}


@dataclass(frozen=True, slots=True)
class Actor:
    kind: Kind
    name: str = ""


SYSTEM, CLIENT = Actor("system", "levelhead"), Actor("client")


@dataclass(frozen=True, slots=True)
class Terms:
    """The file's part. `bounds`: for ring-3 numbers, within which they may be set; `protocols`: the allowed ones."""

    mission: str | None = None
    values: tuple[str, ...] = ()
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    protocols: tuple[str, ...] = PROTOCOLS

    @property
    def ring1(self) -> Mapping[str, Any]:
        return {"mission": self.mission, "values": list(self.values), "rights": list(RIGHTS)}

    @property
    def hash(self) -> str:
        """SHA-256 of ring 1: goes into every run's record."""
        return hashlib.sha256(json.dumps(self.ring1, sort_keys=True).encode()).hexdigest()


class Charter:
    """Methods raise `PermissionDenied` for what a ring forbids and `InvalidRequest` for values out of bounds; both are
    written to the log first."""

    def __init__(self, terms: Terms, state: TeamState, *, clock: Callable[[], float] = time.time) -> None:
        self.terms = terms
        self._state = state
        self._clock = clock
        self._note_amendment()

    def settings(self) -> dict[str, Any]:
        """Rings 2 and 3 as they are in force. A stored value that the file's bounds no longer allow doesn't count."""
        stored = standing(self.log()).values
        found = {**RING_2, **RING_3}
        if found["protocol"] not in self.terms.protocols:
            found["protocol"] = self.terms.protocols[0]
        for name in _RING_3_BOUNDS:
            low, high = self.bounds(name)
            found[name] = type(found[name])(min(max(found[name], low), high))
        for name, values in stored.items():
            if values and self.wrong(name, values[-1]) is None:
                found[name] = values[-1]
        return found

    def log(self) -> list[Entry]:
        """All entries, oldest first."""
        return read(self._state)

    def proposals(self) -> dict[int, tuple[str, Any]]:
        """Open ones: number -> (name, value)."""
        return standing(self.log()).proposals

    def now(self) -> float:
        return self._clock()

    def frozen(self, name: str) -> bool:
        return not standing(self.log()).frozen.isdisjoint({name, "*"})

    def bounds(self, name: str) -> tuple[float, float]:
        """Of a ring-3 number: the file's, within what makes sense at all."""
        low, high = _RING_3_BOUNDS[name]
        least, most = self.terms.bounds.get(name, (low, high))
        return max(low, least), min(high, most)

    # ring 2

    def propose(self, actor: Actor, name: str, value: Any, why: str = "") -> int:
        """The proposal's number. Persons and the system may; nothing changes until a person approves it."""
        allowed = actor.kind in ("person", "system")
        return self._act(
            actor, ring_of(name), "propose", name, value, why, allowed, "only persons and the system propose"
        )

    def approve(self, actor: Actor, number: int, why: str = "") -> None:
        name, value = self._open(number)
        self._act(actor, 2, "approve", name, value, why, actor.kind == "person", "only a person approves", number)

    def reject(self, actor: Actor, number: int, why: str = "") -> None:
        name, value = self._open(number)
        self._act(actor, 2, "reject", name, value, why, actor.kind == "person", "only a person rejects", number)

    # ring 3, and what isn't

    def set(self, actor: Actor, name: str, value: Any, why: str = "") -> None:
        """Ring 3 within its bounds, by a person or the system. Ring 1 and ring 2 are refused to everybody."""
        ring = ring_of(name)
        allowed, reason = False, "ring 1 is changed only by editing the file"
        if ring == 2:
            reason = "ring 2 is changed only by an approved proposal"
        elif ring == 3:
            frozen = self.frozen(name)
            allowed = actor.kind != "client" and not frozen
            reason = "it is frozen" if frozen else "clients may not tune"
        self._act(actor, ring, "set", name, value, why, allowed, reason)

    def freeze(self, actor: Actor, name: str = "*", why: str = "") -> None:
        """No change of `name` (of ring 3 as a whole: "*") until it is unfrozen."""
        self._person(actor, "freeze", name, why)

    def unfreeze(self, actor: Actor, name: str = "*", why: str = "") -> None:
        self._person(actor, "unfreeze", name, why)

    def rollback(self, actor: Actor, name: str, why: str = "") -> None:
        """Back to the value before; the first one is the file's."""
        self._person(actor, "rollback", name, why)

    def refuse(self, actor: Actor, name: str, value: Any, reason: str) -> None:
        """Writes down an attempt that another part of the house has noticed, and raises."""
        self._act(actor, ring_of(name), "set", name, value, "", False, reason)

    def _person(self, actor: Actor, action: str, name: str, why: str) -> None:
        ring = 3 if name == "*" else ring_of(name)
        allowed = actor.kind == "person" and ring == 3
        reason = "only a person may" if ring == 3 else f"ring {ring} has nothing to {action}"
        self._act(actor, ring, action, name, None, why, allowed, reason)

    def _open(self, number: int) -> tuple[str, Any]:
        found = self.proposals().get(number)
        if found is None:
            raise InvalidRequest(f"There is no open proposal {number}.", param="proposal")
        return found

    def _act(
        self,
        actor: Actor,
        ring: int,
        action: str,
        name: str,
        value: Any,
        why: str,
        allowed: bool,
        reason: str,
        number: int | None = None,
    ) -> int:
        """Writes the attempt down, then raises what it deserves or gives its number."""
        error: Exception | None = None if allowed else PermissionDenied(f"Charter: {reason} ({name}).", param=name)
        if allowed and action == "propose" and ring_of(name) != 2:
            error = PermissionDenied(f"Charter: only ring 2 is changed by proposals ({name}).", param=name)
        elif allowed and action in ("set", "propose") and (wrong := self.wrong(name, value)) is not None:
            error = InvalidRequest(f"Charter: {name} {wrong}.", param=name)
        entry = Entry(
            at=self._clock(),
            kind=actor.kind,
            actor=actor.name[:128],
            ring=ring,
            action=action,
            name=name[:128],
            value=value if number is None else {"proposal": number, "value": value},
            why=why[:2_000],
            allowed=error is None,
            reason="" if error is None else str(error),
        )
        written = append(self._state, entry, open_proposal=number if error is None else None)
        if error is not None:
            raise error
        if written is None:
            raise InvalidRequest(f"Proposal {number} has been decided already.", param="proposal")
        return written

    def wrong(self, name: str, value: Any) -> str | None:
        """What is wrong with a value for a setting, or None."""
        if name == "protocol":
            return None if value in self.terms.protocols else f"must be one of {', '.join(self.terms.protocols)}"
        if name not in RING_2 and name not in RING_3:
            return "is no setting"
        if name == "run_budget_usd" and value is None:
            return None
        low, high = _RING_2_BOUNDS[name] if name in RING_2 else self.bounds(name)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            return f"must be a number from {low:g} to {high:g}"
        if name == "batch_size" and value != int(value):
            return "must be a whole number"
        return None

    def _note_amendment(self) -> None:
        """A person has edited ring 1 in the file: the first to see it writes it down."""
        seen = [entry for entry in self.log() if entry.action == "amend"]
        if not seen or seen[-1].value != self.terms.hash:
            entry = Entry(self._clock(), "person", "the file", 1, "amend", "ring1", self.terms.hash, "", True, "")
            append(self._state, entry)


def ring_of(name: str) -> int:
    """1 for whatever isn't a setting of the outer rings."""
    return 3 if name in RING_3 else 2 if name in RING_2 else 1


def matrix() -> Sequence[tuple[Kind, int, str, bool]]:
    """Who may do what: (kind, ring, action, allowed), reading left out, for everybody may."""
    may = {
        ("person", 2, "propose"), ("person", 2, "approve"), ("person", 2, "reject"), ("system", 2, "propose"),
        ("person", 3, "set"), ("system", 3, "set"),
        ("person", 3, "freeze"), ("person", 3, "unfreeze"), ("person", 3, "rollback"),
    }  # fmt: skip
    anywhere = ("set", "propose", "freeze", "unfreeze", "rollback")
    actions = [(ring, act) for ring in (1, 2, 3) for act in anywhere] + [(2, "approve"), (2, "reject")]
    kinds: tuple[Kind, ...] = ("person", "system", "client")
    return [(kind, ring, act, (kind, ring, act) in may) for kind in kinds for ring, act in actions]
