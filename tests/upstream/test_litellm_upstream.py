"""litellm itself, imported for real once, against the faithful OpenAI server."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from levelhead.errors import StreamBroken, UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from levelhead.testing import FakeOpenAI, Fault, Refusal, Reply, ToolUse
from levelhead.types import Call, Model, Price, Secret, Usage
from levelhead.upstream import LiteLLMUpstream
from levelhead.upstream.litellm import translated
from levelhead.wire.chat import Collector, read_request

TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}
PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)


def model_at(url: str, key: str) -> Model:
    return Model(
        name="m", tier="t", tier_rank=0, wire="litellm", upstream_model="openai/gpt-4.1", price=PRICE, base_url=url,
        api_key=Secret(key),
    )  # fmt: skip


def call(vendor: FakeOpenAI, *, seconds: float = 60, **body: object) -> Call:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], **body}
    return Call(read_request(orjson.dumps(body)), model_at(vendor.url, vendor.api_key), 1000, seconds)


async def test_answers_refusals_and_streams(caplog):
    """One test for one slow import; it must not stop the loop meanwhile."""
    upstream = LiteLLMUpstream()
    reply = Reply(
        text="Guten Tag.", tools=(ToolUse("look_up", '{"a":1}'),), usage=Usage(input=7, cached_input=3, output=5)
    )
    async with FakeOpenAI() as vendor:
        vendor.script(reply, reply)
        ticks = 0
        task = asyncio.create_task(upstream.complete(call(vendor, tools=[TOOL], user="u")))
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        whole = await task
        assert ticks > 3
        sent = vendor.requests[0].body
        assert (sent["model"], sent["max_tokens"], sent["user"]) == ("gpt-4.1", 1000, "u")
        message = whole.body["choices"][0]["message"]
        assert message["content"] == "Guten Tag."
        assert message["tool_calls"][0]["function"] == {"name": "look_up", "arguments": '{"a":1}'}
        assert whole.usage == Usage(input=7, cached_input=3, output=5)

        stream = await upstream.stream(call(vendor, tools=[TOOL], stream=True))
        collector = Collector()
        async for chunks in stream:
            collector.add(chunks)
        told = collector.answer()
        assert told.body["choices"][0]["message"]["content"] == "Guten Tag."
        assert told.body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
        assert (told.usage, stream.usage, told.finish) == (whole.usage, whole.usage, "tool_calls")

        await refusals(upstream, vendor)
        await faults(upstream, vendor)
    assert "hello" not in caplog.text
    assert vendor.api_key not in caplog.text
    await upstream.aclose()


async def refusals(upstream: LiteLLMUpstream, vendor: FakeOpenAI) -> None:
    asked = len(vendor.requests)
    overflow = "This model's maximum context length is 10 tokens. However, your messages resulted in 20 tokens."
    for reply, kind, code in (
        (Refusal(status=400, message="n is wrong", code="invalid_value"), UpstreamRefused, "invalid_value"),
        (
            Refusal(status=400, message=overflow, code="context_length_exceeded"),
            UpstreamRefused,
            "context_length_exceeded",
        ),
        (Refusal(status=401, message="no"), UpstreamError, "upstream_auth"),
        (Refusal(status=404, message="no"), UpstreamError, "upstream_not_found"),
        (
            Refusal(status=429, message="slow", headers=(("retry-after", "3"),)),
            UpstreamUnavailable,
            "upstream_rate_limited",
        ),
        (Refusal(status=500, message="oops"), UpstreamUnavailable, "upstream_unavailable"),
        (Fault("cut"), UpstreamUnavailable, "upstream_unavailable"),
    ):
        vendor.script(reply)
        with pytest.raises(UpstreamError) as caught:
            await upstream.complete(call(vendor))
        assert (type(caught.value), caught.value.code) == (kind, code)
        assert "litellm" not in caught.value.message
        if isinstance(reply, Refusal) and reply.status == 429:
            assert caught.value.retry_after == 3
    assert len(vendor.requests) == asked + 7  # litellm retries nothing by itself
    with pytest.raises(UpstreamRefused, match="Unknown parameter: 'api_base'"):
        # a client's body is data for the provider, never an option of litellm's: this one would send our key away
        await upstream.complete(call(vendor, api_base="http://127.0.0.1:9"))


async def faults(upstream: LiteLLMUpstream, vendor: FakeOpenAI) -> None:
    vendor.script(Reply(text="words in pieces " * 3, fault=Fault("reset", after=5)), Fault("stall"), Fault("stall"))
    stream = await upstream.stream(call(vendor, stream=True))
    with pytest.raises(StreamBroken):
        async for _ in stream:
            pass
    with pytest.raises(UpstreamTimeout):
        await upstream.complete(call(vendor, seconds=0.2))
    seen = len(vendor.requests)
    task = asyncio.create_task(upstream.complete(call(vendor)))
    while len(vendor.requests) == seen:  # noqa: ASYNC110 - the vendor has no event for it
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await vendor.requests[-1].gone.wait()


def test_what_litellm_itself_trips_over_is_not_quoted():
    error = translated(ValueError("Missing credentials sk-123 for prompt 'hello'"), model_at("http://x", "k"))
    assert (type(error), error.elsewhere, error.retryable) == (UpstreamError, True, False)
    assert "sk-123" not in str(error)
    assert "hello" not in str(error)
