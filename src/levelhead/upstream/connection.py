"""One keep-alive HTTP/1.1 connection: free only when an answer's last byte has arrived and its request's has left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import httptools

from ..errors import UpstreamError, UpstreamTimeout, UpstreamUnavailable
from .limits import Limits, Timeouts
from .response import Response


class Dropped(UpstreamUnavailable):
    """The peer closed the connection before the answer was complete."""

    code = "upstream_disconnected"

    def __init__(self) -> None:
        super().__init__("the upstream closed the connection before its answer was complete")


class Connection(asyncio.Protocol):
    """Carries one exchange at a time. `on_free(self)` is called when the next may start."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limits: Limits,
        timeouts: Timeouts,
        on_free: Callable[[Connection], None],
        on_lost: Callable[[Connection], None],
    ) -> None:
        self.loop = loop
        self.free_since = 0.0  # loop time
        self._limits = limits
        self._timeouts = timeouts
        self._on_free = on_free
        self._on_lost = on_lost
        self._response: Response | None = None
        self._head_bytes = 0
        self._last_heard = 0.0  # loop time of the last read, or of the request
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._paused = False
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one by behaviour, not by class
        self._parser: Any = httptools.HttpResponseParser(self)

    @property
    def usable(self) -> bool:
        return not self._closed and not self._transport.is_closing()

    def send(self, response: Response, head: bytes, body: bytes) -> None:
        self._response = response
        response.connection = self
        self._head_bytes = 0
        self._last_heard = self.loop.time()
        if len(body) < 65536:
            self._transport.write(head + body)
        else:  # not worth a copy
            self._transport.write(head)
            self._transport.write(body)
        self.watch(min(response.deadline, self._last_heard + self._timeouts.first_byte))

    def abort(self) -> None:
        self._detach()
        self._transport.abort()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._last_heard = self.loop.time()
            self._transport.resume_reading()

    # --- time: one timer a connection, moved only when it fires or comes too late ---

    def watch(self, at: float) -> None:
        """Looks at the deadlines no later than `at`, loop time."""
        if self._timer is not None:
            if self._timer_at <= at:
                return
            self._timer.cancel()
        self._timer_at = at
        self._timer = self.loop.call_at(at, self._check_time)

    def _check_time(self) -> None:
        self._timer = None
        response = self._response
        if response is None:
            return
        quiet = self._timeouts.idle if response.heard else self._timeouts.first_byte
        due = response.deadline if self._paused else min(response.deadline, self._last_heard + quiet)
        if self.loop.time() < due:
            self.watch(due)
        elif due == response.deadline:
            self.fail(_too_late("took longer than the whole call may take"))
        elif response.heard:
            self.fail(_too_late(f"sent nothing for {quiet:g} s"))
        else:
            self.fail(_too_late(f"did not begin to answer within {quiet:g} s"))

    # --- what the transport tells ---

    def data_received(self, data: bytes) -> None:
        response = self._response
        if response is None:  # nobody asked
            self.abort()
            return
        self._last_heard = self.loop.time()
        if not response.heard:
            response.heard = True
            self.watch(min(response.deadline, self._last_heard + self._timeouts.idle))
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(UpstreamUnavailable("the upstream sent something that isn't HTTP", code="upstream_protocol"))
            return
        if response.complete:
            self._finish()
        elif not response.status:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self.fail(UpstreamUnavailable("the upstream's headers don't end", code="upstream_protocol"))
            return
        elif response.buffered > self._limits.high_water:
            self._hold_back(response)
        if not response.whole or response.complete:
            response.wake()

    def eof_received(self) -> None:
        """The transport closes itself and calls `connection_lost`."""

    def connection_lost(self, error: Exception | None) -> None:
        self._closed = True
        response = self._response
        if response is not None:
            if error is None and response.status and _ends_at_eof(response):
                response.complete = True
                self._detach()
                response.wake()
            else:
                self.fail(Dropped())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._parser = None  # it holds this object: without the cycle memory is freed at once
        self._on_lost(self)

    # --- what the parser tells ---

    def on_message_begin(self) -> None:
        if self._response is None:  # a second answer behind the first
            self._closed = True

    def on_header(self, name: bytes, value: bytes) -> None:
        response = self._response
        if response is not None and not response.status:  # else a trailer
            response.raw_headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._response is not None and status >= 200:
            self._response.status = status

    def on_body(self, piece: bytes) -> None:
        response = self._response
        if response is not None and not response.unread:
            response.pieces.append(piece)
            response.buffered += len(piece)

    def on_message_complete(self) -> None:
        response = self._response
        if response is None:
            return
        if not response.status:  # 1xx: the answer is still to come
            response.raw_headers.clear()
            return
        response.complete = True
        self._detach()
        if not self._parser.should_keep_alive():
            self._closed = True

    # --- how an exchange ends ---

    def _finish(self) -> None:
        self.resume()
        if self._closed or self._transport.get_write_buffer_size():
            self._closed = True
            self._transport.abort()
        else:
            self.free_since = self._last_heard
            self._on_free(self)

    def _hold_back(self, response: Response) -> None:
        if not response.whole:
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
        elif response.buffered > self._limits.body_bytes:
            error = UpstreamUnavailable("the upstream's answer is too large", code="upstream_too_large")
            error.retryable = False
            self.fail(error)

    def fail(self, error: UpstreamError) -> None:
        response = self._response
        self.abort()
        if response is not None:
            response.error = error
            response.wake()

    def _detach(self) -> None:
        if self._response is not None:
            self._response.connection = None
            self._response = None


def _ends_at_eof(response: Response) -> bool:
    """Whether the body has no length of its own, so that the connection's end is its end."""
    headers = response.headers
    return "content-length" not in headers and "chunked" not in headers.get("transfer-encoding", "").lower()


def _too_late(what: str) -> UpstreamTimeout:
    """The vendor may be working on it, and bill it, still: ask elsewhere rather than pay twice here."""
    error = UpstreamTimeout(f"the upstream {what}")
    error.retryable = False
    return error
