"""A stream of chat.completion.chunks, put together as the chat.completion it tells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import StreamBroken
from ..types import Answer, Chunk, Usage
from .chat_echo import Echo
from .usage import from_openai

__all__ = ["Collector"]

_OF_STREAMS = ("choices", "usage", "object", "obfuscation")
_TEXTS = frozenset({"content", "reasoning_content", "reasoning", "refusal", "arguments", "input", "transcript", "data"})
_ONCE = frozenset({"id", "type", "name"})  # what some servers repeat with every piece of a call


class Collector:
    """`add` chunks in the order they came, then take the `answer`."""

    __slots__ = ("_body", "_choices", "_usage")

    def __init__(self) -> None:
        self._body: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: Any = None

    def add(self, chunks: Iterable[Chunk]) -> None:
        """Raises `StreamBroken` for a delta that can't be put together."""
        try:
            for chunk in chunks:
                if type(chunk) is Echo and (choice := self._choices.get(chunk.index)) is not None:
                    choice.say(chunk.name, chunk.text)
                else:
                    self._add(chunk.data)
        except (AttributeError, TypeError, ValueError):
            raise StreamBroken("The upstream sent a piece of an answer that fits nowhere.") from None

    def _add(self, data: dict[str, Any]) -> None:
        for name, value in data.items():
            if name not in _OF_STREAMS and (value is not None or name not in self._body):
                self._body[name] = value
        if data.get("usage") is not None:
            self._usage = data["usage"]
        for piece in data.get("choices") or ():
            index = _index(piece.get("index", 0))
            choice = self._choices.get(index)
            if choice is None:
                choice = self._choices[index] = _Choice()
            choice.add(piece)

    def answer(self) -> Answer:
        """What has been collected so far."""
        choices = [self._choices[index].whole(index) for index in sorted(self._choices)]
        body = {**self._body, "object": "chat.completion", "choices": choices}
        usage = Usage()
        if self._usage is not None:
            body["usage"] = self._usage
            usage = from_openai(self._usage)
        finish = choices[0]["finish_reason"] if choices else None
        return Answer(body, usage, finish if isinstance(finish, str) and finish else "stop")


class _Choice:
    __slots__ = ("_calls", "_fields", "_logprobs", "_message")

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._fields: dict[str, Any] = {"finish_reason": None}
        self._logprobs: dict[str, Any] | None = None
        self._calls: dict[int, dict[str, Any]] = {}

    def add(self, piece: dict[str, Any]) -> None:
        for name, value in (piece.get("delta") or {}).items():
            if name == "tool_calls" and value:
                self._message.setdefault("tool_calls", [])
                for call in value:
                    self._add_call(call)
            else:
                _merge(self._message, name, value)
        for name, value in piece.items():
            if name in ("index", "delta"):
                continue
            if name == "logprobs" and value is not None:
                if self._logprobs is None:
                    self._logprobs = {}
                for kind, tokens in value.items():
                    _merge(self._logprobs, kind, tokens)
            if value is not None or name not in self._fields:
                self._fields[name] = value

    def say(self, name: str, text: str) -> None:
        """One more piece of a text."""
        _merge(self._message, name, text)

    def _add_call(self, call: dict[str, Any]) -> None:
        index = call.get("index")
        if index is None:  # a server that sends each call whole, or its pieces one after the other
            known = call.get("id") is None and bool(self._calls)
            index = len(self._calls) - known
        whole = self._calls.setdefault(_index(index), {})
        for name, value in call.items():
            if name != "index":
                _merge(whole, name, value)

    def whole(self, index: int) -> dict[str, Any]:
        message = _joined(self._message)
        if self._calls:
            message["tool_calls"] = [_joined(self._calls[number]) for number in sorted(self._calls)]
        choice = {"index": index, "message": message, **self._fields}
        if self._logprobs is not None:
            choice["logprobs"] = _joined(self._logprobs)
        return choice


def _index(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value


class _Text(list[str]):
    """Pieces of a text, joined once at the end: adding strings would take quadratic time."""


def _merge(into: dict[str, Any], name: str, value: Any) -> None:
    """Texts grow, lists are continued, objects are merged, anything else is replaced; null says nothing."""
    old = into.get(name)
    if value is None:
        into.setdefault(name, None)
    elif isinstance(value, str) and name in _TEXTS:
        if isinstance(old, _Text):
            old.append(value)
        else:
            into[name] = _Text((value,))
    elif isinstance(value, list) and not isinstance(old, _Text):
        into[name] = [*old, *value] if isinstance(old, list) else list(value)
    elif isinstance(value, dict):
        inner = into[name] = old if isinstance(old, dict) else {}
        for key, item in value.items():
            _merge(inner, key, item)
    elif not (value == "" and name in _ONCE and old):
        into[name] = value


def _joined(value: dict[str, Any]) -> dict[str, Any]:
    return {name: _settled(item) for name, item in value.items()}


def _settled(item: Any) -> Any:
    if isinstance(item, _Text):
        return "".join(item)
    return _joined(item) if isinstance(item, dict) else item
