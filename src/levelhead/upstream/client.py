"""The pooled HTTP/1.1 client of the two hot dialects.

It is our own because the budget asks for it: at 32 requests in flight aiohttp's client takes about six times the CPU of
this one (`benchmarks/client_cost.py`). No redirects, no cookies, no decompression: model APIs need none of them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from .._version import __version__
from ..errors import InvalidRequest, UpstreamBusy, UpstreamError, UpstreamUnavailable
from .connection import Connection, Dropped
from .limits import Limits, Timeouts
from .response import Response
from .tunnel import open_tunnel, proxy_for

HeaderPairs = Iterable[tuple[str, str]]


@dataclass(slots=True, eq=False)
class Origin:
    """One server and the connections to it that are free, the freshest last."""

    host: str
    port: int
    tls: bool
    proxy: SplitResult | None = None
    free: list[Connection] = field(default_factory=list)
    open: set[Connection] = field(default_factory=set)  # free or in use
    opening: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """Where requests go: `head` is the request line and the headers that never change."""

    origin: Origin
    head: bytes = field(repr=False)


class HttpClient:
    """Sends requests over pooled connections.

    A request that finds its reused connection closed before any byte of the answer is sent once more, over a new one.
    """

    def __init__(
        self, timeouts: Timeouts | None = None, limits: Limits | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limits = limits or Limits()
        self._tls = tls
        self._origins: dict[tuple[str, int, bool], Origin] = {}
        self._connections: set[Connection] = set()
        self._closed = False

    def endpoint(self, method: str, url: str, headers: HeaderPairs = ()) -> Endpoint:
        """Raises `ValueError` for an URL or a header that can't be sent."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise ValueError("an upstream's URL has the form https://host/path")
        tls = parts.scheme == "https"
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
        port = parts.port or (443 if tls else 80)
        key = (host, port, tls)
        if key not in self._origins:
            self._origins[key] = Origin(host, port, tls, proxy_for(host) if tls else None)
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
        shown = f"[{host}]" if ":" in host else host
        fixed = [
            ("host", shown if parts.port is None else f"{shown}:{port}"),
            ("user-agent", f"levelhead/{__version__}"),
            ("accept-encoding", "identity"),
            *headers,
        ]
        return Endpoint(self._origins[key], f"{method} {target} HTTP/1.1\r\n".encode("ascii") + header_lines(fixed))

    async def send(self, endpoint: Endpoint, body: bytes, *, headers: HeaderPairs = (), within: float) -> Response:
        """The response as soon as its headers are in; `within` (seconds) bounds the exchange to its last byte.

        Raises `UpstreamTimeout`, `UpstreamUnavailable`. The caller reads the response to its end or closes it.
        """
        loop = asyncio.get_running_loop()
        head = b"%b%bcontent-length: %d\r\n\r\n" % (endpoint.head, header_lines(headers), len(body))
        deadline = loop.time() + within
        connection = self._reuse(endpoint.origin, loop)
        if connection is not None:
            response = Response(loop, deadline)
            connection.send(response, head, body)
            try:
                await response.started()
                return response
            except Dropped:
                if response.heard:
                    raise
        connection = await self._open(endpoint.origin, loop, deadline)
        response = Response(loop, deadline)
        connection.send(response, head, body)
        await response.started()
        return response

    async def aclose(self) -> None:
        """Closes every connection; what is under way fails as unavailable."""
        self._closed = True
        loop = asyncio.get_running_loop()
        for connection in self._connections:
            if connection.loop is loop:
                connection.fail(UpstreamUnavailable("the client is closed"))
        await asyncio.sleep(0)  # lets the transports close their sockets

    def _reuse(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> Connection | None:
        if self._closed:
            raise UpstreamUnavailable("the client is closed")
        while origin.free:
            connection = origin.free.pop()
            if connection.loop is not loop:
                continue  # of an event loop that has ended
            if connection.usable and loop.time() - connection.free_since < self._limits.idle_seconds:
                return connection
            connection.abort()
        return None

    async def _open(self, origin: Origin, loop: asyncio.AbstractEventLoop, deadline: float) -> Connection:
        def free(connection: Connection) -> None:
            if len(origin.free) >= self._limits.idle_connections:
                connection.abort()
            else:
                origin.free.append(connection)

        def lost(connection: Connection) -> None:
            origin.open.discard(connection)
            self._connections.discard(connection)
            if connection in origin.free:
                origin.free.remove(connection)

        if self._crowded(origin, loop):
            raise UpstreamBusy
        connection = Connection(loop, self._limits, self._timeouts, free, lost)
        origin.opening += 1
        try:
            async with asyncio.timeout(max(0.0, min(self._timeouts.connect, deadline - loop.time()))):
                await self._connect(origin, loop, connection)
        except TimeoutError:
            raise UpstreamUnavailable("no connection to the upstream in time", code="upstream_unreachable") from None
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(error) from None
        except (OSError, ssl.SSLError) as error:
            reason = f"no connection to the upstream ({type(error).__name__})"
            raise UpstreamUnavailable(reason, code="upstream_unreachable") from None
        finally:
            origin.opening -= 1
        if not connection.usable:
            raise Dropped
        self._connections.add(connection)
        origin.open.add(connection)
        return connection

    def _crowded(self, origin: Origin, loop: asyncio.AbstractEventLoop) -> bool:
        most = self._limits.connections - origin.opening
        if len(origin.open) >= most:  # those of an event loop that has ended were never told that they are closed
            origin.open = {known for known in origin.open if known.loop is loop}
        return len(origin.open) >= most

    async def _connect(self, origin: Origin, loop: asyncio.AbstractEventLoop, connection: Connection) -> None:
        context = self._tls_context() if origin.tls else None
        if origin.proxy is not None and context is not None:
            plain = await open_tunnel(origin.proxy, origin.host, origin.port)
            transport = await loop.start_tls(plain, connection, context, server_hostname=origin.host)
            if transport is None:
                raise ConnectionResetError
            connection.connection_made(transport)
        else:
            transport, _ = await loop.create_connection(lambda: connection, origin.host, origin.port, ssl=context)
        keep_alive(transport.get_extra_info("socket"))

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def header_lines(headers: HeaderPairs) -> bytes:
    """Raises `InvalidRequest` naming the header that can't be sent."""
    lines = []
    for name, value in headers:
        if not (name.isascii() and value.isprintable() and name.isprintable()):
            raise InvalidRequest(f"header {name!a} holds characters that can't be sent", param=ascii(name)[1:-1])
        lines.append(f"{name}: {value}\r\n")
    try:
        return "".join(lines).encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidRequest("a header holds characters that can't be sent") from None


def keep_alive(sock: socket.socket) -> None:
    """A model may think for minutes without a byte: probes keep middleboxes from forgetting the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 60)


def _untrusted(error: ssl.SSLCertVerificationError) -> UpstreamError:
    refused = UpstreamUnavailable(f"the upstream's certificate: {error.verify_message}", code="upstream_tls")
    refused.retryable = False
    return refused
