"""TLS, and HTTPS through a proxy, with a certificate authority made for the occasion."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest
import uvloop

from levelhead.errors import UpstreamUnavailable
from levelhead.upstream.client import HttpClient
from levelhead.upstream.response import Response

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_policy(request):
    return asyncio.DefaultEventLoopPolicy() if request.param == "asyncio" else uvloop.EventLoopPolicy()


async def post(client: HttpClient, url: str, body: bytes = b"{}") -> Response:
    return await client.send(client.endpoint("POST", url), body, within=30)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """A CA and a certificate for 127.0.0.1 and localhost."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*args: str) -> None:
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key",
            "-out", "ca.pem", "-days", "2", "-subj", "/CN=test ca")  # fmt: skip
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out",
            "request.pem", "-subj", "/CN=localhost")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-out", "cert.pem", "-extfile", "names")  # fmt: skip
    return folder


def server_context(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


async def test_tls(certificates, raw):
    trusting = HttpClient(tls=ssl.create_default_context(cafile=str(certificates / "ca.pem")))
    big = b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n" + b"x" * 3_000_000
    async with raw.server(raw.saying(OK, big), ssl=server_context(certificates)) as url:
        assert await (await post(trusting, url)).read() == b"hi"
        assert len(await (await post(trusting, url, b"y" * 2_000_000)).read()) == 3_000_000
    await trusting.aclose()


async def test_tls_of_a_stranger(certificates, raw):
    client = HttpClient()
    async with raw.server(raw.saying(OK), ssl=server_context(certificates)) as url:
        with pytest.raises(UpstreamUnavailable, match="certificate") as caught:
            await post(client, url)
    assert (caught.value.code, caught.value.retryable) == ("upstream_tls", False)


@pytest.mark.parametrize("allowed", [True, False])
async def test_https_through_a_proxy(certificates, monkeypatch, allowed, raw):
    asked = []

    async def proxy(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head)
        if not allowed:
            writer.write(b"HTTP/1.1 407 No\r\n\r\n")
            return
        there, back = await asyncio.open_connection("127.0.0.1", int(head.split(b" ")[1].split(b":")[1]))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source, sink):
            while data := await source.read(65536):
                sink.write(data)

        await asyncio.gather(pump(reader, back), pump(there, writer))

    client = HttpClient(tls=ssl.create_default_context(cafile=str(certificates / "ca.pem")))
    async with raw.server(raw.saying(OK, OK), ssl=server_context(certificates)) as url, raw.server(proxy) as through:
        monkeypatch.setenv("HTTPS_PROXY", through.replace("http://", "http://me:p%40ss@"))
        monkeypatch.setenv("NO_PROXY", "")
        if allowed:
            for _ in range(2):
                assert await (await post(client, url)).read() == b"hi"
        else:
            with pytest.raises(UpstreamUnavailable):
                await post(client, url)
        await client.aclose()
    host = url.removeprefix("https://").encode()
    assert asked[0].startswith(b"CONNECT " + host + b" HTTP/1.1\r\n")
    assert b"proxy-authorization: Basic bWU6cEBzcw==" in asked[0]
    assert len(asked) == 1


async def test_no_proxy_exempts_a_host(certificates, monkeypatch, raw):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = HttpClient(tls=ssl.create_default_context(cafile=str(certificates / "ca.pem")))
    async with raw.server(raw.saying(OK), ssl=server_context(certificates)) as url:
        assert await (await post(client, url)).read() == b"hi"
    await client.aclose()
