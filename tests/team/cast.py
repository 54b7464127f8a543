"""A router for teams of tests: answers by a function of what an agent is told, prices by a flat rate."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from levelhead.types import Level, Outcome, Usage

AGENT = re.compile(r"You are agent (\d+) of 0 to (\d+)")


@dataclass
class Heard:
    """One call as it came in."""

    agent: int
    messages: Sequence[Mapping[str, Any]]
    fields: Mapping[str, Any]
    seen: list[dict[str, Any]]
    at: int  # how many answers were out when it came in
    phase: str

    @property
    def sees(self) -> list[int]:
        return [entry["agent"] for entry in self.seen if "agent" in entry]


@dataclass
class ScriptedRouter:
    """`answer(heard)` gives the text, or raises. Records calls and the most that ran at once."""

    answer: Callable[[Heard], str]
    cost_usd: float = 0.001
    calls: list[Heard] = field(default_factory=list)
    running: int = 0
    most_at_once: int = 0
    done: int = 0

    async def achat(self, messages: Sequence[Mapping[str, Any]], **fields: Any) -> Outcome:
        heard = read(messages, fields, self.done)
        self.calls.append(heard)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        await asyncio.sleep(0)  # lets all that start at once come in
        self.running -= 1
        text = self.answer(heard)
        self.done += 1
        return Outcome(text, {}, None, f"dec_{self.done}", "m", Level.L3, self.cost_usd, Usage(), "bypass")


def read(messages: Sequence[Mapping[str, Any]], fields: Mapping[str, Any], at: int) -> Heard:
    said = messages[-1]["content"]
    view = re.search(r"<additional_data>\n(.*?)\n</additional_data>", said, re.DOTALL)
    seen = [json.loads(line) for line in view[1].splitlines()[1:]] if view else []
    agent = AGENT.search(said)
    phase = (
        "assign"
        if "assign a role" in said
        else "rank"
        if "Rank the drafts" in said
        else "draft"
        if "Draft a complete answer" in said
        else "intend"
        if "State in at most" in said
        else "integrate"
        if agent and "You are the last" in said and agent[1] == "0" != agent[2]
        else "act"
    )
    return Heard(int(agent[1]) if agent else -1, messages, fields, seen, at, phase)


def answer(role: str, text: str, *, used: Sequence[int] = (), contribute: bool = True, why: str = "") -> str:
    said = {"role": role, "contribute": contribute, "why": why, "used": list(used), "contribution": text}
    return json.dumps(said)


def plain(heard: Heard) -> str:
    return answer(f"role {heard.agent}", f"work of {heard.agent}", used=heard.sees[-1:])
