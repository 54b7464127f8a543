"""OpenAI's POST /v1/responses as a client's dialect: its body -> `Chat`."""

from __future__ import annotations

from typing import Any

import orjson

from ..errors import InvalidRequest
from ..types import Chat, Json, Need
from .chat_messages import Tally
from .chat_read import parse_body
from .fields import (
    Check,
    Fault,
    boolean,
    integer,
    known_fields,
    missing,
    number,
    object_,
    required,
    string,
    strings,
    unsupported,
    wrong_type,
)
from .responses_items import as_messages, check_items
from .responses_references import Recall, resolved
from .responses_tools import check_tools, functions, tool_choice, tool_needs

__all__ = ["Recall", "items_of", "read_request"]


def _reasoning(value: object) -> None:
    object_(value)
    assert isinstance(value, dict)
    for name in ("effort", "summary"):
        if value.get(name) is not None:
            required(value, name, string)


def _text(value: object) -> None:
    object_(value)
    assert isinstance(value, dict)
    if value.get("format") is not None:
        required(value, "format", _format)


def _format(value: object) -> None:
    object_(value)
    assert isinstance(value, dict)
    required(value, "type", string)
    if value["type"] == "json_schema":
        required(value, "name", string)
        required(value, "schema", object_)


_CHECKS: dict[str, Check] = {
    "background": unsupported("answers are given at once here."),
    "conversation": unsupported("conversations aren't stored here; send previous_response_id or the items."),
    "include": strings,
    "instructions": string,
    "max_output_tokens": integer(1),
    "metadata": object_,
    "model": string,
    "parallel_tool_calls": boolean,
    "previous_response_id": string,
    "prompt": unsupported("prompts stored at OpenAI can't be read from here."),
    "prompt_cache_key": string,
    "reasoning": _reasoning,
    "safety_identifier": string,
    "service_tier": string,
    "store": boolean,
    "stream": boolean,
    "temperature": number(0, 2),
    "text": _text,
    "tools": check_tools,
    "top_logprobs": integer(0, 20),
    "top_p": number(0, 1),
    "truncation": string,
    "user": string,
}
_SAME = ("temperature", "top_p", "metadata", "parallel_tool_calls", "prompt_cache_key", "safety_identifier",
         "service_tier", "user", "prompt_cache_retention")  # fmt: skip


def read_request(raw: bytes, *, default_model: str | None = None, recall: Recall | None = None) -> Chat:
    """Raises `InvalidRequest` naming the field. `recall` gives the items up to and with an earlier response, None where
    it isn't known; `default_model` stands in where the body names none."""
    source = parse_body(raw)
    tally = Tally()
    recalled: list[Json] = []
    if recall is not None and isinstance(source.get("input"), list):
        source["input"], recalled = resolved(source["input"], recall)
    try:
        known_fields(source, _CHECKS)
        model = source.get("model") or default_model
        if not model:
            raise missing("model")
        items = _input(source, tally)
        needs = tool_needs(source.get("tool_choice"), source.get("tools") or ())
    except Fault as fault:
        raise fault.error() from None
    earlier = _earlier(source, recall)
    recalled += earlier
    body = _body(source, model, [*earlier, *items])
    if not body["messages"]:
        raise missing("input").error()
    needs |= tally.needs | _needs(source)
    return Chat(
        dialect="responses",
        body=body,
        model=model,
        messages=body["messages"],
        tools=body.get("tools", ()),
        stream=source.get("stream") is True,
        include_usage=True,
        output_cap=source.get("max_output_tokens"),
        temperature=source.get("temperature"),
        needs=frozenset(needs),
        history_needs=frozenset(tally.recent - needs),
        text_bytes=max(0, len(raw) + (len(orjson.dumps(recalled)) if recalled else 0) - tally.opaque),
        images=tally.images,
        source=source,
    )


def items_of(chat: Chat) -> list[Json]:
    """The request's own input, as items."""
    source = chat.source or {}
    given = source.get("input")
    return [{"role": "user", "content": given}] if isinstance(given, str) else list(given or ())


def _input(source: Json, tally: Tally) -> list[Json]:
    given = source.get("input")
    if given is None:
        raise missing("input")
    if type(given) is str:
        return [{"role": "user", "content": given}]
    if type(given) is not list:
        raise wrong_type("input", "a string or an array of items", given)
    try:
        check_items(given, tally)
    except Fault as fault:
        raise fault.within("input") from None
    return given


def _earlier(source: Json, recall: Recall | None) -> list[Json]:
    wanted = source.get("previous_response_id")
    if not wanted:
        return []
    known = recall(wanted) if recall is not None else None
    if known is None:
        raise InvalidRequest(
            "No response with that id is kept here: it is unknown, too old, or was made with store=false.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return known


def _needs(source: Json) -> set[Need]:
    needs: set[Need] = set()
    if ((source.get("text") or {}).get("format") or {}).get("type") == "json_schema":
        needs.add(Need.JSON_SCHEMA)
    if source.get("top_logprobs") or "message.output_text.logprobs" in (source.get("include") or ()):
        needs.add(Need.LOGPROBS)
    return needs


def _body(source: Json, model: str, items: list[Json]) -> dict[str, Any]:
    """The request in the words of chat completions."""
    messages: list[Json] = []
    if source.get("instructions"):
        messages.append({"role": "system", "content": source["instructions"]})
    body: dict[str, Any] = {"model": model, "messages": messages + as_messages(items)}
    for name in _SAME:
        if source.get(name) is not None:
            body[name] = source[name]
    if source.get("max_output_tokens") is not None:
        body["max_completion_tokens"] = source["max_output_tokens"]
    if source.get("stream"):
        body["stream"] = True
    tools = functions(source.get("tools") or ())
    if tools:
        body["tools"] = tools
        if source.get("tool_choice") is not None:
            body["tool_choice"] = tool_choice(source["tool_choice"])
    else:
        body.pop("parallel_tool_calls", None)
    if effort := (source.get("reasoning") or {}).get("effort"):
        body["reasoning_effort"] = effort
    if Need.LOGPROBS in _needs(source):
        body["logprobs"] = True
        if source.get("top_logprobs"):
            body["top_logprobs"] = source["top_logprobs"]
    text = source.get("text") or {}
    if text.get("verbosity"):
        body["verbosity"] = text["verbosity"]
    if (asked := text.get("format")) and asked["type"] != "text":
        kept = {name: value for name, value in asked.items() if name != "type" and value is not None}
        body["response_format"] = {"type": asked["type"], **({"json_schema": kept} if kept else {})}
    return body
