from __future__ import annotations

import json

import orjson
import pytest

from levelhead.errors import InvalidRequest
from levelhead.types import Need
from levelhead.wire.chat import read_request

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def read(**fields: object):
    return read_request(orjson.dumps({"model": "auto", "messages": [USER], **fields}))


def fault(**fields: object) -> str | None:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    error = caught.value
    assert error.http_status == 400
    assert error.code
    assert error.param is None or error.param in error.message
    return error.param


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b'{"model":"auto","messages":[{"role":"user","content":"\xff"}]}',
        b'{"model":"auto","messages":[{"role":"user","content":"\\ud800"}]}',
        b'{"model":"auto","temperature":NaN}',
        b"{} {}",
        b"[" * 100_000,
        b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"x":' + b"[" * 300 + b"]" * 300 + b"}",
        b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_body_that_cannot_be_read(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_request(raw)
    assert caught.value.code == "invalid_json"
    # the parser's error holds the whole prompt: no traceback may show it
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


WRONG = [True, 1, 1.5, "x", [], {}, [1]]
# per field: what it may be; every value of WRONG that isn't is refused under the field's own name
FIELDS: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "max_tokens": (int,),
    "max_completion_tokens": (int,),
    "n": (int,),
    "seed": (int,),
    "top_logprobs": (int,),
    "temperature": (int, float),
    "top_p": (int, float),
    "presence_penalty": (int, float),
    "frequency_penalty": (int, float),
    "stream": (bool,),
    "store": (bool,),
    "logprobs": (bool,),
    "parallel_tool_calls": (bool,),
    "reasoning_effort": (str,),
    "user": (str,),
    "service_tier": (str,),
    "verbosity": (str,),
    "prompt_cache_key": (str,),
    "safety_identifier": (str,),
    "metadata": (dict,),
    "logit_bias": (dict,),
    "stream_options": (dict,),
    "prediction": (dict,),
    "audio": (dict,),
    "web_search_options": (dict,),
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, kinds in FIELDS.items() for value in WRONG if type(value) not in kinds],
)
def test_a_field_of_a_wrong_type_is_named(name: str, value: object) -> None:
    assert fault(**{name: value}) == name


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": {"type": "text"}}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"text": "hi"}]}]}, "messages[0].content[0].type"),
        ({"messages": [USER, USER, {"role": "user", "content": [{"type": 3}]}]}, "messages[2].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "messages[0].content[0].image_url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x"}}]}]},
            "messages[0].content[0].input_audio.format",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": 1}}]}]},
            "messages[0].content[0].file.file_data",
        ),
        ({"messages": [{"role": "user", "content": "x", "name": 1}]}, "messages[0].name"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": 1}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "function", "content": "x"}]}, "messages[0].name"),
        ({"messages": [{"role": "assistant", "content": None, "tool_calls": {}}]}, "messages[0].tool_calls"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [CALL, {**CALL, "id": 5}]}]},
            "messages[0].tool_calls[1].id",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "x", "arguments": {}}}]}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"messages": [{"role": "assistant", "function_call": {"name": "x"}}]}, "messages[0].function_call.arguments"),
        ({"tools": {}}, "tools"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"function": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": "function", "function": {}}]}, "tools[1].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "x", "parameters": []}}]},
            "tools[0].function.parameters",
        ),
        ({"tools": [{"type": "custom", "custom": {}}]}, "tools[0].custom.name"),
        ({"functions": [{"description": "x"}]}, "functions[0].name"),
        ({"tool_choice": "sometimes", "tools": [TOOL]}, "tool_choice"),
        ({"tool_choice": 1, "tools": [TOOL]}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {}}, "tools": [TOOL]}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "function", "function": {"name": "other"}}, "tools": [TOOL]}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}, "tools": [TOOL]},
            "tool_choice.allowed_tools.tools",
        ),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.name"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": 1}}},
            "response_format.json_schema.schema",
        ),
        ({"stop": 1}, "stop"),
        ({"stop": ["a", 1]}, "stop[1]"),
        ({"modalities": ["text", 1]}, "modalities[1]"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"logit_bias": {"50256": "x"}}, "logit_bias.50256"),
        ({"logit_bias": {"50256": 200}}, "logit_bias.50256"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"function_call": 1}, "function_call"),
        ({"function_call": {}}, "function_call.name"),
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], param: str) -> None:
    assert fault(**fields) == param


def test_an_error_never_quotes_the_prompt() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(messages=[{"role": "top secret", "content": "x"}])
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": [{"type": "text", "text": "be brief"}]},
        {"role": "user", "content": "", "name": "ann"},
        {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "content": [{"type": "brand_new", "anything": 1}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "x", "input": "y"}}]},
        {"role": "assistant", "content": "x", "tool_calls": []},
        {
            "role": "assistant",
            "content": "x",
            "tool_calls": None,
            "refusal": None,
            "audio": None,
            "function_call": None,
        },
        {"role": "assistant", "content": None, "refusal": "no"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
        {"role": "assistant", "content": None, "function_call": {"name": "x", "arguments": "{}"}},
        {"role": "assistant", "content": None, "audio": {"id": "audio_1"}},
        {"role": "assistant", "content": None, "reasoning_content": "hm"},
        {"role": "assistant", "content": "x", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"role": "function", "name": "x", "content": None},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "x"}]},
    ],
)
def test_what_openai_takes_is_taken(message: dict[str, object]) -> None:
    assert read(messages=[USER, message]).messages[1] == message


def test_what_is_read() -> None:
    chat = read(
        stream=True,
        stream_options={"include_usage": True},
        temperature=0,
        max_tokens=5,
        max_completion_tokens=7,
        tools=[TOOL],
        brand_new={"x": [1]},
    )
    assert (chat.dialect, chat.model, chat.n, chat.temperature, chat.output_cap) == ("chat", "auto", 1, 0, 7)
    assert chat.stream
    assert chat.include_usage
    assert chat.tools == [TOOL]
    assert chat.body["brand_new"] == {"x": [1]}
    assert chat.needs == {Need.TOOLS}


def test_null_is_the_same_as_nothing() -> None:
    names = (*FIELDS, "tools", "tool_choice", "response_format", "stop", "functions")
    chat = read(**{name: None for name in names if name != "model"})
    assert (chat.needs, chat.stream, chat.n, chat.output_cap, chat.include_usage) == (set(), False, 1, None, False)


def test_usage_without_a_stream_is_not_asked_for() -> None:
    assert not read(stream_options={"include_usage": True}).include_usage


def test_a_model_may_be_implied() -> None:
    raw = orjson.dumps({"messages": [USER]})
    assert read_request(raw, default_model="auto").model == "auto"
    with pytest.raises(InvalidRequest) as caught:
        read_request(raw)
    assert caught.value.param == "model"


def part(**fields: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": [fields]}]}


@pytest.mark.parametrize(
    ("fields", "needs"),
    [
        ({"tools": []}, set()),
        ({"tools": [TOOL], "tool_choice": "none"}, {Need.TOOLS}),
        ({"tools": [TOOL], "tool_choice": "required"}, {Need.TOOLS, Need.FORCED_TOOL}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "look"}}},
            {Need.TOOLS, Need.FORCED_TOOL},
        ),
        (
            {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            {Need.TOOLS},
        ),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}},
            },
            {Need.TOOLS, Need.FORCED_TOOL},
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, {Need.TOOLS, Need.CUSTOM_TOOLS}),
        ({"tools": [TOOL, {"type": "web_search"}]}, {Need.TOOLS, Need.CUSTOM_TOOLS}),
        ({"functions": [{"name": "x"}], "function_call": {"name": "x"}}, {Need.TOOLS, Need.FORCED_TOOL}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, {Need.JSON_SCHEMA}),
        ({"n": 2}, {Need.CHOICES}),
        ({"logprobs": True}, {Need.LOGPROBS}),
        ({"logprobs": False}, set()),
        ({"logit_bias": {"1": -100}}, {Need.LOGIT_BIAS}),
        ({"logit_bias": {}}, set()),
        ({"modalities": ["text"]}, set()),
        ({"modalities": ["text", "audio"]}, {Need.AUDIO}),
        (part(type="image_url", image_url={"url": "https://example.com/a.png"}), {Need.VISION}),
        (part(type="image", source={"type": "base64", "data": "AAAA"}), {Need.VISION}),
        (part(type="input_audio", input_audio={"data": "AAAA", "format": "wav"}), {Need.AUDIO}),
        (part(type="file", file={"file_id": "file-1"}), {Need.DOCUMENTS}),
        (part(type="document", source={"type": "base64", "data": "AAAA"}), {Need.DOCUMENTS}),
    ],
)
def test_needs(fields: dict[str, object], needs: set[Need]) -> None:
    assert read(**fields).needs == needs


@pytest.mark.parametrize("text", ["plain", "日本語のテキスト", "\x00\x1f", '"\\/', "🦊" * 50])
def test_text_bytes_bounds_the_text(text: str) -> None:
    """Raw, and escaped as other encoders do: six bytes of JSON for at most three of UTF-8."""
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    for raw in (orjson.dumps(body), json.dumps(body).encode()):
        assert read_request(raw).text_bytes >= len(text.encode())


def test_images_are_counted_not_read() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}}
    chat = read(messages=[{"role": "user", "content": [picture, picture, {"type": "text", "text": "x" * 500}]}])
    assert chat.images == 2
    assert 500 < chat.text_bytes < 1000


def test_files_cost_text() -> None:
    small = part(type="file", file={"file_data": "data:application/pdf;base64," + "A" * 9_972, "filename": "a.pdf"})
    assert 5_000 < read(**small).text_bytes < 5_500
    large = part(type="file", file={"file_data": "A" * 5_000_000})
    assert 300_000 < read(**large).text_bytes < 301_000
    assert read(**part(type="file", file={"file_id": "file-1"})).text_bytes > 300_000
