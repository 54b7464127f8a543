"""A chat.completion -> Anthropic's message, and a message as the events of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from secrets import token_hex
from typing import Any

import orjson

from ..types import Answer, Chat, Chunk, Usage
from .messages_read import thinking_wanted
from .messages_thinking import UNSIGNED
from .sse import encode

__all__ = ["DIRECT", "closing", "event", "message_id", "render_answer", "replay", "stop_reason_of", "usage_of"]

_STOPS = {
    "stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "function_call": "tool_use",
    "content_filter": "refusal",
}  # fmt: skip
DIRECT = {"type": "direct"}  # who called the tool: the model itself, not a program of its
_NATIVE_STOPS = frozenset({"stop_sequence", "refusal", "pause_turn", "model_context_window_exceeded"})


def render_answer(answer: Answer, chat: Chat) -> bytes:
    """The vendor's own bytes where it speaks this dialect."""
    if answer.raw is not None and answer.wire == "anthropic":
        return answer.raw
    choice = answer.body["choices"][0]
    said = choice["message"]
    message = {
        "id": message_id(answer.body.get("id")),
        "type": "message",
        "role": "assistant",
        "model": answer.body.get("model", ""),
        "content": _blocks(said, chat),
        "stop_reason": stop_reason_of(answer.finish, choice.get("native_finish_reason"), said.get("refusal")),
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": usage_of(answer.usage),
    }
    return orjson.dumps(message)


def message_id(id: object) -> str:
    """An id in the vendor's form, the same for the same answer."""
    text = id if isinstance(id, str) and id else token_hex(12)
    return text if text.startswith("msg_") else f"msg_{blake2b(text.encode(), digest_size=12).hexdigest()}"


def stop_reason_of(finish: str, native: object = None, refusal: object = None) -> str:
    if refusal:
        return "refusal"
    return native if isinstance(native, str) and native in _NATIVE_STOPS else _STOPS.get(finish, "end_turn")


def usage_of(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write + usage.cache_write_1h,
        "cache_read_input_tokens": usage.cached_input,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "inference_geo": None,
        "server_tool_use": None,
        "service_tier": None,
    }


def _blocks(said: Mapping[str, Any], chat: Chat) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    signed = said.get("thinking_blocks")
    if isinstance(signed, list) and signed:
        blocks += [{name: value for name, value in block.items() if name != "index"} for block in signed]
    elif said.get("reasoning_content") and thinking_wanted(chat):
        blocks.append({"type": "thinking", "thinking": said["reasoning_content"], "signature": UNSIGNED})
    text = said.get("content") or said.get("refusal")
    if text:
        blocks.append({"type": "text", "text": text})
    for call in said.get("tool_calls") or ():
        function = call["function"]
        use = {"type": "tool_use", "id": call["id"], "name": function["name"], "caller": DIRECT}
        blocks.append({**use, "input": _input(function["arguments"])})
    return blocks


def _input(arguments: str) -> Any:
    """An object, whatever the model wrote."""
    try:
        parsed = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return {"raw_arguments": arguments}
    return parsed if isinstance(parsed, dict) else {"arguments": parsed}


def event(kind: str, **fields: Any) -> bytes:
    return encode(orjson.dumps({"type": kind, **fields}), kind)


def closing(stop: Mapping[str, Any], usage: Mapping[str, Any], cost_usd: float | None) -> bytes:
    """The last two events of a stream. `stop`: the delta that says why it ended."""
    counted = dict(usage) if cost_usd is None else {**usage, "cost_usd": cost_usd}
    return event("message_delta", delta=stop, usage=counted) + event("message_stop")


def replay(body: bytes) -> list[Chunk]:
    """A message as the stream it might have been."""
    message = orjson.loads(body)
    opening = {**message, "content": [], "stop_reason": None, "stop_sequence": None}
    opening["usage"] = {**message["usage"], "output_tokens": 1}
    frames = [event("message_start", message=opening)]
    for index, block in enumerate(message["content"]):
        empty, deltas = _opened(block)
        frames.append(event("content_block_start", index=index, content_block=empty))
        frames += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        frames.append(event("content_block_stop", index=index))
    stop = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "stop_details") if name in message}
    frames.append(closing(stop, message["usage"], 0.0))
    return [Chunk({"choices": []}, frame) for frame in frames]


def _opened(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it starts, and what is added to it."""
    kind = block["type"]
    if kind == "text":
        deltas: list[dict[str, Any]] = [{"type": "text_delta", "text": block["text"]}]
        deltas += [{"type": "citations_delta", "citation": citation} for citation in block.get("citations") or ()]
        return {**block, "text": ""}, deltas
    if kind == "thinking":
        spoken = [{"type": "thinking_delta", "thinking": block["thinking"]}] if block["thinking"] else []
        signature = {"type": "signature_delta", "signature": block.get("signature") or ""}
        return {"type": "thinking", "thinking": "", "signature": ""}, [*spoken, signature]
    if kind.endswith("tool_use"):
        written = orjson.dumps(block.get("input") or {}).decode()
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": written}]
    return {**block}, []
