"""The pooled client against servers on real sockets, well-behaved and not."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest
import uvloop

from levelhead.errors import InvalidRequest, UpstreamError, UpstreamUnavailable
from levelhead.upstream.client import HttpClient
from levelhead.upstream.limits import Limits, Timeouts
from levelhead.upstream.response import Response

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_policy(request):
    return asyncio.DefaultEventLoopPolicy() if request.param == "asyncio" else uvloop.EventLoopPolicy()


@pytest.fixture
async def client():
    found = HttpClient(Timeouts(connect=60, first_byte=60, idle=60))  # for no test to reach
    yield found
    await found.aclose()


async def post(client: HttpClient, url: str, body: bytes = b"{}", within: float = 60, **options) -> Response:
    return await client.send(client.endpoint("POST", url), body, within=within, **options)


async def test_request_as_the_server_sees_it(client, raw):
    seen = []

    async def talk(reader, writer):
        seen.append(await raw.read_request(reader))
        writer.write(OK)

    async with raw.server(talk) as url:
        endpoint = client.endpoint("POST", f"{url}/v1/ü?api-version=2", [("authorization", "Bearer k")])
        response = await client.send(endpoint, b'{"a":1}', headers=[("anthropic-beta", "x")], within=60)
        assert (response.status, await response.read()) == (200, b"hi")
    head, body = seen[0].split(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/%C3%BC?api-version=2 HTTP/1.1"
    assert body == b'{"a":1}'
    host = url.removeprefix("http://").encode()
    for line in (b"host: " + host, b"authorization: Bearer k", b"anthropic-beta: x", b"accept-encoding: identity",
                 b"content-length: 7"):  # fmt: skip
        assert line in lines


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK, b"hi"),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nh\r\n1;x=y\r\ni\r\n0\r\nx-trailer: 1\r\n\r\n",
            b"hi",
        ),
        (b"HTTP/1.1 200 OK\r\n\r\nhi", b"hi"),  # ends with the connection
        (b"HTTP/1.0 200 OK\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", b"hi"),
        (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK, b"hi"),
        (b"HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", b""),
    ],
)
async def test_framings(client, answer, expected, raw):
    async with raw.server(raw.saying(answer)) as url:
        response = await post(client, url)
        assert response.status == 200
        assert "link" not in response.headers
        assert await response.read() == expected


async def test_framing_is_the_same_in_any_chunking(client, raw):
    whole = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

    async def talk(reader, writer):
        await raw.read_request(reader)
        for at in range(len(whole)):
            writer.write(whole[at : at + 1])
            await asyncio.sleep(0)

    async with raw.server(talk) as url:
        response = await post(client, url)
        got = b""
        while piece := await response.receive():
            got += piece
        assert got == b"hello world"


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        (b"", "upstream_disconnected", True),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "upstream_disconnected", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", "upstream_disconnected", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", "upstream_disconnected", True),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "upstream_protocol", True),
        (b"HTTP/1.1 101 Up\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", "upstream_protocol", True),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 20_000, "upstream_protocol", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + b"x" * 2_000_000, "upstream_too_large", False),
    ],
)
async def test_broken_answers(answer, code, retryable, raw):
    client = HttpClient(limits=Limits(head_bytes=50_000, body_bytes=60_000))
    async with raw.server(raw.saying(answer)) as url:
        with pytest.raises(UpstreamUnavailable) as caught:
            await (await post(client, url)).read()
    assert (caught.value.code, caught.value.retryable) == (code, retryable)
    await client.aclose()


async def test_connection_is_reused(client, raw):
    connections = 0

    async def talk(reader, writer):
        nonlocal connections
        connections += 1
        while True:
            await raw.read_request(reader)
            writer.write(OK)

    async with raw.server(talk) as url:
        for _ in range(3):
            assert await (await post(client, url)).read() == b"hi"
        assert connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        OK + OK,  # an answer nobody asked for must not be the next one's
        OK + b"HTTP/1.1 20",
    ],
)
async def test_connection_is_not_reused(client, answer, raw):
    async with raw.server(raw.saying(answer, b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"), raw.saying(OK)) as url:
        assert await (await post(client, url)).read() == b"hi"
        response = await post(client, url)
        assert (response.status, await response.read()) == (200, b"hi")


async def test_idle_connection_that_speaks_is_closed(client, raw):
    spoke = asyncio.Event()

    async def talk(reader, writer):
        await raw.read_request(reader)
        writer.write(OK)
        await spoke.wait()
        writer.write(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")
        assert await reader.read() == b""
        gone.set()

    gone = asyncio.Event()
    async with raw.server(talk, raw.saying(OK)) as url:
        assert await (await post(client, url)).read() == b"hi"
        spoke.set()
        await gone.wait()
        assert (await post(client, url)).status == 200


async def test_stale_connection_is_retried_once_on_a_new_one(client, raw):
    """The server closes as the second request arrives: nothing of an answer came, so it is sent again."""
    bodies = []

    async def stale(reader, writer):
        await raw.read_request(reader)
        writer.write(OK)
        bodies.append(await raw.read_request(reader))

    async def fresh(reader, writer):
        bodies.append(await raw.read_request(reader))
        writer.write(OK)

    async with raw.server(stale, fresh) as url:
        await (await post(client, url)).read()
        assert await (await post(client, url, b"again")).read() == b"hi"
    assert [body[-5:] for body in bodies] == [b"again", b"again"]


async def test_no_silent_retry_after_a_byte_or_on_a_new_connection(client, raw):
    begun = raw.saying(OK, b"HTTP/1.1 2")
    async with raw.server(begun, raw.saying(OK)) as url:
        await (await post(client, url)).read()
        with pytest.raises(UpstreamUnavailable):
            await post(client, url)
    async with raw.server(raw.saying(b""), raw.saying(OK)) as url:
        with pytest.raises(UpstreamUnavailable):
            await post(client, url)


async def test_closed_while_idle_costs_nothing(client, raw):
    async with raw.server(raw.saying(OK)) as url:
        for _ in range(3):
            assert await (await post(client, url)).read() == b"hi"
            await asyncio.sleep(0)


async def test_undrained_answers_never_reach_another_request(client, raw):
    """An answer that is left halfway takes its connection with it."""

    async def talk(reader, writer):
        while True:
            body = (await raw.read_request(reader)).split(b"\r\n\r\n")[1]
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n" + body)
            await writer.drain()
            await go_on.wait()
            writer.write(body)

    go_on = asyncio.Event()
    async with raw.server(talk) as url:
        first = await post(client, url, b"one")
        assert await first.receive() == b"one"
        first.close()
        second = await post(client, url, b"two")
        go_on.set()
        assert await second.read() == b"twotwo"
        with pytest.raises(UpstreamError):
            await first.read()


async def test_released_answer_keeps_its_connection_if_it_ends(client, raw):
    connections = 0

    async def talk(reader, writer):
        nonlocal connections
        connections += 1
        while True:
            await raw.read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\n[DONE]\r\n")
            await ending.wait()
            writer.write(b"0\r\n\r\n")

    ending = asyncio.Event()
    async with raw.server(talk) as url:
        response = await post(client, url)
        assert await response.receive() == b"[DONE]"
        response.release()
        ending.set()
        while not response.complete:  # noqa: ASYNC110 - nobody waits for an answer that was released
            await asyncio.sleep(0)
        await (await post(client, url)).read()
        assert connections == 1


@pytest.mark.parametrize("part", ["head", "body", "stream"])
async def test_cancelling_reaches_the_server(client, part, raw):
    begun, left = asyncio.Event(), asyncio.Event()

    async def talk(reader, writer):
        await raw.read_request(reader)
        if part == "head":
            begun.set()
        else:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        try:
            await reader.read()
        finally:
            left.set()

    async def ask() -> None:
        response = await post(client, url)
        begun.set()
        await (response.read() if part == "body" else response.receive())

    async with raw.server(talk) as url:
        task = asyncio.create_task(ask())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await left.wait()


async def test_no_server_and_no_name(client):
    with socket.socket() as unheard:  # keeps its port, and refuses
        unheard.bind(("127.0.0.1", 0))
        port = unheard.getsockname()[1]
        with pytest.raises(UpstreamUnavailable) as caught:
            await post(client, f"http://127.0.0.1:{port}")
    assert caught.value.code == "upstream_unreachable"
    assert str(port) not in str(caught.value)


async def test_early_refusal_of_a_large_body(client, raw):
    """The answer comes before the body has left: it is read, and the connection isn't used again."""

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await writer.drain()
        await reader.read()

    async with raw.server(talk) as url:
        response = await post(client, url, b"x" * 30_000_000)
        assert (response.status, await response.read()) == (413, b"big")


@pytest.mark.parametrize("header", [("x", "a\r\nb: c"), ("x", "a\nb"), ("x\r\n", "a"), ("x", "\0"), ("x", "日本")])
async def test_headers_that_cannot_be_sent(client, header):
    endpoint = client.endpoint("POST", "http://127.0.0.1:9")
    with pytest.raises(InvalidRequest):
        await client.send(endpoint, b"", headers=[header], within=1)


@pytest.mark.parametrize("url", ["ftp://x/", "//x", "http://", "https://user:pass@x/", "x"])
def test_urls_that_cannot_be_asked(url):
    with pytest.raises(ValueError, match="https://host/path"):
        HttpClient().endpoint("POST", url)


async def test_closing_the_client_ends_what_is_under_way(client, raw):
    begun = asyncio.Event()

    async def talk(reader, writer):
        await raw.read_request(reader)
        begun.set()
        await reader.read()

    async with raw.server(talk) as url:
        task = asyncio.create_task(post(client, url))
        await begun.wait()
        await client.aclose()
        with pytest.raises(UpstreamUnavailable):
            await task
        with pytest.raises(UpstreamUnavailable):
            await post(client, url)


def test_a_client_outlives_its_event_loop(raw):
    """`asyncio.run` twice with one client: the first loop's connections are not touched."""
    client = HttpClient()

    async def once() -> bytes:
        async with raw.server(raw.saying(OK)) as url:
            return await (await post(client, url)).read()

    assert [asyncio.run(once()), asyncio.run(once())] == [b"hi", b"hi"]


async def test_connections_leave_no_garbage(client, raw):
    async def talk(reader, writer):
        await raw.read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhi")

    async with raw.server(talk) as url:
        gc.collect()
        for _ in range(5):
            assert await (await post(client, url)).read() == b"hi"
        assert not client._connections
