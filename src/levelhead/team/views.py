"""Of a run's turns: what others may see, and what counts as the team's output."""

from __future__ import annotations

from collections.abc import Sequence

from .record import Phase, Turn


def spoken(turns: Sequence[Turn], phase: Phase = "act") -> tuple[Turn, ...]:
    """What others may see: everybody who had a turn and wasn't lost to money or a failing model."""
    return tuple(t for t in turns if t.phase == phase and t.status != "failed" and t.abstention != "budget")


def counting(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Of each agent the turn that counts: its last one that isn't a plan, an intention or a draft."""
    found: dict[int, Turn] = {}
    for turn in turns:
        if turn.phase in ("act", "integrate"):
            found[turn.agent] = turn
    return tuple(found[agent] for agent in sorted(found))


def last(turns: Sequence[Turn]) -> tuple[str, int | None]:
    """The last contribution, and whose it is."""
    whole = [turn for turn in turns if turn.contributed]
    return (whole[-1].text, whole[-1].agent) if whole else ("", None)


def joined(turns: Sequence[Turn]) -> tuple[str, int | None]:
    """All contributions, in the order of seats; where money ended before anybody worked, what they intended."""
    whole = [turn for turn in counting(turns) if turn.contributed]
    whole = whole or [turn for turn in turns if turn.contributed and turn.phase == "intend"]
    if len(whole) == 1:
        return whole[0].text, whole[0].agent
    return "\n\n".join(f"[agent {turn.agent}: {turn.role}]\n{turn.text}" for turn in whole), None
