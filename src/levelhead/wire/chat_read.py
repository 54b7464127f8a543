"""OpenAI chat completions: a client's body -> `Chat`."""

from __future__ import annotations

from typing import Any

import orjson

from ..errors import InvalidRequest
from ..types import Chat, Json, Need
from .chat_messages import Tally, check_messages
from .chat_tools import check_functions, check_tool_choice, check_tools, tool_needs
from .fields import (
    Check,
    Fault,
    boolean,
    integer,
    known_fields,
    missing,
    number,
    object_,
    one_or_more_strings,
    required,
    string,
    strings,
    wrong_type,
)

__all__ = ["MAX_DEPTH", "parse_body", "read_request"]

MAX_DEPTH = 250


def _function_call(value: object) -> None:
    if type(value) is dict:
        required(value, "name", string)
    elif value not in ("none", "auto"):
        raise wrong_type("", "'none', 'auto' or an object", value)


def _response_format(value: object) -> None:
    if type(value) is not dict:
        raise wrong_type("", "an object", value)
    required(value, "type", string)
    if value["type"] == "json_schema":
        required(value, "json_schema", _json_schema)


def _json_schema(value: object) -> None:
    if type(value) is not dict:
        raise wrong_type("", "an object", value)
    required(value, "name", string)
    if value.get("schema") is not None:
        required(value, "schema", object_)


def _stream_options(value: object) -> None:
    if type(value) is not dict:
        raise wrong_type("", "an object", value)
    for name in ("include_usage", "include_obfuscation"):
        if value.get(name) is not None:
            required(value, name, boolean)


def _logit_bias(value: object) -> None:
    if type(value) is not dict:
        raise wrong_type("", "an object", value)
    for token, bias in value.items():
        try:
            _BIAS(bias)
        except Fault as fault:
            raise fault.within(token) from None


_NOTHING: frozenset[Need] = frozenset()
_BIAS = number(-100, 100)
_POSITIVE = integer(1)
_CHECKS: dict[str, Check] = {
    "audio": object_,
    "frequency_penalty": number(-2, 2),
    "function_call": _function_call,
    "functions": check_functions,
    "logit_bias": _logit_bias,
    "logprobs": boolean,
    "max_completion_tokens": _POSITIVE,
    "max_tokens": _POSITIVE,
    "metadata": object_,
    "modalities": strings,
    "model": string,
    "n": integer(1, 128),
    "parallel_tool_calls": boolean,
    "prediction": object_,
    "presence_penalty": number(-2, 2),
    "prompt_cache_key": string,
    "reasoning_effort": string,
    "response_format": _response_format,
    "safety_identifier": string,
    "seed": integer(-(2**63), 2**63 - 1),
    "service_tier": string,
    "stop": one_or_more_strings,
    "store": boolean,
    "stream": boolean,
    "stream_options": _stream_options,
    "temperature": number(0, 2),
    "tool_choice": check_tool_choice,
    "tools": check_tools,
    "top_logprobs": integer(0, 20),
    "top_p": number(0, 1),
    "user": string,
    "verbosity": string,
    "web_search_options": object_,
}


def read_request(raw: bytes, *, default_model: str | None = None) -> Chat:
    """Raises `InvalidRequest` naming the field. `default_model` stands in where the body names none."""
    body = parse_body(raw)
    tally = Tally()
    try:
        known_fields(body, _CHECKS)
        model = body.get("model") or default_model
        if not model:
            raise missing("model")
        messages = body.get("messages")
        if messages is None:
            raise missing("messages")
        try:
            check_messages(messages, tally)
        except Fault as fault:
            raise fault.within("messages") from None
        tools = body.get("tools") or [{"type": "function", "function": f} for f in body.get("functions") or ()]
        needs = tally.needs
        if tools or body.get("tool_choice"):
            needs |= tool_needs(body, tools)
    except Fault as fault:
        raise fault.error() from None
    _add_needs(body, needs)
    stream = body.get("stream") is True
    options = body.get("stream_options")
    return Chat(
        dialect="chat",
        body=body,
        model=model,
        messages=messages,
        tools=tools,
        stream=stream,
        include_usage=stream and options is not None and options.get("include_usage") is True,
        n=body.get("n") or 1,
        output_cap=body.get("max_completion_tokens") or body.get("max_tokens"),
        temperature=body.get("temperature"),
        needs=frozenset(needs),
        # An escape is never shorter than the UTF-8 it stands for, so the body's own length bounds its text.
        text_bytes=max(0, len(raw) - tally.opaque),
        images=tally.images,
        history_needs=frozenset(tally.recent - needs) if tally.recent else _NOTHING,
    )


def parse_body(raw: bytes) -> dict[str, Any]:
    """A JSON object nested at most `MAX_DEPTH` levels deep. Raises `InvalidRequest`."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "depth" in error.msg or "ecursion" in error.msg:  # orjson's own limit is 1024
            raise _too_deep() from None
        raise InvalidRequest(f"The body is not valid JSON: {error.msg}.", code="invalid_json") from None
    if type(body) is not dict:
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    try:
        orjson.dumps([[[[body]]]])  # nests 254 levels at most: far cheaper than any walk over the tree
    except TypeError:
        raise _too_deep() from None
    return body


def _too_deep() -> InvalidRequest:
    return InvalidRequest(f"The body is nested deeper than {MAX_DEPTH} levels.", code="invalid_json")


def _add_needs(body: Json, needs: set[Need]) -> None:
    response_format = body.get("response_format")
    if response_format is not None and response_format["type"] == "json_schema":
        needs.add(Need.JSON_SCHEMA)
    if (body.get("n") or 1) > 1:
        needs.add(Need.CHOICES)
    if body.get("logprobs") or body.get("top_logprobs"):
        needs.add(Need.LOGPROBS)
    if body.get("logit_bias"):
        needs.add(Need.LOGIT_BIAS)
    modalities = body.get("modalities")
    if modalities is not None and "audio" in modalities:
        needs.add(Need.AUDIO)
