"""The ASGI application: a table of routes over the pipeline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any
from uuid import uuid4

import orjson

from ..errors import BodyTooLarge, InvalidRequest, LevelheadError, ModelNotFound, NotFound
from ..passage import Ask
from ..router import Pipeline, explanation, frames
from ..spend import as_json
from ..wire.errors import render_error
from .access import Access
from .http import (
    ClientGone,
    HeaderList,
    Receive,
    Send,
    Watch,
    headers_of,
    read_body,
    refuse_body,
    send_body,
    send_stream,
)

log = logging.getLogger("levelhead.serve")

JSON_HEADERS: HeaderList = [(b"content-type", b"application/json")]
STREAM_HEADERS: HeaderList = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx in front must not hold events back
]

Exposition = Callable[[str], Awaitable[tuple[bytes, str]]]
Route = Callable[["Exchange"], Awaitable[None]]


class Exchange:
    """One HTTP request and the way to answer it."""

    __slots__ = ("headers", "method", "path", "receive", "send", "started")

    def __init__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = headers_of(scope)
        self.receive = receive
        self.send = send
        self.started = False

    async def reply(self, status: int, body: bytes, headers: HeaderList = JSON_HEADERS) -> None:
        self.started = True
        await send_body(self.send, status, headers, body, head_only=self.method == "HEAD")


class App:
    """`max_body` bounds a request body in bytes; `exposition` renders `/metrics` for an Accept header."""

    def __init__(self, pipeline: Pipeline, access: Access, exposition: Exposition, *, max_body: int) -> None:
        self._pipeline = pipeline
        self._access = access
        self._exposition = exposition
        self._max_body = max_body
        self.draining = False
        self._routes: dict[str, dict[str, Route]] = {
            "/v1/chat/completions": {"POST": self._chat},
            "/v1/explain": {"POST": self._explain},
            "/v1/models": {"GET": self._models},
            "/v1/budgets": {"GET": self._budgets},
            "/healthz": {"GET": self._healthz},
            "/readyz": {"GET": self._readyz},
            "/metrics": {"GET": self._metrics},
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._serve(Exchange(scope, receive, send))
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._route(exchange)(exchange)
        except ClientGone:
            return
        except asyncio.CancelledError:
            return  # the drain ran out of time; the server would write a traceback for each request
        except LevelheadError as error:
            await self._fail(exchange, error)
        except Exception as error:
            # The type and place alone: a message may quote the request.
            log.error("internal error %s in %s", type(error).__name__, _place(error))
            await self._fail(exchange, LevelheadError("Internal error; the log of the proxy names its place."))

    def _route(self, exchange: Exchange) -> Route:
        path = exchange.path
        methods = self._routes.get(path) or self._routes.get(path.rstrip("/"))
        if methods is None and path.startswith("/v1/models/"):
            methods = {"GET": self._model}
        if methods is None:
            raise NotFound(f"No such path: {path[:200]!a}.", code="unknown_url")
        route = methods.get("GET" if exchange.method == "HEAD" else exchange.method)
        if route is None:
            raise MethodNotAllowed(f"{path} takes {', '.join(methods)}.")
        return route

    async def _fail(self, exchange: Exchange, error: LevelheadError) -> None:
        if exchange.started:
            return  # a second response is refused once one has started; the stream has said its error itself
        status, headers, body = render_error(error, "chat", "req_" + uuid4().hex[:24])
        encoded = [(name.encode(), value.encode("ascii")) for name, value in headers.items()]
        if not any(name == b"content-type" for name, _ in encoded):
            encoded += JSON_HEADERS
        if isinstance(error, BodyTooLarge):
            exchange.started = True
            encoded.append((b"connection", b"close"))
            await refuse_body(exchange.send, exchange.receive, status, encoded, body)
        else:
            await exchange.reply(status, body, encoded)

    async def _chat(self, exchange: Exchange) -> None:
        headers = exchange.headers
        key = self._access.key(headers)
        self._access.require_json(headers)
        raw = await read_body(exchange.receive, headers, self._max_body)
        async with Watch(exchange.receive):
            reply = await self._pipeline.respond(Ask(raw, headers, key))
            exchange.started = True
            if reply.chunks is None:
                await send_body(exchange.send, 200, JSON_HEADERS + reply.headers, reply.body)
                return
            async with aclosing(frames(reply)) as out:
                await send_stream(exchange.send, 200, STREAM_HEADERS + reply.headers, out)

    async def _explain(self, exchange: Exchange) -> None:
        key = self._access.key(exchange.headers)
        self._access.require_json(exchange.headers)
        raw = await read_body(exchange.receive, exchange.headers, self._max_body)
        decision, _ = self._pipeline.explain(Ask(raw, exchange.headers, key))
        await exchange.reply(200, orjson.dumps(explanation(decision)))

    async def _models(self, exchange: Exchange) -> None:
        key = self._access.key(exchange.headers)
        cards = [_card(name, owner) for name, owner in self._pipeline.model_names(key)]
        await exchange.reply(200, orjson.dumps({"object": "list", "data": cards}))

    async def _model(self, exchange: Exchange) -> None:
        key = self._access.key(exchange.headers)
        wanted = exchange.path.removeprefix("/v1/models/")
        for name, owner in self._pipeline.model_names(key):
            if name == wanted:
                return await exchange.reply(200, orjson.dumps(_card(name, owner)))
        raise ModelNotFound(f"No model {wanted[:200]!a} here; GET /v1/models lists them.", param="model")

    async def _budgets(self, exchange: Exchange) -> None:
        """A key sees its own, the admin key everybody's."""
        key = None if self._access.is_admin(exchange.headers) else self._access.key(exchange.headers)
        shown = [as_json(balance) for balance in self._pipeline.balances(key)]
        await exchange.reply(200, orjson.dumps({"budgets": shown}))

    async def _healthz(self, exchange: Exchange) -> None:
        await exchange.reply(200, b'{"status":"ok"}')

    async def _readyz(self, exchange: Exchange) -> None:
        if self.draining:
            await exchange.reply(503, b'{"status":"draining"}')
        else:
            await exchange.reply(200, b'{"status":"ready"}')

    async def _metrics(self, exchange: Exchange) -> None:
        self._access.require_metrics(exchange.headers)
        body, kind = await self._exposition(exchange.headers.get("accept", ""))
        await exchange.reply(200, body, [(b"content-type", kind.encode())])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self.draining = True
                await self._pipeline.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


class MethodNotAllowed(InvalidRequest):
    status = 405
    code = "method_not_allowed"


def _card(name: str, owner: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": _STARTED, "owned_by": owner}


_STARTED = int(time.time())


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    return f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
