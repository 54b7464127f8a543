"""The tools of OpenAI's Responses: functions, freeform (`custom`) tools and namespaces of them -> plain functions.

Chat models know functions alone. A freeform tool becomes a function of one text, a namespace's tools get its name
before their own; `directory` leads the calls back to what the client knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..types import Chat, Json, Need, value
from .fields import Fault, each, object_, required, string, wrong_type

__all__ = [
    "Tool", "check_tools", "directory", "flat_name", "functions", "left_out", "tool_choice", "tool_needs",
]  # fmt: skip

_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "The whole input, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}


# Offered by agents with every turn, and run at OpenAI. A model that may but needn't search does without; what was left
# out is said in the answer's `x-levelhead-left-out`.
OPTIONAL = frozenset({"web_search", "web_search_preview"})


@value
class Tool:
    """What a function stands for. `kind`: function or custom."""

    kind: str
    name: str
    namespace: str | None = None


def check_tools(tools: object) -> None:
    """Raises `Fault`, for a tool that runs at OpenAI by its name: no chat model has it."""
    if type(tools) is not list:
        raise wrong_type("", "an array of objects", tools)
    each(tools, _tool)


def _tool(tool: Any) -> None:
    object_(tool)
    required(tool, "type", string)
    kind = tool["type"]
    if kind == "namespace":
        required(tool, "name", string)
        if type(tool.get("tools")) is not list:
            raise wrong_type("tools", "an array of objects", tool.get("tools"))
        for index, inner in enumerate(tool["tools"]):
            try:
                _tool(inner)
            except Fault as fault:
                raise fault.within(f"tools[{index}]") from None
    elif kind in OPTIONAL:
        pass
    elif kind in ("function", "custom"):
        required(tool, "name", string)
        if tool.get("parameters") is not None:
            required(tool, "parameters", object_)
    else:
        shown = kind[:64] if kind.isprintable() else "?"
        said = f"Unsupported value for '{{}}': a tool of type '{shown}' runs at OpenAI only; remove it from the tools."
        raise Fault("type", said, "unsupported_value")


def _flat(tools: Sequence[Json]) -> Iterator[tuple[str, Json, str | None]]:
    """(function's name, tool, its namespace)."""
    for tool in tools:
        if tool["type"] == "namespace":
            for inner in tool["tools"]:
                if inner["type"] not in OPTIONAL:
                    yield flat_name(inner["name"], tool["name"]), inner, tool["name"]
        elif tool["type"] not in OPTIONAL:
            yield tool["name"], tool, None


def flat_name(name: str, namespace: object) -> str:
    if not isinstance(namespace, str) or not namespace:
        return name
    joint = "" if namespace.endswith("_") or name.startswith("_") else "__"
    return f"{namespace}{joint}{name}"


def directory(tools: Sequence[Json]) -> dict[str, Tool]:
    """Of the functions that aren't what they stand for."""
    return {
        flat: Tool(tool["type"], tool["name"], namespace)
        for flat, tool, namespace in _flat(tools)
        if tool["type"] != "function" or namespace is not None
    }


def left_out(chat: Chat) -> str:
    """The types of what the client offered and no model was told of; empty for all other dialects."""
    if chat.dialect != "responses" or chat.source is None:
        return ""
    return ",".join(sorted({tool["type"] for tool in chat.source.get("tools") or () if tool["type"] in OPTIONAL}))


def functions(tools: Sequence[Json]) -> list[dict[str, Any]]:
    written = []
    for flat, tool, _ in _flat(tools):
        function: dict[str, Any] = {"name": flat}
        description = tool.get("description") or ""
        if tool["type"] == "custom":
            grammar = (tool.get("format") or {}).get("definition")
            if isinstance(grammar, str):
                description += f"\n\nThe input must follow this grammar:\n{grammar}"
            function["parameters"] = _INPUT
        else:
            function["parameters"] = tool.get("parameters") or {"type": "object", "properties": {}}
            if tool.get("strict") is True:
                function["strict"] = True
        if description:
            function["description"] = description
        written.append({"type": "function", "function": function})
    return written


def tool_choice(choice: Any) -> Any:
    """In the words of chat completions."""
    if not isinstance(choice, Mapping):
        return choice
    kind = choice.get("type")
    if kind == "allowed_tools":
        named = [
            {"type": "function", "function": {"name": flat_name(str(tool.get("name", "")), tool.get("namespace"))}}
            for tool in choice.get("tools") or ()
            if isinstance(tool, Mapping)
        ]
        return {"type": kind, kind: {"mode": choice.get("mode", "auto"), "tools": named}}
    return {"type": "function", "function": {"name": flat_name(str(choice.get("name", "")), choice.get("namespace"))}}


def tool_needs(choice: Any, tools: Sequence[Json]) -> set[Need]:
    """Raises `Fault` for a choice that can't be met."""
    tools = [tool for tool in tools if tool["type"] not in OPTIONAL]
    needs = {Need.TOOLS} if tools else set()
    kind = choice.get("type") if isinstance(choice, Mapping) else choice
    if kind in ("none", "auto", None):
        return needs
    if kind == "required" or kind == "allowed_tools":
        if not tools:
            raise Fault("tool_choice", "Invalid value for '{}': it requires a tool, but there are no 'tools'.")
        if kind == "required" or choice.get("mode") == "required":
            needs.add(Need.FORCED_TOOL)
        return needs
    if not isinstance(choice, Mapping) or kind not in ("function", "custom"):
        raise Fault("tool_choice", "Invalid value for '{}'. Supported are none, auto, required and a tool's name.")
    wanted = flat_name(str(choice.get("name")), choice.get("namespace"))
    if all(flat != wanted for flat, _, _ in _flat(tools)):
        raise Fault("tool_choice", "Invalid value for '{}': it names a tool that isn't in 'tools'.")
    return needs | {Need.FORCED_TOOL}
