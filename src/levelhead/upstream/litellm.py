"""Every other provider, through litellm. Imported on first use: that takes seconds and some 180 MB.

It is an OpenAI wire of sorts: what it answers is read by the same codec as an OpenAI server's bytes.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import re
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import orjson

from ..errors import LevelheadError, StreamBroken, UpstreamError, UpstreamTimeout
from ..types import Answer, Call, Chunk, Model
from ..wire import chat
from .faults import refusal, stream_fault
from .streams import ReadStream

# What a client's body may set. Anything else could be read by litellm itself as an option: another address to send our
# key to, credentials, a mock. It travels as `extra_body`, which only the provider reads.
PARAMETERS = frozenset({
    "messages", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "modalities", "n", "parallel_tool_calls", "prediction",
    "presence_penalty", "reasoning_effort", "response_format", "seed", "service_tier", "stop", "stream",
    "stream_options", "temperature", "thinking", "tool_choice", "tools", "top_logprobs", "top_p", "user",
    "verbosity", "web_search_options",
})  # fmt: skip
_PREFIX = re.compile(r"((litellm\.)?\w{1,60}(Error|Exception)(: | - )){1,4}")  # its wrapping of the vendor's words


class LiteLLMUpstream:
    """An `Upstream` for the wire `litellm`: `model.upstream_model` is litellm's provider/model name."""

    def __init__(self) -> None:
        self._loaded: Future[Any] | None = None

    async def complete(self, call: Call) -> Answer:
        answer = await self._ask(call)
        raw = orjson.dumps(_plain(answer.model_dump()))
        return chat.read_answer(raw, call)

    async def stream(self, call: Call) -> LiteLLMStream:
        stream = LiteLLMStream(await self._ask(call), call)
        try:
            await stream.begin()
        except StreamBroken as error:
            raise stream_fault(error.message, error.code, call.model) from None
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def aclose(self) -> None:
        if self._loaded is not None and self._loaded.done() and self._loaded.exception() is None:
            await self._loaded.result().close_litellm_async_clients()

    async def _ask(self, call: Call) -> Any:
        if self._loaded is None:  # a thread of its own: those of the loop are for looking up names
            self._loaded = ThreadPoolExecutor(1, "litellm").submit(_load)
        litellm = await asyncio.shield(asyncio.wrap_future(self._loaded))
        try:
            return await litellm.acompletion(**_arguments(call))
        except Exception as error:
            raise translated(error, call.model) from None


class LiteLLMStream(ReadStream):
    """A stream of litellm's chunks, read as an OpenAI server's."""

    def __init__(self, chunks: Any, call: Call) -> None:
        super().__init__(call.model, chat.StreamReader(call.chat, call))
        self._source = chunks
        self._chunks: AsyncIterator[Any] = aiter(chunks)

    async def aclose(self) -> None:
        await self._source.aclose()

    async def _read(self) -> list[Chunk]:
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._ended = True
            return self._reader.finish()
        except LevelheadError:
            raise
        except Exception as error:
            raise translated(error, self._model) from None
        return self._reader.feed(b"data: " + orjson.dumps(_plain(chunk.model_dump())) + b"\n\n")


def translated(error: Exception, model: Model) -> UpstreamError:
    """litellm's exception as ours; only what a vendor answered is quoted."""
    status = getattr(error, "status_code", None)
    kind = type(error).__name__
    if kind == "Timeout":
        late = UpstreamTimeout(f"the upstream of {model.name} took longer than the call may take")
        late.retryable = False
        return late
    if not isinstance(status, int):
        return UpstreamError(f"litellm could not ask {model.name} ({kind})")
    code = "context_length_exceeded" if kind == "ContextWindowExceededError" else getattr(error, "code", None)
    message = str(getattr(error, "message", ""))
    wrapping = _PREFIX.match(message)
    message = message[wrapping.end() :] if wrapping else message
    fields = {"message": message, "code": code, "param": getattr(error, "param", None)}
    headers = getattr(error, "litellm_response_headers", None) or {}
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    return refusal(status, lowered, orjson.dumps({"error": fields}, default=str), model)


def _arguments(call: Call) -> dict[str, Any]:
    body = orjson.loads(chat.write_request(call))
    model = call.model
    arguments: dict[str, Any] = {name: value for name, value in body.items() if name in PARAMETERS}
    arguments["messages"] = list(call.chat.messages)  # with the extras of every vendor: litellm picks what is wanted
    extra = {name: value for name, value in body.items() if name not in PARAMETERS and name != "model"}
    if extra:
        arguments["extra_body"] = extra
    if model.extra_headers or call.forward_headers:
        arguments["extra_headers"] = dict((*call.forward_headers, *model.extra_headers))
    return {
        **arguments,
        "model": model.upstream_model,
        "api_key": model.api_key.reveal() if model.api_key else None,
        "api_base": model.base_url,
        "timeout": call.timeout,
        "num_retries": 0,
        "max_retries": 0,
        "drop_params": True,
        "_skip_mcp_handler": True,  # else every call with tools needs the mcp package
    }


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    """Without litellm's own notes and the many fields that hold nothing."""
    for choice in data.get("choices") or ():
        choice.pop("provider_specific_fields", None)
        for name in ("message", "delta"):
            if choice.get(name):
                choice[name] = _said(choice[name])
    return {name: value for name, value in data.items() if value is not None and name != "provider_specific_fields"}


def _said(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in message.items() if value is not None and name != "provider_specific_fields"}
    return {**kept, "content": message.get("content")} if "role" in kept else kept


def _load() -> Any:
    # Before the import, which would fetch a price list and read a .env file otherwise.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).setLevel(logging.ERROR)  # its debug log quotes prompts and keys
    return litellm
