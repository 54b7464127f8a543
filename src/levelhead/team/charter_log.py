"""The charter's log: a chain of hashes over every attempt, and what the allowed ones add up to."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .state import TeamState

_COLUMNS = "at, kind, actor, ring, action, name, value, why, allowed, reason"


@dataclass(frozen=True, slots=True)
class Entry:
    """One attempt. `value`: any JSON; of a decided proposal {"proposal": number, "value": what was proposed}."""

    at: float
    kind: str
    actor: str
    ring: int
    action: str
    name: str
    value: Any
    why: str
    allowed: bool
    reason: str
    seq: int = 0
    hash: str = ""


@dataclass(slots=True)
class Standing:
    """`values` by setting, oldest first: the last is in force. `frozen` holds names, "*" for all of ring 3."""

    values: dict[str, list[Any]] = field(default_factory=dict)
    proposals: dict[int, tuple[str, Any]] = field(default_factory=dict)
    frozen: set[str] = field(default_factory=set)


def read(state: TeamState) -> list[Entry]:
    with state.open() as db:
        return _read(db)


def append(state: TeamState, entry: Entry, *, open_proposal: int | None = None) -> int | None:
    """The entry's number. With `open_proposal`: None, and nothing written, where that is no longer open."""
    with state.open(write=True) as db:
        if open_proposal is not None and open_proposal not in standing(_read(db)).proposals:
            return None
        last = db.execute("SELECT hash FROM charter_log ORDER BY seq DESC LIMIT 1").fetchone()
        previous = last[0] if last else ""
        cells = _cells(entry)
        db.execute(
            f"INSERT INTO charter_log({_COLUMNS}, previous, hash) VALUES ({', '.join('?' * 12)})",  # noqa: S608 - names only
            (*cells, previous, _hash(cells, previous)),
        )
        return int(db.execute("SELECT max(seq) FROM charter_log").fetchone()[0])


def standing(entries: Iterable[Entry]) -> Standing:
    """What the allowed entries add up to."""
    now = Standing()
    for entry in entries:
        if not entry.allowed:
            continue
        values = now.values.setdefault(entry.name, [])
        if entry.action == "set":
            values.append(entry.value)
        elif entry.action == "propose":
            now.proposals[entry.seq] = (entry.name, entry.value)
        elif entry.action in ("approve", "reject"):
            now.proposals.pop(entry.value["proposal"], None)
            if entry.action == "approve":
                values.append(entry.value["value"])
        elif entry.action == "freeze":
            now.frozen.add(entry.name)
        elif entry.action == "unfreeze":
            now.frozen = set() if entry.name == "*" else now.frozen - {entry.name}
        elif entry.action == "rollback" and values:
            values.pop()
    return now


def broken(state: TeamState) -> int | None:
    """The number of the first entry that was altered, or that something before it was taken from; None: whole."""
    with state.open() as db:
        rows = db.execute(f"SELECT seq, {_COLUMNS}, previous, hash FROM charter_log ORDER BY seq").fetchall()  # noqa: S608 - names only
    last = ""
    for seq, *cells, previous, found in rows:
        if previous != last or found != _hash(tuple(cells), previous):
            return int(seq)
        last = found
    return None


def _read(db: sqlite3.Connection) -> list[Entry]:
    rows = db.execute(f"SELECT seq, {_COLUMNS}, hash FROM charter_log ORDER BY seq").fetchall()  # noqa: S608 - names only
    return [
        Entry(at, kind, actor, ring, action, name, json.loads(value), why, bool(allowed), reason, seq, found)
        for seq, at, kind, actor, ring, action, name, value, why, allowed, reason, found in rows
    ]


def _cells(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.at, entry.kind, entry.actor, entry.ring, entry.action, entry.name,
        json.dumps(entry.value, sort_keys=True), entry.why, int(entry.allowed), entry.reason,
    )  # fmt: skip


def _hash(cells: tuple[Any, ...], previous: str) -> str:
    return hashlib.sha256(json.dumps([*cells, previous]).encode()).hexdigest()
