"""A chat.completion -> a response object with its items, and a response as the events of a stream."""

from __future__ import annotations

import time
from collections.abc import Mapping
from hashlib import blake2b
from secrets import token_hex
from typing import Any

import orjson

from ..types import Answer, Chat, Chunk, Json, Usage
from .responses_items import sealed
from .responses_tools import Tool, directory
from .sse import encode

__all__ = [
    "Frames", "call_item", "ending", "item_id", "message_item", "reasoning_item", "render_answer", "replay",
    "response_id", "response_of", "shell", "tools_of", "usage_of",
]  # fmt: skip

# What a response says of its request, with what it says where the request said nothing.
_ECHOED: dict[str, Any] = {
    "frequency_penalty": 0.0, "instructions": None, "max_output_tokens": None, "max_tool_calls": None, "metadata": {},
    "presence_penalty": 0.0, "previous_response_id": None, "prompt_cache_key": None,
    "safety_identifier": None, "service_tier": "default", "temperature": 1.0, "text": {"format": {"type": "text"}},
    "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled", "user": None,
}  # fmt: skip


def render_answer(answer: Answer, chat: Chat) -> bytes:
    body = answer.body
    whole = shell(chat, body.get("id"), body.get("model", ""), body.get("created"))
    choice = body["choices"][0]
    output = _output(choice["message"], whole["id"], chat, choice.get("logprobs"))
    whole |= ending(answer.finish, refused=bool(choice["message"].get("refusal")))
    whole["output"] = output
    whole["usage"] = usage_of(answer.usage)
    return orjson.dumps(whole)


def response_id(id: object) -> str:
    """An id in the vendor's form, the same for the same answer."""
    text = id if isinstance(id, str) and id else token_hex(24)
    return text if text.startswith("resp_") else f"resp_{blake2b(text.encode(), digest_size=24).hexdigest()}"


def item_id(prefix: str, response: str, index: int) -> str:
    return f"{prefix}_{response.removeprefix('resp_')}{index:02d}"


def response_of(item: str) -> str:
    """The response that an item's id was made of."""
    return f"resp_{item.partition('_')[2][:-2]}"


def shell(chat: Chat, id: object, model: str, created: object) -> dict[str, Any]:
    """A response before it says anything."""
    source = chat.source or {}
    return {
        "id": response_id(id),
        "object": "response",
        "created_at": created if isinstance(created, int) and created else int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "parallel_tool_calls": source.get("parallel_tool_calls") is not False,
        "store": source.get("store") is not False,
        "tool_choice": source.get("tool_choice") or "auto",
        "tools": [_told(tool) for tool in source.get("tools") or ()],
        "completed_at": None,
        **{name: default if source.get(name) is None else source[name] for name, default in _ECHOED.items()},
        "reasoning": {"effort": None, "summary": None, **(source.get("reasoning") or {})},
        "usage": None,
    }


def _told(tool: Json) -> Json:
    return {"description": None, "strict": None, **tool} if tool["type"] == "function" else tool


def ending(finish: str, *, refused: bool = False) -> dict[str, Any]:
    """How a response ended, in its own words."""
    why = {"length": "max_output_tokens", "content_filter": None if refused else "content_filter"}.get(finish)
    if why is None:
        return {"status": "completed", "incomplete_details": None, "completed_at": int(time.time())}
    return {"status": "incomplete", "incomplete_details": {"reason": why}}


def usage_of(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input,
            "cache_write_tokens": usage.cache_write + usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.output,
    }


def tools_of(chat: Chat) -> dict[str, Tool]:
    return directory((chat.source or {}).get("tools") or ())


def reasoning_item(id: str, text: str, blocks: object, chat: Chat, status: str = "completed") -> dict[str, Any]:
    """The blob goes to whoever keeps the conversation, which must bring it back."""
    source = chat.source or {}
    item: dict[str, Any] = {"type": "reasoning", "id": id, "status": status}
    item["summary"] = [{"type": "summary_text", "text": text}] if text else []
    if source.get("store") is False or "reasoning.encrypted_content" in (source.get("include") or ()) or blocks:
        item["encrypted_content"] = sealed(blocks, text)
    return item


def message_item(id: str, text: str, refusal: str, logprobs: Any = None, status: str = "completed") -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if text:
        content.append({"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs or []})
    if refusal:
        content.append({"type": "refusal", "refusal": refusal})
    return {"type": "message", "id": id, "status": status, "role": "assistant", "content": content}


def call_item(
    response: str, index: int, call: Mapping[str, Any], tools: Mapping[str, Tool], status: str = "completed"
) -> dict[str, Any]:
    """A call as the client knows its tool. `call`: as in chat completions, its arguments whole."""
    function = call.get("function") or {}
    written = function.get("arguments") or ""
    tool = tools.get(function.get("name") or "")
    if tool is not None and tool.kind == "custom":
        item: dict[str, Any] = {"type": "custom_tool_call", "id": item_id("ctc", response, index), "status": status}
        item |= {"call_id": call.get("id"), "name": tool.name, "input": _freeform(written)}
    else:
        item = {"type": "function_call", "id": item_id("fc", response, index), "status": status}
        name = function.get("name") if tool is None else tool.name
        item |= {"call_id": call.get("id"), "name": name, "arguments": written}
    if tool is not None and tool.namespace is not None:
        item["namespace"] = tool.namespace
    return item


def _freeform(arguments: str) -> str:
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments
    text = parsed.get("input") if isinstance(parsed, dict) else None
    return text if isinstance(text, str) else arguments


def _output(said: Json, response: str, chat: Chat, logprobs: Any) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    reasoning, blocks = said.get("reasoning_content") or "", said.get("thinking_blocks")
    if reasoning or blocks:
        output.append(reasoning_item(item_id("rs", response, 0), reasoning, blocks, chat))
    text, refusal = said.get("content") or "", said.get("refusal") or ""
    if text or refusal or not said.get("tool_calls"):
        tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
        output.append(message_item(item_id("msg", response, len(output)), text, refusal, tokens))
    tools = tools_of(chat)
    for call in said.get("tool_calls") or ():
        output.append(call_item(response, len(output), call, tools))
    return output


_EMPTY: dict[str, dict[str, Any]] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}


class Frames:
    """Numbers events as the vendor does."""

    def __init__(self) -> None:
        self._number = -1

    def event(self, kind: str, **fields: Any) -> bytes:
        self._number += 1
        return encode(orjson.dumps({"type": kind, "sequence_number": self._number, **fields}), kind)

    def item(self, index: int, item: Mapping[str, Any]) -> list[bytes]:
        """All events of an item that is there at once."""
        return [self.event("response.output_item.added", output_index=index, item=self.opened(item)),
                *self.inside(index, item),
                self.event("response.output_item.done", output_index=index, item=item)]  # fmt: skip

    @staticmethod
    def opened(item: Mapping[str, Any]) -> dict[str, Any]:
        """An item as it starts."""
        empty: dict[str, Any] = _EMPTY[item["type"]]
        return {**{k: v for k, v in item.items() if k != "encrypted_content"}, "status": "in_progress", **empty}

    def inside(self, index: int, item: Mapping[str, Any]) -> list[bytes]:
        at: dict[str, Any] = {"item_id": item["id"], "output_index": index}
        if item["type"] == "message":
            return [frame for n, part in enumerate(item["content"]) for frame in self._part(at, n, part)]
        if item["type"] == "reasoning":
            return [frame for n, part in enumerate(item["summary"]) for frame in self._summary(at, n, part)]
        if item["type"] == "function_call":
            kind, name = "response.function_call_arguments", "arguments"
        else:
            kind, name = "response.custom_tool_call_input", "input"
        return [self.event(f"{kind}.delta", **at, delta=item[name]),
                self.event(f"{kind}.done", **at, **{name: item[name]}, name=item["name"])]  # fmt: skip

    def _part(self, at: dict[str, Any], index: int, part: Mapping[str, Any]) -> list[bytes]:
        name = "refusal" if part["type"] == "refusal" else "text"
        kind = "response.refusal" if name == "refusal" else "response.output_text"
        more = {"logprobs": part.get("logprobs") or []} if name == "text" else {}
        at = {**at, "content_index": index}
        return [self.event("response.content_part.added", **at, part={**part, name: ""}),
                self.event(f"{kind}.delta", **at, delta=part[name], **more),
                self.event(f"{kind}.done", **at, **{name: part[name]}, **more),
                self.event("response.content_part.done", **at, part=part)]  # fmt: skip

    def _summary(self, at: dict[str, Any], index: int, part: Mapping[str, Any]) -> list[bytes]:
        at = {**at, "summary_index": index}
        kind = "response.reasoning_summary"
        return [self.event(f"{kind}_part.added", **at, part={**part, "text": ""}),
                self.event(f"{kind}_text.delta", **at, delta=part["text"]),
                self.event(f"{kind}_text.done", **at, text=part["text"]),
                self.event(f"{kind}_part.done", **at, part=part)]  # fmt: skip


def replay(body: bytes) -> list[Chunk]:
    """A response as the stream it might have been."""
    whole = orjson.loads(body)
    frames = Frames()
    opening = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    written = [frames.event(f"response.{kind}", response=opening) for kind in ("created", "in_progress")]
    for index, item in enumerate(whole["output"]):
        written += frames.item(index, item)
    whole["usage"]["cost_usd"] = 0.0
    written.append(frames.event(f"response.{whole['status']}", response=whole))
    return [Chunk({"choices": []}, frame) for frame in written]
