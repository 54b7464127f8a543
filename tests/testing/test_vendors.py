"""The fake vendors, asked with plain HTTP: the shapes that clients and codecs rely on."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from levelhead.testing import (
    FakeAnthropic,
    FakeDeepSeek,
    FakeOpenAI,
    Fault,
    Refusal,
    Reply,
    ThreadedVendor,
    ToolUse,
    VendorServer,
)

MESSAGES = [{"role": "user", "content": "hello"}]
BODIES: dict[type[VendorServer], dict[str, Any]] = {
    FakeOpenAI: {"model": "gpt-4.1", "messages": MESSAGES},
    FakeDeepSeek: {"model": "deepseek-v4-flash", "messages": MESSAGES},
    FakeAnthropic: {"model": "claude-sonnet-4-5", "messages": MESSAGES, "max_tokens": 100},
}


class Asker:
    def __init__(self, vendor: VendorServer) -> None:
        self.vendor = vendor
        self.body = BODIES[type(vendor)]

    def __call__(self, *, method="POST", path=None, raw=None, headers=None, **fields) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.vendor.url).netloc, timeout=60)
        auth = {"authorization": f"Bearer {self.vendor.api_key}", "anthropic-version": "2023-06-01"}
        raw = json.dumps({**self.body, **fields}) if raw is None else raw
        connection.request(method, path or self.vendor.chat_path, raw, {**auth, **(headers or {})})
        answer = connection.getresponse()
        try:
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def events(self, **fields) -> list[Any]:
        status, headers, raw = self(stream=True, **fields)
        assert status == 200
        assert headers["content-type"].startswith("text/event-stream")
        frames = raw.decode().split("\n\n")
        assert frames.pop() == ""
        lines = [frame.split("data: ", 1) for frame in frames]
        return [json.loads(line[1]) if line[1:] and line[1] != "[DONE]" else line[-1] for line in lines]


@pytest.fixture
def ask(request):
    with ThreadedVendor(request.param()) as vendor:
        yield Asker(vendor)


openai = pytest.mark.parametrize("ask", [FakeOpenAI], indirect=True)
deepseek = pytest.mark.parametrize("ask", [FakeDeepSeek], indirect=True)
anthropic = pytest.mark.parametrize("ask", [FakeAnthropic], indirect=True)
every = pytest.mark.parametrize("ask", BODIES, indirect=True)


@every
def test_echo_is_deterministic_but_for_ids(ask):
    first, second = (json.loads(ask()[2]) for _ in range(2))
    assert "echo: hello" in json.dumps(first)
    assert first.pop("id") != second.pop("id")
    assert first == second


@every
def test_keys_are_checked(ask):
    status, _, raw = ask(headers={"authorization": "Bearer wrong"})
    assert status == 401
    assert json.loads(raw)["error"]["message"]


@every
def test_bodies_are_checked(ask):
    assert ask(raw="{")[0] == 400
    assert ask(messages="x")[0] == 400
    assert ask(messages=[7])[0] == 400
    assert ask(model="no-such-model")[0] in (400, 404)
    assert ask(path="/nowhere")[0] == 404
    assert len(ask.vendor.requests) == 5


@every
def test_script_is_followed_and_what_came_is_kept(ask):
    ask.vendor.script(Reply(text="one"), Refusal(status=529, message="busy", headers=(("retry-after", "1"),)))
    assert b"one" in ask()[2]
    status, headers, raw = ask()
    assert (status, headers["retry-after"]) == (529, "1")
    assert b"busy" in raw
    assert b"echo" in ask()[2]
    ask.vendor.answer = lambda body: Reply(text=f"asked {body['model']}")
    assert f"asked {ask.body['model']}".encode() in ask()[2]
    assert ask.vendor.requests[0].body == ask.body


@every
def test_faults_of_transport(ask):
    for fault in (Fault("cut"), Fault("reset")):
        ask.vendor.script(fault, Reply(text="never whole", fault=fault))
        for _ in range(2):
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                ask()
    ask.vendor.script(Reply(text="x" * 90, fault=Fault("cut", after=3)))
    with pytest.raises(http.client.IncompleteRead):
        ask(stream=True)
    assert ask()[0] == 200


@openai
def test_openai_stream(ask):
    ask.vendor.script(*[Reply(text="Hello", tools=(ToolUse("f", '{"a": 12345}'),))] * 2)
    *chunks, done = ask.events()
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert chunks[-1]["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "tool_calls"}
    assert all("usage" not in chunk for chunk in chunks)
    assert len({chunk.get("obfuscation") for chunk in chunks}) > 2
    calls = [c["choices"][0]["delta"]["tool_calls"][0] for c in chunks if "tool_calls" in c["choices"][0]["delta"]]
    assert calls[0]["id"].startswith("call_")
    assert [call.get("id") for call in calls[1:]] == [None] * len(calls[1:])
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a": 12345}'
    *chunks, usage, done = ask.events(stream_options={"include_usage": True, "include_obfuscation": False})
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] > 0
    assert all(chunk["usage"] is None and "obfuscation" not in chunk for chunk in chunks)


@openai
def test_openai_choices_logprobs_tools_and_caps(ask):
    whole = json.loads(ask(n=2, logprobs=True, top_logprobs=2)[2])
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    assert len(whole["choices"][1]["logprobs"]["content"][0]["top_logprobs"]) == 2
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    forced = json.loads(ask(tools=[tool], tool_choice="required")[2])["choices"][0]
    assert (forced["message"]["tool_calls"][0]["function"]["name"], forced["finish_reason"]) == ("f", "tool_calls")
    short = json.loads(ask(max_tokens=1)[2])
    assert (short["choices"][0]["finish_reason"], short["usage"]["completion_tokens"]) == ("length", 1)
    _, _, raw = ask(response_format={"type": "json_object"}, messages=[{"role": "user", "content": "json"}])
    assert json.loads(json.loads(raw)["choices"][0]["message"]["content"]) == {"echo": "echo: json"}


@openai
def test_lists_models_and_overflows(ask):
    assert json.loads(ask(method="GET", path="/v1/models")[2])["data"][0]["object"] == "model"
    ask.vendor.context_tokens = 5
    error = json.loads(ask()[2])["error"]
    assert error["code"] == "context_length_exceeded"


@deepseek
def test_deepseek_habits(ask):
    _, headers, raw = ask()
    assert raw.startswith(b"\n\n{")
    assert "x-ds-trace-id" in headers
    assert json.loads(raw)["choices"][0]["message"]["reasoning_content"] == "thinking of: hello"
    comment, *chunks, _done = ask.events()
    assert comment == ": keep-alive"
    assert len(chunks[0]["id"]) == 36
    assert chunks[1]["choices"][0]["delta"] == {"content": None, "reasoning_content": "thinking"}
    assert [chunk["usage"] is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    used = chunks[-1]["usage"]
    assert used["prompt_tokens"] == used["prompt_cache_hit_tokens"] + used["prompt_cache_miss_tokens"]
    assert "reasoning_content" not in json.loads(ask(thinking={"type": "disabled"})[2])["choices"][0]["message"]
    status, headers, raw = ask(max_tokens=0)
    assert (status, headers["content-type"]) == (400, "application/octet-stream")


@anthropic
def test_anthropic_stream(ask):
    ask.vendor.script(Reply(reasoning="Let me think", text="Hello there", tools=(ToolUse("f", '{"a":1}'),)))
    events = ask.events(tools=[{"name": "f", "input_schema": {"type": "object"}}])
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "content_block_start", "ping"]
    assert kinds[-2:] == ["message_delta", "message_stop"]
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 3
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"]["output_tokens"] > 1
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(delta.get("partial_json", "") for delta in deltas) == '{"a":1}'
    assert "".join(delta.get("thinking", "") for delta in deltas) == "Let me think"
    assert any(delta["type"] == "signature_delta" for delta in deltas)


@anthropic
def test_anthropic_errors_and_headers(ask):
    status, headers, raw = ask(temperature=7)
    error = json.loads(raw)
    assert (status, error["type"], error["error"]["type"]) == (400, "error", "invalid_request_error")
    assert headers["request-id"].startswith("req_")
    assert ask(headers={"anthropic-version": "1999-01-01"})[0] == 400
    assert ask(temperature=1)[0] == 200
    status, _, raw = ask(temperature=1, headers={"anthropic-version": "2026-10-21"})
    assert (status, json.loads(raw)["error"]["message"]) == (400, "temperature: Extra inputs are not permitted")
    ask.vendor.script(Reply(text="x" * 90, fault=Fault("error", after=4)))
    events = ask.events()
    assert events[-1]["error"]["type"] == "overloaded_error"
    assert "message_stop" not in [event["type"] for event in events]
    assert ask(headers={"x-api-key": "wrong"})[0] == 401  # both keys: this one counts
    ask.vendor.context_tokens = 10
    assert (
        "prompt is too long" in json.loads(ask(messages=[{"role": "user", "content": "x" * 99}])[2])["error"]["message"]
    )


@anthropic
def test_anthropic_counts_tokens(ask):
    _, _, raw = ask(path="/v1/messages/count_tokens")
    assert json.loads(raw)["input_tokens"] > 0


@every
def test_a_fake_that_breaks_says_so(ask):
    ask.vendor.answer = lambda body: 1 / 0
    status, _, raw = ask()
    assert status == 501
    assert b"ZeroDivisionError" in raw
