from __future__ import annotations

from typing import Any

import orjson
import pytest

from levelhead.errors import StreamBroken
from levelhead.types import Call, Chunk, Model, Price, Usage
from levelhead.wire.chat import DONE, Collector, StreamReader, read_request, render_chunks
from levelhead.wire.chat_echo import Echo

USAGE = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}


def request(**fields: object) -> bytes:
    return orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": True, **fields})


CHAT = read_request(request())


def frame(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **fields: object) -> bytes:
    choices = [] if delta is None else [{"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + orjson.dumps({**head, "choices": choices, **fields}) + b"\n\n"


ROLE = frame({"role": "assistant", "content": ""})
TEXT = frame({"content": "hello "}) + frame({"content": "you"})
STOP = frame({}, "stop")


def read(stream: bytes, chat=CHAT, call: Call | None = None) -> tuple[list[Chunk], StreamReader]:
    reader = StreamReader(chat, call)
    chunks = reader.feed(stream)
    return chunks + reader.finish(), reader


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(ROLE + TEXT + STOP + frame(usage=USAGE) + DONE, id="openai: a chunk of its own"),
        pytest.param(ROLE + TEXT + frame({}, "stop", usage=USAGE) + DONE, id="deepseek: on the last content chunk"),
        pytest.param(
            frame({"role": "assistant"}, usage={**USAGE, "completion_tokens": 1})
            + frame({"content": "hello you"}, usage={**USAGE, "completion_tokens": 2})
            + frame({}, "stop", usage=USAGE)
            + DONE,
            id="on every chunk",
        ),
        pytest.param(ROLE + TEXT + STOP + frame(usage=USAGE), id="no [DONE]"),
        pytest.param(ROLE + TEXT + STOP + frame(usage=USAGE) + DONE.strip(), id="a bare end"),
        pytest.param(
            b": keep-alive\n\n" + ROLE + b": keep-alive\n\n" + TEXT + STOP + frame(usage=USAGE) + DONE, id="keep-alives"
        ),
    ],
)
def test_usage_comes_once_and_last(stream: bytes) -> None:
    chunks, reader = read(stream)
    assert [bool(chunk.data.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].data["choices"] == []
    assert chunks[-1].data["usage"] == USAGE
    assert chunks[-1].data["id"] == "chatcmpl-1"
    assert reader.finished
    assert reader.usage == Usage(input=10, output=4)
    assert reader.output_bytes == len("hello you")
    collector = Collector()
    collector.add(chunks)
    answer = collector.answer()
    assert answer.body["choices"][0]["message"]["content"] == "hello you"
    assert (answer.finish, answer.usage) == ("stop", Usage(input=10, output=4))


def test_usage_is_estimated_where_there_is_none() -> None:
    chunks, reader = read(ROLE + frame({"content": "é" * 50}) + STOP + DONE)
    assert reader.usage == Usage(input=-(-CHAT.text_bytes // 4), output=25)
    assert chunks[-1].data["usage"]["completion_tokens"] == 25


def test_a_count_of_zero_for_something_is_not_believed() -> None:
    _, reader = read(
        ROLE + TEXT + STOP + frame(usage={"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}) + DONE
    )
    assert reader.usage == Usage(input=9, output=3)


def test_usage_is_not_known_before_the_end() -> None:
    reader = StreamReader(CHAT)
    reader.feed(frame({"content": "x"}, usage={**USAGE, "completion_tokens": 1}))
    assert reader.usage is None


def test_frames_pass_unchanged() -> None:
    frames = [ROLE, frame({"content": "hello"}, obfuscation="xyz"), frame({"content": "x"}, usage=None), STOP]
    chunks, _ = read(b"".join(frames) + frame(usage=USAGE) + DONE)
    assert [chunk.raw for chunk in chunks[:-1]] == frames
    assert render_chunks(chunks, include_usage=False, cost_usd=0.1) == b"".join(frames)


def test_the_clients_usage_chunk() -> None:
    chunks, _ = read(ROLE + STOP + frame(usage=USAGE) + DONE)
    *frames, last = render_chunks(chunks, include_usage=True, cost_usd=0.25).split(b"\n\n")[:-1]
    assert len(frames) == 2
    assert orjson.loads(last[6:])["usage"] == {**USAGE, "cost_usd": 0.25}
    assert "cost_usd" not in chunks[-1].data["usage"]
    plain = render_chunks(chunks, include_usage=True, cost_usd=None)
    assert b"cost_usd" not in plain
    assert plain.endswith(b"\n\n")


def test_usage_leaves_a_content_chunk() -> None:
    chunks, _ = read(ROLE + frame({"content": "x"}, "stop", usage=USAGE) + DONE)
    sent = render_chunks(chunks, include_usage=False, cost_usd=None)
    assert b"usage" not in sent
    assert b'"content":"x"' in sent


def test_a_frame_of_another_wire_is_not_sent_to_a_chat_client() -> None:
    data = {"id": "1", "choices": [{"index": 0, "delta": {"content": "x"}}]}
    foreign = Chunk(data, b"event: content_block_delta\ndata: {}\n\n")
    assert render_chunks([foreign], include_usage=True, cost_usd=None) == b"data: " + orjson.dumps(data) + b"\n\n"


def test_what_azure_says_first_passes() -> None:
    first = frame(prompt_filter_results=[{"prompt_index": 0}])
    chunks, _ = read(first + ROLE + TEXT + STOP + DONE)
    assert chunks[0].raw == first


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(ROLE + TEXT, id="cut after content"),
        pytest.param(ROLE + TEXT + STOP[: len(STOP) // 2], id="cut in an event"),
        pytest.param(b": keep-alive\n\n", id="only keep-alives"),
    ],
)
def test_a_cut_stream_is_broken(stream: bytes) -> None:
    reader = StreamReader(CHAT)
    reader.feed(stream)
    with pytest.raises(StreamBroken):
        reader.finish()
    assert not reader.finished


def test_every_choice_has_to_finish() -> None:
    chat = read_request(request(n=2))
    one = frame({"content": "a"}) + frame({"content": "b"}, index=1) + STOP
    reader = StreamReader(chat)
    reader.feed(one)
    with pytest.raises(StreamBroken):
        reader.finish()
    chunks, _ = read(one + frame({}, "length", index=1), chat)
    collector = Collector()
    collector.add(chunks)
    choices = collector.answer().body["choices"]
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in choices] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]


@pytest.mark.parametrize(
    ("event", "message", "code"),
    [
        (
            b'data: {"error":{"message":"Server overloaded","type":"server_error","code":"overloaded"}}\n\n',
            "Server overloaded",
            "overloaded",
        ),
        (b'data: {"error":{"message":"x","type":"server_error","code":null}}\n\n', "x", "server_error"),
        (
            b'data: {"error":{"message":"x","code":502},"choices":[{"delta":{},"finish_reason":"error"}]}\n\n',
            "x",
            "502",
        ),
        (b'event: error\ndata: {"message":"x","code":"c"}\n\n', "x", "c"),
        (b'event: error\ndata: {"error":"x"}\n\n', "x", "stream_broken"),
        (b"event: error\ndata: oops\n\n", None, "stream_broken"),
        (b"data: {oops\n\n", None, "stream_broken"),
        (b"data: [1]\n\n", None, "stream_broken"),
        (b'data: "x"\n\n', None, "stream_broken"),
        (b'data: {"choices":[1]}\n\n', None, "stream_broken"),
        (b'data: {"choices":{"a":1}}\n\n', None, "stream_broken"),
        (b'data: {"choices":[{"delta":{"content":"\xff"}}]}\n\n', None, "stream_broken"),
    ],
)
def test_an_error_in_the_stream(event: bytes, message: str | None, code: str) -> None:
    reader = StreamReader(CHAT)
    reader.feed(ROLE)
    with pytest.raises(StreamBroken) as caught:
        reader.feed(event)
    assert caught.value.code == code
    assert message is None or caught.value.message == message


def test_what_came_before_an_error_goes_out_first() -> None:
    """However the network cuts it."""
    reader = StreamReader(CHAT)
    assert len(reader.feed(ROLE + TEXT + b'data: {"error":{"message":"x"}}\n\n' + STOP + DONE)) == 3
    assert not reader.finished
    with pytest.raises(StreamBroken):
        reader.finish()
    with pytest.raises(StreamBroken):
        reader.feed(STOP)


def test_nothing_follows_the_end() -> None:
    reader = StreamReader(CHAT)
    reader.feed(ROLE + TEXT + STOP + DONE)
    assert reader.feed(TEXT + DONE) == []
    assert reader.finish() == []


def test_deepseek_thinking() -> None:
    stream = (
        frame({"role": "assistant", "content": None, "reasoning_content": ""})
        + frame({"content": None, "reasoning_content": "hm"})
        + frame({"content": None, "reasoning_content": "m"})
        + frame({"content": "ok", "reasoning_content": None})
        + frame(
            {"content": "", "reasoning_content": None},
            "stop",
            usage={
                "prompt_tokens": 100,
                "completion_tokens": 5,
                "total_tokens": 105,
                "prompt_tokens_details": {"cached_tokens": 64},
                "completion_tokens_details": {"reasoning_tokens": 2},
                "prompt_cache_hit_tokens": 64,
                "prompt_cache_miss_tokens": 36,
            },
        )
        + DONE
    )
    chunks, reader = read(stream)
    assert reader.usage == Usage(input=36, cached_input=64, output=5, reasoning=2)
    collector = Collector()
    collector.add(chunks)
    assert collector.answer().body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "ok",
        "reasoning_content": "hmm",
    }


def tool(index: int | None, **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{**({} if index is None else {"index": index}), **fields}]}


def test_parallel_tool_calls() -> None:
    stream = (
        frame({"role": "assistant", "content": None})
        + frame(tool(0, id="call_a", type="function", function={"name": "f", "arguments": ""}))
        + frame(tool(0, function={"arguments": '{"x":'}))
        + frame(tool(1, id="call_b", type="function", function={"name": "g", "arguments": "{}"}))
        + frame(tool(0, function={"arguments": "1}"}))
        + frame({}, "tool_calls")
        + DONE
    )
    chunks, reader = read(stream)
    collector = Collector()
    collector.add(chunks)
    choice = collector.answer().body["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "call_a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "call_b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }
    assert reader.output_bytes == len('f{"x":1}g{}')


def test_tool_calls_without_an_index() -> None:
    stream = (
        frame(tool(None, id="call_a", type="function", function={"name": "f", "arguments": "{"}))
        + frame(tool(None, function={"arguments": "}"}))
        + frame(tool(None, id="call_b", type="function", function={"name": "g", "arguments": "{}"}))
        + frame({}, "tool_calls")
    )
    collector = Collector()
    collector.add(read(stream)[0])
    calls = collector.answer().body["choices"][0]["message"]["tool_calls"]
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("call_a", "{}"), ("call_b", "{}")]


def test_a_name_sent_with_every_piece_is_one_name() -> None:
    stream = frame(tool(0, id="c", function={"name": "f", "arguments": "{"})) + frame(
        tool(0, id="", function={"name": "f", "arguments": "}"}), "tool_calls"
    )
    collector = Collector()
    collector.add(read(stream)[0])
    (call,) = collector.answer().body["choices"][0]["message"]["tool_calls"]
    assert call == {"id": "c", "function": {"name": "f", "arguments": "{}"}}


def test_logprobs_are_put_together() -> None:
    def with_logprobs(text: str, tokens: list[dict[str, Any]] | None, finish: str | None = None) -> bytes:
        logprobs = None if tokens is None else {"content": tokens, "refusal": None}
        choice = {"index": 0, "delta": {"content": text}, "logprobs": logprobs, "finish_reason": finish}
        return b"data: " + orjson.dumps({"id": "1", "choices": [choice]}) + b"\n\n"

    stream = (
        with_logprobs("a", [{"token": "a"}]) + with_logprobs("b", [{"token": "b"}]) + with_logprobs("", None, "stop")
    )
    collector = Collector()
    collector.add(read(stream)[0])
    logprobs = collector.answer().body["choices"][0]["logprobs"]
    assert logprobs == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}


def test_what_is_null_later_was_said_before() -> None:
    stream = frame({"content": "x"}, service_tier="default", system_fingerprint=None) + frame(
        {"content": None}, "stop", service_tier=None, system_fingerprint=None, obfuscation="xyz"
    )
    collector = Collector()
    collector.add(read(stream)[0])
    body = collector.answer().body
    assert (body["service_tier"], body["system_fingerprint"], body["object"]) == ("default", None, "chat.completion")
    assert body["choices"][0]["message"]["content"] == "x"
    assert "obfuscation" not in body


def test_a_client_of_functions_hears_of_functions() -> None:
    chat = read_request(request(functions=[{"name": "f"}]))
    model = Model("m", "efficient", 0, "openai", "deepseek-v4-flash", Price(1e-6, 1e-6, 1e-6, 1e-6, 1e-6))
    stream = (
        frame({"role": "assistant", "content": None})
        + frame(tool(0, id="call_a", type="function", function={"name": "f", "arguments": ""}))
        + frame(tool(0, function={"arguments": "{}"}))
        + frame(tool(1, id="call_b", type="function", function={"name": "g", "arguments": "{}"}))
        + frame({}, "tool_calls")
        + DONE
    )
    chunks, _ = read(stream, chat, Call(chat, model, 10, 1.0))
    assert b"tool_calls" not in render_chunks(chunks, include_usage=True, cost_usd=None)
    collector = Collector()
    collector.add(chunks)
    answer = collector.answer()
    assert answer.finish == "function_call"
    message = answer.body["choices"][0]["message"]
    assert message == {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}


def echoing(text: str, **fields: object) -> bytes:
    return frame({"content": text}, **fields)


@pytest.mark.parametrize(
    "between",
    [
        pytest.param([], id="nothing"),
        pytest.param([echoing("x", model="another")], id="another envelope"),
        pytest.param([frame({"content": "x"}, index=1)], id="another choice"),
        pytest.param([frame({"content": "x", "refusal": "y"})], id="two texts"),
        pytest.param([frame({"reasoning_content": "hm"}), frame({"reasoning_content": "hmm"})], id="thoughts"),
        pytest.param([frame(tool(0, id="c", function={"name": "f", "arguments": "{"}))], id="a tool call"),
        pytest.param([echoing("x", usage={**USAGE, "completion_tokens": 1})], id="usage on the way"),
        pytest.param([echoing("x", obfuscation="a"), echoing("yy", obfuscation="bcd")], id="padding"),
        pytest.param([b": ping\n\n", frame({})], id="no text"),
        pytest.param([frame(None, prompt_filter_results=[1])], id="no choices"),
        pytest.param([b"data: " + echoing(t)[6:].replace(b":", b" : ") for t in ("x", "y")], id="spacing"),
        pytest.param([b"data:" + echoing("z")[6:], echoing("z").replace(b"\n", b"\r\n")], id="framing"),
    ],
)
@pytest.mark.parametrize("chat", [CHAT, read_request(request(n=2))])
def test_events_that_repeat_are_what_they_say(between: list[bytes], chat) -> None:
    """Most aren't parsed: what is read, passed on, counted and put together must be as if they were."""
    texts = ["content", ",", "a b", "", "é\n", 'say "x"', "\\", '"},{"', "id", "x" * 300, "\u2028\0", "日本"]
    events = [ROLE, *map(echoing, texts), *between, *map(echoing, texts), *between, echoing("end")]
    stream = b"".join(events) + STOP + frame({}, "stop", index=1)
    chunks, reader = read(stream, chat)
    plain, size = Collector(), 0
    parsed = [orjson.loads(event.partition(b":")[2]) for event in events if event[:1] != b":"]
    parsed = [{name: value for name, value in data.items() if name != "usage"} for data in parsed]
    assert [chunk.data for chunk in chunks[: len(parsed)]] == parsed
    sent = render_chunks(chunks[: len(parsed)], include_usage=False, cost_usd=None)
    assert [orjson.loads(event[5:]) for event in sent.split(b"\n\n")[:-1]] == parsed
    for one in chunks:
        plain.add([Chunk(one.data)])
    for data in parsed:
        for choice in data["choices"]:
            delta = choice["delta"]
            size += sum(len(v.encode()) for name, v in delta.items() if isinstance(v, str) and name != "role")
            size += sum(len("f{") for _ in delta.get("tool_calls", ()))
    collector = Collector()
    collector.add(chunks)
    assert any(isinstance(chunk, Echo) for chunk in chunks)
    assert collector.answer() == plain.answer()
    assert reader.output_bytes == size


@pytest.mark.parametrize(
    "spoilt",
    [
        echoing("x").replace(b'"x"', b'"\xff"'),
        echoing("x").replace(b'"x"', b'"a\tb"'),
        echoing("x").replace(b'"x"', b'"a\\"'),
        echoing("x").replace(b'"x"', b'"\\ud800"'),
        echoing("x").replace(b'"x"', b'"a" "b"'),
        echoing("x").replace(b'"x"', b""),
    ],
)
def test_an_event_that_repeats_all_but_valid_json(spoilt: bytes) -> None:
    reader = StreamReader(CHAT)
    reader.feed(ROLE + TEXT)
    with pytest.raises(StreamBroken):
        reader.feed(spoilt)


@pytest.mark.parametrize(
    "value", [b"null", b"[1]", b'"x","role":"assistant"', b'"x"},"finish_reason":"stop","delta":{"content":"y"']
)
def test_an_event_that_looks_like_the_one_before(value: bytes) -> None:
    """It may even begin and end the same: what isn't one string between is parsed as a whole."""
    event = echoing("x").replace(b'"x"', value)
    reader = StreamReader(CHAT)
    reader.feed(ROLE + TEXT)
    (chunk,) = reader.feed(event)
    assert chunk.data == orjson.loads(event[5:])
