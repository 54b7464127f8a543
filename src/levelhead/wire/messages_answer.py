"""Anthropic's message -> chat.completion."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from ..errors import UpstreamUnavailable
from ..types import Answer, Call, Chat, Usage
from .messages_fence import unfenced
from .messages_request import wants_json
from .messages_tools import original_names
from .usage import estimate_usage, to_openai

__all__ = ["finish_of", "read_answer", "read_usage", "refusal_of", "uses_functions"]

_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    # only the vendor's own tools pause; the client can send the answer back to go on
    "pause_turn": "stop",
}


def read_answer(raw: bytes, call: Call | None = None) -> Answer:
    """`call` gives the client's own tool names back, and an estimate of the usage where the vendor sent none.

    Raises `UpstreamUnavailable` for bytes that are no message.
    """
    try:
        message = orjson.loads(raw)
        blocks = [block for block in message["content"] if isinstance(block, dict)]
        written = _write_message(blocks, message, call)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UpstreamUnavailable("The upstream's answer is no message.", upstream_status=200) from None
    stop = message.get("stop_reason")
    usage = read_usage(message.get("usage"))
    if usage.output == 0 and blocks:
        estimate = estimate_usage(call.chat if call is not None else None, text_bytes(blocks))
        usage = estimate if usage.prompt == 0 else replace(usage, output=estimate.output)
    finish = finish_of(stop)
    if finish == "tool_calls" and "function_call" in written:
        finish = "function_call"
    choice = {"index": 0, "message": written, "logprobs": None, "finish_reason": finish}
    if stop not in ("end_turn", "max_tokens", "tool_use"):
        choice["native_finish_reason"] = stop
    body = {
        "id": message.get("id", ""),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": message.get("model", ""),
        "choices": [choice],
        "usage": to_openai(usage),
    }
    own = raw if call is not None and call.chat.dialect == "messages" else None
    return Answer(body=body, usage=usage, finish=finish, raw=own, wire="anthropic")


def text_bytes(value: object) -> int:
    """UTF-8 bytes of what the model wrote: texts, thinking, and a call's input."""
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, list):
        return sum(map(text_bytes, value))
    if isinstance(value, Mapping):
        return sum(text_bytes(inner) for name, inner in value.items() if name not in ("type", "id", "signature"))
    return 0


def _write_message(blocks: list[dict[str, Any]], message: Mapping[str, Any], call: Call | None) -> dict[str, Any]:
    text = "".join(block.get("text") or "" for block in blocks if block.get("type") == "text")
    if text and call is not None and wants_json(call.chat):
        text = unfenced(text)
    written: dict[str, Any] = {"role": "assistant", "content": text or None, "refusal": None}
    if message.get("stop_reason") == "refusal":
        written["refusal"] = refusal_of(message.get("stop_details"))
    thinking = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    if thinking:
        reasoning = "".join(block.get("thinking") or "" for block in thinking)
        if reasoning:
            written["reasoning_content"] = reasoning
        written["thinking_blocks"] = thinking
    calls = _tool_calls(blocks, original_names(call.chat) if call is not None else {})
    if calls and call is not None and uses_functions(call.chat):
        written["function_call"] = calls[0]["function"]
    elif calls:
        written["tool_calls"] = calls
    return written


def _tool_calls(blocks: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The calls that the client must run; the vendor runs its own."""
    return [
        {
            "id": block["id"],
            "type": "function",
            "function": {
                "name": names.get(block["name"], block["name"]),
                "arguments": orjson.dumps(block.get("input") or {}).decode(),
            },
        }
        for block in blocks
        if block.get("type") == "tool_use"
    ]


def uses_functions(chat: Chat) -> bool:
    """Whether the client speaks of `functions`, the forerunner of tools."""
    return bool(chat.body.get("functions")) and not chat.body.get("tools")


def finish_of(stop_reason: object) -> str:
    return _FINISH.get(stop_reason, "stop") if isinstance(stop_reason, str) else "stop"


def refusal_of(details: object) -> str:
    details = details if isinstance(details, Mapping) else {}
    explanation, category = details.get("explanation"), details.get("category")
    if isinstance(explanation, str) and explanation:
        return explanation
    return f"The model declined to answer ({category})." if category else "The model declined to answer."


def read_usage(usage: object) -> Usage:
    """Counts as the vendor bills them; what is missing or null counts as 0.

    Where the vendor lists `iterations`, their sum is what was used and the top level only the last of them.
    """
    if not isinstance(usage, Mapping):
        return Usage()
    listed = usage.get("iterations")
    parts = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    if not parts:
        return _one_usage(usage)
    counted = [_one_usage(one) for one in parts]
    reasoning = sum(one.reasoning for one in counted) or _one_usage(usage).reasoning
    return Usage(
        input=sum(one.input for one in counted),
        cached_input=sum(one.cached_input for one in counted),
        cache_write=sum(one.cache_write for one in counted),
        cache_write_1h=sum(one.cache_write_1h for one in counted),
        output=sum(one.output for one in counted),
        reasoning=reasoning,
    )


def _one_usage(usage: Mapping[str, Any]) -> Usage:
    lives = usage.get("cache_creation")
    lives = lives if isinstance(lives, Mapping) else {}
    hour = _count(lives.get("ephemeral_1h_input_tokens"))
    written = max(
        _count(usage.get("cache_creation_input_tokens")), hour + _count(lives.get("ephemeral_5m_input_tokens"))
    )
    details = usage.get("output_tokens_details")
    output = _count(usage.get("output_tokens"))
    return Usage(
        input=_count(usage.get("input_tokens")),
        cached_input=_count(usage.get("cache_read_input_tokens")),
        cache_write=written - hour,
        cache_write_1h=hour,
        output=output,
        reasoning=min(output, _count(details.get("thinking_tokens"))) if isinstance(details, Mapping) else 0,
    )


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0
