"""Levels on tasks written apart, what changes them that should not, and what reading costs."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from levelhead.difficulty import load_quality_model
from levelhead.learn.datasets import read_levels, read_table
from levelhead.learn.noise import mistyped
from levelhead.learn.training import own_corpora
from levelhead.types import Chat, Model, Price

_PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)
PAIR = (
    Model("efficient", "efficient", 0, "openai", "deepseek-v4-flash", _PRICE),
    Model("strong", "strong", 1, "anthropic", "claude-sonnet-5-5", _PRICE),
)
_BEFORE = (
    "Hi there, hope you're well. ",
    "Could you help me with this, please? ",
    "Guten Tag, ",
    "I have a question for you. ",
)
_AFTER = (" Thanks a lot!", " Many thanks in advance.", " Best regards, Kim")
_SWAPS = {
    "make": "produce", "show": "display", "fix": "repair", "get": "obtain", "big": "large", "start": "begin",
    "find": "locate", "need": "require", "change": "alter", "use": "employ", "check": "verify", "small": "little",
}  # fmt: skip
CHANGES: dict[str, Callable[[str, random.Random], str]] = {
    "typing errors": mistyped,
    "upper case": lambda text, chance: text.upper(),
    "lower case": lambda text, chance: text.lower(),
    "blanks": lambda text, chance: f"  {text.replace(' ', '  ')}\n\n",
    "courtesies": lambda text, chance: chance.choice(_BEFORE) + text + chance.choice(_AFTER),
    "other words": lambda text, chance: " ".join(_SWAPS.get(word, word) for word in text.split(" ")),
    "a ticket around it": lambda text, chance: (
        f"[2026-11-20 09:14:22] ticket #48213\n---\n{text}\n---\nSent from my phone"
    ),
    "a reminder before it": lambda text, chance: (
        f"<system-reminder>\nThe todo list is empty.\n</system-reminder>\n{text}"
    ),
}


def levels() -> dict[str, Any]:
    """Exact and within one level for each file; flips of the level and of the tier, at the median uplift."""
    model = load_quality_model()
    found: dict[str, Any] = {}
    for file in sorted([*(own_corpora() / "apart").glob("*.jsonl"), *(own_corpora() / "final").glob("*.jsonl")]):
        if file.stem.endswith("_pairs"):
            found[file.stem] = _pairs(model, file)
            continue
        tasks = read_levels(file)
        off = np.array([abs(int(_assess(model, task.messages).level) - 1 - task.level) for task in tasks])
        found[file.stem] = {"tasks": len(tasks), "exact": _share(off == 0), "within_one": _share(off <= 1)}
        texts = [task.messages[0]["content"] for task in tasks if len(task.messages) == 1]
        if texts:
            found[file.stem]["flips"] = _flips(model, [text for text in texts if isinstance(text, str)])
    return found


def _pairs(model: Any, file: Path) -> dict[str, Any]:
    """How often a rewording keeps the level, and what is clearly harder gets a higher one."""
    rows = read_table(file)
    steps = [(row["relation"], int(_chat(model, row["b"]).level) - int(_chat(model, row["a"]).level)) for row in rows]
    kept = [step == 0 for relation, step in steps if relation == "same"]
    raised = [step > 0 for relation, step in steps if relation != "same"]
    return {"pairs": len(rows), "same": _share(kept), "harder": _share(raised)}


def _chat(model: Any, row: Any) -> Any:
    return _assess(model, row.get("messages") or [{"role": "user", "content": row["text"]}])


def _flips(model: Any, texts: list[str]) -> dict[str, dict[str, float]]:
    before = [_read(model, text) for text in texts]
    middle = float(np.median([uplift for _, uplift in before]))  # so that each tier serves half of them
    found = {}
    for name, change in CHANGES.items():
        chance = random.Random(4)
        after = [_read(model, change(text, chance)) for text in texts]
        found[name] = {
            "level": _share(np.array([a[0] != b[0] for a, b in zip(before, after, strict=True)])),
            "tier": _share(np.array([(a[1] > middle) != (b[1] > middle) for a, b in zip(before, after, strict=True)])),
        }
    return found


def speed() -> dict[str, Any]:
    """Microseconds, on texts that differ each time; CPU time of loading, milliseconds."""
    model = load_quality_model()
    words = [word for task in read_levels(own_corpora() / "levels" / "a.jsonl") for word in _text(task).split()]
    chance = random.Random(9)
    timed = {}
    for name, tokens, chars in (("200 tokens", 200, None), ("4,000 tokens", 4_000, None), ("78 kB", 15_000, 78_000)):
        chats = []
        for _ in range(400):
            start = chance.randrange(len(words))
            text = " ".join(words[(start + at) % len(words)] for at in range(int(tokens * 0.75)))[:chars]
            chats.append(Chat("chat", {}, "auto", [{"role": "user", "content": text}]))
        spent = []
        for chat in chats:
            began = time.perf_counter()
            model.assess(chat, PAIR)
            spent.append((time.perf_counter() - began) * 1e6)
        timed[name] = {
            "p50_us": round(float(np.percentile(spent, 50))),
            "p99_us": round(float(np.percentile(spent, 99))),
        }
    loads = []
    for _ in range(5):
        began = time.process_time()
        load_quality_model()
        loads.append((time.process_time() - began) * 1e3)
    return {**timed, "load_ms": round(min(loads), 1)}


def _read(model: Any, text: str) -> tuple[int, float]:
    found = _assess(model, [{"role": "user", "content": text}])
    return int(found.level), found.success["strong"] - found.success["efficient"]


def _assess(model: Any, messages: Any) -> Any:
    return model.assess(Chat("chat", {}, "auto", messages), PAIR)


def _text(task: Any) -> str:
    content = task.messages[-1]["content"]
    return content if isinstance(content, str) else ""


def _share(hits: Any) -> float:
    return round(float(np.mean(hits)), 3)
