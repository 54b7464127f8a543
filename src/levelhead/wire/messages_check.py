"""Checks of an Anthropic request's fields, and what its messages and tools need of a model."""

from __future__ import annotations

from typing import Any

from ..types import Need
from .chat_messages import Tally, count_document, count_image
from .fields import (
    Check,
    Fault,
    boolean,
    each,
    integer,
    missing,
    number,
    object_,
    required,
    string,
    strings,
    wrong_type,
)

__all__ = ["CHECKS", "check_conversation", "is_server_tool"]

_ROLES = frozenset({"user", "assistant", "system"})
_CHOICES = ("auto", "any", "tool", "none")


def is_server_tool(tool: dict[str, Any]) -> bool:
    """Whether only Anthropic knows what this tool is: it has a type of its own instead of a schema."""
    return tool.get("type") not in (None, "custom", "function") and "input_schema" not in tool


def _tools(tools: object) -> None:
    if type(tools) is not list:
        raise wrong_type("", "an array of objects", tools)
    for index, tool in enumerate(tools):
        try:
            object_(tool)
            if tool.get("type") is not None:
                required(tool, "type", string)
            if not is_server_tool(tool):
                required(tool, "name", string)
                required(tool, "input_schema", object_)
                if tool.get("description") is not None:
                    required(tool, "description", string)
        except Fault as fault:
            raise fault.within(f"[{index}]") from None


def _tool_choice(choice: object) -> None:
    if type(choice) is not dict:
        raise wrong_type("", "an object", choice)
    required(choice, "type", string)
    if choice["type"] not in _CHOICES:
        raise Fault("type", f"Invalid value for '{{}}'. Supported values are: {', '.join(_CHOICES)}.")
    if choice["type"] == "tool":
        required(choice, "name", string)
    if choice.get("disable_parallel_tool_use") is not None:
        required(choice, "disable_parallel_tool_use", boolean)


def _thinking(thinking: object) -> None:
    if type(thinking) is not dict:
        raise wrong_type("", "an object", thinking)
    required(thinking, "type", string)
    if thinking["type"] == "enabled":
        required(thinking, "budget_tokens", integer(1))


def _output_config(config: object) -> None:
    if type(config) is not dict:
        raise wrong_type("", "an object", config)
    if config.get("effort") is not None:
        required(config, "effort", string)
    if config.get("format") is not None:
        required(config, "format", object_)


def _system(system: object) -> None:
    if type(system) is str:
        return
    if type(system) is not list:
        raise wrong_type("", "a string or an array of text blocks", system)
    for index, block in enumerate(system):
        try:
            object_(block)
            required(block, "text", string)
        except Fault as fault:
            raise fault.within(f"[{index}]") from None


def _thread(thread: object) -> None:
    """A conversation kept at one vendor can't change models. The SDKs' tool runners then send it whole."""
    if thread is not None:
        said = "Unsupported parameter '{}': threads aren't kept here; send the whole conversation."
        raise Fault("", said, "thread_unsupported_request")


CHECKS: dict[str, Check] = {
    "max_tokens": integer(1),
    "metadata": object_,
    "model": string,
    "output_config": _output_config,
    "output_format": object_,
    "service_tier": string,
    "stop_sequences": strings,
    "stream": boolean,
    "system": _system,
    "temperature": number(0, 1),
    "thinking": _thinking,
    "thread": _thread,
    "tool_choice": _tool_choice,
    "tools": _tools,
    "top_k": integer(0),
    "top_p": number(0, 1),
}


def check_conversation(messages: object, tally: Tally) -> None:
    if type(messages) is not list:
        raise wrong_type("", "an array of objects", messages)
    if not messages:
        raise Fault("", "Invalid '{}': at least one message is required.", "empty_array")
    each(messages, _message, tally)


def _message(message: Any, tally: Tally) -> None:
    if type(message) is not dict:
        raise wrong_type("", "an object", message)
    role = message.get("role")
    if type(role) is not str or role not in _ROLES:
        raise missing("role") if role is None else Fault("role", "Invalid value for '{}': expected user or assistant.")
    if "content" not in message:
        raise missing("content")
    content = message["content"]
    if type(content) is list:
        if role == "user" and any(type(block) is dict and block.get("type") != "tool_result" for block in content):
            tally.turn()
        _blocks(content, "content", tally)
    elif type(content) is not str:
        raise wrong_type("content", "a string or an array of blocks", content)
    elif role == "user":
        tally.turn()


def _blocks(blocks: list[Any], path: str, tally: Tally) -> None:
    for index, block in enumerate(blocks):
        try:
            _block(block, tally)
        except Fault as fault:
            raise fault.within(f"{path}[{index}]") from None


def _block(block: Any, tally: Tally) -> None:
    if type(block) is not dict:
        raise wrong_type("", "an object", block)
    kind = block.get("type")
    if kind == "text":
        if type(block.get("text")) is not str:
            required(block, "text", string)
    elif kind == "tool_use":
        required(block, "id", string)
        required(block, "name", string)
        if block.get("input") is not None:
            required(block, "input", object_)
    elif kind == "tool_result":
        required(block, "tool_use_id", string)
        inner = block.get("content")
        if type(inner) is list:
            _blocks(inner, "content", tally)
        elif inner is not None:
            required(block, "content", string)
    elif kind == "image":
        source = _source(block)
        count_image(source, tally)
        if source["type"] == "file":
            tally.require(Need.ANTHROPIC)
    elif kind == "document":
        source = _source(block)
        if source.get("type") == "content" and type(source.get("content")) is list:
            _blocks(source["content"], "source.content", tally)
        elif source.get("type") not in ("text", "content"):
            count_document(source.get("data"), tally)
        if source.get("type") in ("url", "file"):
            tally.require(Need.ANTHROPIC)
    elif kind == "container_upload":
        tally.require(Need.ANTHROPIC)
    elif type(kind) is not str:
        raise missing("type") if kind is None else wrong_type("type", "a string", kind)


def _source(block: dict[str, Any]) -> dict[str, Any]:
    required(block, "source", object_)
    source: dict[str, Any] = block["source"]
    try:
        required(source, "type", string)
        if source["type"] == "base64":
            required(source, "data", string)
            required(source, "media_type", string)
        elif source["type"] == "url":
            required(source, "url", string)
    except Fault as fault:
        raise fault.within("source") from None
    return source
