"""Anthropic's POST /v1/messages as a client's dialect: its body -> `Chat`."""

from __future__ import annotations

from typing import Any

from ..types import Chat, Json, Need
from .chat_messages import Tally
from .chat_read import parse_body
from .fields import Fault, known_fields, missing
from .messages_check import CHECKS, check_conversation, is_server_tool
from .messages_history import as_chat, as_system

__all__ = ["read_request", "thinking_wanted"]

# Whoever sends one of these asks for something that only Anthropic has.
_ANTHROPIC_ONLY = ("container", "mcp_servers", "fallbacks")
_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "xhigh"}


def read_request(raw: bytes, *, default_model: str | None = None) -> Chat:
    """Raises `InvalidRequest` naming the field. `default_model` stands in where the body names none, as
    for count_tokens and explain, which need no output cap either.
    """
    source = parse_body(raw)
    tally = Tally()
    try:
        known_fields(source, CHECKS)
        model = source.get("model") or default_model
        if not model:
            raise missing("model")
        if source.get("messages") is None:
            raise missing("messages")
        if source.get("max_tokens") is None and default_model is None:
            raise missing("max_tokens")
        try:
            check_conversation(source["messages"], tally)
        except Fault as fault:
            raise fault.within("messages") from None
        needs = tally.needs | _needs(source)
    except Fault as fault:
        raise fault.error() from None
    body = _body(source, model)
    return Chat(
        dialect="messages",
        body=body,
        model=model,
        messages=body["messages"],
        tools=body.get("tools", ()),
        stream=source.get("stream") is True,
        include_usage=True,
        output_cap=source.get("max_tokens"),
        temperature=source.get("temperature"),
        needs=frozenset(needs),
        history_needs=frozenset(tally.recent - needs),
        text_bytes=max(0, len(raw) - tally.opaque),
        images=tally.images,
        source=source,
    )


def thinking_wanted(chat: Chat) -> bool:
    """Whether the client is to see thoughts: it asked for them, or it has tools and must send them back with a call."""
    source = chat.source or {}
    thinking = source.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    return bool(source.get("tools")) if kind is None else kind != "disabled"


def _needs(source: Json) -> set[Need]:
    needs: set[Need] = set()
    tools = source.get("tools") or ()
    if tools:
        needs.add(Need.TOOLS)
        if any(is_server_tool(tool) for tool in tools):
            needs.add(Need.ANTHROPIC)
    choice = source.get("tool_choice") or {}
    kind = choice.get("type")
    if kind in ("any", "tool"):
        if not tools:
            raise Fault("tool_choice", "Invalid value for '{}': it requires a tool, but there are no 'tools'.")
        if kind == "tool" and not any(tool.get("name") == choice["name"] for tool in tools):
            raise Fault("tool_choice.name", "Invalid value for '{}': it names a tool that isn't in 'tools'.")
        needs.add(Need.FORCED_TOOL)
    if _format(source) is not None:
        needs.add(Need.JSON_SCHEMA)
    if any(source.get(name) for name in _ANTHROPIC_ONLY):
        needs.add(Need.ANTHROPIC)
    return needs


def _format(source: Json) -> dict[str, Any] | None:
    """The JSON schema that the answer must follow: `output_config.format`, once `output_format`."""
    output = source.get("output_config") or {}
    asked = output.get("format") or source.get("output_format")
    return asked if isinstance(asked, dict) and asked.get("type") == "json_schema" else None


def _body(source: Json, model: str) -> dict[str, Any]:
    """The request in the words of chat completions, for the wires that know no other."""
    body: dict[str, Any] = {"model": model, "messages": [*as_system(source.get("system"))]}
    body["messages"] += as_chat(source["messages"])
    if source.get("max_tokens") is not None:
        body["max_tokens"] = source["max_tokens"]
    for name in ("temperature", "top_p"):
        if source.get(name) is not None:
            body[name] = source[name]
    if source.get("stop_sequences"):
        body["stop"] = source["stop_sequences"]
    if source.get("stream"):
        body["stream"] = True
    if source.get("tools"):
        body["tools"] = [_tool(tool) for tool in source["tools"]]
        _add_choice(body, source.get("tool_choice"))
    _add_thinking(body, source)
    if (asked := _format(source)) is not None:
        wanted = asked.get("schema") or {}
        schema = {"name": "answer", "schema": wanted, **({"strict": True} if _is_closed(wanted) else {})}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _is_closed(schema: Any) -> bool:
    """Whether OpenAI would take it as strict: every key of every object required, and no others."""
    if not isinstance(schema, dict):
        return True
    properties = schema.get("properties")
    if properties is not None or schema.get("type") == "object":
        named = properties or {}
        if schema.get("additionalProperties") is not False or set(schema.get("required") or ()) != set(named):
            return False
        if not all(map(_is_closed, named.values())):
            return False
    inner = [schema.get("items"), *(schema.get("$defs") or {}).values(), *(schema.get("anyOf") or ())]
    return all(map(_is_closed, inner))


def _tool(tool: Json) -> dict[str, Any]:
    if "input_schema" not in tool:
        return {**tool}
    function: dict[str, Any] = {"name": tool["name"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    function["parameters"] = tool["input_schema"]
    if tool.get("strict") is True and _is_closed(tool["input_schema"]):
        function["strict"] = True
    return {"type": "function", "function": function}


def _add_choice(body: dict[str, Any], choice: Json | None) -> None:
    if not choice:
        return
    kind = choice["type"]
    if kind == "tool":
        body["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    else:
        body["tool_choice"] = "required" if kind == "any" else kind
    if choice.get("disable_parallel_tool_use") and kind != "none":
        body["parallel_tool_calls"] = False


def _add_thinking(body: dict[str, Any], source: Json) -> None:
    """In DeepSeek's words and in OpenAI's; each writer takes its own."""
    thinking = source.get("thinking") or {}
    kind = thinking.get("type")
    effort = (source.get("output_config") or {}).get("effort")
    if kind == "disabled":
        body["thinking"] = {"type": "disabled"}
        body["reasoning_effort"] = "none"
        return
    if kind in ("enabled", "adaptive"):
        body["thinking"] = {"type": "enabled"}
    if effort in _EFFORTS:
        body["reasoning_effort"] = _EFFORTS[effort]
