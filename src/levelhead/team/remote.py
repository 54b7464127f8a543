"""A team's router where levelhead runs as a proxy, on this machine or another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from ..errors import (
    BudgetExhausted,
    InvalidRequest,
    LevelheadError,
    ModelNotFound,
    PermissionDenied,
    Unauthenticated,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from ..types import Json, Level, Outcome, Secret, Usage
from .stage import Foresight

_HEADERS = ("slot", "run", "session", "task", "cache", "max_cost_usd", "lean")


class ProxyRouter:
    """Speaks to a levelhead proxy at `url` (http://127.0.0.1:8100) as `Router` does to its models.

    Of one event loop at a time; close it, or use it as an async context manager. Connections are pooled, `timeout` is
    seconds for one call. Errors are those of `Router`, as far as the proxy's answer tells them apart.
    """

    def __init__(self, url: str, api_key: str = "any", *, timeout: float = 600.0, connections: int = 64) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        self._key = Secret(api_key)
        self._timeout = timeout
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def achat(self, messages: Sequence[Json], **fields: Any) -> Outcome:
        """One whole answer. Keywords as of `Router.chat`."""
        headers = {
            f"x-levelhead-{name.replace('_', '-')}": quote(str(fields.pop(name))) for name in _HEADERS if name in fields
        }
        most = float(headers.get("x-levelhead-max-cost-usd", 0.0))
        try:
            status, said, body = await self._post("/v1/chat/completions", {**fields, "messages": messages}, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            failed = UpstreamUnavailable(f"The proxy can't be reached ({type(error).__name__}).")
            failed.cost_usd = most  # what became of the call isn't known: the worst is assumed
            raise failed from None
        if status != 200:
            raise _error(status, body, most)
        choices = body.get("choices") or [{}]
        served = {name: said.get(f"x-levelhead-{name}", "") for name in ("tier", "reason")}
        usage = body.get("usage") or {}
        return Outcome(
            text=(choices[0].get("message") or {}).get("content") or "",
            response={**body, "levelhead": served},
            decision=None,
            decision_id=said.get("x-levelhead-decision-id", ""),
            model=said.get("x-levelhead-model", ""),
            level=_level(said.get("x-levelhead-level")),
            cost_usd=float(said.get("x-levelhead-cost-usd", 0.0)),
            usage=Usage(input=usage.get("prompt_tokens", 0), output=usage.get("completion_tokens", 0)),
            cache="bypass",
        )

    async def aexplain(self, messages: Sequence[Json]) -> Foresight | None:
        """What `POST /v1/explain` tells of a task; None where the proxy doesn't."""
        try:
            status, _, body = await self._post("/v1/explain", {"messages": messages}, {})
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
        if status != 200:
            return None
        costs = [m["expected_cost_usd"] for m in body.get("models", {}).values() if m.get("eligible")]
        dear = (body.get("decision") or {}).get("baseline_cost_usd", 0.0)
        return Foresight(_level(body.get("level")), min(costs, default=0.0), dear)

    async def _post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], dict[str, Any]]:
        session = await self._opened()
        sent = {
            "authorization": f"Bearer {self._key.reveal()}",
            "content-type": "application/json",
            **headers,
        }
        raw = orjson.dumps({"model": "auto", **body})
        async with session.post(self._url + path, data=raw, headers=sent) as response:
            got = await response.read()
            try:
                parsed = orjson.loads(got)
            except orjson.JSONDecodeError:
                parsed = {}
            return response.status, response.headers, parsed if isinstance(parsed, dict) else {}

    async def _opened(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            await self.aclose()
            self._loop = loop
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                timeout=aiohttp.ClientTimeout(total=self._timeout),
            )
        return self._session

    async def aclose(self) -> None:
        """Closes connections."""
        if self._session is not None and not self._session.closed:
            if self._loop is asyncio.get_running_loop():
                await self._session.close()
            elif (connector := self._session.connector) is not None:  # its loop is gone
                connector._close()
                self._session.detach()
        self._session = None

    async def __aenter__(self) -> ProxyRouter:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _level(name: str | None) -> Level | None:
    return Level[name] if name is not None and name in Level.__members__ else None


def _error(status: int, body: Mapping[str, Any], most: float) -> LevelheadError:
    """The proxy's error object as the exception that `Router` would have raised."""
    said = body.get("error")
    said = said if isinstance(said, Mapping) else {}
    message, code, param = str(said.get("message") or f"HTTP {status}"), said.get("code"), said.get("param")
    if code == "insufficient_quota":
        return BudgetExhausted(message, scope="proxy")
    plain: dict[int, type[LevelheadError]] = {401: Unauthenticated, 403: PermissionDenied, 404: ModelNotFound}
    if status in plain:
        return plain[status](message, param=param, code=code)
    if 400 <= status < 500 and status not in (408, 429):
        return InvalidRequest(message, param=param, code=code)
    failed = (UpstreamTimeout if status == 504 else UpstreamUnavailable)(message, upstream_status=status, code=code)
    failed.cost_usd = most if status == 504 else 0.0
    return failed
