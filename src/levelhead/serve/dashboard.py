"""`/dashboard`: one page without anything from elsewhere, and the figures that it asks for every few seconds."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import heapq
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from .._version import __version__
from ..errors import Overloaded, Unauthenticated
from ..learning import Learner
from ..observe.dashboard import brief, figures, history
from ..router import Pipeline
from ..spend import as_json
from ..types import Balance
from .access import Access, bearer
from .exchange import JSON_HEAD, Exchange, Work

if TYPE_CHECKING:
    from ..observe.metrics import PrometheusObserver

SCRIPTS = ("elements.js", "charts.js", "sections.js", "decisions.js", "playground.js", "main.js")
OPEN, LOCKED = b'data-locked="no"', b'data-locked="yes"'
DECISIONS = 25  # shown
BUDGETS = 8
PAST = 1_000  # decisions behind the plot
PAST_SECONDS = 10.0  # until they are read again


class Dashboard:
    """Handlers. `about` is what the page's head says.

    The page itself holds no figure: a browser that shows no admin key gets it locked, and it asks for the key.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        access: Access,
        metrics: PrometheusObserver,
        learner: Learner | None,
        about: Mapping[str, object],
    ) -> None:
        self._pipeline = pipeline
        self._access = access
        self._metrics = metrics
        self._learner = learner
        self._about = {"version": __version__, **about}
        self._page: tuple[bytes, bytes] | None = None
        self._past: tuple[float, list[dict[str, Any]]] = (0.0, [])
        self._looking_back = asyncio.Lock()

    def page(self, exchange: Exchange) -> None:
        locked = False
        try:
            self._access.require_admin(exchange.headers)
        except Unauthenticated:
            if bearer(exchange.headers) or "text/html" not in exchange.headers.get("accept", ""):
                raise
            locked = True
        if self._page is None:
            self._page = _head(parts := _parts()), _body(parts)
        head, body = self._page
        exchange.reply(200, body.replace(OPEN, LOCKED, 1) if locked else body, head)

    def data(self, exchange: Exchange) -> Work:
        self._access.require_admin(exchange.headers)
        return self._data(exchange, everything=self._access.sees_everything(exchange.headers))

    async def _data(self, exchange: Exchange, *, everything: bool) -> None:
        """With keys but no admin key there is nobody who may see every key's budgets and decisions."""
        told = {"object": "dashboard", **self._about, "at": time.time(), **await self._metrics.read(figures)}
        told["budgets"], told["more_budgets"] = None, 0
        if everything:
            known = self._pipeline.balances(None)
            told["budgets"] = [as_json(one) for one in await asyncio.to_thread(foremost, known)]
            told["more_budgets"] = len(known) - len(told["budgets"])
        told["decisions"] = [brief(row) for row in await self._rows(DECISIONS)] if everything else None
        told["history"] = await self._history()
        exchange.reply(200, orjson.dumps(told), JSON_HEAD + b"cache-control: no-store\r\n")

    async def _history(self) -> list[dict[str, Any]]:
        async with self._looking_back:
            read_at, found = self._past
            if time.monotonic() - read_at > PAST_SECONDS or not found:
                found = await asyncio.to_thread(history, await self._rows(PAST))
                self._past = time.monotonic(), found
            return found

    async def _rows(self, most: int) -> Sequence[Mapping[str, Any]]:
        """Nothing where the log can't be read: the other figures don't depend on it."""
        if self._learner is None:
            return []
        try:
            return await self._learner.decisions(most)
        except Overloaded:
            return []


def foremost(balances: Sequence[Balance]) -> list[Balance]:
    """What a page has room for: budgets that last before those of runs, of which there may be very many; by use."""

    def rank(one: Balance) -> tuple[bool, float]:
        passes = one.scope.kind == "run" or "/" in one.scope.name
        return passes, one.remaining / one.limit if one.limit else 0.0

    return heapq.nsmallest(BUDGETS, balances, key=rank)


def _parts() -> tuple[str, str, str]:
    """Frame, style and script, as the package holds them."""
    folder = files(__package__) / "page"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    return text("page.html"), text("style.css"), "".join(map(text, SCRIPTS))


def _body(parts: tuple[str, str, str]) -> bytes:
    frame, style, script = parts
    return frame.replace("/* style */", style, 1).replace("/* script */", script, 1).encode()


def _head(parts: tuple[str, str, str]) -> bytes:
    """Nothing runs, and nothing is drawn with, but what was shipped; nothing is fetched but from this proxy."""
    style, script = (base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in parts[1:])
    policy = (
        f"default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    lines = {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
    }
    return "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode()
