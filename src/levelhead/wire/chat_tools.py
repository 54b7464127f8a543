"""Checks of `tools`, `tool_choice` and their legacy forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..types import Json, Need
from .fields import Fault, boolean, each, object_, required, string, wrong_type

__all__ = ["check_functions", "check_tool_choice", "check_tools", "tool_needs"]

_MODES = ("none", "auto", "required")


def check_tools(tools: object) -> None:
    if type(tools) is not list:
        raise wrong_type("", "an array of objects", tools)
    each(tools, _tool)


def check_functions(functions: object) -> None:
    if type(functions) is not list:
        raise wrong_type("", "an array of objects", functions)
    for index, function in enumerate(functions):
        try:
            object_(function)
            _function(function)
        except Fault as fault:
            raise fault.within(f"[{index}]") from None


def _tool(tool: Any) -> None:
    object_(tool)
    required(tool, "type", string)
    kind = tool["type"]
    if kind == "function" or kind == "custom":
        required(tool, kind, object_)
        try:
            _function(tool[kind])
        except Fault as fault:
            raise fault.within(kind) from None


def _function(function: dict[str, Any]) -> None:
    if type(function.get("name")) is not str:
        required(function, "name", string)
    for name, check in (("description", string), ("parameters", object_), ("strict", boolean)):
        if function.get(name) is not None:
            required(function, name, check)


def check_tool_choice(choice: object) -> None:
    """Its type only: whether a tool it names exists is for `tool_needs`, which sees them."""
    if type(choice) is str:
        if choice not in _MODES:
            raise Fault("", f"Invalid value for '{{}}'. Supported values are: {', '.join(_MODES)}.")
        return
    if type(choice) is not dict:
        raise wrong_type("", "a string or an object", choice)
    required(choice, "type", string)
    kind = choice["type"]
    if kind == "allowed_tools":
        required(choice, kind, _allowed_tools)
    elif kind == "function" or kind == "custom":
        required(choice, kind, _named)


def _named(value: object) -> None:
    if type(value) is not dict:
        raise wrong_type("", "an object", value)
    required(value, "name", string)


def _allowed_tools(value: object) -> None:
    if type(value) is not dict:
        raise wrong_type("", "an object", value)
    required(value, "mode", string)
    if value["mode"] not in ("auto", "required"):
        raise Fault("mode", "Invalid value for '{}'. Supported values are: auto, required.")
    if type(value.get("tools")) is not list:
        raise wrong_type("tools", "an array of objects", value.get("tools"))
    for index, tool in enumerate(value["tools"]):
        try:
            object_(tool)
            if "function" in tool:
                required(tool, "function", _named)
        except Fault as fault:
            raise fault.within(f"tools[{index}]") from None


def tool_needs(body: Json, tools: Sequence[Json]) -> set[Need]:
    """What the tools, and the obligation to use them, ask of a model. Raises `Fault` for a choice that can't be met."""
    needs = set()
    choice = body.get("tool_choice")
    if tools:
        needs.add(Need.TOOLS)
        if any(tool["type"] != "function" for tool in tools):
            needs.add(Need.CUSTOM_TOOLS)
    if isinstance(choice, dict):
        kind = choice["type"]
        if kind != "allowed_tools" or choice[kind]["mode"] == "required":
            needs.add(Need.FORCED_TOOL)
        if kind in ("function", "custom") and not any(
            tool["type"] == kind and tool[kind]["name"] == choice[kind]["name"] for tool in tools
        ):
            raise Fault("tool_choice", "Invalid value for '{}': it names a tool that isn't in 'tools'.")
    elif choice == "required":
        if not tools:
            raise Fault("tool_choice", "Invalid value for '{}': it requires a tool, but there are no 'tools'.")
        needs.add(Need.FORCED_TOOL)
    if isinstance(body.get("function_call"), dict):
        needs.add(Need.FORCED_TOOL)
    return needs
