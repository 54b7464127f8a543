"""What the soak's clients ask: a seeded mixture of the shapes that agents send, each with a mark of its own."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

WORDS = [
    "the", "of", "a", "plan", "review", "test", "merge", "cache", "budget", "route", "agent", "draft", "critique",
    "proof", "schema", "token", "window", "stream",
]  # fmt: skip
CATALOGUE = [
    {
        "type": "function",
        "function": {
            "name": f"tool_{number}",
            "description": f"Does the thing number {number}, with care, on every file that it is given.",
            "parameters": {"type": "object", "properties": {"path": {"type": "string"}, "line": {"type": "integer"}}},
        },
    }
    for number in range(64)
]
PREFIX = "You are one of a team of careful engineers. " * 120
KINDS = {"short": 40, "stream": 25, "long": 4, "tools": 6, "catalogue": 5, "prefix": 8, "conversation": 8, "again": 4}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `text`: what an echo answers; `alternatives`: whether another model may serve it."""

    kind: str
    body: dict[str, Any]
    headers: dict[str, str]
    text: str
    alternatives: bool
    leaves: float | None  # after so many seconds, or in mid-stream
    extra: dict[str, Any] = field(default_factory=dict)


class Mixture:
    """An endless supply of requests. `leaving`: the share of clients that vanish."""

    def __init__(self, seed: int, *, leaving: float = 0.02) -> None:
        self._rng = random.Random(seed)
        self._leaving = leaving
        self._count = 0
        self._talks: deque[tuple[str, list[dict[str, Any]]]] = deque()

    def next(self, model: str | None = None) -> Asked:
        """`model`: pinned; else the mixture's own choice."""
        rng = self._rng
        self._count += 1
        (kind,) = rng.choices(list(KINDS), list(KINDS.values()))
        mark = f"<{self._count}:{rng.getrandbits(40):x}>"
        said = f"{mark} {self._words(rng.randint(3, 40))}"
        body: dict[str, Any] = {"messages": [{"role": "user", "content": said}]}
        headers: dict[str, str] = {}
        if kind == "long":
            file = {"role": "user", "content": self._words(15_000)}
            body["messages"] = [file, {"role": "assistant", "content": "I have read it."}, *body["messages"]]
        elif kind == "tools":
            body["messages"] = self._burst(said)
            body["tools"] = CATALOGUE[:3]
        elif kind == "catalogue":
            body["tools"] = CATALOGUE
        elif kind == "prefix":
            body["messages"].insert(0, {"role": "system", "content": PREFIX})
        elif kind == "conversation":
            body["messages"], headers["x-levelhead-session"] = self._talk(said)
        elif kind == "again":  # the same for many, from the cache or in flight
            said = f"again {rng.randint(0, 20)} of {self._count // 500}"
            body |= {"messages": [{"role": "user", "content": said}], "temperature": 0}
        if kind == "stream" or (kind != "again" and rng.random() < 0.3):
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if rng.random() < 0.5:
            headers["x-levelhead-run"] = f"run-{self._count // 200}"
        body["model"] = model or rng.choices(["auto", "auto/frugal", "efficient", "mini"], [45, 35, 15, 5])[0]
        leaves = rng.uniform(0, 0.02) if model is None and rng.random() < self._leaving else None
        return Asked(kind, body, headers, f"echo: {said}", body["model"] != "mini" and model is None, leaves)

    def _words(self, count: int) -> str:
        return " ".join(self._rng.choices(WORDS, k=count))

    def _talk(self, said: str) -> tuple[list[dict[str, Any]], str]:
        """The next turn of a conversation that has grown so far."""
        if len(self._talks) < 30:
            self._talks.append((f"talk-{self._count}", []))
        session, turns = self._talks.popleft()
        turns = [*turns, {"role": "user", "content": said}]
        if len(turns) < 30:
            self._talks.append((session, [*turns, {"role": "assistant", "content": self._words(60)}]))
        return turns, session

    def _burst(self, said: str) -> list[dict[str, Any]]:
        calls = [
            {
                "id": f"call_{self._count}_{at}",
                "type": "function",
                "function": {"name": f"tool_{at % 3}", "arguments": '{"path": "a.py", "line": 3}'},
            }
            for at in range(8)
        ]
        results = [{"role": "tool", "tool_call_id": call["id"], "content": self._words(50)} for call in calls]
        asked = {"role": "user", "content": self._words(20)}
        called = {"role": "assistant", "content": None, "tool_calls": calls}
        return [asked, called, *results, {"role": "user", "content": said}]
