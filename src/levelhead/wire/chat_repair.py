"""A conversation as one vendor of the OpenAI wire accepts it: what it refuses is mended, the rest isn't copied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

from ..types import Json

__all__ = ["Vendor", "mended_messages", "mended_tools", "vendor_of"]

Vendor = Literal["openai", "deepseek", "other"]

_OPENAI_NAME = re.compile(r"(openai/)?(chatgpt-|gpt-[3-9]|o[1-9])")
_OPENAI_HOSTS = ("//api.openai.com", ".openai.com", ".openai.azure.com")
# Anthropic's extras, `parsed` of the SDK's own helpers sent back as it came, and the thoughts of other vendors, which
# OpenAI itself refuses as unknown parameters.
_STRAY: dict[Vendor, frozenset[str]] = {
    "openai": frozenset({"cache_control", "is_error", "parsed", "thinking_blocks", "reasoning_content"}),
    "deepseek": frozenset({"cache_control", "is_error", "parsed", "thinking_blocks"}),
    "other": frozenset({"cache_control", "is_error", "parsed", "thinking_blocks"}),
}
_SAID_OTHERWISE = ("tool_calls", "function_call", "refusal", "audio")


@lru_cache(maxsize=256)
def vendor_of(upstream_model: str, base_url: str | None) -> Vendor:
    """Whose rules apply: told by the host where it is the vendor's own, else by the model's name."""
    url = (base_url or "").lower()
    name = upstream_model.lower()
    if "deepseek.com" in url or "deepseek" in name:
        return "deepseek"
    if any(host in url for host in _OPENAI_HOSTS) or _OPENAI_NAME.match(name):
        return "openai"
    return "other"


def mended_messages(messages: Sequence[Json], vendor: Vendor, *, thinks: bool) -> Sequence[Json]:
    """`messages` itself where nothing needs mending. `thinks`: the model will answer in a mode like DeepSeek's."""
    mended: list[Json] | None = None
    for index, message in enumerate(messages):
        if len(message) == 2 and type(message.get("content")) is str and message["role"] != "developer":
            continue
        fresh = _mended(message, vendor, thinks)
        if vendor != "openai" and (message["role"] == "function" or message.get("function_call")):
            fresh = _in_tools(fresh, messages, index)
        if fresh is not message:
            if mended is None:
                mended = list(messages)
            mended[index] = fresh
    return messages if mended is None else mended


def mended_tools(tools: Sequence[Json]) -> Sequence[Json]:
    """Without prompt-cache marks."""
    if not any("cache_control" in tool or "cache_control" in tool.get("function", ()) for tool in tools):
        return tools
    mended = []
    for tool in tools:
        tool = _without_mark(tool)
        if "function" in tool:
            tool["function"] = _without_mark(tool["function"])
        mended.append(tool)
    return mended


def _mended(message: Json, vendor: Vendor, thinks: bool) -> Json:
    changes: dict[str, Any] = {}
    role = message["role"]
    if role == "developer" and vendor != "openai":
        changes["role"] = "system"
    content = message.get("content")
    if type(content) is list and any("cache_control" in part for part in content):
        changes["content"] = [_without_mark(part) for part in content]
    if role == "assistant":
        _mend_turn(message, vendor, thinks, changes)
    stray = _STRAY[vendor]
    if not changes and stray.isdisjoint(message):
        return message
    fresh = {name: value for name, value in message.items() if name not in stray}
    fresh.update(changes)
    if fresh.get("tool_calls") == []:
        del fresh["tool_calls"]
    return fresh


def _mend_turn(message: Json, vendor: Vendor, thinks: bool, changes: dict[str, Any]) -> None:
    calls = message.get("tool_calls") or message.get("function_call")
    if message.get("tool_calls") == []:
        changes["tool_calls"] = []  # refused where none is fine
    if message.get("content") is None:
        if not any(message.get(name) for name in _SAID_OTHERWISE):
            changes["content"] = ""  # it was all thought
        elif "content" not in message and vendor == "deepseek":
            changes["content"] = None  # its parser wants the field
    if calls and vendor != "openai" and thinks and type(message.get("reasoning_content")) is not str:
        # a turn that called tools must carry its thoughts, be they empty; another vendor's are as good as its own
        changes["reasoning_content"] = _thoughts(message.get("thinking_blocks"))


def _in_tools(message: Json, messages: Sequence[Json], index: int) -> Json:
    """A legacy function call or its result in today's words; the call's place in the conversation is its id."""
    fresh = dict(message)
    if message["role"] == "function":
        made = next((at for at in range(index - 1, -1, -1) if messages[at].get("function_call")), index)
        fresh.update(role="tool", tool_call_id=f"call_{made}", content=message.get("content") or "")
        fresh.pop("name", None)
    else:
        fresh["tool_calls"] = [{"id": f"call_{index}", "type": "function", "function": fresh.pop("function_call")}]
    return fresh


def _thoughts(blocks: object) -> str:
    if not isinstance(blocks, list):
        return ""
    texts = (block.get("thinking") for block in blocks if isinstance(block, dict))
    return "\n".join(text for text in texts if isinstance(text, str))


def _without_mark(value: Json) -> dict[str, Any]:
    return {name: inner for name, inner in value.items() if name != "cache_control"}
