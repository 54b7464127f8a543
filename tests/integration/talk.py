"""A client that hides nothing: the standard library's HTTP, one connection a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPConnection, HTTPResponse
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

CHAT = "/v1/chat/completions"
PATIENCE = 60.0  # seconds until a test that hangs fails; a busy machine takes ten to start two workers


@dataclass(frozen=True)
class Said:
    """A whole answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def error(self) -> dict[str, Any]:
        """The error object; everything but OpenAI's envelope is an assertion error."""
        assert self.headers["content-type"] == "application/json", self
        assert set(self.body) == {"error"}, self.raw
        error: dict[str, Any] = self.body["error"]
        assert set(error) == {"message", "type", "param", "code"}, error
        assert error["message"]
        return error

    @property
    def text(self) -> str:
        assert self.status == 200, self.raw
        text: str = self.body["choices"][0]["message"]["content"]
        return text

    @property
    def model(self) -> str | None:
        return self.headers.get("x-levelhead-model")

    @property
    def cost(self) -> Decimal:
        """USD."""
        return Decimal(self.headers["x-levelhead-cost-usd"])


class Balance(NamedTuple):
    """USD."""

    limit: Decimal
    spent: Decimal
    reserved: Decimal
    remaining: Decimal


class Stream:
    """A streamed answer while it arrives. `done`: [DONE] came."""

    def __init__(self, connection: HTTPConnection, response: HTTPResponse) -> None:
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.status = response.status
        self.done = False
        self._connection = connection
        self._response = response

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each event's JSON; a refusal's alone. `IncompleteRead` where the body is cut."""
        if self.status != 200:
            yield orjson.loads(self._response.read())
        while line := self._response.readline():
            if line.startswith(b"data: [DONE]"):
                self.done = True
            elif line.startswith(b"data: "):
                yield orjson.loads(line[6:])
            else:
                assert line.strip() == b"" or line.startswith(b":"), line

    def text(self) -> str:
        """The rest of the first choice."""
        return "".join(text_of(event) for event in self)

    def leave(self) -> None:
        """Closes the connection, wherever the answer is."""
        self._response.close()
        self._connection.close()


class Client:
    """Talks to one proxy with one key."""

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.host, self.port = parts.hostname, parts.port
        self.key = key

    def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Said:
        """`body`: an object is sent as JSON, bytes as they are."""
        connection = self._connect()
        try:
            connection.request(method, path, *self._written(body, headers), **options)
            response = connection.getresponse()
            known = {name.lower(): value for name, value in response.getheaders()}
            return Said(response.status, known, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Said:
        return self.send("GET", path, headers=headers)

    def chat(self, said: str = "hello", *, headers: Mapping[str, str] | None = None, **fields: Any) -> Said:
        return self.send("POST", CHAT, chat_body(said, fields), headers)

    @contextmanager
    def stream(
        self, said: str = "hello", *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> Iterator[Stream]:
        connection = self._connect()
        body = chat_body(said, {"stream_options": {"include_usage": True}, **fields, "stream": True})
        connection.request("POST", CHAT, *self._written(body, headers))
        response = connection.getresponse()
        try:
            yield Stream(connection, response)
        finally:
            response.close()
            connection.close()

    def begin(self, said: str = "hello", **fields: Any) -> HTTPConnection:
        """Asks and doesn't wait for the answer."""
        connection = self._connect()
        connection.request("POST", CHAT, *self._written(chat_body(said, fields), None))
        return connection

    def balance(self, scope: str) -> Balance:
        """Nothing where no request has touched it yet."""
        found = next((b for b in self.get("/v1/budgets").body["budgets"] if b["scope"] == scope), None)
        if found is None:
            return Balance(*[Decimal(0)] * 4)
        return Balance(*(Decimal(str(found[f"{name}_usd"])) for name in ("limit", "spent", "reserved", "remaining")))

    def _connect(self) -> HTTPConnection:
        return HTTPConnection(self.host, self.port, timeout=PATIENCE)

    def _written(self, body: Any, headers: Mapping[str, str] | None) -> tuple[Any, dict[str, str]]:
        known = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        if body is not None:
            known["content-type"] = "application/json"
        raw = orjson.dumps(body) if isinstance(body, dict | list) else body
        return raw, {**known, **(headers or {})}


def chat_body(said: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """`said` is the user's message, unless `fields` has messages of its own."""
    return {"model": "auto", "messages": [{"role": "user", "content": said}], **fields}


def text_of(event: Mapping[str, Any]) -> str:
    choices = event.get("choices") or [{}]
    return (choices[0].get("delta") or {}).get("content") or ""
