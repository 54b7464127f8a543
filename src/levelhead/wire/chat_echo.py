"""Events that repeat the one before them, all but for a piece of text: nearly every event of a stream.

Only the text differs, so only the text needs to be parsed. `Frame` learns from one event what stands around its text,
in whatever order and spacing the vendor writes; what isn't exactly the same around a JSON string gets a full parse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..types import Chunk

__all__ = ["Echo", "Frame"]

_TEXTS = ("content", "reasoning_content")
_PADDING = "obfuscation"  # OpenAI's, of another length in every event
_MARK = "\0mark"
_MARKED = orjson.dumps(_MARK)
_set = object.__setattr__


class Echo(Chunk):
    """The chunk before it once more, with `text` for its text in field `name` of choice `index`. Parsed if asked."""

    __slots__ = ("index", "name", "text")
    raw: bytes
    index: int
    name: str
    text: str

    def __init__(self, raw: bytes, index: int, name: str, text: str) -> None:
        _set(self, "raw", raw)
        _set(self, "index", index)
        _set(self, "name", name)
        _set(self, "text", text)

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = orjson.loads(self.raw[5:])
        return data


class Frame:
    """What stands around the text of an event: before it, up to the padding where there is one, and to the end."""

    __slots__ = ("_before", "_index", "_middle", "_name", "_tail")

    def __init__(self, index: int, name: str, before: bytes, middle: bytes | None, tail: bytes) -> None:
        self._index = index
        self._name = name
        self._before = before
        self._middle = middle
        self._tail = tail

    @classmethod
    def of(cls, payload: bytes, data: Mapping[str, Any]) -> Frame | None:
        """None for an event that says more than one piece of text, or that hides where it says it."""
        if len(data["choices"]) != 1 or data.get("usage") is not None:
            return None
        (choice,) = data["choices"]
        said = [name for name, value in (choice.get("delta") or {}).items() if value and name != "role"]
        index = choice.get("index")
        if len(said) != 1 or said[0] not in _TEXTS or choice.get("finish_reason") or choice.get("logprobs"):
            return None
        name = said[0]
        text, padding = choice["delta"][name], data.get(_PADDING)
        if type(text) is not str or type(index) is not int:
            return None
        before, _, tail = payload.partition(orjson.dumps(text))
        middle, marked = None, before + _MARKED + tail
        if padding:
            middle, _, tail = tail.rpartition(orjson.dumps(padding))
            marked = before + _MARKED + middle + _MARKED + tail
        try:
            marked_data = orjson.loads(marked)
            found = marked_data["choices"][0]["delta"][name] == _MARK
            whole = found and (not padding or marked_data[_PADDING] == _MARK)
        except (ValueError, LookupError, TypeError):
            return None  # what was found first is another string, or a part of what is no string
        return cls(index, name, before, middle, tail) if whole else None

    def echo(self, payload: bytes, raw: bytes) -> Echo | None:
        """The event as an `Echo`, None if it is any other."""
        if not (payload.startswith(self._before) and payload.endswith(self._tail)):
            return None
        start, end = len(self._before), len(payload) - len(self._tail)
        try:
            if self._middle is not None:
                cut = payload.index(self._middle, start, end)
                if type(orjson.loads(payload[cut + len(self._middle) : end])) is not str:
                    return None
                end = cut
            text = orjson.loads(payload[start:end])
        except ValueError:
            return None
        return Echo(raw, self._index, self._name, text) if type(text) is str else None
