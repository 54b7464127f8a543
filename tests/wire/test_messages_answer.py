"""What a chat client gets for Anthropic's answers and streams, beyond what the oracle compares."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
from claude_calls import HAIKU, SCHEMA, make_call, sent, tool, user

from levelhead.errors import StreamBroken, UpstreamUnavailable
from levelhead.types import Chunk, Usage
from levelhead.wire import sse
from levelhead.wire.messages import StreamReader, read_answer

USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "ü", "n": [1, None]}}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "EqoBCkgIARABGAIiQL8X"}
COUNTS = {"input_tokens": 7, "output_tokens": 5}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def answer(*content: dict[str, Any], stop: str = "end_turn", body: dict[str, Any] | None = None, **more: Any) -> Any:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": list(content)}
    raw = orjson.dumps({**message, "stop_reason": stop, "usage": COUNTS, **more})
    return read_answer(raw, None if body is None else make_call(body))


def said(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    message: dict[str, Any] = answer(*content, **more).body["choices"][0]["message"]
    return message


def test_an_answer_is_a_chat_completion() -> None:
    before = int(time.time())
    read = answer(text("Hel"), text("lo."))
    assert read.body["id"] == "msg_1"
    assert read.body["object"] == "chat.completion"
    assert before <= read.body["created"] <= time.time()
    assert read.body["model"] == "claude-x"
    assert read.body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert (read.finish, read.raw, read.usage) == ("stop", None, Usage(input=7, output=5))


@pytest.mark.parametrize(
    ("stop", "finish", "native"),
    [
        ("end_turn", "stop", None),
        ("max_tokens", "length", None),
        ("tool_use", "tool_calls", None),
        ("stop_sequence", "stop", "stop_sequence"),
        ("pause_turn", "stop", "pause_turn"),
        ("refusal", "content_filter", "refusal"),
        ("model_context_window_exceeded", "length", "model_context_window_exceeded"),
        ("something_new", "stop", "something_new"),
    ],
)
def test_why_it_stopped(stop: str, finish: str, native: str | None) -> None:
    read = answer(text("x"), stop=stop)
    choice = read.body["choices"][0]
    assert (read.finish, choice["finish_reason"], choice.get("native_finish_reason")) == (finish, finish, native)
    stream = read_stream([*opened(), *closed(stop)])
    assert stream[-2]["choices"][0]["finish_reason"] == finish
    assert stream[-2]["choices"][0].get("native_finish_reason") == native


def test_a_refusal_says_why() -> None:
    explained = {"type": "refusal", "category": "bio", "explanation": "Not that."}
    assert said(stop="refusal", stop_details=explained)["refusal"] == "Not that."
    assert "bio" in said(stop="refusal", stop_details={"category": "bio"})["refusal"]
    partly = said(text("I"), stop="refusal")
    assert (partly["content"], bool(partly["refusal"])) == ("I", True)
    stream = read_stream([*opened(), *closed("refusal", stop_details=explained)])
    assert stream[-2]["choices"][0]["delta"] == {"refusal": "Not that."}


def test_calls_carry_their_arguments_as_json_text() -> None:
    calls = said(USE, {**USE, "id": "toolu_2", "input": {}}, stop="tool_use")["tool_calls"]
    assert [call["id"] for call in calls] == ["toolu_1", "toolu_2"]
    assert orjson.loads(calls[0]["function"]["arguments"]) == USE["input"]
    assert calls[1]["function"]["arguments"] == "{}"


def test_a_call_without_text_has_no_content() -> None:
    assert said(USE, stop="tool_use")["content"] is None


def test_an_answer_replayed_comes_back_as_it_was() -> None:
    message = said(THOUGHT, text("So:"), USE, stop="tool_use")
    assert message["reasoning_content"] == "Hm."
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "ok"}
    body = {"messages": [user("A"), message, result], "tools": [tool()], "reasoning_effort": "low"}
    assert sent(body, HAIKU)["messages"][1]["content"] == [THOUGHT, text("So:"), USE]


def test_the_vendors_own_tools_are_not_the_clients_to_run() -> None:
    ran = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    message = said(ran, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}, text("Dry."))
    assert message == {"role": "assistant", "content": "Dry.", "refusal": None}


def test_who_speaks_of_functions_is_answered_so() -> None:
    legacy = {"functions": [{"name": "f", "parameters": SCHEMA}]}
    read = answer(USE, stop="tool_use", body=legacy)
    message = read.body["choices"][0]["message"]
    assert message["function_call"]["name"] == "f"
    assert "tool_calls" not in message
    assert read.finish == "function_call"
    call = make_call(legacy)
    stream = read_stream([*opened(), *call_block('{"a":', "1}"), *closed("tool_use")], StreamReader(call.chat, call))
    pieces = [chunk["choices"][0]["delta"].get("function_call", {}) for chunk in stream if chunk["choices"]]
    assert "".join(piece.get("name", "") for piece in pieces) == "f"
    assert "".join(piece.get("arguments", "") for piece in pieces) == '{"a":1}'
    assert stream[-2]["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}'),
        ('```\n{"a": 1}```\n', '{"a": 1}'),
        ('{"a": "```"}', '{"a": "```"}'),
        ("```python\nx\n```", "```python\nx\n```"),
        ("``````", "``````"),
    ],
)
def test_fences_around_json_are_taken_off_where_json_was_asked_for(written: str, read: str) -> None:
    assert said(text(written), body={"response_format": {"type": "json_object"}})["content"] == read
    assert said(text(written), body={})["content"] == written


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (
            {
                "input_tokens": 10,
                "cache_read_input_tokens": 100,
                "cache_creation_input_tokens": 60,
                "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 40},
                "output_tokens": 9,
                "output_tokens_details": {"thinking_tokens": 4},
            },
            Usage(input=10, cached_input=100, cache_write=20, cache_write_1h=40, output=9, reasoning=4),
        ),
        (
            {"input_tokens": 10, "cache_creation_input_tokens": 60, "cache_creation": None, "output_tokens": 9},
            Usage(input=10, cache_write=60, output=9),
        ),
        (
            {
                "input_tokens": 3,
                "output_tokens": 4,
                "iterations": [
                    {"type": "compaction", "input_tokens": 100, "output_tokens": 20},
                    {"type": "message", "input_tokens": 3, "output_tokens": 4, "cache_read_input_tokens": 5},
                ],
            },
            Usage(input=103, cached_input=5, output=24),
        ),
        ({"input_tokens": 10, "output_tokens": None}, Usage(input=10, output=1)),
        (None, Usage(output=1)),
    ],
)
def test_usage(counts: Any, usage: Usage) -> None:
    read = answer(text("x"), usage=counts)
    assert read.usage == usage
    shown = read.body["usage"]
    assert shown["prompt_tokens"] == usage.prompt
    assert shown["total_tokens"] == usage.prompt + usage.output
    assert shown["prompt_tokens_details"]["cached_tokens"] == usage.cached_input


@pytest.mark.parametrize(
    "raw", [b"", b"<html>", b"[]", b"3", b'{"content": 3}', b'{"content": [{"type": "tool_use"}]}']
)
def test_what_is_no_message_is_the_upstreams_fault(raw: bytes) -> None:
    with pytest.raises(UpstreamUnavailable):
        read_answer(raw)


# streams


def opened(**usage: Any) -> list[dict[str, Any]]:
    message = {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 7, "output_tokens": 1, **usage}}
    return [{"type": "message_start", "message": message}, {"type": "ping"}]


def block(index: int, opening: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    start = {"type": "content_block_start", "index": index, "content_block": opening}
    pieces = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [start, *pieces, {"type": "content_block_stop", "index": index}]


def text_block(*pieces: str) -> list[dict[str, Any]]:
    return block(0, text(""), *({"type": "text_delta", "text": piece} for piece in pieces))


def call_block(*pieces: str, index: int = 0, **more: Any) -> list[dict[str, Any]]:
    opening = {"type": "tool_use", "id": f"t{index}", "name": "f", "input": {}, **more}
    return block(index, opening, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def closed(stop: str = "end_turn", usage: Any = None, **delta: Any) -> list[dict[str, Any]]:
    counts = {"output_tokens": 15} if usage is None else usage
    return [
        {"type": "message_delta", "delta": {"stop_reason": stop, **delta}, "usage": counts},
        {"type": "message_stop"},
    ]


def frames(events: list[dict[str, Any]]) -> bytes:
    return b"".join(sse.encode(orjson.dumps(event), event["type"]) for event in events)


def make_reader() -> StreamReader:
    return StreamReader(make_call({}).chat)


def read_stream(events: list[dict[str, Any]], reader: StreamReader | None = None) -> list[dict[str, Any]]:
    reader = reader or make_reader()
    chunks: list[Chunk] = reader.feed(frames(events)) + reader.finish()
    assert all(chunk.raw is None for chunk in chunks)
    return [chunk.data for chunk in chunks]


def deltas(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in read_stream(events) if chunk["choices"]]


def test_a_stream_is_chunks() -> None:
    chunks = read_stream([*opened(), *text_block("Hel", "lo."), *closed()])
    assert {(chunk["id"], chunk["object"], chunk["model"]) for chunk in chunks} == {
        ("msg_1", "chat.completion.chunk", "claude-x")
    }
    assert [chunk["choices"][0]["delta"] for chunk in chunks[:-1]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "Hel"},
        {"content": "lo."},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None, None, None, "stop"]
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["completion_tokens"] == 15
    assert not any("usage" in chunk for chunk in chunks[:-1])


def test_calls_are_numbered_and_come_in_pieces() -> None:
    events = [*opened(), *text_block("x"), *call_block("", '{"a"', ": 1}", index=1), *call_block(index=2)]
    pieces = [piece for delta in deltas([*events, *closed("tool_use")]) for piece in delta.get("tool_calls", ())]
    assert pieces == [
        {"index": 0, "id": "t1", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ": 1}"}},
        {"index": 1, "id": "t2", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]


def test_input_that_comes_at_once_is_not_lost() -> None:
    pieces = deltas([*opened(), *call_block(input={"a": 1}), *closed("tool_use")])
    assert pieces[2]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'


def test_tool_names_are_given_back_in_streams() -> None:
    call = make_call({"tools": [tool("a.b")]})
    clean = sent({"tools": [tool("a.b")]})["tools"][0]["name"]
    chunks = read_stream([*opened(), *call_block(name=clean), *closed("tool_use")], StreamReader(call.chat, call))
    assert chunks[1]["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == "a.b"


def test_thinking_streams_as_text_and_ends_as_a_block() -> None:
    thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in ("H", "m.")]
    signature = [{"type": "signature_delta", "signature": THOUGHT["signature"]}]
    redacted = {"type": "redacted_thinking", "data": "AbC"}
    opening = {"type": "thinking", "thinking": "", "signature": ""}
    events = [*opened(), *block(0, opening, *thoughts, *signature), *block(1, redacted), *closed()]
    assert deltas(events)[1:-1] == [
        {"reasoning_content": "H"},
        {"reasoning_content": "m."},
        {"thinking_blocks": [{"index": 0, **THOUGHT}]},
        {"thinking_blocks": [{"index": 1, **redacted}]},
    ]


def test_the_vendors_own_tools_and_unknown_events_are_passed_over() -> None:
    own = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    strange = [{"type": "brand_new"}, *block(3, {"type": "brand_new"}, {"type": "brand_new_delta"})]
    events = [*opened(), *block(0, own, {"type": "input_json_delta", "partial_json": '{"q": 1}'}), *strange, *closed()]
    assert deltas(events)[1:] == [{}]


@pytest.mark.parametrize(
    ("start", "end", "usage"),
    [
        ({}, {"output_tokens": 15}, Usage(input=7, output=15)),
        ({}, {"input_tokens": 7, "output_tokens": 15}, Usage(input=7, output=15)),
        ({}, {"input_tokens": 0, "output_tokens": 15}, Usage(input=7, output=15)),
        ({"input_tokens": 0}, {"input_tokens": 7, "output_tokens": 15}, Usage(input=7, output=15)),
        (
            {"cache_read_input_tokens": 90, "cache_creation_input_tokens": 0},
            {"output_tokens": 15, "output_tokens_details": {"thinking_tokens": 4}},
            Usage(input=7, cached_input=90, output=15, reasoning=4),
        ),
    ],
)
def test_counts_are_cumulative(start: dict[str, Any], end: dict[str, Any], usage: Usage) -> None:
    reader = make_reader()
    read_stream([*opened(**start), *text_block("x"), *closed(usage=end)], reader)
    assert reader.usage == usage


def test_a_stream_that_is_cut_costs_what_was_heard() -> None:
    reader = make_reader()
    assert reader.usage is None
    reader.feed(frames([*opened(), *text_block("ü" * 40)[:2]]))
    assert reader.output_bytes == 80
    assert reader.usage == Usage(input=7, output=20)


def test_the_end_must_be_said() -> None:
    events = [*opened(), *text_block("x"), *closed()]
    reader = make_reader()
    reader.feed(frames(events[:-1]))
    assert not reader.finished
    with pytest.raises(StreamBroken):
        reader.finish()
    whole = make_reader()
    assert whole.feed(frames(events))[-1].data["usage"]
    assert whole.finished
    assert whole.feed(frames(opened())) == whole.finish() == []


def test_an_error_is_told_after_what_came_before_it() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    reader = make_reader()
    assert len(reader.feed(frames([*opened(), error]))) == 1
    with pytest.raises(StreamBroken, match="Overloaded") as caught:
        reader.feed(b"")
    assert caught.value.code == "overloaded_error"
    with pytest.raises(StreamBroken, match="Overloaded"):
        reader.finish()
    with pytest.raises(StreamBroken, match="Overloaded"):
        make_reader().feed(frames([error]))


@pytest.mark.parametrize("data", [b"data: {]\n\n", b"data: []\n\n", b'data: {"type": "message_start"}\n\n'])
def test_what_cant_be_read_breaks_the_stream(data: bytes) -> None:
    with pytest.raises(StreamBroken):
        make_reader().feed(data)


def test_an_answer_of_nothing_is_still_an_answer() -> None:
    assert said()["content"] is None
    assert [chunk.get("choices") != [] for chunk in read_stream([*opened(), *closed()])] == [True, True, False]
