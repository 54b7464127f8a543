"""The proxy as an application: a table of routes over the pipeline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from ..deciding import explanation
from ..errors import InvalidRequest, LevelheadError, ModelNotFound, NotFound, Overloaded, StreamBroken
from ..learning import Learner
from ..passage import Ask, Passage, Reply, frames
from ..router import Pipeline
from ..spend import as_json
from ..types import Dialect, Key
from ..wire.dialects import dialect_of
from ..wire.errors import render_error, render_error_event
from .access import Access
from .dashboard import Dashboard
from .drain import Drain
from .exchange import JSON_HEAD, ClientGone, Exchange, Work
from .gate import Gate
from .openapi import document
from .verdicts import DECISIONS, Verdicts

if TYPE_CHECKING:
    from ..observe.metrics import PrometheusObserver

log = logging.getLogger("levelhead.serve")

STREAM_HEAD = (
    b"content-type: text/event-stream; charset=utf-8\r\n"
    b"cache-control: no-cache\r\n"
    b"x-accel-buffering: no\r\n"  # nginx in front must not hold events back
)

ADMIN = Key("admin")
LAST_SECONDS = 5.0  # for what is still under way when the grace time is over

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Route:
    """`handle` answers at once, or returns the work that is still to be done.

    `keyed`: callers need a key. `admin`: the admin key will do.
    """

    handle: Callable[[Exchange], Work | None]
    keyed: bool = False
    admin: bool = False
    dialect: Dialect = "chat"


class App:
    """`exchange.Application`. `about`: what the dashboard says of this proxy."""

    def __init__(
        self,
        pipeline: Pipeline,
        access: Access,
        metrics: PrometheusObserver,
        gate: Gate | None = None,
        learner: Learner | None = None,
        about: Mapping[str, object] | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._access = access
        self._metrics = metrics
        self._gate = gate or Gate()
        self._learner = learner
        self._verdicts = Verdicts(learner, access)
        dashboard = Dashboard(pipeline, access, metrics, learner, about or {})
        self.drain = Drain()
        self._routes: dict[str, dict[str, Route]] = {
            "/v1/chat/completions": {"POST": Route(self._ask, keyed=True)},
            "/v1/responses": {"POST": Route(self._ask, keyed=True, dialect="responses")},
            "/v1/completions": {"POST": Route(self._ask, keyed=True, dialect="completions")},
            "/v1/embeddings": {"POST": Route(self._ask, keyed=True, dialect="embeddings")},
            "/v1/messages": {"POST": Route(self._ask, keyed=True, dialect="messages")},
            "/v1/messages/count_tokens": {"POST": Route(self._count, keyed=True, dialect="messages")},
            "/v1/explain": {"POST": Route(self._explain, keyed=True, admin=True)},
            "/v1/models": {"GET": Route(self._models, keyed=True)},
            "/v1/budgets": {"GET": Route(self._budgets)},
            "/v1/feedback": {"POST": Route(self._verdicts.feedback)},
            "/": {"GET": Route(self._root)},
            "/api/hello": {"GET": Route(self._root)},
            "/healthz": {"GET": Route(self._healthz)},
            "/readyz": {"GET": Route(self._readyz)},
            "/metrics": {"GET": Route(self._exposition)},
            "/dashboard": {"GET": Route(dashboard.page)},
            "/dashboard/data": {"GET": Route(dashboard.data)},
            "/openapi.json": {"GET": Route(self._openapi)},
        }

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """ASGI's lifespan, by which uvicorn says that it starts and stops. Requests come as exchanges."""
        assert scope["type"] == "lifespan"
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.drain.watch()
                if self._learner is not None:
                    await self._learner.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.drain.settle(LAST_SECONDS)  # what was cancelled settles its account
                await self._pipeline.aclose()
                if self._learner is not None:
                    await self._learner.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def greet(self, exchange: Exchange) -> None:
        exchange.route = route = self._route(exchange)
        if route.keyed:
            if self.drain.begun:
                exchange.keep_alive = False
                raise Overloaded("This proxy is shutting down.", retry_after=1)
            admin = route.admin and self._access.is_admin(exchange.headers)
            exchange.key = ADMIN if admin else self._access.key(exchange.headers)
            self._check_room(exchange.key)
            if exchange.method == "POST":
                self._access.require_json(exchange.headers)

    def serve(self, exchange: Exchange) -> Work | None:
        try:
            work: Work | None = exchange.route.handle(exchange)
        except Exception as error:
            self._fail(exchange, error)
            return None
        return None if work is None else self._guarded(exchange, work)

    def refuse(self, exchange: Exchange, error: LevelheadError) -> None:
        status, headers, body = render_error(error, _dialect(exchange.path), "req_" + uuid4().hex[:24])
        if isinstance(error, MethodNotAllowed):
            headers["allow"] = error.allowed
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        head = "".join(lines).encode("ascii")
        exchange.reply(status, body, head if "content-type" in headers else head + JSON_HEAD)

    def _route(self, exchange: Exchange) -> Route:
        methods = self._methods(exchange.path)
        if methods is None and (methods := self._methods(meant := _below_v1(exchange.path))) is not None:
            exchange.path = meant
        if methods is None:
            raise NotFound(f"No such path: {exchange.path[:200]!a}.", code="unknown_url")
        route = methods.get("GET" if exchange.method == "HEAD" else exchange.method)
        if route is None:
            raise MethodNotAllowed(methods)
        return route

    def _methods(self, path: str) -> Mapping[str, Route] | None:
        methods = self._routes.get(path) or self._routes.get(path.rstrip("/"))
        if methods is None and path.startswith("/v1/models/"):
            return {"GET": Route(self._model, keyed=True)}
        if methods is None and path.startswith(DECISIONS):
            return {"GET": Route(self._verdicts.decision)}
        return methods

    async def _guarded(self, exchange: Exchange, work: Work) -> None:
        with self.drain:
            try:
                if exchange.key is None:
                    await work
                else:
                    await self._in_turn(exchange.key, work)
            except Exception as error:
                self._fail(exchange, error)
            except asyncio.CancelledError:
                if not exchange.gone:  # the drain ran out of time, not the client
                    self._break_off(exchange)
                raise

    def _check_room(self, key: Key) -> None:
        try:
            self._gate.check(key.name)
        except Overloaded as error:
            self._pipeline.turned_away(key, error)
            raise

    async def _in_turn(self, key: Key, work: Work) -> None:
        try:
            if (place := self._gate.enter(key.name)) is not None:
                await self._gate.wait(key.name, place)
        except BaseException as error:
            work.close()
            self._pipeline.turned_away(key, error)
            raise
        try:
            await work
        finally:
            self._gate.leave(key.name)

    def _break_off(self, exchange: Exchange) -> None:
        exchange.keep_alive = False
        if not exchange.started:
            self.refuse(exchange, Overloaded("This proxy is shutting down.", retry_after=1))
        elif not exchange.done:
            error = StreamBroken("This proxy is shutting down.")
            exchange.write(render_error_event(error, _dialect(exchange.path)))
            exchange.end()

    def _fail(self, exchange: Exchange, error: Exception) -> None:
        if not isinstance(error, LevelheadError | ClientGone):
            # The type and place alone: a message may quote the request.
            log.error("internal error %s in %s", type(error).__name__, _place(error))
            error = LevelheadError("Internal error; the log of the proxy names its place.")
        if exchange.started or isinstance(error, ClientGone):
            exchange.abort()  # a second response is refused once one has started
        else:
            self.refuse(exchange, error)

    def _ask(self, exchange: Exchange) -> Work | None:
        dialect = exchange.route.dialect
        admitted = self._pipeline.admit(Ask(exchange.body, exchange.headers, _key(exchange), dialect))
        if isinstance(admitted, Passage):
            return self._answer(exchange, admitted)
        if admitted.chunks is not None:
            return self._stream(exchange, admitted)
        exchange.reply(200, admitted.body, JSON_HEAD + admitted.head)
        return None

    async def _answer(self, exchange: Exchange, passage: Passage) -> None:
        reply = await self._pipeline.answer(passage)
        if reply.chunks is None:
            exchange.reply(200, reply.body, JSON_HEAD + reply.head)
        else:
            await self._stream(exchange, reply)

    async def _stream(self, exchange: Exchange, reply: Reply) -> None:
        exchange.begin(200, STREAM_HEAD + reply.head)
        async with aclosing(frames(reply)) as out:
            async for frame in out:
                exchange.write(frame)
                if exchange.behind:
                    await exchange.drain()
        exchange.end()

    async def _count(self, exchange: Exchange) -> None:
        counted = await self._pipeline.count(Ask(exchange.body, exchange.headers, _key(exchange), "messages"))
        exchange.reply(200, orjson.dumps({"input_tokens": counted}))

    def _explain(self, exchange: Exchange) -> None:
        dialect = dialect_of(exchange.body, exchange.headers)
        decision, _ = self._pipeline.explain(Ask(exchange.body, exchange.headers, _key(exchange), dialect))
        exchange.reply(200, orjson.dumps(explanation(decision)))

    def _models(self, exchange: Exchange) -> None:
        """For clients of either vendor: each finds the fields of its own."""
        cards = [_card(name, owner) for name, owner in self._pipeline.model_names(_key(exchange))]
        ends = {"has_more": False, "first_id": cards[0]["id"], "last_id": cards[-1]["id"]}
        exchange.reply(200, orjson.dumps({"object": "list", "data": cards, **ends}))

    def _model(self, exchange: Exchange) -> None:
        wanted = exchange.path.removeprefix("/v1/models/")
        for name, owner in self._pipeline.model_names(_key(exchange)):
            if name == wanted:
                exchange.reply(200, orjson.dumps(_card(name, owner)))
                return
        raise ModelNotFound(f"No model {wanted[:200]!a} here; GET /v1/models lists them.", param="model")

    def _budgets(self, exchange: Exchange) -> None:
        """A key sees its own, the admin key everybody's."""
        key = None if self._access.is_admin(exchange.headers) else self._access.key(exchange.headers)
        shown = [as_json(balance) for balance in self._pipeline.balances(key)]
        exchange.reply(200, orjson.dumps({"budgets": shown}))

    def _root(self, exchange: Exchange) -> None:
        """What agents knock at before they speak."""
        exchange.reply(200, b'{"name":"levelhead"}')

    def _healthz(self, exchange: Exchange) -> None:
        exchange.reply(200, b'{"status":"ok"}')

    def _readyz(self, exchange: Exchange) -> None:
        if self.drain.begun:
            exchange.reply(503, b'{"status":"draining"}')
        else:
            exchange.reply(200, b'{"status":"ready"}')

    def _openapi(self, exchange: Exchange) -> None:
        exchange.reply(200, orjson.dumps(document()))

    def _exposition(self, exchange: Exchange) -> Work:
        self._access.require_metrics(exchange.headers)
        return self._expose(exchange)

    async def _expose(self, exchange: Exchange) -> None:
        body, kind = await self._metrics.exposition(exchange.headers.get("accept", ""))
        exchange.reply(200, body, f"content-type: {kind}\r\n".encode())


class MethodNotAllowed(InvalidRequest):
    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(allowed)
        super().__init__(f"This path takes {self.allowed}.")


def _key(exchange: Exchange) -> Key:
    assert exchange.key is not None  # its route is keyed
    return exchange.key


def _card(name: str, owner: str) -> dict[str, object]:
    return {
        "id": name,
        "object": "model",
        "created": _STARTED,
        "owned_by": owner,
        "type": "model",
        "display_name": name,
        "created_at": _STARTED_AT,
    }


_STARTED = int(time.time())
_STARTED_AT = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(_STARTED))


def _below_v1(path: str) -> str:
    """Where a client means to go whose base URL lacks its `/v1`, has one where its SDK adds another, or ends in `/`."""
    parts = [part for part in path.split("/") if part]
    while parts and parts[0] == "v1":
        del parts[0]
    return "/v1/" + "/".join(parts)


def _dialect(path: str) -> Dialect:
    if path.startswith("/v1/messages"):
        return "messages"
    return "responses" if path.startswith("/v1/responses") else "chat"


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "unknown place"
    return f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
