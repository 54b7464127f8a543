"""The two dialects over real sockets against vendors that check, stream, refuse and fail as the real ones do."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson
import pytest

from levelhead.errors import StreamBroken, UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from levelhead.testing import FakeAnthropic, FakeDeepSeek, FakeOpenAI, Fault, Refusal, Reply, ToolUse
from levelhead.testing.fake_openai import last_user_text
from levelhead.types import Call, Capabilities, Chunk, Model, Price, Secret, Usage
from levelhead.upstream import AnthropicUpstream, HttpClient, OpenAIUpstream, Timeouts
from levelhead.upstream.wires import join
from levelhead.wire.chat import Collector, read_request

PRICE = Price(input=1e-6, output=2e-6, cached_input=1e-7, cache_write=1e-6, cache_write_1h=2e-6)
VENDORS = {
    "openai": (FakeOpenAI, OpenAIUpstream, "gpt-4.1"),
    "deepseek": (FakeDeepSeek, OpenAIUpstream, "deepseek-v4-flash"),
    "anthropic": (FakeAnthropic, AnthropicUpstream, "claude-sonnet-4-5"),
}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


class Bench:
    """One vendor, an upstream that reaches it, and calls to send."""

    def __init__(self, name, vendor, upstream, upstream_model):
        self.name, self.vendor, self.upstream = name, vendor, upstream
        self.model = Model(
            name="m", tier="t", tier_rank=0, wire=upstream.wire, upstream_model=upstream_model, price=PRICE,
            capabilities=Capabilities(thinking="optional"), base_url=vendor.url, api_key=Secret(vendor.api_key),
        )  # fmt: skip

    def call(self, *, stream=False, seconds=30.0, text="hello", **body) -> Call:
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": stream, **body}
        return Call(read_request(orjson.dumps(body)), self.model, output_cap=1000, timeout=seconds)

    async def text(self, **options) -> str:
        answer = await self.upstream.complete(self.call(**options))
        return answer.body["choices"][0]["message"]["content"]

    async def streamed(self, **options) -> tuple[dict, list[Chunk]]:
        stream = await self.upstream.stream(self.call(stream=True, **options))
        chunks = [chunk async for several in stream for chunk in several]
        collector = Collector()
        collector.add(chunks)
        self.last = stream
        return collector.answer().body["choices"][0], chunks


@pytest.fixture(params=VENDORS)
async def bench(request):
    server, upstream, model = VENDORS[request.param]
    client = HttpClient(Timeouts(connect=30, first_byte=30, idle=30))
    async with server() as vendor:
        yield Bench(request.param, vendor, upstream(client), model)
        await client.aclose()


REPLIES = {
    "text": Reply(text="Guten Tag, größte Welt. " * 5),
    "thinking": Reply(reasoning="Let me think about that.", text="Done."),
    "tools": Reply(text="I look.", tools=(ToolUse("look_up", '{"city":"Zürich"}'), ToolUse("look_up", "{}"))),
    "usage": Reply(text="x", usage=Usage(input=70, cached_input=30, output=9)),
    "one byte a write": Reply(text="häppchenweise", drip=1),
    "no framing": Reply(text="the end is the end", close_delimited=True),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
async def test_streamed_and_whole_say_the_same(bench, reply):
    bench.vendor.script(reply, reply)
    whole = await bench.upstream.complete(bench.call(tools=[TOOL]))
    choice, chunks = await bench.streamed(tools=[TOOL])
    told = whole.body["choices"][0]
    for name in ("content", "reasoning_content"):
        assert (choice["message"].get(name) or "") == (told["message"].get(name) or "")
    calls, streamed_calls = (c["message"].get("tool_calls", []) for c in (told, choice))
    assert [c["function"] for c in calls] == [c["function"] for c in streamed_calls]
    assert len(calls) == len(reply.tools)
    assert choice["finish_reason"] == told["finish_reason"] == ("tool_calls" if reply.tools else "stop")
    assert bench.last.usage == whole.usage
    assert [bool(chunk.data.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].data["choices"] == []
    assert bench.last.output_bytes >= len(reply.text.encode())


async def test_connection_is_kept_after_whole_and_streamed_answers(bench):
    for _ in range(2):
        await bench.text()
        await bench.streamed()
    assert bench.vendor.connections <= 2  # a stream's last bytes may still be under way
    assert len(bench.vendor.requests) == 4


async def test_what_the_vendor_is_sent(bench):
    await bench.upstream.complete(replace(bench.call(), forward_headers=(("anthropic-beta", "one"),)))
    request = bench.vendor.requests[0]
    assert request.path.endswith("/v1/messages" if bench.name == "anthropic" else "/v1/chat/completions")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["anthropic-beta"] == "one"
    assert request.body["model"] == bench.model.upstream_model
    assert request.body["max_tokens"] == 1000


async def test_the_operators_headers_win(bench):
    name = "x-api-key" if bench.name == "anthropic" else "Authorization"
    value = bench.vendor.api_key if bench.name == "anthropic" else f"Bearer {bench.vendor.api_key}"
    bench.model = replace(bench.model, api_key=Secret("wrong"), extra_headers=((name, value), ("X-Team", "a")))
    assert await bench.text() == "echo: hello"
    assert bench.vendor.requests[0].headers["x-team"] == "a"


@pytest.mark.parametrize(
    ("base", "root", "path", "url"),
    [
        ("https://api.deepseek.com", "/v1", "/chat/completions", "https://api.deepseek.com/v1/chat/completions"),
        ("https://api.deepseek.com/v1/", "/v1", "/chat/completions", "https://api.deepseek.com/v1/chat/completions"),
        ("https://x/api/v1", "/v1", "/chat/completions", "https://x/api/v1/chat/completions"),
        ("https://x/v1/chat/completions", "/v1", "/chat/completions", "https://x/v1/chat/completions"),
        ("https://x/d/y?api-version=1", "/v1", "/chat/completions", "https://x/d/y/chat/completions?api-version=1"),
    ],
)
def test_openai_urls(base, root, path, url):
    assert join(base, root, path) == url


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/", "https://api.anthropic.com/v1/messages"),
        ("https://api.anthropic.com/v1", "https://api.anthropic.com/v1/messages"),
        ("https://api.deepseek.com/anthropic", "https://api.deepseek.com/anthropic/v1/messages"),
        ("https://x/v1/messages", "https://x/v1/messages"),
    ],
)
def test_anthropic_urls(base, url):
    assert AnthropicUpstream(HttpClient())._url(base, "chat") == url


# --- refusals ---

OVERLOADED = Refusal(status=529, type="overloaded_error", message="Overloaded")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("reply", "kind", "http_status", "code", "retryable", "elsewhere"),
    [
        (Refusal(status=400, message="bad field", code="oops", param="n"), UpstreamRefused, 400, None, False, False),
        (Refusal(status=401, message="key sk-123 is wrong"), UpstreamError, 502, "upstream_auth", False, True),
        (Refusal(status=403, message="not yours"), UpstreamError, 502, "upstream_auth", False, True),
        (Refusal(status=402, message="Insufficient Balance"), UpstreamError, 502, "upstream_quota", False, True),
        (Refusal(status=404, message="no such model"), UpstreamError, 502, "upstream_not_found", False, True),
        (Refusal(status=408, message="slow"), UpstreamTimeout, 504, "upstream_timeout", True, True),
        (Refusal(status=429, message="slow down"), UpstreamUnavailable, 503, "upstream_rate_limited", True, True),
        (Refusal(status=500, body=b""), UpstreamUnavailable, 503, "upstream_unavailable", True, True),
        (Refusal(status=502, body=b"<html>bad gateway</html>", content_type="text/html"), UpstreamUnavailable, 503,
         "upstream_unavailable", True, True),
        (OVERLOADED, UpstreamUnavailable, 503, "upstream_unavailable", True, True),
        (Refusal(status=302, body=b"", headers=(("location", "/login"),)), UpstreamError, 502, "upstream_protocol",
         False, True),
    ],
)  # fmt: skip
async def test_refusals(bench, stream, reply, kind, http_status, code, retryable, elsewhere):
    bench.vendor.script(reply)
    with pytest.raises(kind) as caught:
        await (bench.upstream.stream if stream else bench.upstream.complete)(bench.call(stream=stream))
    error = caught.value
    assert type(error) is kind
    assert (error.http_status, error.retryable, error.elsewhere) == (http_status, retryable, elsewhere)
    if code:
        assert error.code == code
    assert error.upstream_status == reply.status
    assert "sk-123" not in str(error)
    assert await bench.text() == "echo: hello"  # the connection is in order


async def test_overflow_goes_to_a_bigger_model(bench):
    bench.vendor.context_tokens = 2000
    with pytest.raises(UpstreamRefused) as caught:
        await bench.upstream.complete(bench.call(text="long " * 3000))
    assert (caught.value.code, caught.value.http_status) == ("context_length_exceeded", 400)
    assert caught.value.elsewhere
    assert not caught.value.retryable


async def test_wrong_key_is_not_the_clients_fault(bench):
    bench.vendor.api_key = "sk-another"
    with pytest.raises(UpstreamError) as caught:
        await bench.text()
    assert (caught.value.http_status, caught.value.code) == (502, "upstream_auth")


@pytest.mark.parametrize("key", ["sk-line\nbreak", "schlüssel-日本"])
async def test_a_key_that_cannot_be_sent_is_said_and_not_shown(bench, key):
    bench.model = replace(bench.model, api_key=Secret(key))
    with pytest.raises(UpstreamError) as caught:
        await bench.text()
    assert caught.value.code == "upstream_config"
    assert key not in str(caught.value)


# --- faults of transport ---


@pytest.mark.parametrize("fault", [Fault("reset"), Fault("cut")], ids=lambda fault: fault.kind)
async def test_lost_before_the_answer(bench, fault):
    bench.vendor.script(fault, fault)
    for stream in (False, True):
        with pytest.raises(UpstreamUnavailable):
            await (bench.upstream.stream if stream else bench.upstream.complete)(bench.call(stream=stream))
    assert await bench.text() == "echo: hello"


async def test_stale_connection_goes_unnoticed(bench):
    await bench.text()
    bench.vendor.script(Fault("cut"))
    assert await bench.text() == "echo: hello"
    assert bench.vendor.connections == 2


@pytest.mark.parametrize("kind", ["cut", "reset"])
async def test_whole_answer_cut_short(bench, kind):
    bench.vendor.script(Reply(text="never whole", fault=Fault(kind)))
    with pytest.raises(UpstreamUnavailable) as caught:
        await bench.text()
    assert caught.value.retryable


@pytest.mark.parametrize("kind", ["cut", "reset", "error"])
async def test_stream_that_fails_before_its_content_may_be_tried_again(bench, kind):
    bench.vendor.script(Reply(text="x", fault=Fault(kind, after=1)))
    with pytest.raises(UpstreamUnavailable) as caught:
        await bench.upstream.stream(bench.call(stream=True))
    assert caught.value.retryable
    assert caught.value.elsewhere


@pytest.mark.parametrize("kind", ["cut", "reset", "error"])
async def test_stream_that_fails_after_its_content_is_broken(bench, kind):
    bench.vendor.script(Reply(text="some words that come in pieces", fault=Fault(kind, after=5)))
    stream = await bench.upstream.stream(bench.call(stream=True))
    with pytest.raises(StreamBroken) as caught:
        async for _ in stream:
            pass
    assert not caught.value.retryable
    assert not caught.value.elsewhere
    assert stream.usage is None
    assert stream.output_bytes > 0
    await stream.aclose()
    assert await bench.text() == "echo: hello"


async def test_truncated_without_framing_is_broken_too(bench):
    """The transport can't tell: only the missing closing event does."""
    bench.vendor.script(Reply(text="words in pieces " * 9, close_delimited=True, fault=Fault("cut", after=5)))
    stream = await bench.upstream.stream(bench.call(stream=True))
    with pytest.raises(StreamBroken):
        async for _ in stream:
            pass


async def test_first_content_is_not_held_for_the_rest(bench):
    bench.vendor.script(Reply(text="first second third", piece_chars=6, fault=Fault("stall", after=5)))
    stream = await bench.upstream.stream(bench.call(stream=True))
    first = await anext(aiter(stream))
    assert any(choice["delta"].get("content") for chunk in first for choice in chunk.data["choices"])
    bench.vendor.release()
    assert len([chunk async for chunk in stream]) > 0


@pytest.mark.parametrize("after", [0, 5])
async def test_cancelling_reaches_the_vendor(bench, after):
    bench.vendor.script(Reply(text="some words that come in pieces", fault=Fault("stall", after=after)))

    async def read() -> None:
        async for _ in await bench.upstream.stream(bench.call(stream=True)):
            begun.set()

    begun = asyncio.Event()
    task = asyncio.create_task(read())
    while not bench.vendor.requests:  # noqa: ASYNC110 - the vendor has no event for it
        await asyncio.sleep(0)
    if after:
        await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.vendor.requests[0].gone.wait()


async def test_closing_a_stream_reaches_the_vendor(bench):
    bench.vendor.script(Reply(text="some words that come in pieces", fault=Fault("stall", after=5)))
    stream = await bench.upstream.stream(bench.call(stream=True))
    await stream.aclose()
    await bench.vendor.requests[0].gone.wait()
    assert [chunk async for chunk in stream] == []


async def test_a_call_has_only_so_much_time(bench, clock):
    bench.vendor.script(Reply(text="some words in pieces", fault=Fault("stall", after=5)), Fault("stall"))
    stream = await bench.upstream.stream(bench.call(stream=True, seconds=5))
    clock.now += 6
    with pytest.raises(StreamBroken):
        async for _ in stream:
            pass
    task = asyncio.create_task(bench.text(seconds=5))
    while len(bench.vendor.requests) < 2:  # noqa: ASYNC110 - the vendor has no event for it
        await asyncio.sleep(0)
    clock.now += 6
    with pytest.raises(UpstreamTimeout):
        await task


# --- vendors' habits ---


@pytest.mark.parametrize("stream", [False, True])
async def test_error_object_under_status_200(raw, stream):
    body = b'{"error":{"message":"Provider returned error","code":429}}'
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    client = HttpClient()
    async with raw.server(raw.saying(answer)) as url:
        model = Model(name="m", tier="t", tier_rank=0, wire="openai", upstream_model="x", price=PRICE, base_url=url)
        chat = read_request(b'{"model":"auto","messages":[{"role":"user","content":"x"}],"stream":%s}'
                            % (b"true" if stream else b"false"))  # fmt: skip
        upstream = OpenAIUpstream(client)
        with pytest.raises(UpstreamUnavailable) as caught:
            await (upstream.stream if stream else upstream.complete)(Call(chat, model, 10, 60))
    assert caught.value.code == "upstream_rate_limited"
    await client.aclose()


async def test_streams_side_by_side_are_never_mixed(bench):
    """Twenty interleaved streams over few connections, some abandoned halfway: each says its own words only."""
    bench.vendor.answer = lambda body: Reply(text=f"{last_user_text(body)} " * 9, drip=150)

    async def one(number: int) -> None:
        word = f"word{number:03d}"
        stream = await bench.upstream.stream(bench.call(stream=True, text=word))
        said = ""
        async for chunks in stream:
            for chunk in chunks:
                for choice in chunk.data["choices"]:
                    said += choice["delta"].get("content") or ""
            if number % 4 == 0 and len(said) > 20:
                await stream.aclose()
                break
        assert set(said[: -(len(said) % 8) or None].split()) == {word}
        assert number % 4 == 0 or len(said) == 9 * 8

    for _ in range(2):
        await asyncio.gather(*(one(number) for number in range(20)))
