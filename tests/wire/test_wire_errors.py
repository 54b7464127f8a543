from __future__ import annotations

from urllib.parse import unquote

import orjson
import pytest

from levelhead.errors import (
    BodyTooLarge,
    BudgetExhausted,
    InvalidRequest,
    LevelheadError,
    ModelNotFound,
    NotCapable,
    Overloaded,
    PermissionDenied,
    RateLimited,
    StreamBroken,
    Unauthenticated,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from levelhead.wire.errors import header_value, render_error, render_error_event

CASES = [
    (InvalidRequest("x", param="n", code="invalid_type"), 400, "invalid_request_error", "invalid_request_error"),
    (NotCapable("x"), 400, "invalid_request_error", "invalid_request_error"),
    (BodyTooLarge("x"), 413, "invalid_request_error", "request_too_large"),
    (Unauthenticated("x"), 401, "invalid_request_error", "authentication_error"),
    (PermissionDenied("x"), 403, "invalid_request_error", "permission_error"),
    (ModelNotFound("x", param="model"), 404, "invalid_request_error", "not_found_error"),
    (RateLimited("x", retry_after=1.5), 429, "requests", "rate_limit_error"),
    (BudgetExhausted("x", scope="key:a"), 429, "insufficient_quota", "rate_limit_error"),
    (Overloaded("x"), 503, "server_error", "overloaded_error"),
    (UpstreamUnavailable("x"), 503, "server_error", "overloaded_error"),
    (UpstreamTimeout("x"), 504, "server_error", "timeout_error"),
    (UpstreamRefused("x", upstream_status=400), 400, "invalid_request_error", "invalid_request_error"),
    (UpstreamRefused("x", upstream_status=404), 404, "invalid_request_error", "not_found_error"),
    (UpstreamRefused("x", upstream_status=413), 413, "invalid_request_error", "request_too_large"),
    (StreamBroken("x"), 502, "server_error", "api_error"),
    (LevelheadError("x"), 500, "server_error", "api_error"),
]


@pytest.mark.parametrize(("error", "status", "openai", "anthropic"), CASES)
def test_each_dialect_says_it_in_its_own_way(error: LevelheadError, status: int, openai: str, anthropic: str) -> None:
    got, headers, body = render_error(error, "chat", "req_1")
    assert got == status
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"] == "req_1"
    assert orjson.loads(body) == {"error": {"message": "x", "type": openai, "param": error.param, "code": error.code}}
    got, headers, body = render_error(error, "messages", "req_1")
    assert got == status
    assert headers["request-id"] == "req_1"
    said = orjson.loads(body)
    message = f"{error.param}: x" if error.param else "x"
    assert said == {"type": "error", "error": {"type": anthropic, "message": message}, "request_id": "req_1"}


def test_waiting() -> None:
    _, headers, _ = render_error(RateLimited("x", retry_after=0.25), "chat", "r")
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("1", "250")
    assert "x-should-retry" not in headers
    _, headers, _ = render_error(InvalidRequest("x"), "chat", "r")
    assert not {"retry-after", "retry-after-ms", "x-should-retry"} & headers.keys()


def test_an_empty_purse_is_not_asked_again() -> None:
    error = BudgetExhausted("x", scope="key:a", refills_at=1000.5)
    _, headers, _ = render_error(error, "chat", "r", now=940.0)
    assert headers["x-should-retry"] == "false"
    assert headers["retry-after"] == "61"
    assert "retry-after-ms" not in headers
    _, headers, _ = render_error(error, "messages", "r", now=2000.0)
    assert headers["retry-after"] == "0"
    _, headers, _ = render_error(BudgetExhausted("x", scope="run:a"), "chat", "r")
    assert "retry-after" not in headers


def test_events() -> None:
    error = StreamBroken("gone", code="overloaded")
    event = render_error_event(error, "chat")
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    assert orjson.loads(event[6:])["error"] == {
        "message": "gone",
        "type": "server_error",
        "param": None,
        "code": "overloaded",
    }
    kind, data = render_error_event(error, "messages").rstrip().split(b"\n")
    assert kind == b"event: error"
    assert orjson.loads(data[6:]) == {"type": "error", "error": {"type": "api_error", "message": "gone"}}
    kind, data = render_error_event(error, "responses").rstrip().split(b"\n")
    assert kind == b"event: error"
    assert orjson.loads(data[6:]) == {"type": "error", "code": "overloaded", "message": "gone", "param": None}


def test_an_error_is_said_whatever_it_holds() -> None:
    render_error(InvalidRequest("lone \ud800 surrogate"), "chat", "req\r\nx-evil: 1")
    _, headers, _ = render_error(InvalidRequest("x"), "chat", "req\r\nx-evil: 1")
    assert headers["x-request-id"].isprintable()


@pytest.mark.parametrize("value", ["", "critic", "a b", " a ", "50%", "é", "日本", "a\r\nb: c", "\x00", "tab\t", "%41"])
def test_header_values(value: str) -> None:
    written = header_value(value)
    assert written.isascii()
    assert written.isprintable()
    assert written == written.strip()
    assert unquote(written) == value
    if value in ("critic", "a b"):
        assert written == value
