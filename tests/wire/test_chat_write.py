from __future__ import annotations

from typing import Any

import orjson
import pytest

from levelhead.testing import deepseek_rules, openai_rules
from levelhead.types import Call, Capabilities, Model, Price
from levelhead.wire.chat import read_request, write_request
from levelhead.wire.chat_repair import mended_messages, mended_tools

PRICE = Price(1e-6, 2e-6, 1e-7, 1e-6, 1e-6)
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "seen"}


def model(name: str, base_url: str | None = "http://127.0.0.1:9/v1", **capabilities: Any) -> Model:
    limits = {"max_output_tokens": 4096, **capabilities}
    return Model("m", "efficient", 0, "openai", name, PRICE, Capabilities(**limits), base_url)


DEEPSEEK = model("deepseek-v4-flash")
OPENAI = model("gpt-4.1")
REASONING = model("gpt-5.2", sampling=False)
OTHER = model("Qwen/Qwen4-32B")


def sent(to: Model, *, cap: int = 1000, messages: list[dict[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    raw = orjson.dumps({"model": "auto", "messages": messages or [USER], **fields})
    chat = read_request(raw)
    before = orjson.dumps(chat.body)
    body = orjson.loads(write_request(Call(chat, to, cap, 10.0)))
    assert orjson.dumps(chat.body) == before  # the client's body is never changed
    if to is DEEPSEEK:
        assert deepseek_rules.check(body, models=(DEEPSEEK.upstream_model,)) is None
    elif to is not OTHER and "brand_new" not in fields:
        assert openai_rules.check(body) is None
    return body


def test_the_body_travels_as_it_is() -> None:
    fields = {"seed": 7, "stop": ["x"], "user": "u", "brand_new": {"deep": [1, {"x": None}]}, "temperature": 0.5}
    assert sent(OTHER, **fields) == {
        "model": "Qwen/Qwen4-32B",
        "messages": [USER],
        "max_tokens": 1000,
        **fields,
    }


@pytest.mark.parametrize("asked", [{}, {"max_tokens": 9}, {"max_completion_tokens": 9}])
@pytest.mark.parametrize(
    ("to", "name"),
    [
        (DEEPSEEK, "max_tokens"),
        (OPENAI, "max_tokens"),
        (OTHER, "max_tokens"),
        (model("gpt-oss-120b"), "max_tokens"),
        (REASONING, "max_completion_tokens"),
        (model("o4-mini"), "max_completion_tokens"),
        (model("gpt-5"), "max_completion_tokens"),
        (model("openai/gpt-5.6-mini"), "max_completion_tokens"),
    ],
)
def test_the_cap_has_its_vendors_name(to: Model, name: str, asked: dict[str, int]) -> None:
    body = orjson.loads(
        write_request(Call(read_request(orjson.dumps({"model": "auto", "messages": [USER], **asked})), to, 700, 1.0))
    )
    assert {key: value for key, value in body.items() if key.startswith("max_")} == {name: 700}


def test_the_cap_stays_below_the_models_own() -> None:
    assert sent(DEEPSEEK, cap=1_000_000)["max_tokens"] == 4096


def test_a_stream_always_reports_usage() -> None:
    body = sent(OPENAI, stream=True, stream_options={"include_usage": False, "include_obfuscation": False})
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True, "include_obfuscation": False}
    assert sent(OPENAI, stream=True)["stream_options"] == {"include_usage": True}
    assert not {"stream", "stream_options"} & sent(OPENAI, stream_options={"include_usage": True}, stream=False).keys()


@pytest.mark.parametrize(
    ("metadata", "openai", "deepseek"),
    [
        ({"run": "r", "slot": "s", "session": "x", "task": "t"}, None, None),
        ({"run": "r", "team": "a"}, {"team": "a"}, None),
        ({}, None, None),
        (None, None, None),
    ],
)
def test_our_metadata_stays_here(metadata: object, openai: object, deepseek: object) -> None:
    assert sent(OPENAI, metadata=metadata).get("metadata") == openai
    assert sent(DEEPSEEK, metadata=metadata).get("metadata") == deepseek


def test_sampling_is_left_to_models_that_insist() -> None:
    fields = {"temperature": 0, "top_p": 0.5, "presence_penalty": 1, "frequency_penalty": 1}
    assert not fields.keys() & sent(REASONING, **fields).keys()
    assert fields.items() <= sent(OPENAI, **fields).items()


def test_no_tools_are_no_field() -> None:
    body = sent(OPENAI, tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & body.keys()


MARK = {"cache_control": {"type": "ephemeral"}}
ANTHROPIC_HISTORY: list[dict[str, Any]] = [
    {"role": "developer", "content": "be brief"},
    {"role": "system", "content": [{"type": "text", "text": "be kind", **MARK}]},
    {**USER, **MARK},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [CALL],
        "thinking_blocks": [{"type": "thinking", "thinking": "look first", "signature": "x"}],
        "reasoning_content": "look first",
    },
    RESULT,
    {"role": "assistant", "content": "ok", "tool_calls": []},
    {"role": "assistant", "content": None, "reasoning_content": "only thought"},
    USER,
]


@pytest.mark.parametrize("to", [DEEPSEEK, OPENAI, REASONING, OTHER])
def test_a_foreign_history_is_mended(to: Model) -> None:
    tool = {**TOOL, **MARK, "function": {**TOOL["function"], **MARK}}
    body = sent(to, messages=ANTHROPIC_HISTORY, tools=[tool])
    written = orjson.dumps(body)
    assert b"cache_control" not in written
    assert b"thinking_blocks" not in written
    assert body["tools"] == [TOOL]
    developer, system, user, turn, result, plain, thought, last = body["messages"]
    openai = to in (OPENAI, REASONING)
    assert developer["role"] == ("developer" if openai else "system")
    assert system["content"] == [{"type": "text", "text": "be kind"}]
    assert (user, result, last) == (USER, RESULT, USER)
    assert turn.get("reasoning_content") == (None if openai else "look first")
    assert plain == {"role": "assistant", "content": "ok"}
    assert thought["content"] == ""


def test_what_needs_no_mending_is_not_copied() -> None:
    messages = [
        USER,
        {"role": "assistant", "content": "a", "name": "x"},
        {"role": "user", "content": [{"type": "text"}]},
    ]
    assert mended_messages(messages, "openai", thinks=False) is messages
    mended = mended_messages([*messages, {"role": "developer", "content": "x"}], "other", thinks=False)
    assert all(a is b for a, b in zip(messages, mended, strict=False))
    assert mended_tools([TOOL]) is not None
    tools = [TOOL]
    assert mended_tools(tools) is tools


TURN: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": [CALL]}


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        (TURN, ""),
        ({**TURN, "reasoning_content": None}, ""),
        ({**TURN, "reasoning_content": "hm"}, "hm"),
        ({**TURN, "thinking_blocks": [{"type": "thinking", "thinking": "a"}, {"type": "redacted_thinking"}]}, "a"),
        ({"role": "assistant", "content": "x"}, None),
    ],
)
def test_deepseek_gets_thoughts_with_every_tool_call(turn: dict[str, Any], expected: str | None) -> None:
    messages = [USER, turn, RESULT] if "tool_calls" in turn else [USER, turn, USER]
    assert sent(DEEPSEEK, messages=messages, tools=[TOOL])["messages"][1].get("reasoning_content") == expected


def test_deepseek_without_thinking_needs_no_thoughts() -> None:
    body = sent(DEEPSEEK, messages=[USER, TURN, RESULT], tools=[TOOL], thinking={"type": "disabled"})
    assert "reasoning_content" not in body["messages"][1]


def test_deepseek_gets_the_content_field_its_parser_wants() -> None:
    turn = {"role": "assistant", "tool_calls": [CALL]}
    assert sent(DEEPSEEK, messages=[USER, turn, RESULT])["messages"][1]["content"] is None


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, None),
        ({"tool_choice": "none"}, None),
        ({"tool_choice": "required"}, {"type": "disabled"}),
        ({"tool_choice": {"type": "function", "function": {"name": "look"}}}, {"type": "disabled"}),
        ({"tool_choice": "required", "thinking": {"type": "enabled"}}, {"type": "disabled"}),
        ({"tool_choice": "required", "reasoning_effort": "high"}, {"type": "disabled"}),
        ({"reasoning_effort": "none"}, {"type": "disabled"}),
        ({"reasoning_effort": "high"}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 5000}}, {"type": "enabled"}),
        ({"thinking": {"type": "adaptive"}}, None),
    ],
)
def test_deepseek_thinks_only_where_it_may(fields: dict[str, Any], thinking: object) -> None:
    body = sent(DEEPSEEK, tools=[TOOL], **fields)
    assert body.get("thinking") == thinking
    assert ("reasoning_effort" in body) == (fields.get("reasoning_effort") == "high" and thinking is None)


@pytest.mark.parametrize(("mode", "choice"), [("auto", "auto"), ("required", "required")])
def test_allowed_tools_where_they_are_not_known(mode: str, choice: str) -> None:
    other = {"type": "function", "function": {"name": "listen"}}
    allowed = {"mode": mode, "tools": [{"type": "function", "function": {"name": "look"}}]}
    body = sent(DEEPSEEK, tools=[TOOL, other], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert body["tools"] == [TOOL]
    assert body["tool_choice"] == choice


LEGACY: list[dict[str, Any]] = [
    USER,
    {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
    {"role": "function", "name": "look", "content": "seen"},
]


def test_functions_travel_to_openai_as_they_are() -> None:
    fields = {"functions": [TOOL["function"]], "function_call": {"name": "look"}}
    body = sent(OPENAI, messages=LEGACY, **fields)
    assert fields.items() <= body.items()
    assert body["messages"] == LEGACY


@pytest.mark.parametrize("to", [DEEPSEEK, OTHER])
def test_functions_are_tools_elsewhere(to: Model) -> None:
    body = sent(to, messages=LEGACY, functions=[TOOL["function"]], function_call={"name": "look"})
    assert body["tools"] == [TOOL]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}
    assert not {"functions", "function_call"} & body.keys()
    _, turn, result = body["messages"]
    assert "function_call" not in turn
    assert turn["tool_calls"][0]["function"] == {"name": "look", "arguments": "{}"}
    assert result == {"role": "tool", "tool_call_id": turn["tool_calls"][0]["id"], "content": "seen"}


@pytest.mark.parametrize(
    ("name", "base_url", "developer"),
    [
        ("gpt-4.1", None, "developer"),
        ("my-deployment", "https://x.openai.azure.com/openai/v1", "developer"),
        ("whatever", "https://api.openai.com/v1", "developer"),
        ("whatever", "https://api.deepseek.com/v1", "system"),
        ("deepseek-ai/DeepSeek-V4", "https://example.com/v1", "system"),
        ("llama", None, "system"),
    ],
)
def test_the_vendor_is_known_by_host_or_name(name: str, base_url: str | None, developer: str) -> None:
    chat = read_request(orjson.dumps({"model": "auto", "messages": [{"role": "developer", "content": "x"}]}))
    body = orjson.loads(write_request(Call(chat, model(name, base_url), 10, 1.0)))
    assert body["messages"][0]["role"] == developer
