"""`Call` -> the body that an OpenAI-wire upstream is sent."""

from __future__ import annotations

import re
from typing import Any

import orjson

from ..types import Call, Chat
from .chat_functions import offer_as_tools, translates_functions
from .chat_repair import Vendor, mended_messages, mended_tools, vendor_of

__all__ = ["write_request"]

_REASONING_MODEL = re.compile(r"(openai/)?(o[1-9]|gpt-([5-9]|\d\d))", re.IGNORECASE)
_OWN_METADATA = frozenset({"run", "slot", "session", "task"})
_SAMPLING = ("temperature", "top_p", "presence_penalty", "frequency_penalty")


def write_request(call: Call) -> bytes:
    """The client's own body, changed only where the model or its vendor needs it; unknown fields travel untouched.

    Whether it streams is `call.chat.stream`'s to say. Nothing is dropped that changes what is asked: what a vendor
    lacks is a `Need`, and a model that doesn't offer it isn't called.
    """
    chat, model = call.chat, call.model
    vendor = vendor_of(model.upstream_model, model.base_url)
    body = dict(chat.body)
    body["model"] = model.upstream_model
    _set_cap(body, min(call.output_cap, model.capabilities.max_output_tokens), model.upstream_model)
    _set_streaming(body, chat)
    if "metadata" in body:
        _set_metadata(body, vendor)
    if not model.capabilities.sampling:
        for name in _SAMPLING:
            body.pop(name, None)
    if translates_functions(call):
        offer_as_tools(body)
    if "tools" in body:
        _set_tools(body)
    thinks = vendor == "deepseek" and _suit_deepseek(body)
    body["messages"] = mended_messages(chat.messages, vendor, thinks=thinks)
    return orjson.dumps(body)


def _set_cap(body: dict[str, Any], cap: int, upstream_model: str) -> None:
    body.pop("max_tokens", None)
    body.pop("max_completion_tokens", None)
    body["max_completion_tokens" if _REASONING_MODEL.match(upstream_model) else "max_tokens"] = cap


def _set_streaming(body: dict[str, Any], chat: Chat) -> None:
    if chat.stream:
        body["stream"] = True
        body["stream_options"] = {**(body.get("stream_options") or {}), "include_usage": True}
    else:
        body.pop("stream", None)
        body.pop("stream_options", None)


def _set_metadata(body: dict[str, Any], vendor: Vendor) -> None:
    metadata = body.pop("metadata")
    if vendor == "deepseek" or not metadata:
        return
    kept = {name: value for name, value in metadata.items() if name not in _OWN_METADATA}
    if kept:
        body["metadata"] = kept


def _set_tools(body: dict[str, Any]) -> None:
    if body["tools"]:
        body["tools"] = mended_tools(body["tools"])
        return
    # an empty list is refused where no list is fine, and so is a choice among no tools
    for name in ("tools", "tool_choice", "parallel_tool_calls"):
        body.pop(name, None)


def _suit_deepseek(body: dict[str, Any]) -> bool:
    """Says `thinking` and `tool_choice` in DeepSeek's words. True if the model will think, as it does unless told."""
    thinking = body.pop("thinking", None)
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind is None and body.get("reasoning_effort") == "none":
        kind = "disabled"
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        choice = _narrow_tools(body, choice["allowed_tools"])
    if choice == "required" or isinstance(choice, dict) or body.get("logprobs"):
        kind = "disabled"  # thinking mode refuses a forced tool, and has no log-probabilities
    if kind == "disabled":
        body.pop("reasoning_effort", None)
    if kind in ("enabled", "disabled"):
        body["thinking"] = {"type": kind}
    return kind != "disabled"


def _narrow_tools(body: dict[str, Any], allowed: dict[str, Any]) -> str:
    """OpenAI's `allowed_tools` where it isn't known: only these are offered."""
    names = {tool["function"]["name"] for tool in allowed["tools"] if "function" in tool}
    body["tools"] = [
        tool for tool in body.get("tools") or () if "function" in tool and tool["function"]["name"] in names
    ]
    mode: str = allowed["mode"]
    body["tool_choice"] = mode
    return mode
