"""Laws of the Anthropic wire, on conversations that no client should send but some do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead.testing.anthropic_rules import check
from levelhead.types import Call, Capabilities, Chat, Model, Price
from levelhead.wire import sse
from levelhead.wire.chat import read_request
from levelhead.wire.messages import StreamReader, headers, write_request
from levelhead.wire.messages_fence import Unfencer, unfenced

MODELS = [
    "claude-3-5-haiku-20241022",
    "claude-3-7-sonnet-latest",
    "claude-haiku-4-5",
    "claude-sonnet-4-20250514",
    "claude-opus-4-1",
    "claude-opus-4-5-20251101",
    "claude-sonnet-4-6",
    "claude-opus-4-6",
    "claude-opus-4-7",
    "claude-opus-4-8",
    "claude-sonnet-5",
    "claude-opus-5",
    "claude-fable-5",
    "claude-fable-5-1",
    "claude-mythos-preview",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-5-5",
    "claude-opus-7",
    "claude-nova-1",
]
PNG = "data:image/png;base64,iVBORw0KGgo="
texts = st.one_of(st.sampled_from(["", " ", "\n\t", "Hi.", "  spaced  "]), st.text(max_size=20))
marks = st.sampled_from(
    [{}, {}, {"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
)
ids = st.sampled_from(["call_1", "call_1", "call:2", "call 3 ä", "x" * 200, "toolu_9", "functions.f:0"])
names = st.sampled_from(["f", "get.weather", "a/b", "名前", "n" * 140])
arguments = st.one_of(
    st.sampled_from(
        ["", "{}", "{bad", "[1]", '"text"', "null", '{"a": 1e400}', '{"big": 123456789012345678901234567890}']
    ),
    st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=2).map(json.dumps),
)
part = st.one_of(
    st.builds(lambda text, mark: {"type": "text", "text": text, **mark}, texts, marks),
    st.just({"type": "image_url", "image_url": {"url": PNG}}),
    st.just({"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0x"}}),
)
content = st.one_of(texts, st.lists(part, max_size=3))
thinking = st.sampled_from(
    [
        {},
        {},
        {"reasoning_content": "Because."},
        {"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "EqoBCkgIARABGAIiQL8X"}]},
        {"thinking_blocks": [{"type": "redacted_thinking", "data": "AbC"}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "no signature"}]},
        {
            "thinking_blocks": [
                {"type": "thinking", "thinking": "t", "signature": "91cfbb94-554b-4136-8e21-fa02280d56ed"}
            ]
        },
    ]
)
tool_call = st.builds(
    lambda id, name, text: {"id": id, "type": "function", "function": {"name": name, "arguments": text}},
    ids,
    names,
    arguments,
)
message = st.one_of(
    st.builds(lambda c, m: {"role": "user", "content": c, **m}, content, marks),
    st.builds(lambda r, c, m: {"role": r, "content": c, **m}, st.sampled_from(["system", "developer"]), texts, marks),
    st.builds(
        lambda text, calls, extra: {
            "role": "assistant",
            "content": text,
            **({"tool_calls": calls} if calls else {}),
            **extra,
        },
        texts,
        st.lists(tool_call, max_size=3),
        thinking,
    ),
    st.builds(lambda id, c, m: {"role": "tool", "tool_call_id": id, "content": c, **m}, ids, content, marks),
    st.builds(lambda name, c: {"role": "function", "name": name, "content": c}, names, texts),
)
schema = st.sampled_from(
    [
        {},
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 2}}, "required": ["a"]},
        {"type": "object", "properties": {"m": {"type": "object", "additionalProperties": {"type": "string"}}}},
        {"oneOf": [{"type": "object", "properties": {"a": {"type": "integer", "maximum": 3}}}, {"type": "null"}]},
        {"type": ["object", "null"], "properties": None, "required": None},
    ]
)
tool = st.builds(
    lambda name, parameters, strict, mark: {
        "type": "function",
        "function": {"name": name, "parameters": parameters, "strict": strict},
        **mark,
    },
    names,
    schema,
    st.booleans(),
    marks,
)
options = st.fixed_dictionaries(
    {},
    optional={
        "tools": st.lists(tool, min_size=1, max_size=4),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "parallel_tool_calls": st.booleans(),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "stop": st.one_of(texts, st.lists(texts, max_size=4)),
        "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        "thinking": st.sampled_from(
            [
                {"type": "enabled", "budget_tokens": 3000},
                {"type": "enabled"},
                {"type": "adaptive", "display": "summarized"},
                {"type": "disabled"},
                {"type": "between_tools"},
            ]
        ),
        "user": texts,
        "response_format": st.one_of(
            st.just({"type": "json_object"}),
            schema.map(lambda one: {"type": "json_schema", "json_schema": {"name": "n", "schema": one}}),
        ),
        "cache_control": st.just({"type": "ephemeral", "ttl": "1h"}),
        "stream": st.booleans(),
        "seed": st.integers(0, 9),
        "anything": st.booleans(),
    },
)


def make_call(messages: list[Any], body: dict[str, Any], model: str, cap: int) -> Call:
    if body.get("tool_choice") == "required" and "tools" not in body:
        body = {**body, "tool_choice": "auto"}
    chat = read_request(orjson.dumps({"model": "auto", **body, "messages": messages}))
    price = Price(2e-6, 1e-5, 2e-7, 2.5e-6, 4e-6)
    capabilities = Capabilities(prompt_cache_min_tokens=512)
    return Call(chat, Model("m", "strong", 1, "anthropic", model, price, capabilities), cap, timeout=60)


@settings(max_examples=300, deadline=None)
@given(st.lists(message, min_size=1, max_size=8), options, st.sampled_from(MODELS), st.sampled_from([1, 1500, 8192]))
def test_any_conversation_becomes_a_body_that_the_vendor_takes(
    messages: list[Any], body: dict[str, Any], model: str, cap: int
) -> None:
    call = make_call(messages, body, model, cap)
    before = orjson.dumps(call.chat.body)
    written = orjson.loads(write_request(call))
    assert check(written, model=model) is None
    assert orjson.dumps(call.chat.body) == before  # the client's own objects stay as they are
    assert all(name.islower() and "\n" not in value for name, value in headers(call))


def texts_of(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
    elif isinstance(value, str):
        yield value


@settings(max_examples=200, deadline=None)
@given(st.lists(message, min_size=1, max_size=8), st.sampled_from(MODELS))
def test_every_text_arrives(messages: list[Any], model: str) -> None:
    written = orjson.loads(write_request(make_call(messages, {}, model, 8192)))
    arrived = "\0".join(texts_of([written.get("system"), written["messages"]]))
    for one in messages:
        contents = one["content"] if isinstance(one["content"], list) else [{"text": one["content"]}]
        for said in contents:
            assert said.get("text", "").strip() in arrived


settled = st.lists(
    st.one_of(
        st.builds(lambda text: [{"role": "user", "content": text}], texts),
        st.builds(
            lambda text: [{"role": "user", "content": "Go."}, {"role": "system", "content": text}],
            texts.filter(str.strip),
        ),
        st.builds(
            lambda calls: [
                {"role": "assistant", "content": None, "tool_calls": calls},
                *({"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in calls),
            ],
            st.lists(tool_call, min_size=1, max_size=3, unique_by=lambda call: call["id"]),
        ),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(settled, st.sampled_from(MODELS))
def test_a_growing_conversation_keeps_its_beginning(groups: list[list[Any]], model: str) -> None:
    """Else each turn would pay for the whole prompt again, and bound thinking would be lost."""

    def turns(messages: list[Any]) -> list[Any]:
        body = orjson.loads(write_request(make_call(messages, {"cache_control": {"type": "ephemeral"}}, model, 8192)))
        written: list[Any] = body["messages"]
        return written

    asked = [{"role": "user", "content": "Start."}, *(message for group in groups for message in group)]
    if asked[-1]["role"] == "assistant":
        return
    first = turns(asked)
    then = turns([*asked, {"role": "assistant", "content": "Done."}, {"role": "user", "content": "More."}])
    assert then[: len(first)] == first


events = [
    {
        "type": "message_start",
        "message": {"id": "msg_1", "model": "m", "usage": {"input_tokens": 3, "output_tokens": 1}},
    },
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "Eq"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ü€"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a":1}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
STREAM = b"".join(sse.encode(orjson.dumps(event), str(event["type"])) for event in events)


def read_in(pieces: list[bytes]) -> tuple[list[dict[str, Any]], StreamReader]:
    reader = StreamReader(Chat("chat", {}, "auto", []))
    chunks = [chunk.data for piece in pieces for chunk in reader.feed(piece)]
    chunks += [chunk.data for chunk in reader.finish()]
    for chunk in chunks:
        chunk["created"] = 0
    return chunks, reader


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_chunking_of_a_stream_gives_the_same_chunks(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[a:b] for a, b in pairwise(edges)]
    chunks, reader = read_in(pieces)
    whole, whole_reader = read_in([STREAM])
    assert chunks == whole
    assert (reader.usage, reader.output_bytes) == (whole_reader.usage, whole_reader.output_bytes)
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]


fenced = st.lists(st.sampled_from(["```", "`", "json", "\n", " ", '{"a": "```"}', "x"]), max_size=8).map("".join)


@settings(max_examples=300, deadline=None)
@given(fenced | fenced.map(lambda text: f"```json\n{text}\n```"), st.lists(st.integers(0, 60), max_size=12))
def test_any_chunking_of_a_text_gives_it_without_the_fence(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    unfencer = Unfencer()
    heard = "".join(unfencer.feed(text[a:b]) for a, b in pairwise(edges)) + unfencer.finish()
    opened = re.match(r"\s*```[^\S\n]*(json)?[^\S\n]*\n\s*", text)
    if opened is None or unfenced(text) != text:
        assert heard == unfenced(text)
    else:  # never closed
        assert heard == text[opened.end() :]


def test_only_what_may_be_the_fence_is_held_back() -> None:
    unfencer = Unfencer()
    assert [unfencer.feed(char) for char in '```json\n{"a": 1}\n``x'] == [
        *[""] * 8,
        *'{"a":',
        "",
        " 1",
        "}",
        "",
        "",
        "",
        "\n``x",
    ]
    assert Unfencer().feed("Sure: ") == "Sure: "
