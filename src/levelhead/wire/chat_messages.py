"""Checks of `messages`, and what they need of a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..types import Need
from .fields import Fault, each, missing, object_, required, string, wrong_type

__all__ = ["Tally", "check_messages", "count_document", "count_image"]

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
# An assistant's turn may consist of these alone.
_IN_PLACE_OF_CONTENT = (
    "tool_calls",
    "function_call",
    "refusal",
    "audio",
    "reasoning_content",
    "thinking_blocks",
)
_BYTES_PER_AUDIO_TOKEN = 256  # base64; a token is 100 ms, and speech is seldom below 20 kbit/s
_BYTES_PER_FILE_TOKEN = 2  # base64; densely compressed text
_FILE_TOKENS = 300_000  # the most one file costs: 100 pages as text and image


@dataclass(slots=True)
class Tally:
    """What has been seen. `opaque`: bytes of the body that don't become text tokens.

    `needs` are those of the latest user turn and of what followed it, `recent` those of the turn before. What came
    earlier still can be left out for a model that can't take it: a conversation isn't bound for ever to the models
    that could see its first screenshot.
    """

    needs: set[Need] = field(default_factory=set)
    recent: set[Need] = field(default_factory=set)
    images: int = 0
    opaque: int = 0

    def turn(self) -> None:
        """A user speaks: what was needed for the turn before may be needed no longer."""
        if self.needs or self.recent:
            self.needs, self.recent = set(), self.needs

    def require(self, need: Need) -> None:
        self.needs.add(need)

    def image(self, url: str) -> None:
        self.require(Need.VISION)
        self.images += 1
        self.opaque += len(url)


def check_messages(messages: object, tally: Tally) -> None:
    if type(messages) is not list:
        raise wrong_type("", "an array of objects", messages)
    if not messages:
        raise Fault("", "Invalid '{}': empty array. Expected an array with at least one message.", "empty_array")
    each(messages, _message, tally)


def _message(message: Any, tally: Tally) -> None:
    if type(message) is not dict:
        raise wrong_type("", "an object", message)
    role = message.get("role")
    if type(role) is not str:
        raise missing("role") if role is None else wrong_type("role", "a string", role)
    if role not in _ROLES:
        raise Fault("role", f"Invalid value for '{{}}'. Supported values are: {', '.join(sorted(_ROLES))}.")
    content = message.get("content")
    if role == "user":
        tally.turn()
    if type(content) is list:
        _parts(content, tally)
    elif type(content) is not str:
        _without_content(message, role, content)
    if len(message) > 2 or content is None:
        _extras(message)
    if role == "tool":
        required(message, "tool_call_id", string)
    elif role == "function":
        required(message, "name", string)


def _without_content(message: dict[str, Any], role: str, content: object) -> None:
    if content is not None:
        raise wrong_type("content", "a string or an array of objects", content)
    if role == "assistant" and any(message.get(name) is not None for name in _IN_PLACE_OF_CONTENT):
        return
    if role != "function":
        missed = "content" not in message
        raise missing("content") if missed else wrong_type("content", "a string or an array of objects", None)


def _extras(message: dict[str, Any]) -> None:
    for name in ("name", "refusal", "reasoning_content"):
        if message.get(name) is not None:
            required(message, name, string)
    for name in ("function_call", "audio"):
        if message.get(name) is not None:
            required(message, name, object_)
    calls = message.get("tool_calls")
    if calls is not None:
        if type(calls) is not list:
            raise wrong_type("tool_calls", "an array of objects", calls)
        for index, call in enumerate(calls):
            try:
                _tool_call(call)
            except Fault as fault:
                raise fault.within(f"tool_calls[{index}]") from None
    call = message.get("function_call")
    if call is not None:
        _named_text(call, "function_call", "arguments")


def _tool_call(call: Any) -> None:
    object_(call)
    required(call, "id", string)
    kind = call.get("type", "function")
    if kind == "function" or kind == "custom":
        required(call, kind, object_)
        _named_text(call[kind], kind, "arguments" if kind == "function" else "input")
    elif type(kind) is not str:
        raise wrong_type("type", "a string", kind)
    else:
        for name in ("function", "custom"):
            if call.get(name) is not None:
                required(call, name, object_)


def _named_text(value: dict[str, Any], path: str, text: str) -> None:
    try:
        required(value, "name", string)
        required(value, text, string)
    except Fault as fault:
        raise fault.within(path) from None


def _parts(parts: list[Any], tally: Tally) -> None:
    for index, part in enumerate(parts):
        try:
            if type(part) is not dict:
                raise wrong_type("", "an object", part)
            kind = part.get("type")
            if kind == "text":
                if type(part.get("text")) is not str:
                    required(part, "text", string)
            elif type(kind) is not str:
                raise missing("type") if kind is None else wrong_type("type", "a string", kind)
            elif (check := _PARTS.get(kind)) is not None:
                check(part, tally)
        except Fault as fault:
            raise fault.within(f"content[{index}]") from None


def _image_url(part: dict[str, Any], tally: Tally) -> None:
    required(part, "image_url", object_)
    image = part["image_url"]
    _inner(image, "image_url", "url")
    tally.image(image["url"])


def _input_audio(part: dict[str, Any], tally: Tally) -> None:
    required(part, "input_audio", object_)
    audio = part["input_audio"]
    _inner(audio, "input_audio", "data")
    _inner(audio, "input_audio", "format")
    tally.require(Need.AUDIO)
    size = len(audio["data"])
    tally.opaque += size - size // _BYTES_PER_AUDIO_TOKEN


def _file(part: dict[str, Any], tally: Tally) -> None:
    required(part, "file", object_)
    file = part["file"]
    for name in ("file_data", "file_id", "filename"):
        if file.get(name) is not None:
            _inner(file, "file", name)
    count_document(file.get("file_data"), tally)


def _refusal(part: dict[str, Any], tally: Tally) -> None:
    required(part, "refusal", string)


def _anthropic_image(part: dict[str, Any], tally: Tally) -> None:
    source = part.get("source")
    count_image(source if isinstance(source, dict) else {}, tally)


def _anthropic_document(part: dict[str, Any], tally: Tally) -> None:
    source = part.get("source")
    count_document(source.get("data") if isinstance(source, dict) else None, tally)


def count_image(source: dict[str, Any], tally: Tally) -> None:
    """An image as Anthropic is sent it."""
    data = source.get("data")
    tally.image(data if isinstance(data, str) else "")


def count_document(data: object, tally: Tally) -> None:
    """Counts a file's tokens as text; one that is only referred to may be as large as they get."""
    tally.require(Need.DOCUMENTS)
    if isinstance(data, str):
        tally.opaque += len(data) - min(len(data) // _BYTES_PER_FILE_TOKEN, _FILE_TOKENS)
    else:
        tally.opaque -= _FILE_TOKENS


def _inner(value: dict[str, Any], path: str, name: str) -> None:
    try:
        required(value, name, string)
    except Fault as fault:
        raise fault.within(path) from None


_PARTS: dict[str, Callable[[dict[str, Any], Tally], None]] = {
    "image_url": _image_url,
    "input_audio": _input_audio,
    "file": _file,
    "refusal": _refusal,
    "image": _anthropic_image,
    "document": _anthropic_document,
}
