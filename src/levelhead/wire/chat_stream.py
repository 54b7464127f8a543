"""A streamed chat completion: an upstream's bytes -> `Chunk`s, and `Chunk`s -> a client's bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ..errors import LevelheadError, StreamBroken
from ..types import Call, Chat, Chunk, Usage
from .chat_echo import Frame
from .chat_functions import in_functions, translates_functions
from .chat_write import original_names
from .errors import render_error_event
from .sse import Decoder, Event, encode
from .usage import complete_usage

__all__ = ["DONE", "OVERWHELMED", "StreamReader", "StreamWriter", "render_chunks", "text_bytes"]

DONE = b"data: [DONE]\n\n"
OVERWHELMED = "insufficient_system_resource"  # DeepSeek's reason to stop: the answer is no answer, asking again helps
_NAMING = frozenset({"id", "role", "type"})
_MOST_FRAMES = 8  # a stream whose events keep changing isn't worth learning
_ENVELOPE = ("id", "object", "created", "model", "system_fingerprint", "service_tier")


class StreamReader:
    """Reads one stream. However the vendor counts, exactly one chunk carries `usage`: the last, without choices.

    `usage`: None until that chunk is out, for what is said before may count only a part. `finished`: nothing more will
    come, the rest of the body needn't be waited for. `output_bytes`: the text produced so far, as UTF-8.
    """

    __slots__ = (
        "_chat",
        "_decoder",
        "_ends",
        "_frame",
        "_frames",
        "_functions",
        "_held",
        "_last",
        "_names",
        "_said",
        "finished",
        "output_bytes",
        "usage",
    )

    def __init__(self, chat: Chat, call: Call | None = None) -> None:
        """`call` tells a client that speaks of functions to a vendor that doesn't."""
        self.usage: Usage | None = None
        self.finished = False
        self.output_bytes = 0
        self._chat = chat
        self._functions = translates_functions(call)
        self._names = original_names(chat) if call is not None else {}
        self._decoder = Decoder()
        self._ends: set[Any] = set()  # choices whose finish_reason has come
        self._frame: Frame | None = None  # what the latest event had around its text
        self._frames = 0
        self._held: StreamBroken | None = None
        self._last: dict[str, Any] = {}
        self._said: object = None  # the vendor's latest counts

    def feed(self, data: bytes) -> list[Chunk]:
        """Raises `StreamBroken` for an error in the stream, or an event that isn't a chat.completion.chunk."""
        self._raise_held()
        return self._read(self._decoder.feed(data))

    def finish(self) -> list[Chunk]:
        """At the end of the body. Raises `StreamBroken` if the answer isn't whole."""
        self._raise_held()
        chunks = self._read(self._decoder.flush())
        if not self.finished:
            if len(self._ends) < self._chat.n:
                raise StreamBroken("The upstream ended its stream before the answer was complete.")
            chunks.append(self._close())
        return chunks

    def _read(self, events: list[Event]) -> list[Chunk]:
        chunks: list[Chunk] = []
        for event, payload, raw in events:
            if self.finished:
                break
            if self._frame is not None and not event and (echo := self._frame.echo(payload, raw)) is not None:
                self.output_bytes += _size(echo.text)
                chunks.append(echo)
                continue
            if len(payload) < 16 and payload.strip() == b"[DONE]":
                chunks.append(self._close())
                break
            try:
                if event == "error":
                    raise _broken(payload)
                chunk = self._chunk(payload, raw)
            except StreamBroken as error:
                if not chunks:
                    raise
                self._held = error  # what came before it goes out first, whatever one read brought together
                break
            if chunk is not None:
                chunks.append(chunk)
        return chunks

    def _raise_held(self) -> None:
        if self._held is not None:
            raise self._held

    def _chunk(self, payload: bytes, raw: bytes | None) -> Chunk | None:
        self._frame = None  # an echo repeats the event right before it
        try:
            data = orjson.loads(payload)
            choices = data.get("choices")
            if data.get("error"):
                raise _broken(payload)
            if not choices:
                return self._without_choices(data, raw)
            if self._functions:
                data = in_functions(data)
                raw = None
            for choice in choices:
                delta = choice.get("delta")
                if self._names and delta and delta.get("tool_calls"):
                    self._rename(delta["tool_calls"])
                    raw = None
                if delta:
                    for name, value in delta.items():
                        if type(value) is str:
                            if name == "role":
                                continue
                            self.output_bytes += _size(value)
                        elif value:
                            self.output_bytes += text_bytes(value)
                if choice.get("finish_reason"):
                    if choice["finish_reason"] == OVERWHELMED:
                        raise StreamBroken("The upstream ran out of resources in mid-answer.", code=OVERWHELMED)
                    self._ends.add(choice.get("index", 0))
        except (ValueError, AttributeError, TypeError, LookupError):
            if not payload.strip():
                return None
            raise StreamBroken("The upstream sent an event that is no chat.completion.chunk.") from None
        self._last = data
        if data.get("usage") is None:
            if raw is not None and self._frames < _MOST_FRAMES and raw[:6] == b"data: ":
                self._frames += 1
                self._frame = Frame.of(payload, data)
            return Chunk(data, raw)
        self._said = data["usage"]
        return Chunk({name: value for name, value in data.items() if name != "usage"})

    def _rename(self, calls: list[dict[str, Any]]) -> None:
        for call in calls:
            function = call.get("function")
            if function and function.get("name") in self._names:
                function["name"] = self._names[function["name"]]

    def _without_choices(self, data: dict[str, Any], raw: bytes | None) -> Chunk | None:
        if data.get("usage") is not None:
            self._said = data["usage"]
            self._last = data
            return None
        return Chunk(data, raw)  # Azure's first chunk: filter results about the prompt

    def _close(self) -> Chunk:
        """The one chunk with usage: the vendor's counts, or an estimate where it sent none."""
        self.finished = True
        self.usage, counts = complete_usage(self._said, self._chat, self.output_bytes)
        data = {name: self._last[name] for name in _ENVELOPE if name in self._last}
        data["choices"] = []
        data["usage"] = counts
        return Chunk(data)


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def text_bytes(value: Any) -> int:
    """The texts in a tool call, or whatever else a delta may hold, but for what only names things."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list):
        return sum(map(text_bytes, value))
    if isinstance(value, dict):
        return sum(text_bytes(inner) for name, inner in value.items() if name not in _NAMING)
    return 0


def _broken(payload: bytes) -> StreamBroken:
    """The vendor's own words and code, from any of the envelopes in use."""
    try:
        fields = orjson.loads(payload)
    except orjson.JSONDecodeError:
        fields = {}
    fields = fields.get("error") or fields if isinstance(fields, dict) else {"message": fields}
    if not isinstance(fields, dict):
        fields = {"message": fields}
    message, code = fields.get("message"), fields.get("code") or fields.get("type")
    return StreamBroken(
        message if isinstance(message, str) and message else "The upstream reported an error in its stream.",
        code=None if code is None else str(code),
    )


def render_chunks(chunks: Sequence[Chunk], *, include_usage: bool, cost_usd: float | None) -> bytes:
    """Frames for a chat client, joined for one write. The usage chunk goes out only if it was asked for."""
    frames = []
    for chunk in chunks:
        raw = chunk.raw
        # a frame of another wire names its event before its data; the usage chunk has none: it is levelhead's own
        if raw is not None and raw[:5] == b"data:":
            frames.append(raw)
            continue
        data = chunk.data
        if data.get("usage") and not data.get("choices"):
            if not include_usage:
                continue
            if cost_usd is not None:
                data = {**data, "usage": {**data["usage"], "cost_usd": cost_usd}}
            frames.append(encode(orjson.dumps(data)))
            continue
        frames.append(encode(orjson.dumps(data)))
    return frames[0] if len(frames) == 1 else b"".join(frames)


class StreamWriter:
    """`render_chunks` as the writer of one stream."""

    __slots__ = ("_include_usage",)

    def __init__(self, chat: Chat) -> None:
        self._include_usage = chat.include_usage

    def write(self, chunks: Sequence[Chunk], cost_usd: float | None) -> bytes:
        return render_chunks(chunks, include_usage=self._include_usage, cost_usd=cost_usd)

    def end(self) -> bytes:
        return DONE

    def fail(self, error: LevelheadError) -> bytes:
        return render_error_event(error, "chat")
