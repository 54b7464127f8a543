"""What api.openai.com refuses of a chat completion, in its own words: `check(body)` gives the refusal, or None."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .openai_schema import check_response_format
from .replies import Refusal

__all__ = ["bad", "check", "check_pairing", "is_reasoning_model", "mentions_json"]

Json = Mapping[str, Any]

_KNOWN = frozenset({
    "model", "messages", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "metadata", "modalities", "moderation", "n", "parallel_tool_calls",
    "prediction", "presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention",
    "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store",
    "stream", "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user",
    "verbosity", "web_search_options",
})  # fmt: skip
_MESSAGE_KEYS = frozenset({
    "role", "content", "name", "tool_calls", "tool_call_id", "function_call", "refusal", "audio", "annotations",
})  # fmt: skip
_PART_KEYS = {
    "text": {"type", "text", "prompt_cache_breakpoint"},
    "image_url": {"type", "image_url", "prompt_cache_breakpoint"},
    "input_audio": {"type", "input_audio", "prompt_cache_breakpoint"},
    "file": {"type", "file", "prompt_cache_breakpoint"},
    "refusal": {"type", "refusal"},
}
_PARTS_OF = {
    "user": ("text", "image_url", "input_audio", "file"),
    "assistant": ("text", "refusal"),
    "system": ("text",),
    "developer": ("text",),
    "tool": ("text",),
    "function": (),
}
_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "model": (str, "a string"),
    "messages": (list, "an array of objects"),
    "stream": (bool, "a boolean"),
    "tools": (list, "an array of objects"),
    "n": (int, "an integer"),
    "max_tokens": (int, "an integer"),
    "max_completion_tokens": (int, "an integer"),
    "temperature": ((int, float), "a decimal"),
    "top_p": ((int, float), "a decimal"),
}
_BOUNDS = {
    "temperature": ("decimal", 0, 2),
    "top_p": ("decimal", 0, 1),
    "presence_penalty": ("decimal", -2, 2),
    "frequency_penalty": ("decimal", -2, 2),
    "n": ("integer", 1, 128),
    "top_logprobs": ("integer", 0, 20),
    "max_tokens": ("integer", 1, None),
    "max_completion_tokens": ("integer", 1, None),
}
_NAME = "^[a-zA-Z0-9_-]+$"


def bad(message: str, param: str | None = None, code: str | None = None) -> Refusal:
    return Refusal(status=400, message=message, type="invalid_request_error", param=param, code=code)


def is_reasoning_model(model: str) -> bool:
    return re.match(r"(o\d|gpt-[5-9])", model.rsplit("/", 1)[-1]) is not None


def check(body: Json, *, output_cap: int = 128_000) -> Refusal | None:
    """The vendor's refusal of a chat completions body. `output_cap`: the model's own, tokens."""
    return next(_complaints(body, output_cap), None)


def _complaints(body: Json, output_cap: int) -> Iterator[Refusal]:
    for name in body:
        if name not in _KNOWN:
            yield bad(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    if not body.get("model"):
        yield bad("you must provide a model parameter")
    if "messages" not in body:
        yield bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    for name, (kind, wanted) in _TYPES.items():
        value = body.get(name)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            yield bad(
                f"Invalid type for '{name}': expected {wanted}, but got something else instead.", name, "invalid_type"
            )
    yield from _numbers(body)
    yield from _limits_of_model(body, output_cap)
    yield from _combinations(body)
    yield from _tools(body)
    yield from _messages(body["messages"])
    yield from check_pairing(body["messages"])
    complaint = check_response_format(body.get("response_format"), mentions_json(body["messages"]))
    if complaint:
        yield bad(complaint, "response_format")


def _numbers(body: Json) -> Iterator[Refusal]:
    for name, (kind, low, high) in _BOUNDS.items():
        value = body.get(name)
        if value is None:
            continue
        if value < low:
            message = (
                f"Invalid '{name}': {kind} below minimum value. Expected a value >= {low}, but got {value} instead."
            )
            yield bad(message, name, f"{kind}_below_min_value")
        if high is not None and value > high:
            message = (
                f"Invalid '{name}': {kind} above maximum value. Expected a value <= {high}, but got {value} instead."
            )
            yield bad(message, name, f"{kind}_above_max_value")


def _limits_of_model(body: Json, output_cap: int) -> Iterator[Refusal]:
    model = body["model"]
    for name in ("max_tokens", "max_completion_tokens"):
        asked = body.get(name)
        if asked is not None and asked > output_cap:
            said = f"{name} is too large: {asked}. This model supports at most {output_cap} completion tokens"
            yield bad(f"{said}, whereas you provided {asked}.", name, "invalid_value")
    if not is_reasoning_model(model):
        return
    if body.get("max_tokens") is not None:
        said = "Unsupported parameter: 'max_tokens' is not supported with this model."
        yield bad(f"{said} Use 'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter")
    for name in ("temperature", "top_p"):
        if body.get(name) not in (None, 1):
            said = f"Unsupported value: '{name}' does not support {body[name]} with this model."
            yield bad(f"{said} Only the default (1) value is supported.", name, "unsupported_value")
    for name in ("presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "logit_bias"):
        if body.get(name):
            yield bad(
                f"Unsupported parameter: '{name}' is not supported with this model.", name, "unsupported_parameter"
            )


def _combinations(body: Json) -> Iterator[Refusal]:
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        said = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        yield bad(said, "max_tokens", "invalid_parameter_combination")
    if body.get("stream_options") is not None and not body.get("stream"):
        yield bad("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        yield bad("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.", "top_logprobs")
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > 4:
        yield _too_long("stop", 4, len(stop))


def _tools(body: Json) -> Iterator[Refusal]:
    tools = body.get("tools")
    if tools is None:
        for name in ("tool_choice", "parallel_tool_calls"):
            if body.get(name) is not None and body[name] != "none":
                yield bad(f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified.", name)
        return
    if not tools:
        said = "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead."
        yield bad(said, "tools", "empty_array")
    if len(tools) > 128:
        yield _too_long("tools", 128, len(tools))
    names = set()
    for at, tool in enumerate(tools):
        if tool.get("type") not in ("function", "custom"):
            said = f"Invalid value: '{tool.get('type')}'. Supported values are: 'function' and 'custom'."
            yield bad(said, f"tools[{at}].type", "invalid_value")
        inner = tool.get(tool["type"], {})
        yield from _name(inner.get("name"), f"tools[{at}].{tool['type']}.name")
        names.add(inner["name"])
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        wanted = (choice.get("function") or choice.get("custom") or {}).get("name")
        if wanted is not None and wanted not in names:
            yield bad(f"Tool choice '{wanted}' not found in 'tools' parameter.", "tool_choice")
    elif choice not in (None, "none", "auto", "required"):
        said = f"Invalid value: '{choice}'. Supported values are: 'none', 'auto', and 'required'."
        yield bad(said, "tool_choice", "invalid_value")


def _name(name: object, param: str) -> Iterator[Refusal]:
    if not isinstance(name, str):
        yield bad(f"Missing required parameter: '{param}'.", param, "missing_required_parameter")
    elif len(name) > 64:
        yield _string_too_long(param, 64, len(name))
    elif not re.fullmatch(_NAME, name):
        said = (
            f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '{_NAME}'."
        )
        yield bad(said, param, "invalid_value")


def _messages(messages: Sequence[Json]) -> Iterator[Refusal]:
    if not messages:
        said = (
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead."
        )
        yield bad(said, "messages", "empty_array")
    for at, message in enumerate(messages):
        where, role = f"messages[{at}]", message.get("role")
        if role not in _PARTS_OF:
            roles = "'system', 'assistant', 'user', 'function', 'tool', and 'developer'"
            said = f"Invalid value: '{role}'. Supported values are: {roles}."
            yield bad(said, f"{where}.role", "invalid_value")
        for name in message:
            if name not in _MESSAGE_KEYS:
                yield bad(f"Unknown parameter: '{where}.{name}'.", f"{where}.{name}", "unknown_parameter")
        yield from _content(message, where)
        for number, call in enumerate(message.get("tool_calls") or ()):
            if len(call["id"]) > 40:
                yield _string_too_long(f"{where}.tool_calls[{number}].id", 40, len(call["id"]))
            if call.get("type") == "function":
                yield from _name(call["function"].get("name"), f"{where}.tool_calls[{number}].function.name")


def _content(message: Json, where: str) -> Iterator[Refusal]:
    content, role = message.get("content"), message["role"]
    if content is None:
        if role != "assistant" or not (
            message.get("tool_calls") or message.get("refusal") or message.get("function_call")
        ):
            yield bad("Invalid value for 'content': expected a string, got null.", f"{where}.content")
        return
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        said = f"Invalid type for '{where}.content': expected one of a string or array of objects."
        yield bad(said, f"{where}.content", "invalid_type")
    for at, part in enumerate(content):
        kind, here = part.get("type"), f"{where}.content[{at}]"
        if kind not in _PARTS_OF[role]:
            wanted = ", ".join(f"'{name}'" for name in _PARTS_OF[role])
            yield bad(f"Invalid value: '{kind}'. Supported values are: {wanted}.", f"{here}.type", "invalid_value")
        for name in part:
            if name not in _PART_KEYS[kind]:
                yield bad(f"Unknown parameter: '{here}.{name}'.", f"{here}.{name}", "unknown_parameter")


def check_pairing(messages: Sequence[Json]) -> Iterator[Refusal]:
    """Every tool call has its result in the tool messages behind it, and no tool message stands alone."""
    open_ids: set[str] = set()
    known: set[str] = set()
    for at, message in enumerate([*messages, {"role": "end"}]):
        if message["role"] == "tool":
            if message.get("tool_call_id") not in known:
                said = "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
                yield bad(f"Invalid parameter: {said}", f"messages.[{at}].role")
            open_ids.discard(message["tool_call_id"])
            continue
        if open_ids:
            said = (
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                f"{', '.join(sorted(open_ids))}"
            )
            yield bad(said, f"messages.[{at}].role")
        known = {call["id"] for call in message.get("tool_calls") or ()}
        open_ids = set(known)


def mentions_json(messages: Sequence[Json]) -> bool:
    return any("json" in str(message.get("content", "")).lower() for message in messages)


def _too_long(param: str, most: int, got: int) -> Refusal:
    said = f"Invalid '{param}': array too long. Expected an array with maximum length {most}"
    return bad(f"{said}, but got an array with length {got} instead.", param, "array_above_max_length")


def _string_too_long(param: str, most: int, got: int) -> Refusal:
    said = f"Invalid '{param}': string too long. Expected a string with maximum length {most}"
    return bad(f"{said}, but got a string with length {got} instead.", param, "string_above_max_length")
