"""`Call` -> the body that an OpenAI-wire upstream is sent."""

from __future__ import annotations

import re
from typing import Any

import orjson

from ..types import Call, Chat, Json, Model
from .chat_functions import offer_as_tools, translates_functions
from .chat_repair import Vendor, mended_tools, vendor_of
from .history import MAX_NAME, repaired_messages, short_name

__all__ = ["original_names", "write_request"]

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
        _set_tools(body, vendor)
    if vendor == "deepseek":
        thinks = _suit_deepseek(body)
    else:
        thinks = vendor == "other" and model.capabilities.thinking != "none"
        if chat.source is not None:
            _suit_translated(body, model)
    body["messages"] = repaired_messages(
        chat.messages, vendor, thinks=thinks, offers=model.capabilities.offers, repairs=call.repairs
    )
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


def _suit_translated(body: dict[str, Any], model: Model) -> None:
    """What was said in another dialect, as far as this model has a field for it."""
    body.pop("thinking", None)
    if model.capabilities.thinking == "none":
        body.pop("reasoning_effort", None)
        body.pop("verbosity", None)
    elif body.get("reasoning_effort") == "none" and model.capabilities.thinking == "always":
        body["reasoning_effort"] = "low"


def _set_tools(body: dict[str, Any], vendor: Vendor) -> None:
    if body["tools"]:
        body["tools"] = mended_tools(body["tools"])
        if vendor != "other" and any(len(_tool_name(tool)) > MAX_NAME for tool in body["tools"]):
            _shorten_names(body)
        return
    # an empty list is refused where no list is fine, and so is a choice among no tools
    for name in ("tools", "tool_choice", "parallel_tool_calls"):
        body.pop(name, None)


def _tool_name(tool: Json) -> str:
    inner = tool.get(tool["type"])
    return str(inner["name"]) if isinstance(inner, dict) and "name" in inner else ""


def _shorten_names(body: dict[str, Any]) -> None:
    """Anthropic takes names of 128 characters; `original_names` gives the client its own back."""
    body["tools"] = [_renamed(tool) for tool in body["tools"]]
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and _tool_name(choice):
        body["tool_choice"] = _renamed(choice)


def _renamed(tool: Json) -> Json:
    name = _tool_name(tool)
    return {**tool, tool["type"]: {**tool[tool["type"]], "name": short_name(name)}} if name else tool


def original_names(chat: Chat) -> dict[str, str]:
    """Short name -> the client's own, for those that had to be shortened."""
    long = (_tool_name(tool) for tool in chat.tools)
    return {short_name(name): name for name in long if len(name) > MAX_NAME}


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
