"""What an agent is shown of the others' work, as JSON lines within a number of UTF-8 bytes.

JSON keeps one agent's words from posing as another's; "<" is escaped so that none can close the block it stands in.
When all of it doesn't fit, older entries are cut to their opening, the oldest first; then the oldest are left out and
counted in one line. The newest entry is cut last, to whatever room there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from .record import Turn

OPENING_CHARS = 240
_MARK = " [cut]"
_NOTE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Excerpt:
    """`sees`: agents with a line of their own; `cut`: entries shortened or left out."""

    text: str
    sees: tuple[int, ...]
    cut: int


def excerpt(turns: Sequence[Turn], room: int) -> Excerpt:
    """The turns, oldest first, in at most `room` bytes. Abstentions show as such: they tell who left it."""
    lines = [line(turn) for turn in turns]
    total = sum(map(_size, lines))
    cut: set[int] = set()
    for at, turn in enumerate(turns[:-1]):
        if total <= room:
            break
        short = line(turn, OPENING_CHARS)
        if _size(short) < _size(lines[at]):
            total += _size(short) - _size(lines[at])
            lines[at] = short
            cut.add(at)
    gone = 0
    while gone < len(lines) - 1 and total > room - (_NOTE_BYTES if gone else 0):
        total -= _size(lines[gone])
        gone += 1
    over = total - room + (_NOTE_BYTES if gone else 0)
    if over > 0 and lines:  # the newest stands alone: as much of it as there is room for
        newest = turns[-1]
        lines[-1] = line(newest, max(0, len(newest.text) - over - len(_MARK)))
        cut.add(len(lines) - 1)
        if _size(lines[-1]) > room - (_NOTE_BYTES if gone else 0):
            gone = len(lines)
    kept = lines[gone:]
    note = [f'{{"left_out":{gone},"because":"the window is full"}}'] if gone and room > _NOTE_BYTES else []
    shortened = gone + sum(at >= gone for at in cut)
    return Excerpt("\n".join(note + kept), tuple(turn.agent for turn in turns[gone:]), shortened)


def line(turn: Turn, chars: int | None = None) -> str:
    """One turn as a JSON object on one line, its text cut to `chars`."""
    entry: dict[str, object] = {"agent": turn.agent, "role": turn.role}
    if turn.contributed:
        text = turn.text if chars is None or len(turn.text) <= chars else turn.text[:chars] + _MARK
        entry["intention" if turn.phase == "intend" else "contribution"] = text
    else:
        entry["abstained"] = turn.why[:OPENING_CHARS] or turn.abstention or turn.status
    return orjson.dumps(entry).decode().replace("<", "\\u003c")


def newest_lines(text: str, room: int) -> str:
    """The last whole lines that fit into `room` bytes."""
    kept: list[str] = []
    for one in reversed(text.splitlines()):
        room -= _size(one)
        if room < 0:
            break
        kept.append(one)
    return "\n".join(reversed(kept))


def _size(text: str) -> int:
    return len(text.encode()) + 1
