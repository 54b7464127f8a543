"""Sampling, formats, users, cache marks and headers -> what Anthropic takes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from claude_calls import (
    HAIKU,
    MARK,
    SCHEMA,
    SONNET_46,
    SONNET_55,
    bot,
    make_call,
    sent,
    text,
    tool,
    user,
)

from levelhead.types import Call
from levelhead.wire.messages import headers


@pytest.mark.parametrize(
    ("model", "body", "kept"),
    [
        (HAIKU, {"temperature": 1.9}, {"temperature": 1}),
        (HAIKU, {"temperature": 0, "top_p": 0.5}, {"temperature": 0}),
        (HAIKU, {"top_p": 0.5, "top_k": 4}, {"top_p": 0.5, "top_k": 4}),
        (SONNET_46, {"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3}),
        ("claude-sonnet-4-20250514", {"temperature": 0.3, "top_p": 0.5}, {"temperature": 0.3, "top_p": 0.5}),
        ("claude-opus-4-7", {"temperature": 0, "top_p": 0.5, "top_k": 4}, {}),
        (SONNET_55, {"temperature": 1, "top_p": 1}, {}),
        (HAIKU, {"temperature": 0, "reasoning_effort": "low"}, {}),
    ],
)
def test_sampling(model: str, body: dict[str, Any], kept: dict[str, Any]) -> None:
    written = sent(body, model)
    assert {name: written[name] for name in ("temperature", "top_p", "top_k") if name in written} == kept


def test_stops_of_white_space_are_left_out() -> None:
    assert sent({"stop": ["\n", "END", ""]})["stop_sequences"] == ["END"]
    assert "stop_sequences" not in sent({"stop": "\n\n"})


def test_the_cap_is_the_routers() -> None:
    assert sent({"max_tokens": 7}, cap=5)["max_tokens"] == 5


def test_what_the_vendor_doesnt_know_stays_behind() -> None:
    body = {
        "seed": 1,
        "presence_penalty": 1,
        "store": True,
        "metadata": {"run": "r"},
        "service_tier": "flex",
        "x": 1,
    }
    assert sent(body).keys() == {"model", "max_tokens", "messages"}


def test_what_the_vendor_knows_travels() -> None:
    body = {"container": "c", "service_tier": "standard_only", "inference_geo": "eu"}
    written = sent({**body, "context_management": {"edits": []}})
    assert {name: written[name] for name in body} == body
    assert written["context_management"] == {"edits": []}


@pytest.mark.parametrize(
    ("body", "user_id"),
    [
        ({"user": "u-1"}, "u-1"),
        ({"safety_identifier": "9f86d081", "user": "u-1"}, "9f86d081"),
        ({"metadata": {"user_id": "abc"}}, "abc"),
        ({"user": "ann@example.com"}, None),
        ({"user": "Ann Smith"}, None),
        ({"user": "+49-170-1234567"}, None),
        ({"user": "x" * 300}, None),
    ],
)
def test_only_an_opaque_user_is_named(body: dict[str, Any], user_id: str | None) -> None:
    assert sent(body).get("metadata") == (None if user_id is None else {"user_id": user_id})


def test_streams() -> None:
    assert sent({"stream": True})["stream"] is True
    assert "stream" not in sent({"stream": False})


def schema_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}}


def test_a_schema_is_native_and_closed() -> None:
    loose = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    closed = sent(schema_format(loose))["output_config"]["format"]["schema"]
    assert closed["additionalProperties"] is False
    assert closed["properties"]["n"] == {"type": "integer", "description": "{minimum: 1}"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"m": {"type": "object", "additionalProperties": {"type": "string"}}}},
        {"type": "object"},
    ],
)
def test_an_open_map_is_asked_for_in_words(schema: dict[str, Any]) -> None:
    written = sent(schema_format(schema))
    assert "output_config" not in written
    assert orjson.dumps(schema).decode() in written["system"][-1]["text"]


def test_older_models_are_asked_in_words() -> None:
    written = sent(schema_format(SCHEMA), "claude-3-5-haiku-latest", cap=100)
    assert "JSON Schema" in written["system"][-1]["text"]


def test_a_json_object_is_asked_for() -> None:
    messages = [{"role": "system", "content": "A"}, user("Hi.")]
    written = sent({"messages": messages, "response_format": {"type": "json_object"}})
    assert written["system"][0] == text("A")
    assert "JSON" in written["system"][1]["text"]


def test_format_and_effort_share_their_place() -> None:
    written = sent({**schema_format(SCHEMA), "reasoning_effort": "low"})
    assert written["output_config"].keys() == {"effort", "format"}


LONG = [{"role": "system", "content": "S"}, user("A"), bot("B"), user("C")]


def marks(body: dict[str, Any], minimum: int | None = 512, model: str = SONNET_55) -> list[str]:
    written = sent(body, model, prompt_cache_min_tokens=minimum)
    blocks = [*written.get("tools", ()), *written.get("system", ())]
    blocks += [block for turn in written["messages"] for block in turn["content"]]
    return [str(block.get("text") or block.get("name")) for block in blocks if "cache_control" in block]


def test_one_question_is_not_written_to_the_cache() -> None:
    assert marks({"messages": LONG[:2], "tools": [tool()]}) == []


def test_a_conversation_is_written_to_the_cache() -> None:
    assert marks({"messages": LONG}) == ["S", "A", "C"]
    assert marks({"messages": LONG[1:], "tools": [tool()]}) == ["f", "A", "C"]


def test_a_large_catalogue_is_written_to_the_cache() -> None:
    tools = [tool(f"f{at}", description="x" * 200) for at in range(12)]
    assert marks({"messages": LONG[:2], "tools": tools}) == ["S", "A"]
    assert marks({"messages": LONG[:2], "tools": tools}, minimum=4096) == []


def test_nothing_is_marked_where_there_is_no_cache() -> None:
    assert marks({"messages": LONG}, minimum=None) == []


def test_a_client_that_marks_is_left_alone() -> None:
    marked = [*LONG[:3], {**user("C"), "cache_control": MARK}]
    assert marks({"messages": marked}) == ["C"]


def test_at_most_four_marks_are_left_the_first_and_the_last() -> None:
    parts = [{**text(str(at)), "cache_control": MARK} for at in range(9)]
    assert marks({"messages": [user(parts)]}) == ["0", "6", "7", "8"]
    written = sent({"messages": [user(parts)], "cache_control": MARK})
    assert written["cache_control"] == MARK


def test_an_hour_never_follows_five_minutes() -> None:
    hour = {**MARK, "ttl": "1h"}
    parts = [{**text("a"), "cache_control": MARK}, {**text("b"), "cache_control": hour}]
    written = sent({"messages": [user(parts)], "cache_control": hour})
    assert [block["cache_control"] for block in written["messages"][0]["content"]] == [MARK, MARK]
    assert written["cache_control"] == MARK
    ordered = sent({"messages": [user([{**text("a"), "cache_control": hour}])], "cache_control": hour})
    assert ordered["cache_control"] == hour


def test_the_clients_betas_travel_the_version_is_ours() -> None:
    call = make_call({"mcp_servers": [{"type": "url"}], "context_management": {"edits": []}})
    forwarded = (
        ("Anthropic-Beta", "a-2026-01-01, mcp-client-2026-09-15"),
        ("anthropic-version", "2026-10-21"),
        ("openai-organization", "o"),
    )
    written = headers(Call(call.chat, call.model, 1, 1.0, forward_headers=forwarded))
    assert written == [
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "a-2026-01-01,mcp-client-2026-09-15,context-management-2025-06-27"),
    ]
