from __future__ import annotations

from typing import Any

import orjson
import pytest

from levelhead.errors import UpstreamUnavailable
from levelhead.types import Call, Model, Price, Usage
from levelhead.wire.chat import (
    Collector,
    StreamReader,
    answer_chunks,
    read_answer,
    read_request,
    render_answer,
    render_chunks,
)

CHAT = read_request(orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}]}))
MODEL = Model("m", "efficient", 0, "openai", "deepseek-v4-flash", Price(1e-6, 1e-6, 1e-6, 1e-6, 1e-6))


def answer_body(message: dict[str, Any] | None = None, finish: str | None = "stop", **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "hello", **(message or {})}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    head = {"id": "1", "object": "chat.completion", "created": 1, "model": "deepseek-v4-flash"}
    return {**head, "choices": [choice], "usage": usage, **fields}


def test_an_answer_passes_byte_for_byte() -> None:
    raw = orjson.dumps(answer_body(system_fingerprint="fp_1"), option=orjson.OPT_INDENT_2)
    answer = read_answer(b"\n\n\n" + raw + b"\n")  # blank lines are DeepSeek's way of waiting
    assert render_answer(answer) == raw
    assert answer.usage == Usage(input=9, output=3)
    assert answer.finish == "stop"


@pytest.mark.parametrize("finish", ["length", "tool_calls", "content_filter"])
def test_the_vendors_own_reason_is_kept(finish: str) -> None:
    assert read_answer(orjson.dumps(answer_body(finish=finish))).finish == finish


def test_an_answer_that_ran_out_of_resources_is_asked_for_again() -> None:
    with pytest.raises(UpstreamUnavailable) as raised:
        read_answer(orjson.dumps(answer_body(finish="insufficient_system_resource")))
    assert raised.value.retryable
    assert raised.value.code == "insufficient_system_resource"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"<html>502</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"choices":[]}',
        b'{"choices":[{}]}',
        b'{"choices":["x"]}',
        b'{"choices":[{"message":"x"}]}',
        orjson.dumps(answer_body())[:-10],
    ],
)
def test_what_is_no_answer(raw: bytes) -> None:
    with pytest.raises(UpstreamUnavailable) as caught:
        read_answer(raw)
    assert caught.value.retryable


def test_an_error_object_keeps_its_words() -> None:
    with pytest.raises(UpstreamUnavailable, match="Overloaded"):
        read_answer(b'{"error":{"message":"Overloaded","type":"server_error"}}')


def test_usage_is_estimated_where_there_is_none() -> None:
    body = answer_body({"content": "x" * 101})
    del body["usage"]
    answer = read_answer(orjson.dumps(body), Call(CHAT, MODEL, 10, 1.0))
    assert answer.usage == Usage(input=-(-CHAT.text_bytes // 4), output=26)
    assert orjson.loads(render_answer(answer))["usage"]["completion_tokens"] == 26
    assert read_answer(orjson.dumps(body)).usage.output == 26


def test_what_deepseek_adds_to_tool_calls_is_for_streams() -> None:
    call = {"index": 0, "id": "call_00_x", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    answer = read_answer(orjson.dumps(answer_body({"content": "", "tool_calls": [call]}, "tool_calls")))
    assert "index" not in answer.body["choices"][0]["message"]["tool_calls"][0]


def test_a_client_of_functions_hears_of_functions() -> None:
    chat = read_request(
        orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "functions": [{"name": "f"}]})
    )
    call = {"index": 0, "id": "call_00_x", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    raw = orjson.dumps(answer_body({"content": "", "tool_calls": [call]}, "tool_calls"))
    answer = read_answer(raw, Call(chat, MODEL, 10, 1.0))
    assert answer.finish == "function_call"
    rendered = orjson.loads(render_answer(answer))
    assert rendered["choices"][0]["message"] == {
        "role": "assistant",
        "content": "",
        "function_call": {"name": "f", "arguments": "{}"},
    }


RICH = answer_body(
    {
        "content": "see [1]",
        "reasoning_content": "hm",
        "refusal": None,
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}],
        "audio": {"id": "audio_1", "data": "AAAA", "transcript": "see", "expires_at": 5},
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
            {"id": "call_b", "type": "custom", "custom": {"name": "g", "input": "raw"}},
        ],
    },
    "tool_calls",
    system_fingerprint=None,
    service_tier="default",
)


def test_a_replay_is_a_stream_like_any_other() -> None:
    """What a client reads of it, and what levelhead itself would."""
    answer = read_answer(orjson.dumps(RICH))
    sent = render_chunks(answer_chunks(answer, CHAT), include_usage=True, cost_usd=None)
    first = orjson.loads(sent.split(b"\n\n")[0][6:])
    assert first["object"] == "chat.completion.chunk"
    assert first["choices"][0]["delta"]["role"] == "assistant"
    reader = StreamReader(CHAT)
    chunks = reader.feed(sent) + reader.finish()
    collector = Collector()
    collector.add(chunks)
    assert collector.answer().body == RICH
    deltas = [chunk.data["choices"][0]["delta"] for chunk in chunks if chunk.data["choices"]]
    assert [call["index"] for delta in deltas for call in delta.get("tool_calls", ())] == [0, 1]
    assert [chunk.data["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 2) + [
        "tool_calls"
    ]


def test_a_replay_of_an_answer_without_usage_has_some() -> None:
    body = answer_body()
    del body["usage"]
    answer = read_answer(orjson.dumps(body))
    del answer.body["usage"]
    assert answer_chunks(answer, CHAT)[-1].data["usage"]["completion_tokens"] == 2


def test_collecting_takes_linear_time() -> None:
    collector = Collector()
    chunk = answer_chunks(read_answer(orjson.dumps(answer_body({"content": "x" * 100}))), CHAT)[1]
    collector.add([chunk] * 20_000)
    assert len(collector.answer().body["choices"][0]["message"]["content"]) == 2_000_000
