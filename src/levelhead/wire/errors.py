"""An error in the client's own dialect: as an HTTP answer, and as an event once a stream has begun."""

from __future__ import annotations

import math
import time
from typing import Any
from urllib.parse import quote

import orjson

from ..errors import BudgetExhausted, LevelheadError, UpstreamRefused
from ..types import Dialect
from .sse import encode

__all__ = ["header_value", "render_error", "render_error_event"]

_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")

# What Anthropic's own API calls a status: only needed where a status came from somewhere else.
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
}

# Codes at which Anthropic's SDKs know what to do.
_ACTED_ON = frozenset({"thread_unsupported_request"})


def render_error(
    error: LevelheadError, dialect: Dialect, request_id: str, *, now: float | None = None
) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body). `now`: Unix seconds, for the time until a budget refills."""
    headers = {"content-type": "application/json"}
    if dialect == "messages":
        headers["request-id"] = header_value(request_id)
        body = {**_anthropic(error), "request_id": request_id}
    else:
        headers["x-request-id"] = header_value(request_id)
        body = {"error": _openai(error)}
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    wait = _wait(error, time.time() if now is None else now)
    if wait is not None:
        headers["retry-after"] = str(math.ceil(wait))
        if error.should_retry is not False:
            headers["retry-after-ms"] = str(math.ceil(wait * 1000))
    return error.http_status, headers, orjson.dumps(body)


def render_error_event(error: LevelheadError, dialect: Dialect) -> bytes:
    """The frame that ends a stream which broke after its first byte went out."""
    if dialect == "messages":
        return encode(orjson.dumps(_anthropic(error)), "error")
    if dialect == "responses":
        detail = _openai(error)
        event = {"type": "error", "code": detail["code"], "message": detail["message"], "param": detail["param"]}
        return encode(orjson.dumps(event), "error")
    return encode(orjson.dumps({"error": _openai(error)}))


def header_value(value: str) -> str:
    """An ASCII header value: what isn't printable ASCII, and `%` itself, is percent-encoded UTF-8."""
    if value.isascii() and value.isprintable() and "%" not in value and value == value.strip():
        return value
    inner = value.strip(" ")
    before = len(value) - len(value.lstrip(" "))
    after = len(value) - len(inner) - before
    return "%20" * before + quote(inner, safe=_PRINTABLE + " ", errors="replace") + "%20" * after


def _openai(error: LevelheadError) -> dict[str, Any]:
    return {"message": _text(error), "type": error.openai_type, "param": error.param, "code": error.code}


def _anthropic(error: LevelheadError) -> dict[str, Any]:
    kind = error.anthropic_type
    if isinstance(error, UpstreamRefused):
        kind = _ANTHROPIC_TYPES.get(error.http_status, kind)
    message = _text(error)
    if error.param and error.param not in message:
        message = f"{error.param}: {message}"  # the dialect has no field for it
    said: dict[str, Any] = {"type": kind, "message": message}
    if error.code in _ACTED_ON:
        said["details"] = {"error_code": error.code, "unsupported": [error.param]}
    return {"type": "error", "error": said}


def _text(error: LevelheadError) -> str:
    # a lone surrogate can't be written as JSON; an error must never fail to be said
    return error.message.encode("utf-8", "replace").decode()


def _wait(error: LevelheadError, now: float) -> float | None:
    if isinstance(error, BudgetExhausted) and error.refills_at is not None:
        return max(0.0, error.refills_at - now)
    return None if error.retry_after is None else max(0.0, error.retry_after)
