"""A stream for a client of Anthropic's dialect: chunks of any wire -> events, the vendor's own frames as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import LevelheadError, StreamBroken
from ..types import Chat, Chunk
from .errors import render_error_event
from .messages_read import thinking_wanted
from .messages_relay import Closing
from .messages_thinking import UNSIGNED
from .messages_write import DIRECT, closing, event, message_id, stop_reason_of, usage_of
from .usage import estimate_usage, from_openai

__all__ = ["StreamWriter"]


class StreamWriter:
    """Blocks follow one another, each begun, continued and ended; a call whose block has ended can't go on."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._shows_thinking = thinking_wanted(chat)
        self._started = False
        self._index = -1
        self._open = ""  # kind of the open block
        self._call: object = None  # index of the tool call whose block is the open one
        self._calls: set[object] = set()
        self._signature = UNSIGNED
        self._finish = "stop"
        self._native: object = None
        self._refused = False

    def write(self, chunks: Sequence[Chunk], cost_usd: float | None) -> bytes:
        """Raises `StreamBroken` for pieces of calls that interleave."""
        frames: list[bytes] = []
        for chunk in chunks:
            raw = chunk.raw
            if type(chunk) is Closing:
                frames.append(chunk.frame(cost_usd))
            elif raw is not None and raw[:5] != b"data:":
                frames.append(raw)
            else:
                self._write(chunk.data, frames, cost_usd)
        return b"".join(frames)

    def end(self) -> bytes:
        return b""

    def fail(self, error: LevelheadError) -> bytes:
        return render_error_event(error, "messages")

    def _write(self, data: Mapping[str, Any], frames: list[bytes], cost_usd: float | None) -> None:
        if not self._started:
            self._start(data, frames)
        for choice in data.get("choices") or ():
            if choice.get("index"):
                continue
            delta = choice.get("delta")
            if delta:
                self._delta(delta, frames)
            if choice.get("finish_reason"):
                self._finish = choice["finish_reason"]
                self._native = choice.get("native_finish_reason")
        if data.get("usage") and not data.get("choices"):
            self._close(frames)
            stop = stop_reason_of(self._finish, self._native, self._refused)
            usage = usage_of(from_openai(data["usage"]))
            frames.append(closing({"stop_reason": stop, "stop_sequence": None}, usage, cost_usd))

    def _start(self, data: Mapping[str, Any], frames: list[bytes]) -> None:
        self._started = True
        # what was really counted comes last on the other wires
        usage = {**usage_of(estimate_usage(self._chat, 0)), "output_tokens": 1}
        message = {
            "id": message_id(data.get("id")),
            "type": "message",
            "role": "assistant",
            "model": data.get("model", ""),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "container": None,
            "usage": usage,
        }
        frames.append(event("message_start", message=message))

    def _delta(self, delta: Mapping[str, Any], frames: list[bytes]) -> None:
        if (thought := delta.get("reasoning_content")) and self._shows_thinking:
            if self._open != "thinking":
                self._begin(frames, "thinking", {"type": "thinking", "thinking": "", "signature": ""})
            self._add(frames, {"type": "thinking_delta", "thinking": thought})
        for block in delta.get("thinking_blocks") or ():
            self._signed(block, frames)
        for name in ("content", "refusal"):
            if text := delta.get(name):
                self._refused = self._refused or name == "refusal"
                if self._open != "text":
                    self._begin(frames, "text", {"type": "text", "text": ""})
                self._add(frames, {"type": "text_delta", "text": text})
        for call in delta.get("tool_calls") or ():
            self._tool_call(call, frames)

    def _signed(self, block: Mapping[str, Any], frames: list[bytes]) -> None:
        """A thought of Claude's that came by way of another wire."""
        if not self._shows_thinking:
            return
        if block.get("type") == "redacted_thinking":
            self._begin(frames, "", {"type": "redacted_thinking", "data": block.get("data", "")})
            return
        if self._open != "thinking":
            self._begin(frames, "thinking", {"type": "thinking", "thinking": "", "signature": ""})
        self._signature = block.get("signature") or self._signature

    def _tool_call(self, call: Mapping[str, Any], frames: list[bytes]) -> None:
        index = call.get("index", 0)
        function = call.get("function") or {}
        if index != self._call or self._open != "tool_use":
            if index in self._calls:
                raise StreamBroken("The upstream sent pieces of several tool calls at once.")
            self._calls.add(index)
            self._call = index
            id = call.get("id") or f"toolu_{len(self._calls)}"
            block: dict[str, Any] = {
                "type": "tool_use",
                "id": id,
                "name": function.get("name") or "",
                "caller": DIRECT,
                "input": {},
            }
            self._begin(frames, "tool_use", block)
        if piece := function.get("arguments"):
            self._add(frames, {"type": "input_json_delta", "partial_json": piece})

    def _begin(self, frames: list[bytes], kind: str, block: dict[str, Any]) -> None:
        self._close(frames)
        self._index += 1
        self._open = kind or "whole"
        frames.append(event("content_block_start", index=self._index, content_block=block))

    def _add(self, frames: list[bytes], delta: dict[str, Any]) -> None:
        frames.append(event("content_block_delta", index=self._index, delta=delta))

    def _close(self, frames: list[bytes]) -> None:
        if self._open == "thinking":
            self._add(frames, {"type": "signature_delta", "signature": self._signature})
            self._signature = UNSIGNED
        if self._open:
            frames.append(event("content_block_stop", index=self._index))
            self._open = ""
