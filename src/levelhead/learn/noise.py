"""The same task in another coat: courtesies, tickets, mails, harness output and typing errors around it.

None of it changes what is asked, and a reader of words would else take the coat for the task. Each labelled task is
fitted three times, as written and in two of these coats, drawn by its id.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..types import Json
from .datasets import LevelTask

COATS = 2  # for each task
_KEYS = "qwertyuiopasdfghjklzxcvbnm"


class Wardrobe:
    """`coats.json`: what may be said `before` and `after` a task by language, and `wrappers` around it."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._before: Mapping[str, Sequence[str]] = given["before"]
        self._after: Mapping[str, Sequence[str]] = given["after"]
        self._wrappers: Sequence[str] = given["wrappers"]

    def coated(self, task: LevelTask, number: int) -> LevelTask:
        """The task with a coat around its last user turn."""
        chance = random.Random(f"{task.id}/{number}")  # noqa: S311 - a draw that anyone can repeat
        coats: Sequence[Callable[[str], str]] = (
            lambda text: self._courteous(text, task.language, chance),
            lambda text: self._wrapped(text, chance),
            lambda text: mistyped(text, chance),
            lambda text: mistyped(self._courteous(text, task.language, chance), chance),
            lambda text: self._courteous(self._wrapped(text, chance), task.language, chance),
        )
        coat = coats[chance.randrange(len(coats))]
        messages: list[Json] = list(task.messages)
        for at in range(len(messages) - 1, -1, -1):
            content = messages[at].get("content")
            if messages[at].get("role") == "user" and isinstance(content, str):
                messages[at] = {**messages[at], "content": coat(content)}
                break
        return replace(task, id=f"{task.id}+{number}", messages=messages)

    def _courteous(self, text: str, language: str, chance: random.Random) -> str:
        known = language if language in self._before else "en"
        kind = chance.randrange(3)
        before = chance.choice(self._before[known]) if kind != 1 else ""
        return before + text + (chance.choice(self._after[known]) if kind != 0 else "")

    def _wrapped(self, text: str, chance: random.Random) -> str:
        return chance.choice(self._wrappers).format(
            task=text, n=chance.randrange(100, 99_999), d=chance.randrange(2, 9)
        )


def mistyped(text: str, chance: random.Random) -> str:
    """Swapped, dropped, doubled and mistaken letters in about an eighth of the longer words."""
    words = text.split(" ")
    for at, word in enumerate(words):
        if len(word) > 3 and word.isalpha() and word.isascii() and chance.random() < 0.15:
            spot = chance.randrange(1, len(word) - 1)
            first, letter, last = word[:spot], word[spot], word[spot + 1 :]
            kind = chance.randrange(4)
            if kind == 0:
                words[at] = first + last[:1] + letter + last[1:]
            elif kind == 1:
                words[at] = first + last
            elif kind == 2:
                words[at] = first + letter + letter + last
            else:
                words[at] = first + chance.choice(_KEYS) + last
    return " ".join(words)
