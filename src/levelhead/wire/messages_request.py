"""A call -> the body and headers of Anthropic's POST /v1/messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from ..types import Call, Chat, Json
from .claude import ClaudeTraits, family
from .messages_cache import set_breakpoints
from .messages_parts import cache_mark
from .messages_schema import closed_schema
from .messages_thinking import Thinking, has_thinking, plan_for
from .messages_through import count_body, write_through
from .messages_tools import ask_for_tool, remembered_tools, write_tool_choice, write_tools
from .messages_turns import Turn, write_turns

__all__ = ["VERSION", "count_request", "headers", "read_count", "wants_json", "write_request"]

VERSION = "2023-06-01"  # the next one, 2026-10-21, takes no temperature from any model
_BINDING_BETA = "thinking-binding-controls-2026-08-01"
_BETAS = {
    "mcp_servers": "mcp-client-2025-11-20",
    "context_management": "context-management-2025-06-27",
    "speed": "fast-mode-2026-02-01",
    "diagnostics": "cache-diagnosis-2026-04-07",
}
# The vendor refuses every key it doesn't know, so these alone travel on as they are.
_PASSED = ("container", "context_management", "mcp_servers", "inference_geo", "speed", "diagnostics")
_OPAQUE = re.compile(r"[A-Za-z0-9_.:|=+/-]{1,256}\Z")
_PHONE = re.compile(r"\+?[0-9.-]{7,20}\Z")
_JSON_ONLY = "Answer with one valid JSON object and nothing else: no Markdown fence, no text before or after it."


def write_request(call: Call) -> bytes:
    """The body, valid by the vendor's rules for `call.model`.

    Raises `NotCapable` or `InvalidRequest`, naming the field, for what the model can't be given.
    """
    chat, model = call.chat, call.model
    if chat.dialect == "messages" and chat.source is not None:
        return write_through(call, chat.source)
    body = chat.body
    traits = family(model.upstream_model)
    tools = write_tools(chat, traits)
    choice = write_tool_choice(body) if tools else None
    prefill = traits.prefill and model.capabilities.prefill
    thinking = plan_for(call, chat.body, chat.messages, choice, prefill=prefill)
    output_format, instruction = _write_format(body, traits)
    replays = thinking.active or (not traits.claude and model.capabilities.thinking != "none")
    system, turns = write_turns(
        chat.messages,
        traits,
        thinks=replays,
        prefill=prefill and output_format is None,
        repairs=call.repairs,
    )
    if not tools and (tools := remembered_tools(turns)):
        choice = {"type": "none"}
    system += [{"type": "text", "text": text} for text in [instruction] if text]
    top = set_breakpoints(model, tools, system, turns, cache_mark(body))
    if choice is not None and choice["type"] in ("any", "tool") and not traits.forced_tool:
        choice = ask_for_tool(choice, turns)
        call.repairs["choice_softened"] = 1
    written: dict[str, Any] = {"model": model.upstream_model, "max_tokens": call.output_cap}
    if tools:
        written["tools"] = tools
    if system:
        written["system"] = system
    written["messages"] = turns
    if choice is not None:
        written["tool_choice"] = choice
    if chat.stream:
        written["stream"] = True
    if top is not None:
        written["cache_control"] = top
    _add_thinking(written, thinking, output_format, turns, traits)
    _add_settings(written, call, traits, thinking)
    return orjson.dumps(written)


def count_request(call: Call) -> bytes:
    """The body of /v1/messages/count_tokens for a client of this dialect."""
    assert call.chat.source is not None
    return count_body(call, call.chat.source)


def read_count(raw: bytes) -> int | None:
    """None for bytes that are no count."""
    try:
        count = orjson.loads(raw)["input_tokens"]
    except (ValueError, KeyError, TypeError):
        return None
    return count if isinstance(count, int) else None


def headers(call: Call) -> list[tuple[str, str]]:
    """All of the vendor's own headers: the version that bodies are written for, the betas that this one needs, and the
    client's betas and other `anthropic-` headers; and the trace that the call belongs to."""
    forwarded = {name.lower(): value for name, value in call.forward_headers if _travels(name.lower())}
    given = forwarded.pop("anthropic-beta", "").split(",")
    betas = dict.fromkeys(one.strip() for one in given if one.strip())
    named = {beta[:-11] for beta in betas}  # without their dates: the client knows best which one it wants
    betas |= {beta: None for field, beta in _BETAS.items() if call.chat.body.get(field) and beta[:-11] not in named}
    traits = family(call.model.upstream_model)
    if traits.bound_thinking and any(has_thinking(message) for message in call.chat.messages):
        betas[_BINDING_BETA] = None
    if call.chat.dialect != "messages":
        forwarded["anthropic-version"] = VERSION
    forwarded.setdefault("anthropic-version", VERSION)
    if betas:
        forwarded["anthropic-beta"] = ",".join(betas)
    return list(forwarded.items())


def _travels(name: str) -> bool:
    return name.startswith("anthropic-") or name in ("traceparent", "tracestate")


def wants_json(chat: Chat) -> bool:
    """Whether the client asked for JSON in the text itself."""
    asked = chat.body.get("response_format")
    return isinstance(asked, Mapping) and asked.get("type") in ("json_object", "json_schema")


def _add_thinking(
    written: dict[str, Any],
    thinking: Thinking,
    output_format: dict[str, Any] | None,
    turns: list[Turn],
    traits: ClaudeTraits,
) -> None:
    config = thinking.config
    if traits.bound_thinking and thinking.active and any(_thinks(turn) for turn in turns):
        # a translated history may differ from the one that the thinking was bound to: better without it than refused
        config = {**(config or {"type": "adaptive"})}
        config.setdefault("block_binding", {"prefix_mismatch_behavior": "drop_block"})
    if config is not None:
        written["thinking"] = config
    output = {"effort": thinking.effort, "format": output_format}
    if any(output.values()):
        written["output_config"] = {key: value for key, value in output.items() if value}


def _thinks(turn: Turn) -> bool:
    return turn["role"] == "assistant" and any(block["type"].endswith("thinking") for block in turn["content"])


def _add_settings(written: dict[str, Any], call: Call, traits: ClaudeTraits, thinking: Thinking) -> None:
    body = call.chat.body
    stops = body.get("stop")
    stops = [stops] if isinstance(stops, str) else stops or ()
    stops = [stop for stop in stops if isinstance(stop, str) and stop.strip()]
    if stops:
        written["stop_sequences"] = stops
    hottest = 1 if traits.claude else 2
    if traits.sampling and call.model.capabilities.sampling and not thinking.manual:
        for name in ("temperature", "top_p", "top_k"):
            value = body.get(name)
            if isinstance(value, int | float):
                written[name] = value if name == "top_k" else min(hottest, max(0, value))
        if "temperature" in written and not traits.both_sampling:
            written.pop("top_p", None)
    user = _user_id(body)
    if user is not None:
        written["metadata"] = {"user_id": user}
    if body.get("service_tier") in ("default", "standard_only"):
        written["service_tier"] = "standard_only"
    for name in _PASSED:
        value = body.get(name)
        if value is not None and (name != "context_management" or isinstance(value, Mapping)):
            written[name] = value


def _user_id(body: Json) -> str | None:
    """An opaque id only: the vendor refuses e-mail addresses, and wants neither names nor telephone numbers."""
    metadata = body.get("metadata")
    given = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    for user in (given, body.get("safety_identifier"), body.get("user")):
        if isinstance(user, str) and _OPAQUE.match(user) and not _PHONE.match(user):
            return user
    return None


def _write_format(body: Json, traits: ClaudeTraits) -> tuple[dict[str, Any] | None, str]:
    """`response_format` as a native format, or as an instruction where there is none for it."""
    output = body.get("output_config")
    if isinstance(output, Mapping) and isinstance(output.get("format"), dict) and traits.structured_outputs:
        return output["format"], ""
    asked = body.get("response_format")
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if kind == "json_object":
        return None, _JSON_ONLY
    if kind != "json_schema" or not isinstance(asked, Mapping):
        return None, ""
    schema = (asked.get("json_schema") or {}).get("schema")
    if not isinstance(schema, dict) or not schema:
        return None, _JSON_ONLY
    closed = closed_schema(schema) if traits.structured_outputs else None
    if closed is not None and "type" in closed:
        return {"type": "json_schema", "schema": closed}, ""
    return None, f"{_JSON_ONLY} It must conform to this JSON Schema:\n{orjson.dumps(schema).decode()}"
