"""Content parts and tools -> what Anthropic takes, or a refusal that names the part."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from claude_calls import (
    FABLE,
    HAIKU,
    OPUS_48,
    OPUS_55,
    SCHEMA,
    SONNET_55,
    bot,
    make_call,
    result,
    sent,
    text,
    tool,
    turns,
    user,
)

from levelhead.errors import InvalidRequest, NotCapable
from levelhead.testing.anthropic_rules import check
from levelhead.wire.messages import read_answer, write_request


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://a.io/b.png", {"type": "url", "url": "https://a.io/b.png"}),
        ("data:image/png;base64,iVBORw0K", {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}),
        ("data:image/jpg;base64,AAAA", {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"}),
        ("data:image/png;base64,/9j/4AAQ", {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}),
        ("DATA:image/gif;x=y;BASE64,R0lGODlh", {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}),
        ("UklGRgAA", {"type": "base64", "media_type": "image/webp", "data": "UklGRgAA"}),
        (
            "data:image/png;base64,iVBORw0K\r\nGgo",
            {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        ),
        ("data:image/png;base64,iVBORw0K-_8%3D", {"type": "base64", "media_type": "image/png", "data": "iVBORw0K+/8="}),
        ("data:image/png,%89PNG", {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}),
    ],
)
def test_images(url: str, source: dict[str, Any]) -> None:
    part = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    assert turns([user([part])])[0]["content"] == [{"type": "image", "source": source}]


def test_files() -> None:
    pdf = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"}}
    plain = base64.b64encode("größer".encode()).decode()
    note = {"type": "file", "file": {"filename": "a.md", "file_data": f"data:text/markdown;base64,{plain}"}}
    first, second = turns([user([pdf, note])])[0]["content"]
    assert first["source"] == {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"}
    assert second["source"] == {"type": "text", "media_type": "text/plain", "data": "größer"}
    assert (first["title"], second["title"]) == ("a.pdf", "a.md")


@pytest.mark.parametrize(
    ("part", "param"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}},
            "messages[0].content[1].image_url.url",
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64"}},
            "messages[0].content[1].image_url.url",
        ),
        ({"type": "image_url", "image_url": {"url": "nonsense!"}}, "messages[0].content[1].image_url.url"),
        ({"type": "file", "file": {"file_id": "file-abc"}}, "messages[0].content[1].file.file_id"),
        ({"type": "file", "file": {}}, "messages[0].content[1].file"),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "messages[0].content[1]"),
        ({"type": "hologram"}, "messages[0].content[1]"),
    ],
)
def test_what_cant_be_carried_is_named(part: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        sent({"messages": [user([text("x"), part])]})
    assert caught.value.param == param


def test_the_vendors_own_parts_pass() -> None:
    document = {
        "type": "document",
        "source": {"type": "url", "url": "https://a.io/b.pdf"},
        "citations": {"enabled": True},
    }
    assert turns([user([document])])[0]["content"] == [document]


def test_names_are_cleaned_and_given_back() -> None:
    names = ["get.weather", "get_weather", "天気", "x" * 200]
    call = make_call({"tools": [tool(name) for name in names]})
    written = orjson.loads(write_request(call))
    assert check(written) is None
    clean = [one["name"] for one in written["tools"]]
    content = [{"type": "tool_use", "id": f"t{at}", "name": name, "input": {}} for at, name in enumerate(clean)]
    answer = read_answer(orjson.dumps({"content": content, "stop_reason": "tool_use"}), call)
    calls = answer.body["choices"][0]["message"]["tool_calls"]
    assert [one["function"]["name"] for one in calls] == names


def test_a_named_choice_and_the_history_follow() -> None:
    messages = [user("A"), bot(None, "c1"), result("c1")]
    messages[1]["tool_calls"][0]["function"]["name"] = "a.b"
    choice = {"type": "function", "function": {"name": "a.b"}}
    written = sent({"messages": messages, "tools": [tool("a.b")], "tool_choice": choice}, HAIKU)
    name = written["tools"][0]["name"]
    assert written["tool_choice"]["name"] == name == written["messages"][1]["content"][0]["name"]


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        ("auto", None, None),
        ("auto", True, None),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ("required", False, {"type": "any", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choices(choice: Any, parallel: Any, written: Any) -> None:
    body = {"tools": [tool(), tool("g")], "tool_choice": choice, "parallel_tool_calls": parallel}
    assert sent(body, HAIKU).get("tool_choice") == written


@pytest.mark.parametrize("model", [OPUS_55, SONNET_55, FABLE])
def test_a_model_that_cant_be_forced_is_asked(model: str) -> None:
    choice = {"type": "function", "function": {"name": "f"}}
    written = sent({"tools": [tool()], "tool_choice": choice}, model)
    assert "tool_choice" not in written
    assert "`f`" in written["messages"][-1]["content"][-1]["text"]


def test_a_forced_tool_beats_a_thinking_budget() -> None:
    written = sent({"tools": [tool()], "tool_choice": "required", "reasoning_effort": "high"}, HAIKU)
    assert "thinking" not in written
    assert "thinking" in sent({"tools": [tool()], "tool_choice": "required", "reasoning_effort": "high"}, OPUS_48)


def test_a_narrowed_choice_narrows_the_catalogue() -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    assert [one["name"] for one in sent({"tools": [tool(), tool("g")], "tool_choice": choice})["tools"]] == ["g"]


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"type": "object", "properties": None, "required": None}, {"type": "object", "properties": {}}),
        (
            {"oneOf": [SCHEMA, {"type": "object", "properties": {"b": {}}, "required": ["b"]}]},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
        ),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/definitions/x"}}, "definitions": {"x": {}}},
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": {}}},
        ),
    ],
)
def test_schemas_become_what_the_vendor_insists_on(parameters: Any, schema: dict[str, Any]) -> None:
    assert sent({"tools": [tool(parameters=parameters)]})["tools"][0]["input_schema"] == schema


def test_strict_schemas_are_closed_and_few() -> None:
    few = sent({"tools": [tool(strict=True)]})["tools"]
    assert few[0]["strict"] is True
    many = sent({"tools": [tool(f"f{at}", strict=True) for at in range(30)]})["tools"]
    assert not any("strict" in one for one in many)
    assert "strict" not in sent({"tools": [tool(strict=True)]}, "claude-3-5-haiku-latest", cap=100)["tools"][0]


def test_tools_of_other_kinds() -> None:
    own = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
    assert sent({"tools": [own]})["tools"] == [own]
    with pytest.raises(NotCapable) as caught:
        sent({"tools": [tool(), {"type": "custom", "custom": {"name": "shell"}}]})
    assert caught.value.param == "tools[1].type"


def test_one_name_twice_is_one_tool() -> None:
    assert len(sent({"tools": [tool(), tool()]})["tools"]) == 1
