"""What OpenAI and DeepSeek refuse, said in their words and found in their order."""

from __future__ import annotations

from typing import Any

import pytest

from levelhead.testing import deepseek_rules, openai_rules

USER = {"role": "user", "content": "say it in json"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "ok"}


def body(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4.1", "messages": list(messages) or [USER], **fields}


def schema(**inner: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": inner}}


CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


@pytest.mark.parametrize(
    "good",
    [
        body(),
        body(USER, ASKED, RESULT, tools=[TOOL], tool_choice="required"),
        body({"role": "developer", "content": "x"}, USER, model="o3", max_completion_tokens=9, reasoning_effort="low"),
        body({"role": "user", "content": [{"type": "text", "text": "x"},
                                          {"type": "image_url", "image_url": {"url": "data:"}}]}),
        body(stream=True, stream_options={"include_usage": True}, n=2, stop=["a"], seed=1),
        body(logprobs=True, top_logprobs=3),
        body(response_format=schema(**CLOSED)),
        body(response_format={"type": "json_object"}),
        body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}, parallel_tool_calls=False),
    ],
)  # fmt: skip
def test_openai_takes(good):
    assert openai_rules.check(good) is None


@pytest.mark.parametrize(
    ("bad", "words", "code"),
    [
        ({"messages": [USER]}, "must provide a model", None),
        ({"model": "gpt-4.1"}, "Missing required parameter: 'messages'", "missing_required_parameter"),
        (body(frequency=1), "Unknown parameter: 'frequency'", "unknown_parameter"),
        (body(messages=[]), "empty array", "empty_array"),
        (body(messages="x"), "Invalid type for 'messages'", "invalid_type"),
        (body(stream="yes"), "Invalid type for 'stream'", "invalid_type"),
        (body({"role": "alien", "content": "x"}), "Invalid value: 'alien'", "invalid_value"),
        (body({**USER, "reasoning_content": "x"}), "messages[0].reasoning_content", "unknown_parameter"),
        (body({"role": "user", "content": None}), "expected a string, got null", None),
        (body({"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}), "cache_control",
         "unknown_parameter"),
        (body({"role": "user", "content": [{"type": "thinking"}]}), "Invalid value: 'thinking'", "invalid_value"),
        (body(USER, ASKED, USER, tools=[TOOL]), "did not have response messages: call_1", None),
        (body(USER, RESULT), "must be a response to a preceeding message", None),
        (body(USER, {**ASKED, "tool_calls": [{**CALL, "id": "x" * 41}]}), "maximum length 40",
         "string_above_max_length"),
        (body(temperature=3), "<= 2", "decimal_above_max_value"),
        (body(max_tokens=999_999), "max_tokens is too large: 999999", "invalid_value"),
        (body(max_tokens=9, max_completion_tokens=9), "at the same time", "invalid_parameter_combination"),
        (body(model="o3", max_tokens=9), "'max_tokens' is not supported with this model", "unsupported_parameter"),
        (body(model="gpt-5.6", temperature=0), "'temperature' does not support 0", "unsupported_value"),
        (body(model="o3", logprobs=True), "'logprobs' is not supported", "unsupported_parameter"),
        (body(stop=list("abcde")), "maximum length 4", "array_above_max_length"),
        (body(stream_options={"include_usage": True}), "only allowed when 'stream'", None),
        (body(tool_choice="auto"), "only allowed when 'tools' are specified", None),
        (body(tools=[]), "Invalid 'tools': empty array", "empty_array"),
        (body(tools=[TOOL] * 129), "maximum length 128", "array_above_max_length"),
        (body(tools=[{**TOOL, "function": {"name": "a.b"}}]), "does not match pattern", "invalid_value"),
        (body(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), "'g' not found", None),
        (body({"role": "user", "content": "x"}, response_format={"type": "json_object"}), "contain the word", None),
        (body(response_format=schema(**{**CLOSED, "additionalProperties": True})), "'additionalProperties'", None),
        (body(response_format=schema(**{**CLOSED, "required": []})), "Missing 'a'", None),
        (body(response_format=schema(type="array")), 'type: "object"', None),
    ],
)  # fmt: skip
def test_openai_refuses(bad, words, code):
    refusal = openai_rules.check(bad)
    assert refusal is not None
    assert words in refusal.message
    assert (refusal.status, refusal.code) == (400, code)


def deep(*messages: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "deepseek-v4-flash", "messages": list(messages) or [USER], **fields}


OFF = {"thinking": {"type": "disabled"}}
THOUGHT = {**ASKED, "reasoning_content": ""}


@pytest.mark.parametrize(
    "good",
    [
        deep(unknown_field=1, temperature=0.3, user_id="x"),
        deep(USER, THOUGHT, RESULT, tools=[TOOL]),
        deep(USER, ASKED, RESULT, tools=[TOOL], **OFF),
        deep(tools=[TOOL], tool_choice="required", **OFF),
        deep(tools=[TOOL], tool_choice="auto"),
        deep(USER, {"role": "assistant", "content": "x"}, USER),
        deep(response_format={"type": "json_object"}, max_tokens=393_216),
    ],
)
def test_deepseek_takes(good):
    assert deepseek_rules.check(good, models=("deepseek-v4-flash",)) is None


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (deep(model="gpt-4"), "Model Not Exist"),
        (deep({"role": "developer", "content": "x"}), "unknown variant `developer`, expected one of"),
        (deep({"role": "user", "content": [{"type": "image_url"}]}), "unknown variant `image_url`, expected `text`"),
        (deep(max_tokens=393_217), "the valid range of max_tokens is [1, 393216]"),
        (deep(USER, ASKED, RESULT, tools=[TOOL]), "The `reasoning_content` in the thinking mode must be passed back"),
        (deep(USER, THOUGHT, tools=[TOOL]), "insufficient tool messages following tool_calls message"),
        (deep(USER, RESULT), "must be a response to a preceeding message"),
        (deep(tools=[TOOL], tool_choice="required"), "Thinking mode does not support this tool_choice"),
        (deep(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}), "Thinking mode does not"),
        (deep(tools=[{"type": "custom", "custom": {"name": "f"}}]), "expected `function`"),
        (deep(tools=[TOOL] * 129), "maximum length 128"),
        (deep(response_format={"type": "json_schema"}), "This response_format type is unavailable now"),
        (deep({"role": "user", "content": "x"}, response_format={"type": "json_object"}), "contain the word 'json'"),
        (deep(stop=["x"] * 17), "16 stop"),
    ],
)
def test_deepseek_refuses(bad, words):
    refusal = deepseek_rules.check(bad, models=("deepseek-v4-flash",))
    assert refusal is not None
    assert words in refusal.message
