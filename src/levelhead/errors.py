"""Every error levelhead raises, with its HTTP status and its name in both vendors' dialects.

Bad input and refusals are `LevelheadError`s: they reach the client as an error object in the client's own dialect
(see `wire/errors.py`). Messages never hold prompts, keys or upstream URLs.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ArtefactError",
    "BodyTooLarge",
    "BudgetExhausted",
    "ConfigError",
    "HeadersTooLarge",
    "InvalidRequest",
    "LevelheadError",
    "ModelNotFound",
    "NotCapable",
    "NotFound",
    "Overloaded",
    "PermissionDenied",
    "RateLimited",
    "RequestTimeout",
    "StreamBroken",
    "Unauthenticated",
    "UpstreamBusy",
    "UpstreamError",
    "UpstreamRefused",
    "UpstreamTimeout",
    "UpstreamUnavailable",
]


class LevelheadError(Exception):
    """The root. `param` names the offending request field, `code` is OpenAI's machine-readable code."""

    status: ClassVar[int] = 500
    openai_type: ClassVar[str] = "server_error"
    anthropic_type: ClassVar[str] = "api_error"
    code: str | None = None
    cost_usd: float = 0.0  # what a request that failed was charged all the same

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        if code is not None:
            self.code = code

    @property
    def http_status(self) -> int:
        return self.status

    @property
    def should_retry(self) -> bool | None:
        """What `x-should-retry` says: both vendors' SDKs obey it. None: leave it to the SDK."""
        return None


class ConfigError(LevelheadError):
    """A configuration that can't be served; the message names the path of the field."""


class ArtefactError(LevelheadError):
    """A model artefact that is missing, altered or of another schema."""


class InvalidRequest(LevelheadError):
    status = 400
    openai_type = "invalid_request_error"
    anthropic_type = "invalid_request_error"


class NotCapable(InvalidRequest):
    """No eligible model can carry what the request needs; raised before any money is spent."""

    code = "unsupported_parameter"


class BodyTooLarge(InvalidRequest):
    status = 413
    anthropic_type = "request_too_large"
    code = "request_too_large"


class HeadersTooLarge(InvalidRequest):
    status = 431
    code = "headers_too_large"


class RequestTimeout(InvalidRequest):
    """The client took too long to send its request."""

    status = 408
    code = "request_timeout"


class Unauthenticated(LevelheadError):
    status = 401
    openai_type = "invalid_request_error"
    anthropic_type = "authentication_error"
    code = "invalid_api_key"


class PermissionDenied(LevelheadError):
    status = 403
    openai_type = "invalid_request_error"
    anthropic_type = "permission_error"
    code = "permission_denied"


class NotFound(LevelheadError):
    status = 404
    openai_type = "invalid_request_error"
    anthropic_type = "not_found_error"
    code = "not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class RateLimited(LevelheadError):
    """The caller's own request rate; `retry_after` seconds until it may ask again."""

    status = 429
    openai_type = "requests"
    anthropic_type = "rate_limit_error"
    code = "rate_limit_exceeded"


class BudgetExhausted(LevelheadError):
    """Money: names the scope and, for a window, when it refills (Unix seconds)."""

    status = 429
    openai_type = "insufficient_quota"
    anthropic_type = "rate_limit_error"
    code = "insufficient_quota"

    def __init__(self, message: str, *, scope: str, refills_at: float | None = None) -> None:
        super().__init__(message)
        self.scope = scope
        self.refills_at = refills_at

    @property
    def should_retry(self) -> bool:
        return False


class Overloaded(LevelheadError):
    """levelhead itself has no room for the request right now."""

    status = 503
    openai_type = "server_error"
    anthropic_type = "overloaded_error"
    code = "overloaded"


class UpstreamError(LevelheadError):
    """An upstream call that failed before its first byte reached the client.

    `upstream_status` is what the vendor said (None: nothing arrived); `retryable` says whether the same call may be
    sent again, `elsewhere` whether another model may succeed where this one failed.
    """

    status = 502
    openai_type = "server_error"
    anthropic_type = "api_error"
    code = "upstream_error"
    retryable: bool = False
    elsewhere: bool = True

    def __init__(
        self,
        message: str,
        *,
        upstream_status: int | None = None,
        param: str | None = None,
        code: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, param=param, code=code, retry_after=retry_after)
        self.upstream_status = upstream_status

    @property
    def should_retry(self) -> bool | None:
        return None if self.retryable else False


class UpstreamRefused(UpstreamError):
    """The vendor read the request and said no (4xx): handed on with its own status and message."""

    openai_type = "invalid_request_error"
    anthropic_type = "invalid_request_error"
    elsewhere = False

    @property
    def http_status(self) -> int:
        return self.upstream_status or 400


class UpstreamUnavailable(UpstreamError):
    """Connection refused or reset, 429, 5xx, an overload: worth another try, here or elsewhere."""

    code = "upstream_unavailable"
    anthropic_type = "overloaded_error"
    retryable = True

    @property
    def http_status(self) -> int:
        return 503


class UpstreamBusy(UpstreamUnavailable):
    """As many calls as levelhead makes to this upstream at once are under way: says nothing about its health."""

    code = "upstream_busy"
    retryable = False  # by levelhead: another model serves at once
    should_retry = None

    def __init__(self) -> None:
        super().__init__("the upstream has as many calls as it gets at once", retry_after=1.0)


class UpstreamTimeout(UpstreamError):
    status = 504
    code = "upstream_timeout"
    anthropic_type = "timeout_error"
    retryable = True


class StreamBroken(UpstreamError):
    """The upstream failed after its first event: said to the client as an error event, never retried."""

    code = "stream_broken"
    elsewhere = False
