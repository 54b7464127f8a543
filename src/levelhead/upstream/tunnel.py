"""HTTPS through the proxy that `HTTPS_PROXY` names (`NO_PROXY` exempts hosts), by CONNECT. Plain HTTP goes direct."""

from __future__ import annotations

import asyncio
import base64
from urllib.parse import SplitResult, unquote, urlsplit


def proxy_for(host: str) -> SplitResult | None:
    """The environment's proxy for this host. Raises `ValueError` for one that isn't `http://host:port`."""
    from urllib import request  # 20 ms that a server on plain HTTP doesn't need

    address = request.getproxies_environment().get("https")
    if not address or request.proxy_bypass_environment(host):  # type: ignore[attr-defined]  # not in typeshed
        return None
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    if proxy.scheme != "http" or not proxy.hostname:
        raise ValueError("HTTPS_PROXY must be of the form http://host:port")
    return proxy


async def open_tunnel(proxy: SplitResult, host: str, port: int) -> asyncio.Transport:
    """A transport that ends at host:port. Raises `OSError` where the proxy doesn't open it."""
    loop = asyncio.get_running_loop()
    opened = loop.create_future()
    transport, _ = await loop.create_connection(lambda: _Greeting(opened), proxy.hostname or "", proxy.port or 80)
    lines = [f"CONNECT {host}:{port} HTTP/1.1", f"host: {host}:{port}"]
    if proxy.username:
        credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        lines.append(f"proxy-authorization: Basic {base64.b64encode(credentials).decode()}")
    try:
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        await opened
    except BaseException:
        transport.abort()
        raise
    return transport


class _Greeting(asyncio.Protocol):
    """Waits for the proxy's answer to CONNECT."""

    def __init__(self, opened: asyncio.Future[None]) -> None:
        self._opened = opened
        self._answer = b""

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._opened.done() or (b"\r\n\r\n" not in self._answer and len(self._answer) < 65_536):
            return
        status = self._answer.split(b"\r\n", 1)[0].split(b" ")[1:2]
        if status == [b"200"]:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(OSError("the proxy refused the tunnel"))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._opened.done():
            self._opened.set_exception(OSError("the proxy closed the connection"))
