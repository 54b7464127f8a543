"""`POST /v1/feedback` and `GET /v1/decisions/{id}`: a key's own; with the admin key, anybody's."""

from __future__ import annotations

from typing import Any

import orjson

from ..errors import InvalidRequest, Overloaded
from ..learning import Learner
from ..types import Key
from .access import Access
from .exchange import Exchange, Work
from .rates import Bucket

FEEDBACK_PER_MINUTE = 600  # of a key
DECISIONS = "/v1/decisions/"


class Verdicts:
    """Handlers. `learner` None: the log can't be kept, and 503 says so."""

    def __init__(self, learner: Learner | None, access: Access) -> None:
        self._learner = learner
        self._access = access
        self._buckets: dict[str, Bucket] = {}

    def feedback(self, exchange: Exchange) -> Work:
        key = self._caller(exchange)
        self._access.require_json(exchange.headers)
        if key is not None:
            self._buckets.setdefault(key.name, Bucket(FEEDBACK_PER_MINUTE)).take()
        return self._feedback(exchange, key, _object(exchange.body))

    def decision(self, exchange: Exchange) -> Work:
        return self._decision(exchange, self._caller(exchange))

    async def _feedback(self, exchange: Exchange, key: Key | None, body: dict[str, Any]) -> None:
        exchange.reply(200, orjson.dumps(await self._found().feedback(key, body)))

    async def _decision(self, exchange: Exchange, key: Key | None) -> None:
        wanted = exchange.path.rstrip("/").removeprefix(DECISIONS)
        exchange.reply(200, orjson.dumps(await self._found().decision(wanted[:100], key)))

    def _caller(self, exchange: Exchange) -> Key | None:
        return None if self._access.is_admin(exchange.headers) else self._access.key(exchange.headers)

    def _found(self) -> Learner:
        if self._learner is None:
            raise Overloaded("The decision log can't be kept here; the proxy's log says why.", retry_after=60)
        return self._learner


def _object(raw: bytes) -> dict[str, Any]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise InvalidRequest("The body is not JSON.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The body should be a JSON object.")
    return body
