"""The proxy over plain HTTP: pages, and the bodies that clients in the wild send."""

from __future__ import annotations

import socket
from http.client import HTTPConnection
from typing import Any

import orjson
import pytest

from levelhead.testing import Reply, ToolUse

from .house import Proxy, Vendors
from .talk import CHAT, PATIENCE, Client, chat_body

USER = {"role": "user", "content": "hello"}
MARKED = {"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
NULLS = (
    "frequency_penalty function_call functions logit_bias logprobs max_completion_tokens max_tokens metadata n "
    "modalities parallel_tool_calls prediction presence_penalty reasoning_effort response_format seed service_tier "
    "stop store stream_options temperature tool_choice tools top_logprobs top_p user"
)
MODELS = pytest.mark.parametrize("model", ["deepseek-flash", "gpt-mini", "claude-sonnet"])


@MODELS
@pytest.mark.parametrize("stream", [False, True, None], ids=["whole", "streamed", "null"])
@pytest.mark.parametrize(
    "fields",
    [
        dict.fromkeys(NULLS.split()),
        {"n": 1, "stop": [], "tools": [], "logprobs": False, "logit_bias": {}, "metadata": {}},
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
        {"response_format": {"type": "text"}, "temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0},
        {"max_tokens": 10_000_000},
        {"max_tokens": 1, "max_completion_tokens": 400},
        {"messages": [{"role": "system", "content": ""}, USER]},
        {"messages": [USER, {"role": "system", "content": "Be brief."}, USER]},
        {"messages": [USER, USER]},
        {"messages": [{"role": "assistant", "content": "Hi!"}, USER]},
        {"messages": [USER, {"role": "assistant", "content": "hel"}, USER]},
        {"messages": [{"role": "user", "content": [MARKED]}]},
        {"messages": [USER, {"role": "assistant", "content": None, "tool_calls": [CALL]},
                      {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "42"}]}, USER],
         "tools": [LOOK]},
        {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [CALL], "refusal": None},
                      {"role": "tool", "tool_call_id": "call_1", "content": ""}, USER], "tools": [LOOK]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]},
                      {"role": "tool", "tool_call_id": "call_1", "content": "42"}, USER]},
        {"messages": [USER, {"role": "assistant", "content": "Hi!", "reasoning_content": "Hm.", "tool_calls": None},
                      USER]},
    ],
    ids=["nulls", "empties", "no tools", "defaults", "a huge cap", "both caps", "blank system", "late system",
         "two users", "assistant first", "a conversation", "cache_control", "tool parts", "blank tool result",
         "tools no more", "reasoning"],
)  # fmt: skip
def test_what_clients_send(team: Client, vendors: Vendors, fields: dict[str, Any], model: str, stream: Any) -> None:
    """The vendors check strictly, so an answer says that what they refuse was mended."""
    fields = {"model": model, **fields}
    if stream:
        with team.stream(**fields) as answer:
            text = answer.text()
            assert answer.done
    else:
        text = team.chat(stream=stream, **fields).text
    assert text in ("echo: hello", "echo: hello hello")  # Claude takes neighbours of one role for one turn


@MODELS
def test_a_stream_is_what_the_whole_answer_is(team: Client, vendors: Vendors, model: str) -> None:
    """Text of every script, in pieces that split characters' escapes and lines."""
    text = 'a "quoted"\\ \n\n\u2028 data: [DONE] ｆｕｌｌ 東京 🏳️‍🌈 \ud7ff\ue000\x7f é'
    for vendor in vendors.all:
        vendor.script(Reply(text=text, piece_chars=1, drip=3), Reply(text=text))
    with team.stream(model=model) as stream:
        assert stream.text() == text
    assert team.chat(model=model).text == text


@MODELS
def test_tool_calls_survive_the_cache(team: Client, vendors: Vendors, model: str) -> None:
    for vendor in vendors.all:
        vendor.script(Reply(text="Looking.", tools=(ToolUse("look", '{"a":1}'), ToolUse("look", '{"b":[2]}'))))
    fields = {"model": model, "temperature": 0, "tools": [LOOK], "said": "look twice"}
    whole = team.chat(**fields).body["choices"][0]["message"]["tool_calls"]
    assert [orjson.loads(call["function"]["arguments"]) for call in whole] == [{"a": 1}, {"b": [2]}]
    with team.stream(**fields) as stream:
        assert stream.headers["x-levelhead-cache"] == "hit"
        pieces = [
            call for event in stream for choice in event["choices"] for call in choice["delta"].get("tool_calls") or ()
        ]
    assert [{name: call[name] for name in whole[0]} for call in pieces] == whole
    assert [call["index"] for call in pieces] == [0, 1]


def test_explain(team: Client, vendors: Vendors) -> None:
    before = team.balance("key:team")
    said = team.send("POST", "/v1/explain", chat_body("hello", {"model": "critic"}))
    assert said.status == 200
    assert set(said.body) == {"id", "level", "difficulty", "confidence", "slot", "models", "decision"}
    assert said.body["slot"] == "critic"
    assert said.body["models"]["deepseek-flash"]["why_not"] == "floor"
    assert said.body["models"]["gpt-unlisted"]["why_not"] == "key"
    assert said.body["decision"]["model"] == "claude-sonnet"
    assert said.body["decision"]["expected_cost_usd"] > 0
    assert vendors.asked == 0
    assert team.balance("key:team") == before
    level = team.chat(model="critic").headers["x-levelhead-level"]
    assert level == said.body["level"]


def test_names_beyond_ascii(team: Client) -> None:
    headers = team.chat(headers={"x-levelhead-slot": "caf%C3%A9 %25"}).headers
    assert headers["x-levelhead-slot"] == "caf%C3%A9 %25"


def test_a_key_sees_its_own_budgets(team: Client) -> None:
    assert {budget["scope"] for budget in team.get("/v1/budgets").body["budgets"]} == {"key:team"}


def test_probes(proxy: Proxy) -> None:
    client = proxy.client(None)
    for path, status in (("/healthz", "ok"), ("/readyz", "ready")):
        assert client.get(path).body == {"status": status}
        head = client.send("HEAD", path)
        assert (head.status, head.raw) == (200, b"")


def test_a_connection_is_kept(team: Client) -> None:
    """Refusals, streams and answers one after the other over one socket."""
    connection = HTTPConnection(team.host, team.port, timeout=PATIENCE)
    headers = {"authorization": f"Bearer {team.key}", "content-type": "application/json"}
    for fields, status in (({}, 200), ({"n": 0}, 400), ({"stream": True}, 200), ({"model": "nobody"}, 404), ({}, 200)):
        connection.request("POST", CHAT, orjson.dumps(chat_body("hello", fields)), headers)
        response = connection.getresponse()
        assert response.status == status
        assert response.read()
        assert not response.will_close
    connection.close()


def test_expect_continue(team: Client) -> None:
    """As curl asks before it sends more than a megabyte."""
    body = orjson.dumps(chat_body("x" * 1_500_000, {"model": "gpt-mini"}))
    head = (
        f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {team.key}\r\nexpect: 100-continue\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    with socket.create_connection((team.host, team.port), PATIENCE) as sock:
        sock.sendall(head.encode())
        assert sock.recv(1000).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        said = b""
        while more := sock.recv(65_536):
            said += more
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"echo: xxx" in said


@pytest.mark.parametrize("path", ["/chat/completions", "//v1/chat/completions", "/v1/v1/chat/completions"])
def test_a_base_url_that_ends_otherwise(team: Client, path: str) -> None:
    said = team.send("POST", path, chat_body("hello", {}))
    assert (said.status, bool(said.text)) == (200, True)


@pytest.mark.parametrize("path", ["/messages", "/v1/v1/messages"])
def test_its_errors_are_in_the_dialect_of_the_path(team: Client, path: str) -> None:
    said = team.send("POST", path, b"{}")
    assert (said.status, said.body["type"], said.body["error"]["type"]) == (400, "error", "invalid_request_error")
    assert team.get("/models/auto").body["id"] == "auto"
