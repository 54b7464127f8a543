"""Laws of the codecs, over any bytes, cuts and answers."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import orjson
from hypothesis import given
from hypothesis import strategies as st

from levelhead.errors import InvalidRequest, StreamBroken
from levelhead.types import Chunk, Usage
from levelhead.wire.chat import (
    DONE,
    Collector,
    StreamReader,
    answer_chunks,
    read_answer,
    read_request,
    render_answer,
    render_chunks,
)
from levelhead.wire.errors import header_value
from levelhead.wire.sse import Decoder, encode
from levelhead.wire.usage import from_openai, to_openai

CHAT = read_request(orjson.dumps({"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": True}))

text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


cuts = st.lists(st.integers(0, 400), max_size=12)
lines = st.lists(
    st.sampled_from(
        [b"", b"", b"data: {}", b"data:x", b"data", b"event: e", b": c", b"id: 1", b"\xef\xbb\xbfdata: y", b"d"]
    ),
    max_size=12,
)
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(lines.flatmap(lambda some: st.tuples(*(st.tuples(st.just(line), ends) for line in some))), cuts)
def test_any_chunking_gives_the_same_events(parts: tuple[tuple[bytes, bytes], ...], at: list[int]) -> None:
    stream = b"".join(line + end for line, end in parts)

    def events(pieces: list[bytes]) -> list[Any]:
        decoder = Decoder()
        return [event for piece in pieces for event in decoder.feed(piece)] + decoder.flush()

    whole = events([stream])
    assert events(cut(stream, at)) == whole
    assert events([stream[i : i + 1] for i in range(len(stream))]) == whole


@given(st.lists(st.tuples(text, st.sampled_from([None, "error", "ping"])), max_size=5), cuts)
def test_what_is_encoded_is_decoded(sent: list[tuple[str, str | None]], at: list[int]) -> None:
    stream = b"".join(encode(data.encode(), event) for data, event in sent)
    decoder = Decoder()
    events = [event for piece in cut(stream, at) for event in decoder.feed(piece)]
    assert [(event.data, event.event) for event in events] == [
        (data.replace("\r\n", "\n").replace("\r", "\n").encode(), event or "") for data, event in sent
    ]
    assert b"".join(event.raw for event in events) == stream


function_call = st.fixed_dictionaries(
    {"id": text, "type": st.just("function"), "function": st.fixed_dictionaries({"name": text, "arguments": text})}
)
custom_call = st.fixed_dictionaries(
    {"id": text, "type": st.just("custom"), "custom": st.fixed_dictionaries({"name": text, "input": text})}
)
message = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.none() | text},
    optional={
        "reasoning_content": st.none() | text,
        "refusal": st.none() | text,
        "tool_calls": st.none() | st.lists(function_call | custom_call, max_size=3),
        "function_call": st.none() | st.fixed_dictionaries({"name": text, "arguments": text}),
        "annotations": st.lists(st.dictionaries(text, json, max_size=2), max_size=2),
        "audio": st.none() | st.fixed_dictionaries({"id": text, "data": text, "transcript": text}),
        "thinking_blocks": st.lists(st.dictionaries(text, json, max_size=2), max_size=2),
        "brand_new": json,
    },
)
tokens = st.none() | st.lists(st.fixed_dictionaries({"token": text, "logprob": st.just(-0.5)}), max_size=3)
choice = st.fixed_dictionaries(
    {"message": message, "finish_reason": st.sampled_from(["stop", "length", "tool_calls", "content_filter"])},
    optional={
        "logprobs": st.none() | st.fixed_dictionaries({"content": tokens, "refusal": tokens}),
        "native_finish_reason": st.none() | text,
    },
)
count = st.integers(0, 10**7)
usages = st.builds(Usage, count, count, count, count, count).map(
    lambda u: Usage(u.input + 1, u.cached_input, u.cache_write, u.cache_write_1h, u.output + 1, u.output // 2)
)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    choices = [{"index": index, **one} for index, one in enumerate(draw(st.lists(choice, min_size=1, max_size=3)))]
    extra = draw(
        st.fixed_dictionaries(
            {}, optional={"system_fingerprint": st.none() | text, "service_tier": text, "brand_new": json}
        )
    )
    head = {"id": draw(text), "object": "chat.completion", "created": draw(count), "model": draw(text)}
    return {**head, "choices": choices, "usage": to_openai(draw(usages)), **extra}


@given(bodies())
def test_an_answer_survives_its_replay(body: dict[str, Any]) -> None:
    """collect(replay(a)) == a, and again through the bytes that a client gets."""
    read = read_answer(orjson.dumps(body))
    assert render_answer(read) == orjson.dumps(body)
    answer = type(read)(read.body, read.usage, read.finish)
    chunks = answer_chunks(answer, CHAT)
    collector = Collector()
    collector.add(chunks)
    assert collector.answer() == answer
    reader = StreamReader(CHAT)
    again = reader.feed(render_chunks(chunks, include_usage=True, cost_usd=None) + DONE)
    collector = Collector()
    collector.add(again)
    assert collector.answer() == answer
    assert reader.usage == answer.usage


@given(bodies(), cuts, st.integers(1, 5))
def test_any_cut_of_a_stream_is_the_same_stream(body: dict[str, Any], at: list[int], size: int) -> None:
    """Texts in pieces, bytes in pieces: the answer is the same, and usage comes once, last."""
    pieces: list[Chunk] = []
    for chunk in answer_chunks(read_answer(orjson.dumps(body)), CHAT):
        pieces += split(chunk, size)
    stream = render_chunks(pieces, include_usage=True, cost_usd=None) + DONE
    reader = StreamReader(CHAT)
    chunks = [chunk for part in cut(stream, at) for chunk in reader.feed(part)] + reader.finish()
    assert [bool(chunk.data.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    collector = Collector()
    collector.add(chunks)
    assert collector.answer().body == read_answer(orjson.dumps(body)).body


def split(chunk: Chunk, size: int) -> list[Chunk]:
    """A delta of one text as several."""
    for choice in chunk.data["choices"]:
        ((name, value), *more) = choice["delta"].items() or [("", None)]
        if (
            name in ("content", "reasoning_content")
            and isinstance(value, str)
            and not more
            and not choice.get("logprobs")
        ):
            parts = [value[i : i + size] for i in range(0, len(value), size)]
            return [Chunk({**chunk.data, "choices": [{**choice, "delta": {name: part}}]}) for part in parts]
    return [chunk]


@given(usages)
def test_usage_is_read_back_without_loss(usage: Usage) -> None:
    assert from_openai(to_openai(usage)) == usage


deltas = st.dictionaries(st.sampled_from(["role", "content", "tool_calls", "function_call", "audio"]), json)
pieces = st.fixed_dictionaries(
    {}, optional={"delta": deltas | json, "finish_reason": json, "index": json, "logprobs": json}
)
events = st.fixed_dictionaries(
    {}, optional={"choices": st.lists(pieces | json, max_size=2) | json, "usage": json, "id": json}
)


@given(st.lists(events | json, max_size=3))
def test_whatever_an_upstream_streams_is_read_or_refused(sent: list[Any]) -> None:
    """Nothing but `StreamBroken`: anything else would be levelhead's own failure."""
    reader = StreamReader(CHAT)
    collector = Collector()
    with contextlib.suppress(StreamBroken):
        for data in sent:
            chunks = reader.feed(b"data: " + orjson.dumps(data) + b"\n\n")
            render_chunks(chunks, include_usage=True, cost_usd=0.0)
            collector.add(chunks)
        collector.add(reader.finish())
        collector.answer()


FIELDS = ["model", "messages", "tools", "tool_choice", "response_format", "stop", "metadata", "n", "stream_options"]


@given(st.dictionaries(st.sampled_from(FIELDS), json), st.sampled_from([[], ["messages"], ["tools"]]))
def test_a_request_is_read_or_refused(body: dict[str, Any], keep: list[str]) -> None:
    """Whatever is sent: a `Chat`, or an error that names a field of the body."""
    whole = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], **body}
    try:
        chat = read_request(orjson.dumps(whole))
        named, read = None, chat.body
    except InvalidRequest as error:
        named, read = error.param, whole
    assert read == whole
    assert named is None or named.split(".")[0].split("[")[0] in whole


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_is_a_header_value(value: str) -> None:
    written = header_value(value)
    assert written.isascii()
    assert written.isprintable()
    assert unquote(written) == value
