"""HTTP/1.1 as the proxy needs it: a protocol for uvicorn's server, with httptools as its parser.

uvicorn opens the sockets, handles signals and supervises workers; its own protocols cost four times as much CPU a
request as this one (`benchmarks/client_cost.py`), because ASGI wants a task, two events and three dicts for each. Here
what can be answered at once is answered in the parser's callback, in one write. `limits.py` bounds what clients may do.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, cast

import httptools
import uvicorn
from uvicorn.server import ServerState

from ..errors import BodyTooLarge, HeadersTooLarge, InvalidRequest, LevelheadError, Overloaded, RequestTimeout
from . import head, limits
from .exchange import Application, Exchange, Work

log = logging.getLogger("levelhead.serve")

_TOO_LARGE = f"The headers have more than {limits.MOST_HEAD_BYTES:,} bytes."
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpProtocol(asyncio.Protocol):
    """One connection of a client. Requests are answered in the order in which they came."""

    stored = 0  # bytes of large bodies in this process

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any] | None = None,
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app = cast(Application, config.loaded_app)
        self._keep_alive_seconds = config.timeout_keep_alive
        self._most_connections = config.limit_concurrency
        self._state = server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._queue: deque[Exchange] = deque()  # the first one is being answered
        self._reading: Exchange | None = None  # the one whose body is coming
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_bytes: int | None = None  # of headers that haven't ended, without the read in which they began
        self._begun = 0  # bytes of that read, which may have had something else before them
        self._arrived = 0  # bytes of the read that is being parsed
        self._framing: bytes | None = None  # of a request whose upgrade is declined: how long its body is
        self._ahead = False  # reading is paused until the queue is shorter
        self._closing = False
        self._lingering = 0  # bytes of a refused body that may still come
        self._deaf = False  # what comes isn't HTTP, or not in time
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # loop time when patience ends; 0: an answer is under way, which has deadlines of its own
        self._limit = 0.0  # loop time by which a whole request must be in
        self.writable: asyncio.Event | None = None  # while the client is slow to read; set when it has caught up

    @property
    def date(self) -> bytes:
        headers = self._state.default_headers
        return b"date: %b\r\n" % headers[0][1] if headers else b""

    # --- what the transport tells ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class
        self._parser: Any = httptools.HttpRequestParser(self)
        self._wait(self._keep_alive_seconds)
        self._state.connections.add(cast(Any, self))
        crowd, most = len(self._state.connections), self._most_connections
        if most is not None and crowd > most:
            if crowd > 1.1 * most:  # those that are being told so have their bound, too
                self.abort()
            else:
                self._refuse_rest(Overloaded("Too many connections.", retry_after=1))

    def data_received(self, data: bytes) -> None:
        if self._closing:
            self._linger_on(data)
            return
        self._arrived = len(data)
        try:
            self._parse(data)
        except httptools.HttpParserCallbackError as error:
            log.error("internal error %s while a request was read", type(error.__context__).__name__)
            self.abort()
            return
        except httptools.HttpParserError:
            self._refuse_rest(InvalidRequest("This is not HTTP/1.1.", code="invalid_http"))
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > limits.MOST_HEAD_BYTES:
                self._refuse_rest(HeadersTooLarge(_TOO_LARGE))
        elif (exchange := self._reading) is not None:
            exchange.raw += len(data)
            if (
                exchange.raw
                > exchange.size * limits.MOST_PADDING + limits.MOST_HEAD_BYTES + limits.MOST_PADDING * self._arrived
            ):
                self._refuse_rest(InvalidRequest("The body is mostly padding.", code="invalid_http"))
            self._wait(limits.BODY_SECONDS)

    def _parse(self, data: bytes) -> None:
        """An upgrade is declined by answering as if nobody had asked (RFC 9110, 7.8): the JDK's client always asks.

        The parser takes what is behind such a request for the other protocol's: another one takes over at its body.
        """
        while True:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stop:
                if self._framing is None:
                    return  # CONNECT: it is refused, and nothing behind it is read
                framing, self._framing = self._framing, None
                self._parser = httptools.HttpRequestParser(self)
                self._parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % framing)
                data = data[stop.args[0] :]

    def eof_received(self) -> None:
        """The transport closes itself and calls `connection_lost`."""

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._state.connections.discard(cast(Any, self))
        if self._timer is not None:
            self._timer.cancel()
        self.resume_writing()
        for exchange in self._queue:
            self._release(exchange)
            exchange.gone = True
            if exchange.task is not None:
                self._loop.call_soon(exchange.task.cancel)  # not before its first step: it accounts for itself
        self._parser = None  # it holds this object: without the cycle memory is freed at once

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self.writable is not None:
            self.writable.set()
            self.writable = None
            if not self._closing:
                self._next()

    def shutdown(self) -> None:
        """The server drains: an idle connection closes now, a busy one after its answer."""
        if self._queue:
            self._queue[0].keep_alive = False
        else:
            self._transport.close()

    # --- what the parser tells ---

    def on_message_begin(self) -> None:
        if self._reading is not None or self._closing:
            return  # the body behind a declined upgrade; or nothing that will be answered
        self._url = b""
        self._headers = {}
        self._begun, self._head_bytes = self._arrived, -self._arrived
        self._limit = self._loop.time() + limits.REQUEST_SECONDS
        self._wait(limits.HEAD_SECONDS)

    def on_url(self, url: bytes) -> None:
        if self._head_bytes is not None:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_bytes is None:
            return  # a trailer
        try:
            self._headers[name.decode("latin-1").lower()] = value.decode()
        except UnicodeDecodeError:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._head_bytes is None:
            return
        parser, headers = self._parser, self._headers
        most = self._begun + self._head_bytes + self._arrived
        self._head_bytes = None
        modern = parser.get_http_version() == "1.1"
        keep_alive = modern and parser.should_keep_alive()
        method = parser.get_method().decode("ascii")
        if parser.should_upgrade():
            if method == "CONNECT":
                keep_alive = False
            else:
                self._framing = head.framing(headers)
        exchange = Exchange(self, method, head.path(self._url), headers, modern=modern, keep_alive=keep_alive)
        self._reading = exchange
        self._queue.append(exchange)
        self._state.total_requests += 1
        declared = int(headers.get("content-length") or 0)  # the parser has seen that it is a number
        try:
            if most > limits.MOST_HEAD_BYTES and head.size(self._url, headers) > limits.MOST_HEAD_BYTES:
                raise HeadersTooLarge(_TOO_LARGE)
            self._app.greet(exchange)
            if declared > limits.MOST_BODY_BYTES:
                raise BodyTooLarge(f"The body has {declared:,} bytes; the most is {limits.MOST_BODY_BYTES:,}.")
        except LevelheadError as error:
            exchange.refusal = error
            if "expect" in headers or declared > limits.MOST_REFUSED_BYTES:
                self._refuse_now(exchange)
            return
        if "expect" in headers and exchange is self._queue[0]:
            self._invite(exchange)

    def on_body(self, piece: bytes) -> None:
        exchange = self._reading
        if exchange is None:
            return
        exchange.size += len(piece)
        if exchange.size > limits.LARGE_BODY_BYTES and exchange.refusal is None:
            self._store(exchange)
        if exchange.refusal is None and exchange.size <= limits.MOST_BODY_BYTES:
            exchange.parts.append(piece)
        elif exchange.refusal is None:
            exchange.refusal = BodyTooLarge(f"The body has more than {limits.MOST_BODY_BYTES:,} bytes.")
            self._refuse_now(exchange)
        elif exchange.size > limits.MOST_REFUSED_BYTES:
            self._refuse_now(exchange)

    def _store(self, exchange: Exchange) -> None:
        """Accounts for a large body; small ones aren't worth it. Refuses it where there is no more memory for such."""
        HttpProtocol.stored += exchange.size - exchange.stored
        exchange.stored = exchange.size
        if HttpProtocol.stored > limits.MOST_STORED_BYTES:
            exchange.refusal = Overloaded("Too many large requests at once.", retry_after=1)
            self._release(exchange)
            self._refuse_now(exchange)

    def _release(self, exchange: Exchange) -> None:
        HttpProtocol.stored -= exchange.stored
        exchange.stored = 0

    def on_message_complete(self) -> None:
        if self._framing is not None:
            return  # the body is still to come
        exchange, self._reading = self._reading, None
        if exchange is None:
            if self._closing:  # the rest of a refused body was waited for
                self._close()
            return
        exchange.complete = True
        parts, exchange.parts = exchange.parts, []
        exchange.body = parts[0] if len(parts) == 1 else b"".join(parts)
        if exchange is self._queue[0]:
            self._next()
        elif len(self._queue) > limits.MOST_AHEAD:
            self._hold()

    # --- answers, one after the other ---

    def _next(self) -> None:
        """Answers the requests that are in, until one takes time or the client is slow to read."""
        while self._queue and (exchange := self._queue[0]).complete and exchange.task is None:
            if self.writable is not None:
                self._wait(limits.SLOW_SECONDS)
                return
            if self._reading is None and self._head_bytes is None:
                self._due = 0.0
            if exchange.refusal is not None:
                self._app.refuse(exchange, exchange.refusal)
            elif (work := self._app.serve(exchange)) is not None:
                exchange.task = self._loop.create_task(self._run(exchange, work))
                self._state.tasks.add(exchange.task)

    async def _run(self, exchange: Exchange, work: Work) -> None:
        try:
            await work
        except asyncio.CancelledError:
            pass  # the client left, or the drain ran out of time; the server would write a traceback for each
        finally:
            self._state.tasks.discard(cast("asyncio.Task[None]", exchange.task))
            if not exchange.done:
                exchange.abort()

    def send(self, data: bytes) -> None:
        if data and not self._transport.is_closing():
            self._transport.write(data)

    def finished(self, exchange: Exchange) -> None:
        """An exchange is over; the next one may have been waiting."""
        self._queue.popleft()
        if exchange.stored:
            self._release(exchange)
        if self._transport.is_closing():
            return
        if not exchange.keep_alive:
            self._queue.clear()
            if exchange.cut:
                self._linger()
            else:
                self._close()
            return
        self._read_on()
        if not self._queue:
            if self._head_bytes is None:
                self._wait(self._keep_alive_seconds)
        elif exchange.task is not None:  # else `_next` is above us in the stack
            self._next()
        if self._queue:
            self._invite(self._queue[0])

    def _invite(self, exchange: Exchange) -> None:
        """Says that the body may come, to a client that asks first: when it is its turn, and not in HTTP/1.0."""
        awaited = exchange is self._reading and exchange.modern and not exchange.size and exchange.refusal is None
        if awaited and exchange.headers.pop("expect", "").lower() == "100-continue":
            self._transport.write(_CONTINUE)

    def _hold(self) -> None:
        self._ahead = True
        self._transport.pause_reading()

    def _read_on(self) -> None:
        if self._ahead:
            self._ahead = False
            self._transport.resume_reading()

    def abort(self) -> None:
        self._closing = True
        self._transport.abort()

    def _close(self) -> None:
        self._closing = True
        self._transport.close()

    # --- refusals before a request is whole: nothing that follows on this connection is read as a request ---

    def _refuse_now(self, exchange: Exchange) -> None:
        exchange.parts.clear()
        exchange.keep_alive = False
        exchange.cut = exchange.complete = True
        self._reading = self._framing = None
        if exchange is self._queue[0]:
            self._next()
        else:
            self._hold()  # its turn comes

    def _refuse_rest(self, error: LevelheadError) -> None:
        """What follows can't be read; what came before it is answered first."""
        self._head_bytes = None
        self._deaf = True
        if self._closing:
            return
        exchange = self._reading or Exchange(self, "POST", "/", {}, modern=True, keep_alive=False)
        if exchange is not self._reading:
            self._queue.append(exchange)
        exchange.refusal = error
        self._refuse_now(exchange)

    def _linger(self) -> None:
        """Takes in what is still on its way: who writes into a closed connection never reads the answer."""
        self._closing = True
        self._lingering = limits.LINGER_BYTES
        self._read_on()
        self._wait(limits.LINGER_SECONDS)

    def _linger_on(self, data: bytes) -> None:
        self._lingering -= len(data)
        if not self._deaf:
            try:
                self._parser.feed_data(data)  # until the refused body ends
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                self._deaf = True
        if self._lingering <= 0:
            self._close()

    # --- time: one timer a connection, moved only when it fires or comes too late ---

    def _wait(self, seconds: float) -> None:
        self._due = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= self._due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._check_time)

    def _check_time(self) -> None:
        self._timer = None
        if not self._due or self._transport.is_closing():
            return
        unread = (self._head_bytes is not None or self._reading is not None) and not self._closing
        due = min(self._due, self._limit) if unread else self._due
        if self._loop.time() < due:
            self._timer = self._loop.call_at(due, self._check_time)
        elif unread:
            self._refuse_rest(RequestTimeout("The request did not arrive in time."))
        elif self._queue and self._queue[0].task is not None:
            return  # it has deadlines of its own
        elif self._transport.get_write_buffer_size():  # an answer that its client doesn't read
            self._transport.abort()
        else:
            self._close()
