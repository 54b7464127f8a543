"""Vendors' refusals in every envelope: who may try again, and what the client is told."""

from __future__ import annotations

import orjson
import pytest

from levelhead.errors import StreamBroken, UpstreamError, UpstreamRefused, UpstreamTimeout, UpstreamUnavailable
from levelhead.types import Model, Price, Secret
from levelhead.upstream.faults import broken, refusal, retry_after, stream_fault

KEY = "sk-very-secret-0123456789"
MODEL = Model(
    name="claude", tier="strong", tier_rank=1, wire="anthropic", upstream_model="claude-opus", api_key=Secret(KEY),
    price=Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6),
)  # fmt: skip
NOW = 1_790_000_000.0


def refuse(status: int, body: object = b"", **headers: str) -> UpstreamError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return refusal(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw, MODEL, NOW)


def openai(message: str, **fields: object) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None, **fields}}


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length"),
        (400, "This model's maximum context length is 1000000 tokens. However, you requested 1000001 tokens"),
        (400, "Your input exceeds the context window of this model. Please adjust your input and try again."),
        (400, "the request exceeds the available context size. try increasing the context size"),
        (413, "Prompt is too long"),
    ],
)
def test_every_phrase_for_overflow(status, message):
    error = refuse(status, openai(message))
    assert isinstance(error, UpstreamRefused)
    assert (error.code, error.elsewhere, error.retryable) == ("context_length_exceeded", True, False)
    assert error.message == message  # agents look for these words


def test_overflow_by_code_alone():
    assert refuse(400, openai("no", code="context_length_exceeded")).elsewhere


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, openai("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota")),
        (429, {"type": "error", "error": {"type": "rate_limit_error", "message": "enforced_spend_limit_reached"}}),
        (402, openai("Insufficient Balance", type="unknown_error", code="invalid_request_error")),
        (402, b""),
        (400, {"type": "error", "error": {"type": "invalid_request_error",
                                          "message": "Your credit balance is too low to access the Anthropic API."}}),
    ],
)  # fmt: skip
def test_no_money_is_never_retried(status, body):
    error = refuse(status, body, retry_after="1")
    assert (error.code, error.retryable, error.elsewhere, error.http_status) == ("upstream_quota", False, True, 502)
    assert "claude" in error.message


@pytest.mark.parametrize(
    ("status", "message"), [(404, "x"), (400, "Model Not Exist"), (410, "model retired"), (405, "")]
)
def test_our_own_misconfiguration_is_not_the_clients(status, message):
    error = refuse(status, openai(message))
    assert (error.code, error.http_status, error.elsewhere) == ("upstream_not_found", 502, True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (openai("n is wrong"), "n is wrong"),
        ({"type": "error", "error": {"type": "invalid_request_error", "message": "n is wrong"}}, "n is wrong"),
        ({"object": "error", "message": "n is wrong", "code": 400}, "n is wrong"),  # older vLLM
        ({"error": "n is wrong"}, "n is wrong"),  # Ollama
        ({"detail": "n is wrong"}, "n is wrong"),  # FastAPI
        ([{"error": {"code": 400, "message": "n is wrong", "status": "INVALID_ARGUMENT"}}], "n is wrong"),  # Gemini
        (b"n is\x00\x1b[2J wrong\n", "n is [2J wrong"),
        (b"\xff\xfe\x00", None),
        (b"<!DOCTYPE html><html>prompt</html>", None),
        (b"", None),
        (b"[]", None),
        (b'{"error":null}', None),
        (b'{"error":{"message":{"a":1}}}', None),
    ],
)
def test_envelopes(body, message):
    error = refuse(400, body)
    assert isinstance(error, UpstreamRefused)
    if message is not None:
        assert error.message == message
    else:
        assert "claude" in error.message or error.message == "��"
    assert error.http_status == 400


def test_fields_travel_and_are_bounded():
    error = refuse(400, openai("x" * 5000, code="invalid_value", param="messages[0]"))
    assert (error.code, error.param, len(error.message)) == ("invalid_value", "messages[0]", 1000)
    assert not error.elsewhere


def test_key_is_never_repeated():
    for status in (400, 401, 500):
        error = refuse(status, openai(f"Incorrect API key provided: {KEY}", code=f"bad {KEY}", param=KEY))
        assert KEY not in f"{error} {error!r} {error.code} {error.param}"
    error = broken(StreamBroken(f"Incorrect API key provided: {KEY}", code=f"bad {KEY}"), MODEL)
    assert KEY not in f"{error} {error!r} {error.code}"
    assert error.message == "Incorrect API key provided: ***"


def test_what_broke_a_stream_is_told_within_bounds():
    said = broken(StreamBroken("Over\x1b[31mloaded\n" * 1000, code="overloaded_error"), MODEL)
    assert (len(said.message) <= 1000, said.message.isprintable(), said.code) == (True, True, "overloaded_error")
    assert broken(StreamBroken("cut"), MODEL).code == broken(UpstreamTimeout("late"), MODEL).code == "stream_broken"


@pytest.mark.parametrize(
    ("status", "kind", "http_status"),
    [
        (408, UpstreamTimeout, 504), (504, UpstreamTimeout, 504), (524, UpstreamTimeout, 504),
        (409, UpstreamUnavailable, 503), (429, UpstreamUnavailable, 503), (500, UpstreamUnavailable, 503),
        (503, UpstreamUnavailable, 503), (529, UpstreamUnavailable, 503),
        (400, UpstreamRefused, 400), (413, UpstreamRefused, 413), (422, UpstreamRefused, 422),
    ],
)  # fmt: skip
def test_kinds(status, kind, http_status):
    error = refuse(status)
    assert type(error) is kind
    assert error.http_status == http_status
    assert error.upstream_status == status
    assert error.retryable == (kind is not UpstreamRefused)


def test_one_request_above_the_minutes_tokens_is_not_retried():
    error = refuse(429, openai("Request too large for gpt-4.1 on tokens per min (TPM)", code="rate_limit_exceeded"))
    assert (error.retryable, error.elsewhere) == (False, True)


def test_the_vendors_x_should_retry_is_obeyed():
    assert refuse(500, x_should_retry="false").retryable is False
    assert refuse(429, openai("Request too large for x"), x_should_retry="true").retryable is True
    assert refuse(400, x_should_retry="true").retryable is False


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "99999999999"}, 86_400.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:30 GMT"}, 10.0),
        ({"retry-after": "Mon, 21 Sep 2020 14:13:30 GMT"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("overloaded_error", UpstreamUnavailable, True),
        ("api_error", UpstreamUnavailable, True),
        (None, UpstreamUnavailable, True),
        ("rate_limit_error", UpstreamUnavailable, True),
        ("invalid_request_error", UpstreamRefused, False),
    ],
)
def test_errors_in_place_of_the_first_content(code, kind, retryable):
    error = stream_fault("said in the stream", code, MODEL)
    assert type(error) is kind
    assert error.retryable == retryable
    assert error.message == "said in the stream"
