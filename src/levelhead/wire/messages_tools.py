"""Tools, tool names and ids, tool choice: OpenAI's shapes -> Anthropic's, and the names back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from ..errors import NotCapable
from ..types import Chat, Json
from .claude import ClaudeTraits
from .messages_parts import cache_mark
from .messages_schema import closed_schema, under_defs, unions_in

__all__ = [
    "ask_for_tool",
    "clean_id",
    "clean_name",
    "original_names",
    "remembered_tools",
    "write_tool_choice",
    "write_tools",
]

_LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,128}\Z")
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]+")
_COMBINATORS = ("anyOf", "oneOf", "allOf")
_EXTRAS = ("defer_loading", "allowed_callers", "input_examples", "eager_input_streaming")
# All strict schemas of a request are compiled into one grammar, and the vendor refuses those above a size it doesn't
# publish. Beyond these bounds `strict` would cost the request; without it the arguments still follow the schema.
_MAX_STRICT_TOOLS = 8
_MAX_STRICT_UNIONS = 16
_EMPTY_SCHEMA: dict[str, Any] = {"type": "object", "properties": {}}

Tool = dict[str, Any]


def clean_name(name: str) -> str:
    """A legal tool name, the same for the same name wherever it occurs; a legal one is left alone."""
    return name if _LEGAL.match(name) else _hashed(name)


def clean_id(original: str) -> str:
    return original if _LEGAL.match(original) else _hashed(original)


def _hashed(text: str) -> str:
    return f"{_ILLEGAL.sub('_', text)[:115]}_{sha256(text.encode()).hexdigest()[:12]}"


def _function(tool: Json) -> Mapping[str, Any] | None:
    function = tool.get("function")
    return function if isinstance(function, dict) else None


def _declared(chat: Chat) -> Sequence[Json]:
    if chat.tools:
        return chat.tools
    functions = chat.body.get("functions")
    if not isinstance(functions, list):
        return ()
    return [{"type": "function", "function": one} for one in functions if isinstance(one, dict)]


def original_names(chat: Chat) -> dict[str, str]:
    """Clean name -> the client's own, for those that had to be cleaned."""
    names = [str((_function(tool) or tool).get("name", "")) for tool in _declared(chat)]
    return {clean: name for name in names if name and (clean := clean_name(name)) != name}


def write_tools(chat: Chat, traits: ClaudeTraits) -> list[Tool]:
    """The catalogue, in the client's order, each name once.

    Raises `NotCapable` for a tool that is neither a function nor one of the vendor's own.
    """
    allowed = _allowed_names(chat.body.get("tool_choice"))
    tools: dict[str, Tool] = {}
    for at, tool in enumerate(_declared(chat)):
        written = _write_tool(tool, at)
        name = str(written.get("name") or f"#{at}")
        if allowed is None or name in allowed:
            tools.setdefault(name, written)
    catalogue = list(tools.values())
    _settle_strict(catalogue, traits)
    return catalogue


def _write_tool(tool: Json, at: int) -> Tool:
    function = _function(tool)
    kind = tool.get("type")
    if function is None and isinstance(tool.get("input_schema"), dict):  # already in Anthropic's shape
        function = {**tool, "parameters": tool["input_schema"]}
    elif function is None or kind not in ("function", None):
        if isinstance(kind, str) and (kind.rsplit("_", 1)[-1].isdigit() or kind == "mcp_toolset"):
            return {key: value for key, value in tool.items() if key != "function"}  # web_search_20250305 and kin
        raise NotCapable(f"Anthropic models can't take a tool of type {kind!r}.", param=f"tools[{at}].type")
    written: Tool = {"name": clean_name(str(function.get("name") or f"tool_{at}"))}
    description = function.get("description")
    if isinstance(description, str) and description:
        written["description"] = description
    written["input_schema"] = _input_schema(function.get("parameters"))
    if function.get("strict") is True:
        written["strict"] = True
    for key in _EXTRAS:
        value = tool.get(key, function.get(key))
        if value is not None:
            written[key] = value
    mark = cache_mark(tool) or cache_mark(function)
    if mark is not None:
        written["cache_control"] = mark
    return written


def _input_schema(schema: object) -> dict[str, Any]:
    """An object at the top, without combinators there, definitions under `$defs`: what the vendor insists on."""
    if not isinstance(schema, dict) or not schema:
        return dict(_EMPTY_SCHEMA)
    schema = under_defs(schema)
    plain = schema.get("type") == "object" and not any(word in schema for word in _COMBINATORS)
    if plain and isinstance(schema.get("properties"), dict) and schema.get("required", ()) is not None:
        return schema
    return _flattened(schema)


def _flattened(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Combinators at the top become one object that takes every branch's properties."""
    flat = {key: value for key, value in schema.items() if key not in _COMBINATORS}
    flat["type"] = "object"
    properties: dict[str, Any] = {}
    required = _names(schema)
    for word in _COMBINATORS:
        several = schema.get(word)
        branches = [one for one in several if isinstance(one, dict)] if isinstance(several, list) else []
        for branch in branches:
            properties.update(_properties(branch))
        always = [set(_names(branch)) for branch in branches]
        if always:
            names = set.union(*always) if word == "allOf" else set.intersection(*always)
            required += sorted(names - set(required))
    flat["properties"] = {**properties, **_properties(schema)}
    flat.pop("required", None)
    if required:
        flat["required"] = required
    return flat


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What isn't JSON Schema says nothing: the tool still has its name and its description."""
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _names(schema: Mapping[str, Any]) -> list[str]:
    found = schema.get("required")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _settle_strict(tools: list[Tool], traits: ClaudeTraits) -> None:
    strict = [tool for tool in tools if tool.get("strict")]
    if not strict:
        return
    closed = [closed_schema(tool["input_schema"]) for tool in strict]
    fits = len(strict) <= _MAX_STRICT_TOOLS and sum(map(unions_in, closed)) <= _MAX_STRICT_UNIONS
    for tool, schema in zip(strict, closed, strict=True):
        if traits.structured_outputs and fits and schema is not None:
            tool["input_schema"] = schema
        else:
            del tool["strict"]


def remembered_tools(turns: Iterable[Mapping[str, Any]]) -> list[Tool]:
    """A catalogue for a conversation that holds calls but declares no tools any more: the vendor wants one."""
    names = dict.fromkeys(
        block["name"]
        for turn in turns
        if turn["role"] == "assistant"
        for block in turn["content"]
        if block["type"] == "tool_use"
    )
    return [{"name": name, "input_schema": dict(_EMPTY_SCHEMA)} for name in names]


def _allowed_names(choice: object) -> frozenset[str] | None:
    """OpenAI's `allowed_tools` choice narrows the catalogue."""
    if not isinstance(choice, dict) or choice.get("type") != "allowed_tools":
        return None
    allowed = choice.get("allowed_tools")
    allowed = allowed if isinstance(allowed, dict) else choice
    tools = [tool for tool in allowed.get("tools") or () if isinstance(tool, dict)]
    return frozenset(clean_name(str((_function(tool) or tool).get("name", ""))) for tool in tools)


def write_tool_choice(body: Json) -> dict[str, Any] | None:
    """`tool_choice` and `parallel_tool_calls`, or the legacy `function_call`, which knows one call at a time.

    None: the vendor's default.
    """
    choice = body.get("tool_choice", body.get("function_call"))
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        choice = (choice.get("allowed_tools") or choice).get("mode", "auto")
    written: dict[str, Any] | None = None
    if choice in ("required", "any"):
        written = {"type": "any"}
    elif choice in ("none", "auto"):
        written = {"type": choice}
    elif isinstance(choice, dict):
        name = (_function(choice) or choice).get("name")
        kind = choice.get("type")
        if isinstance(name, str):
            written = {"type": "tool", "name": clean_name(name)}
        elif kind in ("auto", "any", "none", "required"):
            written = {"type": "any" if kind == "required" else kind}
    single = body.get("parallel_tool_calls") is False or (body.get("functions") and not body.get("tools"))
    if single and (written or {}).get("type") != "none":
        written = {**(written or {"type": "auto"}), "disable_parallel_tool_use": True}
    elif written == {"type": "auto"}:
        written = None
    return written


def ask_for_tool(choice: Mapping[str, Any], turns: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Models that refuse a forced tool are asked for it. Behind the breakpoints: it differs from turn to turn."""
    wanted = f"the tool `{choice['name']}`" if choice["type"] == "tool" else "one of the tools"
    block = {"type": "text", "text": f"(Answer this by calling {wanted}.)"}
    last = turns[-1]
    content = last["content"]
    spoken = [{"type": "text", "text": content}] if isinstance(content, str) else content
    turns[-1] = {**last, "content": [*spoken, block]}
    parallel = choice.get("disable_parallel_tool_use")
    return {"type": "auto", "disable_parallel_tool_use": True} if parallel else None
