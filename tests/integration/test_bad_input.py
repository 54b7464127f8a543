"""What no client should send: a named refusal for each, nobody asked, nothing charged, the proxy alive."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import orjson
import pytest

from .house import Proxy, Vendors
from .talk import CHAT, PATIENCE, Client, chat_body

MB = 1_000_000
HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.fixture(autouse=True)
def unharmed(proxy: Proxy, vendors: Vendors, team: Client) -> Iterator[None]:
    before = team.get("/v1/budgets").raw
    yield
    assert vendors.asked == 0
    assert team.get("/v1/budgets").raw == before
    assert team.get("/healthz").status == 200
    assert proxy.process.poll() is None


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


FIELDS: list[tuple[str, Any, str]] = [
    ("messages", None, "messages"),
    ("messages", "hello", "messages"),
    ("messages", {}, "messages"),
    ("messages", [], "messages"),
    ("messages", [1], "messages[0]"),
    ("messages", [{}], "messages[0].role"),
    ("messages", [{"role": 1, "content": "x"}], "messages[0].role"),
    ("messages", [{"role": "wizard", "content": "x"}], "messages[0].role"),
    ("messages", [{"role": "user"}], "messages[0].content"),
    ("messages", user(None), "messages[0].content"),
    ("messages", user(5), "messages[0].content"),
    ("messages", user([1]), "messages[0].content[0]"),
    ("messages", user([{}]), "messages[0].content[0].type"),
    ("messages", user([{"type": "text"}]), "messages[0].content[0].text"),
    ("messages", user([{"type": "image_url"}]), "messages[0].content[0].image_url"),
    ("messages", user([{"type": "image_url", "image_url": {"url": 1}}]), "messages[0].content[0].image_url.url"),
    ("messages", [{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
    ("messages", [*HELLO, {"role": "assistant", "tool_calls": "x"}], "messages[1].tool_calls"),
    ("messages", [*HELLO, {"role": "assistant", "tool_calls": [{}]}], "messages[1].tool_calls[0].id"),
    ("model", None, "model"),
    ("model", "", "model"),
    ("model", 1, "model"),
    ("model", ["auto"], "model"),
    ("stream", "yes", "stream"),
    ("stream", 1, "stream"),
    ("stream_options", "x", "stream_options"),
    ("stream_options", {"include_usage": "x"}, "stream_options.include_usage"),
    ("temperature", "hot", "temperature"),
    ("temperature", True, "temperature"),
    ("temperature", 2.1, "temperature"),
    ("top_p", -0.1, "top_p"),
    ("n", 0, "n"),
    ("n", 1.5, "n"),
    ("n", 129, "n"),
    ("n", 10**19, "n"),
    ("max_tokens", 0, "max_tokens"),
    ("max_tokens", "10", "max_tokens"),
    ("max_completion_tokens", -1, "max_completion_tokens"),
    ("stop", 1, "stop"),
    ("stop", ["a", None], "stop[1]"),
    ("seed", "x", "seed"),
    ("logprobs", "x", "logprobs"),
    ("top_logprobs", 21, "top_logprobs"),
    ("logit_bias", [1], "logit_bias"),
    ("logit_bias", {"7": 200}, "logit_bias.7"),
    ("tools", {}, "tools"),
    ("tools", [1], "tools[0]"),
    ("tools", [{"type": "function"}], "tools[0].function"),
    ("tools", [{"type": "function", "function": {}}], "tools[0].function.name"),
    ("tools", [{"type": "function", "function": {"name": "f", "parameters": "x"}}], "tools[0].function.parameters"),
    ("tool_choice", 5, "tool_choice"),
    ("tool_choice", "maybe", "tool_choice"),
    ("tool_choice", "required", "tool_choice"),
    ("tool_choice", {"type": "function", "function": {"name": "nobody"}}, "tool_choice"),
    ("parallel_tool_calls", "x", "parallel_tool_calls"),
    ("response_format", "json", "response_format"),
    ("response_format", {"type": "json_schema"}, "response_format.json_schema"),
    ("reasoning_effort", 5, "reasoning_effort"),
    ("metadata", "x", "metadata"),
    ("metadata", {"slot": 5}, "metadata.slot"),
    ("user", 5, "user"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("name", "value", "param"), FIELDS)
def test_a_field(team: Client, name: str, value: Any, param: str, stream: bool) -> None:
    said = team.chat(**{"stream": stream, name: value})
    error = said.error
    assert said.status == 400, error
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert param in error["message"] or name == "tool_choice"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b" ", "invalid_json"),
        (b"null", "invalid_json"),
        (b"[]", "invalid_json"),
        (b'"hello"', "invalid_json"),
        (b'{"model": "auto"', "invalid_json"),
        (orjson.dumps(chat_body("x", {})) + b"}", "invalid_json"),
        (b"model=auto&messages=hello", "invalid_json"),
        (orjson.dumps(chat_body("@", {})).replace(b"@", b"\xff\xfe"), "invalid_json"),
        (orjson.dumps(chat_body("@", {})).replace(b"@", b"\\ud800"), "invalid_json"),
        (orjson.dumps(chat_body("@", {})).replace(b"@", b"\x01"), "invalid_json"),
        (orjson.dumps(chat_body("x", {})).decode().encode("utf-16"), "invalid_json"),
        (orjson.dumps(chat_body("x", {"temperature": "@"})).replace(b'"@"', b"NaN"), "invalid_json"),
        (orjson.dumps(chat_body("x", {"temperature": "@"})).replace(b'"@"', b"-Infinity"), "invalid_json"),
        (orjson.dumps(chat_body("x", {"temperature": "@"})).replace(b'"@"', b"1e999"), None),
        (orjson.dumps(chat_body("x", {"max_tokens": "@"})).replace(b'"@"', b"9" * 400), None),
        (orjson.dumps(chat_body("x", {"x": "@"})).replace(b'"@"', b"[" * 10_000 + b"]" * 10_000), "invalid_json"),
        (orjson.dumps(chat_body("x", {"x": "@"})).replace(b'"@"', b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
         "invalid_json"),
        (orjson.dumps(chat_body("x", {"x": "@"})).replace(b'"@"', b"[" * 300 + b"]" * 300), "invalid_json"),
        (b"[" * 1_000_000, "invalid_json"),
    ],
    ids=[
        "empty", "blank", "null", "an array", "a string", "cut off", "one brace too many", "a form", "not UTF-8",
        "a lone surrogate", "a control character", "UTF-16", "NaN", "-Infinity", "1e999", "400 digits",
        "10,000 brackets", "10,000 braces", "300 levels", "a million brackets",
    ],
)  # fmt: skip
def test_a_body(team: Client, body: bytes, code: str | None) -> None:
    said = team.send("POST", CHAT, body)
    assert said.status == 400, said
    assert said.error["type"] == "invalid_request_error"
    assert said.error["code"] == code or code is None


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%%"}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/bmp;base64,Qk0="}}, ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "nonsense"}}, ".image_url.url"),
        ({"type": "file", "file": {}}, ".file"),
        ({"type": "hologram"}, ""),
    ],
    ids=["no base64", "no image type", "no URL", "no data", "no such part"],
)
def test_what_only_the_writer_sees(team: Client, part: dict[str, Any], param: str, stream: bool) -> None:
    """Found while the vendor's request is written, when the money is set aside already."""
    said = team.chat(model="claude-sonnet", messages=user([part]), stream=stream)
    assert (said.status, said.error["type"]) == (400, "invalid_request_error")
    assert said.error["param"].endswith(f"[0]{param}"), said.error


def test_the_last_of_two_keys_counts(team: Client) -> None:
    """As for every JSON parser that clients and vendors use; what must not be is that one part reads the other."""
    body = orjson.dumps(chat_body("x", {})).replace(b'"model":"auto"', b'"model":"auto","model":"nobody"')
    assert team.send("POST", CHAT, body).error["code"] == "model_not_found"


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("nobody", 404, "model_not_found"),
        ("auto/nobody", 404, "model_not_found"),
        ("AUTO", 404, "model_not_found"),
        ("x" * 100_000, 404, "model_not_found"),
        ("zoë\u202e\x00", 404, "model_not_found"),
    ],
)
def test_a_model(team: Client, model: str, status: int, code: str) -> None:
    said = team.chat(model=model)
    assert (said.status, said.error["code"], said.error["param"]) == (status, code, "model")
    assert len(said.raw) < 2_000


def whole(size: int) -> bytes:
    return orjson.dumps(chat_body("x" * size, {}))


def test_20_megabytes(team: Client) -> None:
    said = team.send("POST", CHAT, whole(20 * MB))
    assert (said.status, said.error["code"]) == (413, "request_too_large")


def test_20_megabytes_in_chunks(team: Client) -> None:
    """Without a declared length, as `transfer-encoding: chunked` sends them."""
    raw = whole(20 * MB)
    pieces = (raw[at : at + MB // 4] for at in range(0, len(raw), MB // 4))
    said = talk(team, b"transfer-encoding: chunked\r\n", *(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces), b"0\r\n\r\n")
    assert b"413" in said.split(b"\r\n")[0]
    assert b'"code":"request_too_large"' in said


def test_20_megabytes_that_are_only_announced(team: Client) -> None:
    """Refused by the header alone, without waiting for what may never come."""
    said = talk(team, b"content-length: 20000000\r\n")
    assert b"413" in said.split(b"\r\n")[0]
    assert b'"code":"request_too_large"' in said


def test_20_megabytes_without_a_key(proxy: Proxy, team: Client) -> None:
    """Refused unread; the connection serves the next request all the same."""
    connection = HTTPConnection(team.host, team.port, timeout=PATIENCE)
    for key, status in (("sk-wrong", 401), ("sk-team", 200)):
        if key == "sk-team":
            connection.request("GET", "/v1/models", headers={"authorization": f"Bearer {key}"})
        else:
            connection.request("POST", CHAT, whole(20 * MB), {"authorization": f"Bearer {key}"})
        response = connection.getresponse()
        response.read()
        assert response.status == status
    connection.close()


def test_a_client_that_leaves_while_it_sends(team: Client) -> None:
    with socket.create_connection((team.host, team.port), PATIENCE) as sock:
        sock.sendall(head(team, b"content-length: 1000\r\n") + b'{"model": "auto", ')


def head(client: Client, more: bytes) -> bytes:
    lines = f"POST {CHAT} HTTP/1.1\r\nhost: {client.host}\r\nauthorization: Bearer {client.key}\r\n"
    return lines.encode() + b"content-type: application/json\r\n" + more + b"\r\n"


def talk(client: Client, more: bytes, *pieces: bytes) -> bytes:
    """What comes back until the proxy closes or has said a whole error."""
    said = b""
    with socket.create_connection((client.host, client.port), PATIENCE) as sock:
        try:
            sock.sendall(head(client, more))
            for piece in pieces:
                sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before all was sent
        try:
            while not said.endswith(b"}}") and (more := sock.recv(65_536)):
                said += more
        except ConnectionResetError:
            pass
    return said


@pytest.mark.parametrize("name", ["x-levelhead-slot", "x-levelhead-run", "x-levelhead-session", "x-levelhead-task"])
@pytest.mark.parametrize("value", ["zoë".encode(), b"zo\xeb", b"%ff", b"a%0d%0ab", b"a%00", b"x" * 129],
                         ids=["UTF-8", "Latin-1", "not UTF-8", "a line break", "NUL", "too long"])  # fmt: skip
def test_a_header(team: Client, name: str, value: bytes) -> None:
    body = whole(5)
    said = talk(team, b"%b: %b\r\ncontent-length: %d\r\n" % (name.encode(), value, len(body)), body)
    assert said.startswith(b"HTTP/1.1 400 ")
    error = orjson.loads(said.partition(b"\r\n\r\n")[2])["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", name)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", CHAT, 405, "method_not_allowed"),
        ("PUT", CHAT, 405, "method_not_allowed"),
        ("DELETE", CHAT, 405, "method_not_allowed"),
        ("OPTIONS", CHAT, 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/v1/chat", 404, "unknown_url"),
        ("POST", "/v1/chat/completions/x", 404, "unknown_url"),
        ("GET", "/../../etc/passwd", 404, "unknown_url"),
        ("GET", "/v1/%F0%9F%98%80%00%0d%0a", 404, "unknown_url"),
        ("GET", "/v1/models/%F0%9F%98%80", 404, "model_not_found"),
        ("GET", "/v1/models/" + "x" * 10_000, 404, "model_not_found"),
    ],
)
def test_a_path(team: Client, method: str, path: str, status: int, code: str) -> None:
    said = team.send(method, path, chat_body("x", {}) if method != "GET" else None)
    assert (said.status, said.error["code"]) == (status, code)
    assert len(said.raw) < 2_000


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/v1/nowhere"])
def test_head_says_what_get_would(team: Client, path: str) -> None:
    got, head = team.get(path), team.send("HEAD", path)
    assert (head.status, head.headers["content-length"], head.raw) == (got.status, str(len(got.raw)), b"")


def test_get_with_a_body(team: Client) -> None:
    assert team.send("GET", CHAT, chat_body("x", {})).status == 405
    assert team.send("GET", "/v1/models", chat_body("x", {})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        {"authorization": "Bearer sk-wrong"},
        {"authorization": "Basic c2stdGVhbQ=="},
        {"authorization": "sk-team"},
        {"x-api-key": "sk-teams"},
        {"authorization": "Bearer sk-wrong", "x-api-key": "sk-team"},
        {"authorization": "Bearer zoë"},
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/v1/explain", "/v1/models", "/v1/models/auto", "/v1/budgets"])
def test_no_key(proxy: Proxy, headers: dict[str, str], path: str) -> None:
    method = "POST" if path in (CHAT, "/v1/explain") else "GET"
    body = chat_body("x", {}) if method == "POST" else None
    raw = {name: value.encode() for name, value in headers.items()}
    said = proxy.client(None).send(method, path, body, raw)  # type: ignore[arg-type] # http.client takes bytes
    assert (said.status, said.error["code"]) == (401, "invalid_api_key")
    assert "sk-" not in said.error["message"]


def test_what_is_no_http(team: Client) -> None:
    with socket.create_connection((team.host, team.port), PATIENCE) as sock:
        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n")
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")


def test_explain_refuses_the_same(team: Client) -> None:
    said = team.send("POST", "/v1/explain", chat_body("x", {"temperature": "hot"}))
    assert (said.status, said.error["param"]) == (400, "temperature")
    assert team.send("POST", "/v1/explain", b"[").error["code"] == "invalid_json"
    assert team.send("POST", "/v1/explain", whole(20 * MB)).status == 413
