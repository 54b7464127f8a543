"""The `anthropic` SDK of the current major against every upstream wire: fields, streams, tools, errors."""

from __future__ import annotations

from typing import Any

import pytest

from levelhead.testing import Fault, Refusal, Reply, ToolUse
from levelhead.types import Usage

from .house import Proxy, Vendors
from .sdk import Sdk

MODES = pytest.mark.parametrize("mode", ["sync", "async"])
STREAMED = pytest.mark.parametrize("op", ["create", "helper"], ids=["whole", "streamed"])
EVERY_WIRE = pytest.mark.parametrize("model", ["claude-sonnet", "deepseek-flash", "gpt-mini", "gpt-thinker"])
WEATHER = {
    "name": "get_weather",
    "description": "The weather in a city now.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJcOkw7zDtsOfCg=="


def ask(sdk: Sdk, op: str = "create", mode: str = "sync", **fields: Any) -> dict[str, Any]:
    whole = {"model": "auto", "max_tokens": 500, "messages": [{"role": "user", "content": "hello"}], **fields}
    said = sdk.said(op, mode, fields=whole)
    assert "bug" not in said, said["bug"]
    return said


def good(sdk: Sdk, op: str = "create", mode: str = "sync", **fields: Any) -> dict[str, Any]:
    said = ask(sdk, op, mode, **fields)
    assert "error" not in said, said["error"]
    return said


def text(said: dict[str, Any]) -> str:
    return "".join(block["text"] for block in said["body"]["content"] if block["type"] == "text")


def upstream(vendors: Vendors, model: str) -> Any:
    return {"claude-sonnet": vendors.claude, "deepseek-flash": vendors.deepseek}.get(model, vendors.openai)


@MODES
@STREAMED
@EVERY_WIRE
def test_a_message(anthropic: Sdk, vendors: Vendors, mode: str, op: str, model: str) -> None:
    said = good(anthropic, op, mode, model=model, system="Be brief.", stop_sequences=["END"])
    assert text(said) == "echo: hello"
    body = said["body"]
    assert (body["type"], body["role"], body["stop_reason"]) == ("message", "assistant", "end_turn")
    assert body["id"].startswith("msg_")
    assert body["usage"]["input_tokens"] > 0
    assert body["usage"]["output_tokens"] > 0
    assert said["headers"]["x-levelhead-model"] == model
    assert said["headers"]["request-id"].startswith("req_")
    sent = upstream(vendors, model).requests[-1].body
    assert sent.get("stop") == ["END"] or sent.get("stop_sequences") == ["END"]
    if op == "helper":
        events = good(anthropic, "create", mode, model=model, stream=True)["events"]
        assert [event["usage"]["cost_usd"] > 0 for event in events if event["type"] == "message_delta"] == [True]
    else:
        assert float(said["headers"]["x-levelhead-cost-usd"]) > 0
        assert said["request_id"] == said["headers"]["request-id"]


@STREAMED
def test_thinking(anthropic: Sdk, op: str) -> None:
    """Who asks for thoughts gets them, from a vendor that signs and from one that doesn't."""
    for model in ("claude-sonnet", "deepseek-flash"):
        said = good(anthropic, op, model=model, thinking={"type": "adaptive"})
        first = said["body"]["content"][0]
        assert (first["type"], first["thinking"]) == ("thinking", "thinking of: hello")
        assert first["signature"]
    silent = good(anthropic, op, model="deepseek-flash")
    assert [block["type"] for block in silent["body"]["content"]] == ["text"]


@STREAMED
@EVERY_WIRE
def test_a_tool_loop(anthropic: Sdk, vendors: Vendors, op: str, model: str) -> None:
    call = (ToolUse("get_weather", '{"city":"Rome"}'), ToolUse("get_weather", '{"city":"Oslo"}'))
    upstream(vendors, model).script(Reply(text="Let me look.", tools=call), Reply(text="Warm."))
    said = anthropic.said("agent", models=[model, model], fields={"tools": [WEATHER], "stream": op == "helper"})
    assert "error" not in said, said
    first, second = said["turns"]
    calls = [block for block in first["content"] if block["type"] == "tool_use"]
    assert [block["input"] for block in calls] == [{"city": "Rome"}, {"city": "Oslo"}]
    assert first["stop_reason"] == "tool_use"
    assert second["content"][-1]["text"] == "Warm."
    sent = upstream(vendors, model).requests[-1].raw
    assert b"21 degrees in Rome" in sent
    assert b"21 degrees in Oslo" in sent


def test_a_conversation_over_every_vendor(anthropic: Sdk, vendors: Vendors) -> None:
    """Each vendor goes on with what the others began, in the middle of a tool loop."""
    for vendor in vendors.all:
        vendor.answer = lambda body: Reply(
            text="Looking.", reasoning="I should look.", tools=(ToolUse("get_weather", '{"city":"Rome"}'),)
        )
    order = ["claude-sonnet", "deepseek-flash", "gpt-mini", "claude-sonnet", "gpt-thinker", "deepseek-flash"]
    for stream in (False, True):
        fields = {"tools": [WEATHER], "thinking": {"type": "adaptive"}, "stream": stream}
        said = anthropic.said("agent", models=order * 2, fields=fields)
        assert "error" not in said, said
        assert len(said["turns"]) == 12


@EVERY_WIRE
def test_tool_choice(anthropic: Sdk, vendors: Vendors, model: str) -> None:
    choices: dict[str, Any] = {"auto": "auto", "any": "required", "none": "none", "tool": "get_weather"}
    for kind, expected in choices.items():
        choice = {"type": kind, **({"name": "get_weather"} if kind == "tool" else {})}
        said = ask(anthropic, model=model, tools=[WEATHER], tool_choice=choice)
        if model == "claude-sonnet" and kind in ("any", "tool"):  # this one can't be forced, and says so for nothing
            assert said["error"]["status"] == 400
            assert "tool_choice" in said["error"]["message"]
            continue
        assert "error" not in said, said
        sent = upstream(vendors, model).requests[-1].body["tool_choice"]
        if model == "claude-sonnet":
            assert sent == choice
        else:
            assert (sent["function"]["name"] if isinstance(sent, dict) else sent) == expected


@STREAMED
def test_what_one_vendor_has_alone_steers_there(anthropic: Sdk, vendors: Vendors, op: str) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PDF}}
    for block in (image, document):
        content = [block, {"type": "text", "text": "What is this?"}]
        said = good(anthropic, op, messages=[{"role": "user", "content": content}])
        assert said["headers"]["x-levelhead-model"] in ("claude-sonnet", "gpt-mini", "gpt-thinker")
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    said = good(anthropic, op, tools=[search])
    assert said["headers"]["x-levelhead-model"] == "claude-sonnet"
    assert vendors.claude.requests[-1].body["tools"] == [search]
    asked = vendors.asked
    refused = ask(anthropic, op, model="deepseek-flash", tools=[search])["error"]
    assert (refused["kinds"][0], refused["status"]) == ("BadRequestError", 400)
    assert refused["body"]["type"] == "error"
    assert refused["body"]["error"]["type"] == "invalid_request_error"
    assert "tools" in refused["body"]["error"]["message"]
    assert vendors.asked == asked


@EVERY_WIRE
def test_a_schema(anthropic: Sdk, vendors: Vendors, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string"}},
        "required": ["x"],
        "additionalProperties": False,
    }
    said = ask(anthropic, model=model, output_config={"format": {"type": "json_schema", "schema": schema}})
    if model == "deepseek-flash":
        assert said["error"]["status"] == 400
        assert vendors.asked == 0
        return
    sent = upstream(vendors, model).requests[-1].body
    native = sent.get("output_config", {}).get("format") or sent["response_format"]["json_schema"]
    assert native["schema"] == schema


@EVERY_WIRE
@STREAMED
@pytest.mark.parametrize("finish", ["length", "refusal"])
def test_why_it_stopped(anthropic: Sdk, vendors: Vendors, model: str, op: str, finish: str) -> None:
    native = {"claude-sonnet": {"length": "max_tokens", "refusal": "refusal"}}.get(
        model, {"length": "length", "refusal": "content_filter"}
    )
    upstream(vendors, model).script(Reply(text="Well,", finish=native[finish]))
    said = good(anthropic, op, model=model)
    assert said["body"]["stop_reason"] == {"length": "max_tokens", "refusal": "refusal"}[finish]


def test_what_passes_through(anthropic: Sdk, vendors: Vendors) -> None:
    """A client of Claude's own dialect gets to Claude with all that it said, and hears all that Claude says."""
    cached = {"type": "text", "text": "Long rules.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    vendors.claude.script(Reply(text="Hi", usage=Usage(input=3, cached_input=1000, cache_write=7, output=2)))
    said = good(
        anthropic,
        model="claude-sonnet",
        system=[cached],
        metadata={"user_id": "u-1", "slot": "critic"},
        service_tier="standard_only",
        output_config={"effort": "low"},
        extra_headers={"anthropic-beta": "context-1m-2025-08-07", "anthropic-version": "2023-01-01"},
        extra_body={"inference_geo": "eu"},
    )
    request = vendors.claude.requests[-1]
    assert request.body["system"] == [cached]
    assert request.body["metadata"] == {"user_id": "u-1"}
    assert request.body["service_tier"] == "standard_only"
    assert request.body["output_config"] == {"effort": "low"}
    assert request.body["inference_geo"] == "eu"
    assert "context-1m-2025-08-07" in request.headers["anthropic-beta"]
    assert request.headers["anthropic-version"] == "2023-01-01"
    usage = said["body"]["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (3, 1000)
    assert usage["cache_creation_input_tokens"] == 7
    assert said["headers"]["x-levelhead-slot"] == "critic"


def test_settings_of_another_claude_are_fitted(anthropic: Sdk, vendors: Vendors) -> None:
    """The client wrote for the model that it named; the one that answers takes no budget and no temperature."""
    good(
        anthropic,
        model="claude-sonnet",
        max_tokens=4000,
        extra_body={"temperature": 0.5},
        thinking={"type": "enabled", "budget_tokens": 2000},
        messages=[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
    )
    sent = vendors.claude.requests[-1].body
    assert sent["thinking"]["type"] == "adaptive"
    assert "temperature" not in sent
    assert sent["messages"][-1]["role"] == "user"


@MODES
def test_beta_and_counts(anthropic: Sdk, vendors: Vendors, mode: str) -> None:
    fields = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    said = anthropic.said("create", mode, fields={**fields, "betas": ["x-2026-01-01"]}, beta=True)
    assert said["body"]["content"][0]["text"] == "echo: hello"
    del fields["max_tokens"]
    asked = len(vendors.claude.requests)
    for model in ("claude-sonnet", "deepseek-flash"):
        counted = anthropic.said("count", mode, fields={**fields, "model": model})
        assert counted["body"]["input_tokens"] > 0
    assert [request.path for request in vendors.claude.requests[asked:]] == ["/v1/messages/count_tokens"]


@MODES
def test_models(anthropic: Sdk, mode: str) -> None:
    said = anthropic.said("models", mode, name="auto/critic")
    assert {"auto", "claude-sonnet"} <= {model["id"] for model in said["models"]}
    assert said["one"]["id"] == "auto/critic"


def test_a_knock_at_the_door(proxy: Proxy) -> None:
    assert proxy.client("team").send("HEAD", "/").status == 200


@MODES
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("fields", "kind", "status", "error", "named"),
    [
        ({"extra_body": {"temperature": 3}}, "BadRequestError", 400, "invalid_request_error", "temperature"),
        ({"messages": []}, "BadRequestError", 400, "invalid_request_error", "messages"),
        ({"messages": [{"role": "user"}]}, "BadRequestError", 400, "invalid_request_error", "messages[0].content"),
        ({"max_tokens": 0}, "BadRequestError", 400, "invalid_request_error", "max_tokens"),
        ({"model": "nobody"}, "NotFoundError", 404, "not_found_error", "model"),
        ({"tool_choice": {"type": "any"}}, "BadRequestError", 400, "invalid_request_error", "tool_choice"),
    ],
)
def test_bad_input(
    anthropic: Sdk,
    vendors: Vendors,
    mode: str,
    stream: bool,
    fields: dict[str, Any],
    kind: str,
    status: int,
    error: str,
    named: str,
) -> None:
    said = ask(anthropic, "create", mode, stream=stream, **fields)["error"]
    assert (said["kinds"][0], said["status"], said["body"]["error"]["type"]) == (kind, status, error)
    assert named in said["body"]["error"]["message"]
    assert said["request_id"].startswith("req_")
    assert vendors.asked == 0


def test_keys_and_budgets(running_anthropic: Sdk, proxy: Proxy, vendors: Vendors) -> None:
    fields = {"model": "auto", "max_tokens": 50, "messages": [{"role": "user", "content": "hello"}]}
    said = running_anthropic.at(proxy.url, "sk-nobody").said("create", fields=fields)["error"]
    assert (said["kinds"][0], said["body"]["error"]["type"]) == ("AuthenticationError", "authentication_error")
    broke = running_anthropic.at(proxy.url, "sk-broke")
    said = broke.said("create", retries=2, fields={**fields, "model": "claude-sonnet"})["error"]
    assert (said["kinds"][0], said["body"]["error"]["type"]) == ("RateLimitError", "rate_limit_error")
    assert said["headers"]["x-should-retry"] == "false"
    assert vendors.asked == 0


@EVERY_WIRE
@pytest.mark.usefixtures("healed")
def test_an_upstream_that_fails_in_mid_stream(anthropic: Sdk, vendors: Vendors, model: str) -> None:
    upstream(vendors, model).script(Reply(text="Some words before it breaks.", fault=Fault("error", after=4)))
    said = ask(anthropic, stream=True, model=model)
    assert any(event["type"] == "content_block_delta" for event in said["events"])
    assert said["error"]["body"]["type"] == "error"
    assert said["error"]["body"]["error"]["message"]
    assert not any(event["type"] == "message_stop" for event in said["events"])


@EVERY_WIRE
@STREAMED
@pytest.mark.usefixtures("healed")
def test_an_upstream_that_refuses(anthropic: Sdk, vendors: Vendors, model: str, op: str) -> None:
    upstream(vendors, model).script(Refusal(message="that won't do", type="invalid_request_error"))
    said = ask(anthropic, op, model=model)["error"]
    assert (said["kinds"][0], said["status"]) == ("BadRequestError", 400)
    assert said["body"]["error"] == {"type": "invalid_request_error", "message": "that won't do"}


@MODES
@EVERY_WIRE
def test_the_sdks_tool_runner_sends_the_conversation_itself(
    anthropic: Sdk, vendors: Vendors, mode: str, model: str
) -> None:
    call = ToolUse("get_weather", '{"city":"Rome"}')
    upstream(vendors, model).script(Reply(tools=(call, call)), Reply(tools=(call,)), Reply(text="21 degrees."))
    assert text(good(anthropic, "runner", mode, model=model)) == "21 degrees."
    last = upstream(vendors, model).requests[-1]
    assert last.raw.count(b"21 degrees in Rome") == 3
    assert "thread" not in last.body


def test_a_thread_is_refused_in_words_that_the_sdks_act_upon(proxy: Proxy, vendors: Vendors) -> None:
    fields = {"model": "claude-sonnet", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    refused = proxy.client("team").send("POST", "/v1/messages", {**fields, "thread": {"type": "create"}})
    assert refused.status == 400
    details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert refused.body["error"]["details"] == details
    assert vendors.asked == 0
    assert proxy.client("team").send("POST", "/v1/messages", {**fields, "thread": None}).status == 200


@EVERY_WIRE
def test_a_text_without_citations_has_no_field_for_them(proxy: Proxy, model: str) -> None:
    """As at the vendor: the AI SDK refuses a null there."""
    fields = {"model": model, "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
    client = proxy.client("team")
    said = client.send("POST", "/v1/messages", fields)
    assert said.body["content"] == [{"type": "text", "text": "echo: hi"}]
    assert b"citations" not in client.send("POST", "/v1/messages", {**fields, "stream": True}).raw
