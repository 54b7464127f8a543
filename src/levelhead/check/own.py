"""The user's own checker: a Python callable, or an HTTP endpoint that is told task and draft and says a score.

It is called with `{"messages": [...], "answer": {...}}` (the chat and the draft's message, OpenAI-shaped) and gives a
number 0..1, a bool, or None where it has nothing to say. An endpoint answers `{"score": 0..1 or null}`.

A *runner* is asked the same way whether two programs behave alike; only the user knows where running a stranger's code
is safe. It is told `{"messages", "language", "programs": [first, second]}`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ..types import Answer, Chat
from .reading import Reading, message_of

Said = float | bool | None
Checker = Callable[[Mapping[str, Any]], Said | Awaitable[Said]]

log = logging.getLogger(__name__)


async def ask_checker(checker: Checker, chat: Chat, draft: Answer, *, seconds: float) -> float | None:
    """0..1, or None: a checker that fails or takes too long has said nothing, and the draft isn't accepted for it."""
    return await _said(checker, {"messages": list(chat.messages), "answer": dict(message_of(draft))}, seconds)


async def ask_runner(runner: Checker, chat: Chat, first: Reading, second: Reading, *, seconds: float) -> float | None:
    """How alike two programs behave, 0..1; None as with a checker."""
    language = first.language or second.language
    programs = [first.said, second.said]
    return await _said(runner, {"messages": list(chat.messages), "language": language, "programs": programs}, seconds)


async def _said(checker: Checker, task: Mapping[str, Any], seconds: float) -> float | None:
    try:
        async with asyncio.timeout(seconds):
            if inspect.iscoroutinefunction(checker) or inspect.iscoroutinefunction(type(checker).__call__):
                said = await checker(task)  # type: ignore[misc]
            else:
                said = await asyncio.to_thread(checker, task)
        return None if said is None else min(1.0, max(0.0, float(said)))
    except Exception as error:  # theirs may raise whatever it likes
        log.warning("the checker failed: %s", type(error).__name__)
        return None


class HttpChecker:
    """Posts to `url`. Redirects aren't followed; an answer above 64 kB is none."""

    def __init__(self, url: str, *, headers: Mapping[str, str] | None = None) -> None:
        self._url = url
        self._headers = dict(headers or {})
        self._session: Any = None

    async def __call__(self, task: Mapping[str, Any]) -> Said:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession()
        async with self._session.post(self._url, json=task, headers=self._headers, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"status {response.status}")
            body = await response.content.read(65_536)
        import orjson

        score = orjson.loads(body)["score"]
        return None if score is None else float(score)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None
