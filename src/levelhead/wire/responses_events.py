"""A stream for a client of OpenAI's Responses: chunks of any wire -> numbered events around items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import LevelheadError, StreamBroken
from ..types import Chat, Chunk
from .responses_write import (
    Frames,
    call_item,
    ending,
    item_id,
    message_item,
    reasoning_item,
    shell,
    tools_of,
    usage_of,
)
from .usage import from_openai

__all__ = ["StreamWriter"]


class StreamWriter:
    """Items follow one another, each added, continued and done."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._tools = tools_of(chat)
        self._frames = Frames()
        self._response: dict[str, Any] | None = None
        self._open = ""  # reasoning, text, refusal or call
        self._pieces: list[str] = []
        self._blocks: list[Any] = []
        self._logprobs: list[Any] = []
        self._call: dict[str, Any] = {}
        self._calls: set[object] = set()
        self._finish = "stop"
        self._refused = False

    def write(self, chunks: Sequence[Chunk], cost_usd: float | None) -> bytes:
        """Raises `StreamBroken` for pieces of calls that interleave."""
        out: list[bytes] = []
        for chunk in chunks:
            if chunk.raw is not None and chunk.raw[:5] != b"data:":
                out.append(chunk.raw)  # a stored answer, in events already
            else:
                self._write(chunk.data, out, cost_usd)
        return b"".join(out)

    def end(self) -> bytes:
        return b""

    def fail(self, error: LevelheadError) -> bytes:
        response = self._response or shell(self._chat, None, "", None)
        told = {"code": "server_error", "message": error.message}
        return self._frames.event("response.failed", response={**response, "status": "failed", "error": told})

    def _write(self, data: Mapping[str, Any], out: list[bytes], cost_usd: float | None) -> None:
        response = self._response
        if response is None:
            response = shell(self._chat, data.get("id"), data.get("model", ""), data.get("created"))
            self._response = response
            out += [self._frames.event(f"response.{kind}", response=response) for kind in ("created", "in_progress")]
        for choice in data.get("choices") or ():
            if choice.get("index"):
                continue
            if delta := choice.get("delta"):
                self._delta(delta, choice.get("logprobs"), out)
            if choice.get("finish_reason"):
                self._finish = choice["finish_reason"]
        if data.get("usage") and not data.get("choices"):
            self._close(out)
            if not response["output"]:
                self._begin("text", out)
                self._close(out)
            response |= ending(self._finish, refused=self._refused)
            usage = usage_of(from_openai(data["usage"]))
            response["usage"] = usage if cost_usd is None else {**usage, "cost_usd": cost_usd}
            out.append(self._frames.event(f"response.{response['status']}", response=response))

    def _delta(self, delta: Mapping[str, Any], logprobs: Any, out: list[bytes]) -> None:
        if thought := delta.get("reasoning_content"):
            self._say("reasoning", thought, out)
        for block in delta.get("thinking_blocks") or ():
            if self._open != "reasoning":
                self._begin("reasoning", out)
            self._blocks.append({name: value for name, value in block.items() if name != "index"})
        if text := delta.get("content"):
            tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
            self._say("text", text, out, tokens or [])
        if refusal := delta.get("refusal"):
            self._refused = True
            self._say("refusal", refusal, out)
        for call in delta.get("tool_calls") or ():
            self._tool_call(call, out)

    @property
    def _at(self) -> dict[str, Any]:
        assert self._response is not None
        return {"item_id": self._id, "output_index": len(self._response["output"])}

    def _say(self, kind: str, text: str, out: list[bytes], logprobs: Sequence[Any] = ()) -> None:
        if self._open != kind:
            self._begin(kind, out)
        self._pieces.append(text)
        if kind == "reasoning":
            if len(self._pieces) == 1:
                part = {"type": "summary_text", "text": ""}
                self._emit("reasoning_summary_part.added", out, summary_index=0, part=part)
            self._emit("reasoning_summary_text.delta", out, summary_index=0, delta=text)
        elif kind == "text":
            self._logprobs += logprobs
            self._emit("output_text.delta", out, content_index=0, delta=text, logprobs=list(logprobs))
        else:
            self._emit("refusal.delta", out, content_index=0, delta=text)

    def _emit(self, kind: str, out: list[bytes], **fields: Any) -> None:
        out.append(self._frames.event(f"response.{kind}", **self._at, **fields))

    def _begin(self, kind: str, out: list[bytes]) -> None:
        self._close(out)
        assert self._response is not None
        self._open, self._pieces, self._blocks, self._logprobs = kind, [], [], []
        id, index = self._response["id"], len(self._response["output"])
        if kind == "call":
            item = call_item(id, index, self._call, self._tools)
        elif kind == "reasoning":
            item = reasoning_item(item_id("rs", id, index), "", None, self._chat)
        else:
            item = message_item(item_id("msg", id, index), "", "")
        self._id = item["id"]
        out.append(self._frames.event("response.output_item.added", output_index=index, item=Frames.opened(item)))
        if kind in ("text", "refusal"):
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            if kind == "refusal":
                part = {"type": "refusal", "refusal": ""}
            self._emit("content_part.added", out, content_index=0, part=part)

    def _tool_call(self, call: Mapping[str, Any], out: list[bytes]) -> None:
        index, function = call.get("index", 0), call.get("function") or {}
        if self._open != "call" or index != self._call.get("index"):
            if index in self._calls:
                raise StreamBroken("The upstream sent pieces of several tool calls at once.")
            self._calls.add(index)
            id = call.get("id") or f"call_{len(self._calls)}"
            self._close(out)
            self._call = {"index": index, "id": id, "function": {"name": function.get("name"), "arguments": ""}}
            self._begin("call", out)
        if piece := function.get("arguments"):
            self._pieces.append(piece)
            if not self._is_custom():  # a freeform input comes as JSON: it can be told when it is whole
                self._emit("function_call_arguments.delta", out, delta=piece)

    def _is_custom(self) -> bool:
        tool = self._tools.get(self._call["function"]["name"])
        return tool is not None and tool.kind == "custom"

    def _close(self, out: list[bytes]) -> None:
        """Ends the open item."""
        kind, self._open = self._open, ""
        if not kind:
            return
        assert self._response is not None
        text = "".join(self._pieces)
        item: dict[str, Any]
        if kind == "reasoning":
            item = reasoning_item(self._id, text, self._blocks or None, self._chat)
            if text:
                self._emit("reasoning_summary_text.done", out, summary_index=0, text=text)
                self._emit("reasoning_summary_part.done", out, summary_index=0, part=item["summary"][0])
        elif kind == "call":
            self._call["function"]["arguments"] = text
            item = call_item(self._response["id"], len(self._response["output"]), self._call, self._tools)
            if item["type"] == "custom_tool_call":
                self._emit("custom_tool_call_input.delta", out, delta=item["input"])
                self._emit("custom_tool_call_input.done", out, input=item["input"])
            else:
                self._emit("function_call_arguments.done", out, arguments=text, name=item["name"])
        elif kind == "refusal":
            item = message_item(self._id, "", text)
            self._emit("refusal.done", out, content_index=0, refusal=text)
            self._emit("content_part.done", out, content_index=0, part={"type": "refusal", "refusal": text})
        else:
            item = message_item(self._id, "", "")
            self._emit("output_text.done", out, content_index=0, text=text, logprobs=self._logprobs)
            part = {"type": "output_text", "text": text, "annotations": [], "logprobs": self._logprobs}
            self._emit("content_part.done", out, content_index=0, part=part)
            item["content"] = [part]
        index = len(self._response["output"])
        out.append(self._frames.event("response.output_item.done", output_index=index, item=item))
        self._response["output"].append(item)
