"""The tests' side of `sdk_driver.py`."""

from __future__ import annotations

import copy
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from .talk import PATIENCE

DRIVER = Path(__file__).with_name("sdk_driver.py")


class Heard:
    """What the SDK made of an answer, the same for whole and streamed ones."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        assert "bug" not in said, said["bug"]
        self.said = said
        self.error: dict[str, Any] = said.get("error") or {}
        self.headers: Mapping[str, str] = said.get("headers") or {}
        self.chunks: list[dict[str, Any]] = said.get("chunks") or []
        self.body: dict[str, Any] = said.get("body") or {}

    @property
    def ok(self) -> Heard:
        assert not self.error, self.error
        return self

    @property
    def text(self) -> str:
        return self._joined("content")

    @property
    def reasoning(self) -> str:
        return self._joined("reasoning_content")

    @property
    def finish(self) -> str | None:
        if self.body:
            return self.body["choices"][0]["finish_reason"]
        ends = [choice["finish_reason"] for choice in self._choices() if choice.get("finish_reason")]
        assert len(ends) == 1, ends
        return ends[0]

    @property
    def usage(self) -> dict[str, Any] | None:
        if self.body:
            return self.body["usage"]
        counted = [chunk for chunk in self.chunks if chunk.get("usage")]
        assert len(counted) < 2, counted
        assert all(chunk["choices"] == [] for chunk in counted)
        return counted[0]["usage"] if counted else None

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        """(id, name, arguments) of each tool call."""
        whole = self.body["choices"][0]["message"].get("tool_calls") or () if self.body else ()
        listed = whole or self._streamed_calls()
        return [(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in listed]

    def _streamed_calls(self) -> list[dict[str, Any]]:
        calls: dict[int, dict[str, Any]] = {}
        for choice in self._choices():
            for piece in choice["delta"].get("tool_calls") or ():
                if piece["index"] not in calls:
                    calls[piece["index"]] = {**piece, "function": {"arguments": "", **piece["function"]}}
                else:
                    calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
        return list(calls.values())

    def _joined(self, name: str) -> str:
        if self.body:
            return self.body["choices"][0]["message"].get(name) or ""
        return "".join(choice["delta"].get(name) or "" for choice in self._choices())

    def _choices(self) -> list[dict[str, Any]]:
        return [choice for chunk in self.chunks for choice in chunk["choices"] if choice["index"] == 0]


class Sdk:
    """A process that holds the SDK's clients. `at` says where they point."""

    def __init__(self, python: Path, driver: Path = DRIVER) -> None:
        self._process = subprocess.Popen(
            [str(python), str(driver)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={}
        )
        self.version: str = self._line(2 * PATIENCE)["version"]  # nothing of it is compiled yet
        self._where: dict[str, str] = {}

    def at(self, url: str, key: str) -> Sdk:
        bound = copy.copy(self)
        bound._where = {"url": url, "key": key}
        return bound

    def ask(self, op: str, mode: str = "sync", *, retries: int = 0, **ask: Any) -> Heard:
        return Heard(self.said(op, mode, retries=retries, **ask))

    def said(self, op: str, mode: str = "sync", *, retries: int = 0, **ask: Any) -> dict[str, Any]:
        """The driver's own line."""
        line = json.dumps({"op": op, "mode": mode, "retries": retries, **self._where, **ask})
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._line()

    def create(self, mode: str = "sync", *, retries: int = 0, said: str = "hello", **fields: Any) -> Heard:
        """`chat.completions.create`; `said` is the user's message, unless `fields` has messages of its own."""
        whole = {"model": "auto", "messages": [{"role": "user", "content": said}], **fields}
        return self.ask("create", mode, retries=retries, fields=whole)

    def _line(self, within: float = PATIENCE) -> dict[str, Any]:
        assert self._process.stdout is not None
        watchdog = threading.Timer(within, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line, "the driver ended"
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process.stdout.close()
