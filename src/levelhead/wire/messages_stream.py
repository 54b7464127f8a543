"""Anthropic's event stream -> chat.completion.chunks."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from ..errors import StreamBroken
from ..types import Call, Chat, Chunk, Usage
from . import sse
from .messages_answer import finish_of, read_usage, refusal_of, uses_functions
from .messages_fence import Unfencer
from .messages_request import wants_json
from .messages_tools import original_names
from .usage import estimate_usage, to_openai

__all__ = ["StreamReader"]


class StreamReader:
    """Bytes in, chunks out. The usage chunk comes last and once.

    `finished`: the closing event came. `output_bytes`: UTF-8 bytes of text, thinking and arguments so far.
    """

    def __init__(self, chat: Chat, call: Call | None = None) -> None:
        """`call` is for the twin of the other wire; this one answers in the chat's own tool names."""
        self.finished = False
        self.output_bytes = 0
        self._chat = chat
        self._names = original_names(chat)
        self._functions = uses_functions(chat)
        self._unfencer = Unfencer() if wants_json(chat) else None
        self._decoder = sse.Decoder()
        self._counts: dict[str, Any] = {}
        self._envelope: dict[str, Any] = {"id": "", "object": "chat.completion.chunk", "created": 0, "model": ""}
        self._block: dict[str, Any] = {}
        self._heard = False  # a piece of the open block arrived
        self._thought: list[str] = []
        self._signature = ""
        self._calls = -1
        self._thoughts = -1
        self._stopped = False
        self._failure: StreamBroken | None = None

    @property
    def usage(self) -> Usage | None:
        """None until the first counts arrive, which the vendor sends before its first word.

        Until the last ones, output is at least what the text so far suggests: it is charged even if the client leaves.
        """
        if not self._counts:
            return estimate_usage(self._chat, self.output_bytes) if self.finished else None
        usage = read_usage(self._counts)
        if self._stopped and usage.output:
            return usage
        return replace(usage, output=max(usage.output, estimate_usage(None, self.output_bytes).output))

    def feed(self, data: bytes) -> list[Chunk]:
        """Raises `StreamBroken` with the vendor's error type as `code`, after what came before it was handed out."""
        chunks: list[Chunk] = []
        if self._failure is not None:
            raise self._failure
        for event in self._decoder.feed(data):
            try:
                self._read(event, chunks)
            except StreamBroken as failure:
                self._failure = failure
                if chunks:
                    return chunks
                raise
        return chunks

    def finish(self) -> list[Chunk]:
        """At the end of the body. Raises `StreamBroken` when the stream had not come to its end."""
        chunks: list[Chunk] = []
        if self._failure is None:
            for event in self._decoder.flush():
                self._read(event, chunks)
        if self._failure is not None:
            raise self._failure
        if not self.finished:
            raise StreamBroken("The upstream's stream ended early.")
        return chunks

    def _read(self, event: sse.Event, chunks: list[Chunk]) -> None:
        if self.finished:
            return
        try:
            said = orjson.loads(event.data)
            handler = _HANDLERS.get(said["type"])
            if handler is not None:
                handler(self, said, chunks)
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            raise StreamBroken("The upstream sent an event that can't be read.") from None

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> Chunk:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return Chunk({**self._envelope, "choices": [choice]})

    def _thinking_block(self, block: Mapping[str, Any]) -> Chunk:
        self._thoughts += 1  # the SDKs merge lists of objects by their index
        return self._chunk({"thinking_blocks": [{"index": self._thoughts, **block}]})

    def _message_start(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        message = event["message"]
        self._envelope["id"] = message.get("id", "")
        self._envelope["created"] = int(time.time())
        self._envelope["model"] = message.get("model", "")
        self._count(message.get("usage"))
        chunks.append(self._chunk({"role": "assistant", "content": "", "refusal": None}))

    def _block_start(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        block = self._block = event["content_block"]
        self._heard = False
        kind = block["type"]
        if kind == "tool_use":
            self._calls += 1
            name = self._names.get(block["name"], block["name"])
            if self._functions:
                chunks.append(self._chunk({"function_call": {"name": name, "arguments": ""}}))
                return
            function = {"name": name, "arguments": ""}
            call = {"index": self._calls, "id": block["id"], "type": "function", "function": function}
            chunks.append(self._chunk({"tool_calls": [call]}))
        elif kind == "text" and block.get("text"):
            self._text(block["text"], chunks)
        elif kind == "thinking":
            self._thought = []
            self._signature = block.get("signature") or ""
            if block.get("thinking"):
                self._think(block["thinking"], chunks)
        elif kind == "redacted_thinking":
            chunks.append(self._thinking_block(block))

    def _block_delta(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        delta = event["delta"]
        kind = delta["type"]
        if kind == "text_delta":  # nearly every event: no calls of our own from here
            text = delta["text"]
            self.output_bytes += len(text) if text.isascii() else len(text.encode())
            if self._unfencer is not None and not (text := self._unfencer.feed(text)):
                return
            choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
            chunks.append(Chunk({**self._envelope, "choices": [choice]}))
        elif kind == "input_json_delta":
            piece = delta["partial_json"]
            if piece and self._block.get("type") == "tool_use":
                self._heard = True
                self._arguments(piece, chunks)
        elif kind == "thinking_delta":
            if delta["thinking"]:
                self._think(delta["thinking"], chunks)
        elif kind == "signature_delta":
            self._signature += delta["signature"]

    def _block_stop(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        block, self._block = self._block, {}
        kind = block.get("type")
        if kind == "tool_use" and not self._heard:
            self._arguments(orjson.dumps(block.get("input") or {}).decode(), chunks)
        elif kind == "thinking":
            thought = {"type": "thinking", "thinking": "".join(self._thought), "signature": self._signature}
            chunks.append(self._thinking_block(thought))

    def _message_delta(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        self._count(event.get("usage"))
        delta = event.get("delta") or {}
        stop = delta.get("stop_reason")
        if stop is None or self._stopped:
            return
        self._stopped = True
        self._release(chunks)
        refusal = {"refusal": refusal_of(delta.get("stop_details"))} if stop == "refusal" else {}
        finish = finish_of(stop)
        if finish == "tool_calls" and self._functions:
            finish = "function_call"
        chunk = self._chunk(refusal, finish)
        if stop not in ("end_turn", "max_tokens", "tool_use"):
            chunk.data["choices"][0]["native_finish_reason"] = stop
        chunks.append(chunk)

    def _message_stop(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        self.finished = True
        if not self._stopped:
            self._release(chunks)
            chunks.append(self._chunk({}, "stop"))
        chunk = self._chunk({})
        chunk.data["choices"] = []
        chunk.data["usage"] = to_openai(self.usage or Usage())
        chunks.append(chunk)

    def _error(self, event: Mapping[str, Any], chunks: list[Chunk]) -> None:
        error = event.get("error")
        error = error if isinstance(error, Mapping) else {}
        code = error.get("type")
        message = error.get("message")
        raise StreamBroken(
            message if isinstance(message, str) and message else "The upstream failed in mid-stream.",
            code=code if isinstance(code, str) and code else None,
        )

    def _text(self, text: str, chunks: list[Chunk]) -> None:
        self._add_bytes(text)
        if self._unfencer is None or (text := self._unfencer.feed(text)):
            chunks.append(self._chunk({"content": text}))

    def _release(self, chunks: list[Chunk]) -> None:
        """No more text comes: what was held back goes out, unless it closes a fence."""
        if self._unfencer is not None and (text := self._unfencer.finish()):
            chunks.append(self._chunk({"content": text}))

    def _think(self, text: str, chunks: list[Chunk]) -> None:
        self._add_bytes(text)
        self._thought.append(text)
        chunks.append(self._chunk({"reasoning_content": text}))

    def _arguments(self, piece: str, chunks: list[Chunk]) -> None:
        self._add_bytes(piece)
        if self._functions:
            chunks.append(self._chunk({"function_call": {"arguments": piece}}))
        else:
            chunks.append(self._chunk({"tool_calls": [{"index": self._calls, "function": {"arguments": piece}}]}))

    def _add_bytes(self, text: str) -> None:
        self.output_bytes += len(text) if text.isascii() else len(text.encode())

    def _count(self, usage: object) -> None:
        """Counts are cumulative: they only grow, and one that is missing or 0 leaves the earlier standing."""
        if isinstance(usage, Mapping):
            for name, value in usage.items():
                known = self._counts.get(name)
                if isinstance(value, int) and isinstance(known, int):
                    self._counts[name] = max(value, known)
                elif value is not None:
                    self._counts[name] = value


_Handler = Callable[[StreamReader, Mapping[str, Any], list[Chunk]], None]
_HANDLERS: dict[str, _Handler] = {
    "message_start": StreamReader._message_start,
    "content_block_start": StreamReader._block_start,
    "content_block_delta": StreamReader._block_delta,
    "content_block_stop": StreamReader._block_stop,
    "message_delta": StreamReader._message_delta,
    "message_stop": StreamReader._message_stop,
    "error": StreamReader._error,
}
