"""An agent's structured answer, read as well as it can be: no second call is ever made to have it repaired.

Asked for is one JSON object. What comes may stand in a code fence or in prose, have raw line breaks or trailing commas,
or be cut off by the output cap. In that order: strict JSON, mended JSON, single fields by name; and where there is no
sign of an object at all the whole text counts as a contribution without a role. All but the first are `malformed`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

MAX_ROLE_CHARS = 80
MAX_WHY_CHARS = 400
NO_ROLE = "unstated"

_TRAILING_COMMA = re.compile(r",(\s*[}\]])")
_FENCE = re.compile(r"```(?:json|JSON)?\s*\n?(.*?)(?:```|\Z)", re.DOTALL)
_YES, _NO = {"true", "yes", "1", "contribute"}, {"false", "no", "0", "abstain", "none"}


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent said. `plan` is a coordinator's: agent -> (role, phase 1.., or 0 for sit out)."""

    role: str = NO_ROLE
    contribute: bool = True
    why: str = ""
    text: str = ""
    used: tuple[int, ...] = ()
    malformed: bool = False


def read_answer(text: str) -> Said:
    """Never raises. An empty answer contributes nothing and is malformed."""
    found, strict = find_object(text, ("role", "contribute", "contribution"))
    if found is None:
        bare = text.strip()
        return Said(contribute=bool(bare), text=bare, malformed=True)
    contribution = found.get("contribution", "")
    body = contribution if isinstance(contribution, str) else _shown(contribution)
    wanted = _truth(found.get("contribute"), default=bool(body.strip()))
    return Said(
        role=_line(found.get("role"), MAX_ROLE_CHARS) or NO_ROLE,
        contribute=wanted and bool(body.strip()),
        why=_line(found.get("why"), MAX_WHY_CHARS),
        text=body.strip() if wanted else "",
        used=_agents(found.get("used")),
        malformed=not strict or not isinstance(contribution, str) or (wanted and not body.strip()),
    )


def read_plan(text: str, agents: int) -> tuple[dict[int, tuple[str, int]], bool]:
    """A coordinator's plan for agents 1..`agents`-1: (role, phase), phase 0 for "sit out"; and whether it was readable.

    Who isn't in the plan works in phase 1 and picks its own role: a plan that can't be read leaves everybody free.
    """
    found, strict = find_object(text, ("assignments",))
    rows = found.get("assignments") if found else None
    plan: dict[int, tuple[str, int]] = {}
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, Mapping):
            continue
        agent, phase = _whole(row.get("agent")), _whole(row.get("phase", 1))
        if agent is None or not 0 < agent < agents or agent in plan:
            continue
        sits_out = not _truth(row.get("contribute"), default=True)
        plan[agent] = (
            _line(row.get("role"), MAX_ROLE_CHARS),
            0 if sits_out or phase == 0 else min(max(1, phase or 1), agents),
        )
    readable = strict and bool(plan)
    return {agent: plan.get(agent, ("", 1)) for agent in range(1, agents)}, readable


def read_ranking(text: str) -> tuple[int, ...]:
    """The agents of a ranking, the best first, each once; empty for one that can't be read."""
    found, _ = find_object(text, ("ranking",))
    listed = found.get("ranking") if found else None
    numbers = (_whole(one) for one in (listed if isinstance(listed, list) else [])[:1024])
    return tuple(dict.fromkeys(number for number in numbers if number is not None and number >= 0))


def find_object(text: str, names: tuple[str, ...]) -> tuple[Mapping[str, Any] | None, bool]:
    """The first JSON object that has one of `names`, and whether the text was nothing but that object."""
    try:
        whole = orjson.loads(text)
        if isinstance(whole, dict) and any(name in whole for name in names):
            return whole, True
    except orjson.JSONDecodeError:
        pass
    for candidate in (*(match[1] for match in _FENCE.finditer(text)), text):
        for mended in (candidate, _TRAILING_COMMA.sub(r"\1", candidate)):
            found = _embedded(mended, names)
            if found is not None:
                return found, False
    fields = {name: value for name in ("role", "why", "contribution") if (value := _field(text, name)) is not None}
    if fields and '"contribution"' in text:
        return fields, False
    return None, False


def _embedded(text: str, names: tuple[str, ...]) -> Mapping[str, Any] | None:
    decoder = json.JSONDecoder(strict=False)  # raw line breaks inside strings are the commonest slip
    at, tries = text.find("{"), 0
    while at >= 0 and tries < 32:
        try:
            value, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict) and any(name in value for name in names):
            return value
        at, tries = text.find("{", at + 1), tries + 1
    return None


def _field(text: str, name: str) -> str | None:
    """The string of one field of an object that is broken or cut off."""
    match = re.search(rf'"{name}"\s*:\s*"((?:[^"\\]|\\.)*)', text, re.DOTALL)
    if match is None:
        return None
    raw = match[1]
    for cut in range(7):  # an escape may have been cut in half
        try:
            value: str = json.loads(f'"{raw[: len(raw) - cut]}"', strict=False)
            return value
        except ValueError:
            continue
    return raw


def _truth(value: Any, *, default: bool) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    return True if word in _YES else False if word in _NO and value is not None else default


def _agents(value: Any) -> tuple[int, ...]:
    listed = value if isinstance(value, list) else [value]
    return tuple(sorted({number for one in listed[:1024] if (number := _whole(one)) is not None and number >= 0}))


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    match = re.search(r"\d{1,4}", value) if isinstance(value, str) else None
    return int(match[0]) if match else None


def _line(value: Any, chars: int) -> str:
    return " ".join(str(value).split())[:chars] if isinstance(value, (str, int, float)) else ""


def _shown(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)
