"""A client that trusts nothing: every request has exactly one end, and every answer is the one that was asked for."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from .mixture import Asked

PATIENCE = 60.0


@dataclass(slots=True)
class Tally:
    """What one key's clients saw. `broken`: said in an error event, after the first byte."""

    requests: int = 0
    ended: Counter[str] = field(default_factory=Counter)  # answered, refused, broken, left
    refused_with_alternative: int = 0
    with_alternative: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    told_usd: float = 0.0
    attempts: int = 0
    violations: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)  # of whole short answers

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    def as_dict(self) -> dict[str, Any]:
        return {"requests": self.requests, "ended": dict(self.ended), "codes": dict(self.codes),
                "told_usd": self.told_usd, "attempts": self.attempts}  # fmt: skip

    def violated(self, what: str, asked: Asked) -> None:
        self.violations.append(f"{asked.kind}: {what}"[:300])


class Witness:
    """Asks with one key over pooled connections."""

    def __init__(self, url: str, key: str, connections: int) -> None:
        self.tally = Tally()
        self._url = f"{url}/v1/chat/completions"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections),
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
            headers={"authorization": f"Bearer {key}", "content-type": "application/json"},
        )

    async def aclose(self) -> None:
        await self._session.close()

    async def ask(self, asked: Asked) -> None:
        tally = self.tally
        tally.requests += 1
        if asked.leaves is None:
            tally.with_alternative += asked.alternatives
            ended = await self._whole(asked)
        else:
            task = asyncio.create_task(self._whole(asked, leaving=True))
            done, _ = await asyncio.wait([task], timeout=asked.leaves)
            task.cancel()
            ended = task.result() if done else "left"
            await asyncio.gather(task, return_exceptions=True)
        tally.ended[ended] += 1
        if ended == "refused" and asked.leaves is None:
            tally.refused_with_alternative += asked.alternatives

    async def _whole(self, asked: Asked, *, leaving: bool = False) -> str:
        began = time.perf_counter()
        try:
            async with self._session.post(self._url, data=json.dumps(asked.body), headers=asked.headers) as answer:
                if answer.status != 200:
                    return self._refused(asked, answer.status, await answer.read())
                self.tally.attempts += int(answer.headers["x-levelhead-attempts"])
                if asked.body.get("stream"):
                    return self._streamed(asked, await answer.read())
                raw = await answer.read()
                self.tally.told_usd += float(answer.headers["x-levelhead-cost-usd"])
                self._check(asked, json.loads(raw)["choices"][0])
                if asked.kind == "short":
                    self.tally.seconds.append(time.perf_counter() - began)
                return "answered"
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
            if not leaving:
                self.tally.violated(f"no end: {type(error).__name__}: {error}", asked)
            return "violation"

    def _refused(self, asked: Asked, status: int, raw: bytes) -> str:
        error = json.loads(raw)["error"]
        self.tally.codes[f"{status} {error['code']}"] += 1
        if set(error) != {"message", "type", "param", "code"} or not 400 <= status < 600 or status == 500:
            self.tally.violated(f"refused with {status} {raw[:200]!r}", asked)
        return "refused"

    def _streamed(self, asked: Asked, raw: bytes) -> str:
        events = raw.decode().split("\n\n")
        if events.pop() != "":
            self.tally.violated("a stream that ends within an event", asked)
        text, finish, errors, done = "", None, 0, 0
        for at, event in enumerate(events):
            last = at == len(events) - 1
            if event == "data: [DONE]":
                done += 1
                if not last:
                    self.tally.violated("events behind [DONE]", asked)
                continue
            said: dict[str, Any] = json.loads(event.removeprefix("data: "))
            if "error" in said:
                errors += 1
                self.tally.codes[f"in the stream: {said['error']['code']}"] += 1
                if not last:
                    self.tally.violated("events behind an error", asked)
                continue
            for choice in said["choices"]:
                text += choice["delta"].get("content") or ""
                finish = choice.get("finish_reason") or finish
            if said.get("usage"):
                self.tally.told_usd += said["usage"]["cost_usd"]
        if done + errors != 1:
            self.tally.violated(f"{done} ends and {errors} errors in a stream", asked)
        if errors:
            if not asked.text.startswith(text):
                self.tally.violated("a broken stream with another's words", asked)
            return "broken"
        self._check(asked, {"message": {"content": text}, "finish_reason": finish})
        return "answered"

    def _check(self, asked: Asked, choice: dict[str, Any]) -> None:
        if choice["message"]["content"] != asked.text:
            self.tally.violated(f"another's answer: {choice['message']['content'][:80]!r}", asked)
        if choice["finish_reason"] != "stop":
            self.tally.violated(f"finish_reason {choice['finish_reason']!r}", asked)
