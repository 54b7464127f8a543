"""What a vendor's refusal means: may the same call be sent again, may another model try, what does the client see?

The vendor's own words reach the client where the client can act on them (agents shorten their history when they read
"prompt is too long"). Words about levelhead's own credentials, credit or configuration don't: those are 502.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from ..errors import StreamBroken, UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from ..types import Model

MESSAGE_CHARS = 1_000

OVERFLOW_WORDS = (
    "prompt is too long",  # Anthropic
    "exceed context limit",  # Anthropic: input length and `max_tokens` exceed context limit
    "maximum context length",  # OpenAI, DeepSeek, vLLM
    "exceeds the context window",  # OpenAI, Responses
    "exceeds the available context size",  # llama.cpp
    "input is too long",  # Bedrock
    "exceeds the maximum number of tokens",  # Gemini
)
QUOTA_CODES = frozenset({
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "billing_error", "quota_exceeded",
    "enforced_spend_limit_reached", "credit_limit_reached",
})  # fmt: skip
QUOTA_WORDS = ("credit balance is too low", "insufficient balance", "enforced_spend_limit")
NO_MODEL_WORDS = ("model not exist", "model_not_found")  # DeepSeek says so with a 400
NEVER_FITS_WORDS = ("request too large for",)  # OpenAI: one request above the minute's token limit
TRANSIENT = frozenset({408, 409, 425, 429})
TIMEOUTS = frozenset({408, 504, 524})  # 524: Cloudflare waited in vain for the origin


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, model: Model, now: float | None = None
) -> UpstreamError:
    """The error for a response whose status isn't 200. `headers`: lower-case names; `now`: Unix seconds."""
    fields = _fields(body)
    message = _clean(fields.get("message"), model)
    kinds = {str(fields[name]).lower() for name in ("code", "type") if fields.get(name)}
    error = _classify(status, message, kinds, model)
    code, param = fields.get("code"), fields.get("param")
    if isinstance(error, UpstreamRefused):
        if isinstance(code, str) and error.code == UpstreamRefused.code:
            error.code = _clean(code, model)[:64]
        error.param = _clean(param, model)[:200] or None
    error.upstream_status = status
    error.retry_after = retry_after(headers, time.time() if now is None else now)
    verdict = headers.get("x-should-retry")
    if verdict in ("true", "false") and isinstance(error, UpstreamUnavailable):
        error.retryable = verdict == "true"
    return error


def stream_fault(message: str, code: str | None, model: Model) -> UpstreamError:
    """The error for a stream that failed before its first content: the vendor said 200 and changed its mind."""
    kind = (code or "").lower()
    statuses = {"invalid_request_error": 400, "authentication_error": 401, "permission_error": 403,
                "not_found_error": 404, "request_too_large": 413, "rate_limit_error": 429}  # fmt: skip
    error = _classify(statuses.get(kind, 503), _clean(message, model), {kind}, model)
    error.upstream_status = 200
    if isinstance(error, UpstreamRefused):
        error.upstream_status = statuses.get(kind, 400)
    return error


def broken(error: UpstreamError, model: Model) -> StreamBroken:
    """The error for a stream that failed after its first content."""
    code = _clean(error.code, model)[:64] if isinstance(error, StreamBroken) else None
    return StreamBroken(_clean(error.message, model), code=code or None, upstream_status=200)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds, from `retry-after-ms` or `retry-after` (seconds or an HTTP date)."""
    try:
        if "retry-after-ms" in headers:
            return _sane(float(headers["retry-after-ms"]) / 1000)
    except ValueError:
        pass
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return _sane(float(value))
    except ValueError:
        pass
    try:
        return _sane(parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _sane(seconds: float) -> float | None:
    return min(max(seconds, 0.0), 86_400.0) if seconds == seconds else None  # NaN isn't itself


def _classify(status: int, message: str, kinds: set[str], model: Model) -> UpstreamError:
    words = message.lower()
    said = message or f"the upstream of {model.name} answered with status {status} and no message"
    if status == 402 or kinds & QUOTA_CODES or any(phrase in words for phrase in QUOTA_WORDS):
        return _ours(f"the account behind {model.name} has no credit left", "upstream_quota")
    if status in (401, 403):
        return _ours(f"the upstream of {model.name} refused levelhead's credentials", "upstream_auth")
    if "context_length_exceeded" in kinds or (status < 429 and any(phrase in words for phrase in OVERFLOW_WORDS)):
        return _refused(said, code="context_length_exceeded", elsewhere=True)
    if status in (404, 405, 410) or "model_not_found" in kinds or any(phrase in words for phrase in NO_MODEL_WORDS):
        return _ours(f"the upstream of {model.name} doesn't know that model or path", "upstream_not_found")
    if status == 413:
        return _refused(said, code="request_too_large", elsewhere=True)
    if status in TIMEOUTS:
        return UpstreamTimeout(said)
    if status in TRANSIENT or status >= 500:
        error = UpstreamUnavailable(said, code="upstream_rate_limited" if status == 429 else None)
        error.retryable = not any(phrase in words for phrase in NEVER_FITS_WORDS)
        return error
    if 400 <= status < 500:
        return _refused(said)
    return _ours(f"the upstream of {model.name} answered with status {status}: check its base_url", "upstream_protocol")


def _refused(message: str, *, code: str | None = None, elsewhere: bool = False) -> UpstreamRefused:
    error = UpstreamRefused(message, code=code)
    error.elsewhere = elsewhere
    return error


def _ours(message: str, code: str) -> UpstreamError:
    """Levelhead's side of the deal is broken: 502 to the client, and another model may well serve."""
    return UpstreamError(message, code=code)


def _fields(body: bytes) -> Mapping[str, Any]:
    """message, code, type, param from any vendor's envelope."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        text = body.decode("utf-8", "replace").strip()
        return {"message": "" if text[:1] in ("<", "") else text}  # an HTML page says nothing to a client
    while isinstance(parsed, list) and parsed:  # Gemini wraps its error object in a list
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return {}
    inner = parsed.get("error", parsed)
    if isinstance(inner, str):
        return {"message": inner, **{name: parsed.get(name) for name in ("code", "type", "param")}}
    if not isinstance(inner, dict):
        return {}
    return inner if "message" in inner else {**inner, "message": inner.get("detail") or inner.get("msg")}


def _clean(said: object, model: Model) -> str:
    """What a vendor said: printable, bounded, without the key it was asked with; some quote it."""
    if not isinstance(said, str):
        return ""
    if model.api_key is not None and len(model.api_key.reveal()) >= 8:
        said = said.replace(model.api_key.reveal(), "***")
    printable = "".join(char if char.isprintable() else " " for char in said[:MESSAGE_CHARS])
    return " ".join(printable.split())
