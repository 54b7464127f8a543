"""Who may ask: keys, the admin key, request rates, and the rules of a proxy without keys."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from ..config import ApiKey, is_loopback
from ..errors import InvalidRequest, PermissionDenied, Unauthenticated
from ..types import Key, Secret
from .rates import buckets

Headers = Mapping[str, str]


def bearer(headers: Headers) -> str | None:
    """The API key a client sent, in either vendor's header."""
    given = headers.get("authorization")
    if given is not None and given[:7].lower() == "bearer ":
        return given[7:].strip()
    return headers.get("x-api-key")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


class Access:
    """Authenticates requests. Keys are kept as SHA-256 digests: looking one up leaks nothing about another.

    `shared`: a directory of the workers of one server, in which they count a key's requests together.

    Without keys the proxy is open to this machine alone: then a request must name a loopback `Host`, carry no foreign
    `Origin` and send JSON, so that no web page and no rebound DNS name can spend the owner's money.
    """

    def __init__(
        self,
        keys: Sequence[ApiKey],
        *,
        admin: Secret | None = None,
        metrics: Secret | None = None,
        shared: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = {_digest(known.secret.reveal()): known.key for known in keys}
        self._admin = _digest(admin.reveal()) if admin else None
        self._metrics = _digest(metrics.reveal()) if metrics else None
        limited = [(k.name, k.requests_per_minute) for k in self._keys.values() if k.requests_per_minute is not None]
        self._buckets = buckets(limited, shared, clock)
        self._open_key = Key("local")
        self.open = not keys

    def key(self, headers: Headers) -> Key:
        """The caller. Raises `Unauthenticated`, `RateLimited`, or `PermissionDenied` for a foreign page."""
        if self.open:
            self._refuse_foreign(headers)
            return self._open_key
        given = bearer(headers)
        if not given:
            raise Unauthenticated("No API key: send it as 'Authorization: Bearer ...' or 'x-api-key'.")
        key = self._keys.get(_digest(given))
        if key is None:
            raise Unauthenticated("This API key isn't known here.")
        bucket = self._buckets.get(key.name)
        if bucket is not None:
            bucket.take()
        return key

    def require_json(self, headers: Headers) -> None:
        """An open proxy takes nothing that a web page's plain form could send. Raises `InvalidRequest`."""
        if self.open and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise InvalidRequest("Send 'Content-Type: application/json'.", param="content-type")

    def is_admin(self, headers: Headers) -> bool:
        return self._admin is not None and hmac.compare_digest(_digest(bearer(headers) or ""), self._admin)

    def sees_everything(self, headers: Headers) -> bool:
        """Whether the caller may see what every key did: the admin, or who is alone on a proxy without keys."""
        return self.is_admin(headers) or (self.open and self._admin is None)

    def require_metrics(self, headers: Headers) -> None:
        """The scraper's token or the admin key. Without either, metrics are open to this machine."""
        self._require(headers, self._metrics, self._admin)

    def require_admin(self, headers: Headers) -> None:
        """The admin key. Without one, the dashboard is open to this machine."""
        self._require(headers, self._admin)

    def _require(self, headers: Headers, *wanted: bytes | None) -> None:
        known = [digest for digest in wanted if digest is not None]
        if not known:
            self._refuse_foreign(headers)
            return
        given = _digest(bearer(headers) or "")
        if sum(hmac.compare_digest(given, digest) for digest in known) == 0:
            raise Unauthenticated("This page needs the admin key.")

    def _refuse_foreign(self, headers: Headers) -> None:
        if not is_loopback(_host("//" + headers.get("host", ""))):
            raise PermissionDenied("Without keys this proxy answers to loopback host names only.", param="host")
        origin = headers.get("origin")
        if origin is not None and not is_loopback(_host(origin)):
            raise PermissionDenied("Without keys this proxy refuses web pages of other origins.", param="origin")


def _host(url: str) -> str:
    """Empty for what is no URL."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
