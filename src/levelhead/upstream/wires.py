"""The two hot dialects over the pooled client: how to address a vendor, and when an answer has begun."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

import orjson

from ..errors import InvalidRequest, LevelheadError, StreamBroken, UpstreamError, UpstreamUnavailable
from ..types import Answer, Call, Chunk, Dialect, Model, Wire
from ..wire import chat, embeddings, messages
from .client import Endpoint, HeaderPairs, HttpClient
from .faults import refusal, stream_fault
from .response import Response
from .streams import Reader, ReadStream


class WireStream(ReadStream):
    """A stream over one pooled connection."""

    def __init__(self, model: Model, response: Response, reader: Reader, first: bytes) -> None:
        super().__init__(model, reader)
        self._response = response
        self._first = first

    async def aclose(self) -> None:
        """Cancels what is still to come."""
        self._ended = True
        self._held = []
        self._response.close()

    async def _read(self) -> list[Chunk]:
        try:
            data = self._first or await self._response.receive()
            self._first = b""
            chunks = self._reader.feed(data) if data else []
            if not data or self._reader.finished:
                self._ended = True
                chunks += self._reader.finish()
                self._response.release()
        except LevelheadError:
            self._ended = True
            self._response.close()
            raise
        return chunks


class HttpUpstream(ABC):
    """What both dialects share. Raises `UpstreamError`s, and the codec's `InvalidRequest`."""

    wire: ClassVar[Wire]

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._endpoints: dict[str, tuple[Model, Endpoint]] = {}

    @abstractmethod
    def _url(self, base: str | None, dialect: Dialect = "chat") -> str:
        """`dialect`: embeddings have an address of their own, and a model that serves them serves nothing else."""

    @abstractmethod
    def _auth(self, model: Model) -> HeaderPairs: ...
    @abstractmethod
    def _headers(self, call: Call) -> HeaderPairs: ...
    @abstractmethod
    def _write(self, call: Call) -> bytes: ...
    @abstractmethod
    def _read(self, raw: bytes, call: Call) -> Answer: ...
    @abstractmethod
    def _reader(self, call: Call) -> Reader: ...

    async def complete(self, call: Call) -> Answer:
        raw = await (await self._send(call)).read()
        try:
            return self._read(raw, call)
        except UpstreamError as error:
            raise _error_in_200(raw, call.model) or error from None

    async def stream(self, call: Call) -> WireStream:
        response = await self._send(call)
        try:
            first = await response.receive()
            if first.lstrip()[:1] == b"{":
                raise _error_in_200(first + await response.read(), call.model) or UpstreamUnavailable(
                    "the upstream answered a request for a stream unstreamed", code="upstream_protocol"
                )
            stream = WireStream(call.model, response, self._reader(call), first)
            await stream.begin()
        except StreamBroken as error:
            raise stream_fault(error.message, error.code, call.model) from None
        except BaseException:
            response.close()
            raise
        return stream

    async def aclose(self) -> None:
        """Closes the client's connections, those of the other dialect included."""
        await self._client.aclose()

    async def _send(self, call: Call) -> Response:
        body = self._write(call)
        model = call.model
        known = self._endpoints.get(model.name)
        if known is None or known[0] is not model:
            known = self._endpoints[model.name] = (model, self._endpoint(model, call.chat.dialect))
        response = await self._client.send(known[1], body, headers=self._headers(call), within=call.timeout)
        if response.status == 200:
            return response
        try:
            said = await response.read()
        except UpstreamError:  # the status says enough
            said = b""
        if response.status == 400 and (mended := self._mended(call, said)) is not None:
            return await self._send(mended)
        raise refusal(response.status, response.headers, said, model)

    def _mended(self, call: Call, said: bytes) -> Call | None:
        """A call that avoids what the vendor just refused of this one. None: there is none."""
        return None

    def _endpoint(self, model: Model, dialect: Dialect) -> Endpoint:
        headers = {"content-type": "application/json", **dict(self._auth(model))}
        headers |= {name.lower(): value for name, value in model.extra_headers}
        try:
            return self._client.endpoint("POST", self._url(model.base_url, dialect), headers.items())
        except (ValueError, InvalidRequest):
            reason = f"{model.name}: its base_url, key or extra_headers can't be used, or HTTPS_PROXY can't"
            raise UpstreamError(reason, code="upstream_config") from None


class OpenAIUpstream(HttpUpstream):
    """OpenAI, DeepSeek and every compatible server."""

    wire = "openai"

    def _url(self, base: str | None, dialect: Dialect = "chat") -> str:
        path = "/embeddings" if dialect == "embeddings" else "/chat/completions"
        return join(base or "https://api.openai.com/v1", "/v1", path)

    def _auth(self, model: Model) -> HeaderPairs:
        return [("authorization", f"Bearer {model.api_key.reveal().strip()}")] if model.api_key else ()

    def _headers(self, call: Call) -> HeaderPairs:
        return call.forward_headers

    def _write(self, call: Call) -> bytes:
        return embeddings.write_request(call) if call.chat.dialect == "embeddings" else chat.write_request(call)

    def _read(self, raw: bytes, call: Call) -> Answer:
        return embeddings.read_answer(raw, call) if call.chat.dialect == "embeddings" else chat.read_answer(raw, call)

    def _reader(self, call: Call) -> Reader:
        return chat.StreamReader(call.chat, call)


class AnthropicUpstream(HttpUpstream):
    """Claude, and servers that speak its wire."""

    wire = "anthropic"

    def _url(self, base: str | None, dialect: Dialect = "chat") -> str:
        base = (base or "https://api.anthropic.com").rstrip("/")
        return join(base if base.endswith(("/v1", "/v1/messages")) else f"{base}/v1", "", "/messages")

    def _auth(self, model: Model) -> HeaderPairs:
        return [("x-api-key", model.api_key.reveal().strip())] if model.api_key else ()

    def _headers(self, call: Call) -> HeaderPairs:
        return messages.headers(call)

    def _write(self, call: Call) -> bytes:
        return messages.write_request(call)

    def _read(self, raw: bytes, call: Call) -> Answer:
        return messages.read_answer(raw, call)

    def _reader(self, call: Call) -> Reader:
        return messages.open_reader(call)

    def _mended(self, call: Call, said: bytes) -> Call | None:
        return messages.without_thinking(call) if messages.blames_thinking(said) else None

    async def count(self, call: Call) -> int | None:
        """The vendor's own count of the input tokens, which it gives for nothing. None where it gives none."""
        base = (call.model.base_url or "https://api.anthropic.com").rstrip("/")
        url = join(base if base.endswith("/v1") else f"{base}/v1", "", "/messages/count_tokens")
        own = {"content-type": "application/json", **dict(self._auth(call.model)), **dict(call.model.extra_headers)}
        try:
            endpoint = self._client.endpoint("POST", url, own.items())
            response = await self._client.send(
                endpoint, messages.count_request(call), headers=messages.headers(call), within=call.timeout
            )
            raw = await response.read()
        except (LevelheadError, ValueError):
            return None
        return messages.read_count(raw) if response.status == 200 else None


def join(base: str, root: str, path: str) -> str:
    """The base URL with the path, its query kept. `root` is the path of a base that has none."""
    parts = urlsplit(base)
    folder = parts.path.rstrip("/") or root
    return urlunsplit(parts._replace(path=folder if folder.endswith(path) else folder + path))


def _error_in_200(raw: bytes, model: Model) -> UpstreamError | None:
    """Some gateways send their error object under a status of 200."""
    try:
        parsed = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(parsed, dict) or not parsed.get("error"):
        return None
    error = parsed["error"]
    code = error.get("code") if isinstance(error, dict) else None
    return refusal(code if isinstance(code, int) and 400 <= code < 600 else 502, {}, raw, model)
