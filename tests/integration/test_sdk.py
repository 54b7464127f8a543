"""The `openai` SDK of the current major: names, headers, the cache, and its own error classes."""

from __future__ import annotations

from typing import Any

import pytest

from levelhead.testing import Fault, Refusal, Reply

from .house import Proxy, Vendors
from .sdk import Heard, Sdk

MODES = pytest.mark.parametrize("mode", ["sync", "async"])
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@MODES
def test_models(sdk: Sdk, mode: str) -> None:
    heard = sdk.ask("models", mode, name="auto/critic").ok.said
    names = {model["id"] for model in heard["models"]}
    assert {"auto", "auto/critic", "efficient", "strong", "deepseek-flash", "claude-sonnet"} <= names
    assert all(model["object"] == "model" and isinstance(model["created"], int) for model in heard["models"])
    assert heard["one"]["id"] == "auto/critic"
    assert sdk.ask("models", mode, name="gpt-2").error["kinds"][0] == "NotFoundError"


ON_QUALITY = {"quality_met; uncertified", "uplift; uncertified"}


@pytest.mark.parametrize(
    ("name", "tier", "slot", "reasons"),
    [
        ("auto", None, None, ON_QUALITY),
        ("gpt-5", None, None, ON_QUALITY),
        ("claude-sonnet-4-5", None, None, ON_QUALITY),
        ("auto/critic", "strong", "critic", {"only_eligible"}),
        ("critic", "strong", "critic", {"only_eligible"}),
        ("auto/drafter", "efficient", "drafter", {"only_eligible"}),
        ("strong", "strong", None, {"pinned"}),
        ("efficient", "efficient", None, {"pinned"}),
        ("claude-sonnet", "strong", None, {"pinned"}),
        ("gpt-thinker", "efficient", None, {"pinned"}),
    ],
)
@STREAMED
def test_names(sdk: Sdk, name: str, tier: str | None, slot: str | None, reasons: set[str], stream: bool) -> None:
    headers = sdk.create(model=name, stream=stream).ok.headers
    assert tier in (None, headers["x-levelhead-tier"])
    assert headers.get("x-levelhead-slot") == slot
    assert headers["x-levelhead-reason"] in reasons
    if name in ("claude-sonnet", "gpt-thinker"):
        assert headers["x-levelhead-model"] == name


@MODES
@STREAMED
def test_headers(sdk: Sdk, mode: str, stream: bool) -> None:
    asked = {
        "x-levelhead-slot": "critic",
        "x-levelhead-run": "r%C3%A9",
        "x-levelhead-session": "s",
        "x-levelhead-task": "t",
    }
    headers = sdk.create(mode, stream=stream, extra_headers=asked).ok.headers
    own = {name.removeprefix("x-levelhead-"): value for name, value in headers.items() if "levelhead" in name}
    always = {"decision-id", "level", "tier", "model", "slot", "reason", "confidence", "cache", "attempts"}
    amounts = {"expected-cost-usd", "budget-remaining-usd"}
    whole = set() if stream else {"cost-usd", "baseline-cost-usd"}
    assert set(own) == always | amounts | whole
    assert (own["slot"], own["tier"], own["model"], own["cache"]) == ("critic", "strong", "claude-sonnet", "bypass")
    assert own["level"] in ("L1", "L2", "L3", "L4")
    assert 0 <= float(own["confidence"]) <= 1
    assert own["attempts"] == "1"
    assert all(float(own[name]) > 0 for name in amounts | whole)


def test_a_slot_by_metadata(sdk: Sdk) -> None:
    assert sdk.create(metadata={"slot": "critic"}).ok.headers["x-levelhead-slot"] == "critic"


@MODES
@STREAMED
@pytest.mark.parametrize("model", ["deepseek-flash", "claude-sonnet"])
def test_cache(sdk: Sdk, vendors: Vendors, mode: str, stream: bool, model: str) -> None:
    """Asked whole and streamed by turns: an answer is stored in one form and served in both."""
    fields = {"model": model, "temperature": 0, "said": f"cache me, {mode} {stream}"}
    with_usage = {"stream": True, "stream_options": {"include_usage": True}}
    first = sdk.create(mode, **fields, **(with_usage if stream else {})).ok
    again = sdk.create(mode, **fields, **({} if stream else with_usage)).ok
    same = sdk.create(mode, **fields, **(with_usage if stream else {})).ok
    assert vendors.asked == 1
    assert [h.headers["x-levelhead-cache"] for h in (first, again, same)] == ["miss", "hit", "hit"]
    assert first.text == again.text == same.text
    assert first.reasoning == again.reasoning
    for hit in (again, same):
        assert hit.headers["x-levelhead-reason"] == "cache"
        assert hit.headers["x-levelhead-model"] == model
        cost = hit.usage["cost_usd"] if hit.chunks else float(hit.headers["x-levelhead-cost-usd"])  # type: ignore[index]
        assert cost == 0
        assert hit.usage["total_tokens"] == first.usage["total_tokens"]  # type: ignore[index]
    for directive, asked in (("no-store", 2), ("no-cache", 3)):
        bypassed = sdk.create(mode, **fields, extra_headers={"x-levelhead-cache": directive}).ok
        assert bypassed.headers["x-levelhead-cache"] == "bypass"
        assert vendors.asked == asked


def failed(heard: Heard, kind: str, status: int | None, code: str | None, param: str | None = None) -> dict[str, Any]:
    error = heard.error
    assert error, heard.said
    assert error["kinds"][0] == kind, error
    assert (error["status"], error["code"], error["param"]) == (status, code, param), error
    return error


@MODES
@STREAMED
@pytest.mark.parametrize(
    ("fields", "kind", "status", "code", "param"),
    [
        ({"temperature": "hot"}, "BadRequestError", 400, "invalid_type", "temperature"),
        ({"messages": []}, "BadRequestError", 400, "empty_array", "messages"),
        ({"model": "nobody"}, "NotFoundError", 404, "model_not_found", "model"),
        ({"model": "auto/nobody"}, "NotFoundError", 404, "model_not_found", "model"),
        ({"model": "claude-sonnet", "n": 2}, "BadRequestError", 400, "unsupported_parameter", "n"),
        ({"model": "gpt-unlisted"}, "PermissionDeniedError", 403, "permission_denied", "model"),
    ],
)
def test_refused(
    sdk: Sdk,
    vendors: Vendors,
    mode: str,
    stream: bool,
    fields: dict[str, Any],
    kind: str,
    status: int,
    code: str,
    param: str,
) -> None:
    error = failed(sdk.create(mode, stream=stream, **fields), kind, status, code, param)
    assert error["type"] == "invalid_request_error"
    assert vendors.asked == 0


@MODES
def test_a_body_that_is_too_large(sdk: Sdk, vendors: Vendors, mode: str) -> None:
    error = failed(sdk.create(mode, said="x" * 20_000_000, retries=2), "APIStatusError", 413, "request_too_large")
    assert error["type"] == "invalid_request_error"
    assert vendors.asked == 0


@MODES
def test_keys(sdk: Sdk, proxy: Proxy, vendors: Vendors, mode: str) -> None:
    failed(sdk.at(proxy.url, "sk-wrong").create(mode), "AuthenticationError", 401, "invalid_api_key")
    drafters = sdk.at(proxy.url, "sk-drafters")
    assert drafters.create(mode, model="auto/drafter").ok.headers["x-levelhead-slot"] == "drafter"
    asked = vendors.asked
    failed(drafters.create(mode, model="auto/critic"), "PermissionDeniedError", 403, "permission_denied", "model")
    assert vendors.asked == asked


def test_a_rate_limit(sdk: Sdk, proxy: Proxy) -> None:
    hasty = sdk.at(proxy.url, "sk-hasty")
    hasty.create().ok  # noqa: B018 - asserts
    hasty.create().ok  # noqa: B018 - asserts
    error = failed(hasty.create(), "RateLimitError", 429, "rate_limit_exceeded")
    assert 0 < int(error["headers"]["retry-after"]) <= 30
    assert "x-should-retry" not in error["headers"]


@MODES
@STREAMED
def test_a_spent_budget_is_not_retried(sdk: Sdk, proxy: Proxy, vendors: Vendors, mode: str, stream: bool) -> None:
    """By an SDK that retries twice what it may."""
    before = proxy.metric("requests_total", outcome="refused")
    broke = sdk.at(proxy.url, "sk-broke")
    error = failed(broke.create(mode, retries=2, stream=stream), "RateLimitError", 429, "insufficient_quota")
    assert error["type"] == "insufficient_quota"
    assert "key broke" in error["message"]
    assert error["headers"]["x-should-retry"] == "false"
    assert proxy.metric("requests_total", outcome="refused") - before == 1
    assert vendors.asked == 0


BUSY = Refusal(status=500, message="The server had an error", headers=(("x-should-retry", "false"),))


@MODES
@STREAMED
def test_a_vendor_that_is_down(sdk: Sdk, vendors: Vendors, mode: str, stream: bool) -> None:
    vendors.openai.script(BUSY)
    heard = sdk.create(mode, model="gpt-mini", stream=stream)
    failed(heard, "InternalServerError", 503, "upstream_unavailable")
    assert sdk.create(mode, model="gpt-mini", stream=stream).ok.text == "echo: hello"


@MODES
def test_a_vendor_that_refuses_our_key(sdk: Sdk, vendors: Vendors, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendors.openai, "api_key", "sk-another")
    error = failed(sdk.create(mode, model="gpt-mini"), "InternalServerError", 502, "upstream_auth")
    assert "sk-" not in str(error)


@MODES
@STREAMED
def test_a_vendor_that_refuses_the_request(sdk: Sdk, vendors: Vendors, mode: str, stream: bool) -> None:
    """Its own words come through, for the client can act on them."""
    heard = sdk.create(mode, model="gpt-mini", stream=stream, extra_body={"enable_search": True})
    error = failed(heard, "BadRequestError", 400, "unknown_parameter", "enable_search")
    assert "Unknown parameter: 'enable_search'." in error["message"]
    said = "prompt is too long: 5 tokens > 4 maximum"
    vendors.claude.script(Refusal(message=said))
    error = failed(
        sdk.create(mode, model="claude-sonnet", stream=stream), "BadRequestError", 400, "context_length_exceeded"
    )
    assert said in error["message"]


@MODES
@pytest.mark.parametrize("model", ["deepseek-flash", "claude-sonnet"])
@pytest.mark.parametrize("kind", ["error", "cut", "reset"])
def test_a_stream_that_breaks(sdk: Sdk, vendors: Vendors, mode: str, model: str, kind: Any) -> None:
    """What came is there, and then the SDK raises: an answer is never silently short."""
    vendor = vendors.claude if model == "claude-sonnet" else vendors.deepseek
    vendor.script(Reply(text="one two three four five", piece_chars=4, fault=Fault(kind, after=6)))
    heard = sdk.create(mode, model=model, stream=True)
    assert heard.error["kinds"][0] == "APIError", heard.error
    assert heard.error["code"] in ("stream_broken", "overloaded_error", "service_unavailable")
    assert "one two three four five".startswith(heard.text)
    assert heard.text
    assert all(choice.get("finish_reason") is None for chunk in heard.chunks for choice in chunk["choices"])


@MODES
@STREAMED
def test_the_older_sdk(older_sdk: Sdk, vendors: Vendors, mode: str, stream: bool) -> None:
    assert older_sdk.create(mode, stream=stream, model="claude-sonnet").ok.text == "echo: hello"
    assert older_sdk.create(mode, stream=stream, model="deepseek-flash").ok.reasoning
    failed(older_sdk.create(mode, stream=stream, model="nobody"), "NotFoundError", 404, "model_not_found", "model")
    vendors.claude.script(Reply(text="1234567890", fault=Fault("error", after=4)))
    if stream:
        assert older_sdk.create(mode, stream=True, model="claude-sonnet").error["kinds"][0] == "APIError"
