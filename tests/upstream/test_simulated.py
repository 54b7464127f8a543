"""The simulated pair says that it is one, is deterministic, and keeps every promise of the port."""

from __future__ import annotations

import orjson
import pytest

from levelhead.types import Call, Model, Price
from levelhead.upstream import SimulatedUpstream
from levelhead.upstream.simulated import LABEL
from levelhead.wire.chat import Collector, read_request

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "required": ["city", "days"],
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
    }}}
    for name in ("weather", "news")
]  # fmt: skip


def call(name: str = "sim-strong", cap: int = 1000, **body: object) -> Call:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Why is the sky blue?"}], **body}
    price = Price(1e-6, 1e-6, 1e-6, 1e-6, 1e-6)
    model = Model(name=name, tier="t", tier_rank=0, wire="simulated", upstream_model=name, price=price)
    return Call(read_request(orjson.dumps(body)), model, cap, 10)


async def answer(**options):
    return await SimulatedUpstream().complete(call(**options))


async def test_it_says_what_it_is():
    for name in ("sim-strong", "sim-efficient", "other"):
        body = (await answer(name=name)).body
        assert body["choices"][0]["message"]["content"].startswith(LABEL)
        assert body["model"].startswith("sim-")
        assert body["system_fingerprint"] == "simulated"


async def test_the_same_request_gets_the_same_answer():
    assert (await answer()).body == (await answer()).body
    assert (await answer()).body["id"] != (await answer(seed=7)).body["id"]
    assert (await answer()).body != (await answer(name="sim-efficient")).body


async def test_streamed_and_whole_are_one(request):
    for options in ({}, {"tools": TOOLS, "tool_choice": "required"}, {"n": 2}):
        whole = await answer(**options)
        stream = await SimulatedUpstream().stream(call(stream=True, **options))
        assert stream.usage is None
        collector, reads = Collector(), 0
        async for chunks in stream:
            collector.add(chunks)
            reads += 1
        told = collector.answer()
        assert told.usage == whole.usage == stream.usage
        for mine, other in zip(told.body["choices"], whole.body["choices"], strict=True):
            assert mine["message"] == other["message"]
            assert mine["finish_reason"] == other["finish_reason"]
        assert reads > 3


async def test_usage_is_counted_and_the_cap_is_kept():
    usage = (await answer()).usage
    assert usage.input > 0
    assert usage.output > 20
    short = await answer(cap=3)
    assert (short.finish, short.usage.output) == ("length", 3)
    assert (await answer(n=3)).usage.output == 3 * usage.output


@pytest.mark.parametrize(
    ("choice", "name"), [("required", "weather"), ({"type": "function", "function": {"name": "news"}}, "news")]
)
async def test_forced_tools_are_called(choice, name):
    said = await answer(tools=TOOLS, tool_choice=choice)
    (tool_call,) = said.body["choices"][0]["message"]["tool_calls"]
    assert (tool_call["function"]["name"], said.finish) == (name, "tool_calls")
    assert orjson.loads(tool_call["function"]["arguments"]) == {"city": LABEL, "days": 1}


async def test_json_where_json_is_asked_for():
    said = await answer(response_format={"type": "json_object"})
    assert orjson.loads(said.body["choices"][0]["message"]["content"])["simulated"] is True
    schema = {
        "type": "object", "required": ["a", "b", "c", "d", "e"],
        "properties": {
            "a": {"enum": ["x", "y"]}, "b": {"type": ["array", "null"], "items": {"type": "boolean"}, "minItems": 2},
            "c": {"anyOf": [{"type": "null"}, {"type": "string"}]}, "d": {"type": "number"}, "e": {"const": 5},
        },
    }  # fmt: skip
    said = await answer(response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema}})
    text = said.body["choices"][0]["message"]["content"]
    assert orjson.loads(text) == {"a": "x", "b": [False, False], "c": None, "d": 0, "e": 5}


async def test_closing_ends_the_stream():
    stream = await SimulatedUpstream().stream(call(stream=True))
    await anext(stream)
    await stream.aclose()
    assert [chunk async for chunk in stream] == []
