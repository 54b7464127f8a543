"""`functions`, the forerunner of `tools`: OpenAI alone still speaks it; other vendors are asked and heard in tools."""

from __future__ import annotations

from typing import Any

from ..types import Call
from .chat_repair import vendor_of

__all__ = ["in_functions", "offer_as_tools", "translates_functions"]


def translates_functions(call: Call | None) -> bool:
    """Whether this call's client speaks of functions to a vendor that doesn't."""
    if call is None or not call.chat.body.get("functions") or call.chat.body.get("tools"):
        return False
    return vendor_of(call.model.upstream_model, call.model.base_url) != "openai"


def offer_as_tools(body: dict[str, Any]) -> None:
    body["tools"] = [{"type": "function", "function": function} for function in body.pop("functions")]
    choice = body.pop("function_call", None)
    if choice is not None:
        body["tool_choice"] = {"type": "function", "function": choice} if isinstance(choice, dict) else choice


def in_functions(data: dict[str, Any]) -> dict[str, Any]:
    """A chat.completion or a chunk of one with its tool call as a function call. Functions know one call at a time."""
    return {**data, "choices": [_choice(choice) for choice in data["choices"]]}


def _choice(choice: dict[str, Any]) -> dict[str, Any]:
    name = "message" if "message" in choice else "delta"
    said = {**(choice.get(name) or {})}
    calls = said.pop("tool_calls", None)
    if calls and calls[0].get("index", 0) == 0:
        said["function_call"] = calls[0]["function"]
    fresh = {**choice, name: said}
    if choice.get("finish_reason") == "tool_calls":
        fresh["finish_reason"] = "function_call"
    return fresh
