"""A whole chat completion: read from an upstream, written to a client, and as the chunks of a stream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ..errors import UpstreamUnavailable
from ..types import Answer, Call, Chat, Chunk, Usage
from .chat_functions import in_functions, translates_functions
from .chat_stream import OVERWHELMED, text_bytes
from .chat_write import original_names
from .usage import complete_usage, to_openai

__all__ = ["answer_chunks", "read_answer", "render_answer", "replay"]

_ENVELOPE = ("id", "created", "model", "system_fingerprint", "service_tier")
# Streamed as deltas of their own, in this order; everything else a message says comes with its role.
_STREAMED = ("reasoning_content", "content", "refusal", "tool_calls")


def read_answer(raw: bytes, call: Call | None = None) -> Answer:
    """`call` serves to estimate the usage of a vendor that sends none.

    Raises `UpstreamUnavailable` for anything that isn't a chat.completion object. Blank lines before it are what
    DeepSeek sends while the client waits.
    """
    legacy = translates_functions(call)
    renamed = False
    try:
        body = orjson.loads(raw)
        if legacy:
            body = in_functions(body)
        choices = body["choices"]
        finish = choices[0].get("finish_reason") or "stop"
        for choice in choices:
            calls = choice["message"].get("tool_calls") or ()
            for tool_call in calls:
                tool_call.pop("index", None)  # DeepSeek's; it belongs to streams
            if calls and call is not None and (names := original_names(call.chat)):
                renamed = _rename(calls, names) or renamed
    except (ValueError, AttributeError, TypeError, KeyError, IndexError):
        raise _malformed(raw) from None
    if finish == OVERWHELMED:
        raise UpstreamUnavailable("The upstream ran out of resources before its answer was complete.", code=OVERWHELMED)
    said = body.get("usage")
    usage, counts = complete_usage(said, call.chat if call else None, _produced(choices))
    body["usage"] = counts
    return Answer(body, usage, finish, raw.strip() if counts is said and not legacy and not renamed else None)


def _rename(calls: list[dict[str, Any]], names: Mapping[str, str]) -> bool:
    """Gives calls their tools' own names back. Whether any had another."""
    renamed = False
    for call in calls:
        inner = call.get(call.get("type", "function"))
        if isinstance(inner, dict) and inner.get("name") in names:
            inner["name"] = names[inner["name"]]
            renamed = True
    return renamed


def _produced(choices: list[dict[str, Any]]) -> int:
    return sum(text_bytes(choice["message"]) for choice in choices)


def _malformed(raw: bytes) -> UpstreamUnavailable:
    """Some gateways answer 200 with an error object: its message says more than ours could."""
    try:
        error = orjson.loads(raw)["error"]
        message = error["message"] if isinstance(error, dict) else error
    except (ValueError, TypeError, KeyError):
        message = None
    if not isinstance(message, str) or not message:
        message = "The upstream's answer is no chat.completion object."
    return UpstreamUnavailable(message, upstream_status=200)


def render_answer(answer: Answer) -> bytes:
    return orjson.dumps(answer.body) if answer.raw is None or answer.wire != "openai" else answer.raw


def replay(body: bytes, usage: Usage, finish: str, chat: Chat) -> list[Chunk]:
    return answer_chunks(Answer(orjson.loads(body), usage, finish), chat)


def answer_chunks(answer: Answer, chat: Chat) -> list[Chunk]:
    """A whole answer as the stream it might have been; `Collector` puts it together again without loss."""
    body = answer.body
    envelope = {name: body[name] for name in _ENVELOPE if name in body}
    envelope["object"] = "chat.completion.chunk"
    first = {name: value for name, value in body.items() if name not in ("choices", "usage", "object")}
    first["object"] = "chat.completion.chunk"
    chunks: list[Chunk] = []
    for choice in body["choices"]:
        for piece in _pieces(choice):
            chunks.append(Chunk({**(envelope if chunks else first), "choices": [piece]}))
    usage = body.get("usage") or to_openai(answer.usage)
    _, usage = complete_usage(usage, chat, _produced(body["choices"]))
    chunks.append(Chunk({**(envelope if chunks else first), "choices": [], "usage": usage}))
    return chunks


def _pieces(choice: dict[str, Any]) -> list[dict[str, Any]]:
    index = choice.get("index", 0)
    message = choice["message"]
    opening = {name: value for name, value in message.items() if name not in _STREAMED or not value}
    deltas = [opening]
    deltas += [{name: message[name]} for name in _STREAMED if name != "tool_calls" and message.get(name)]
    calls = message.get("tool_calls") or ()
    deltas += [{"tool_calls": [{"index": number, **call}]} for number, call in enumerate(calls)]
    pieces: list[dict[str, Any]] = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
    if "logprobs" in choice:
        for piece in pieces:
            piece["logprobs"] = None
        spoken = next((piece for piece in pieces if piece["delta"].get("content")), pieces[-1])
        spoken["logprobs"] = choice["logprobs"]
    end = {name: value for name, value in choice.items() if name not in ("index", "message", "logprobs")}
    pieces.append({"index": index, "delta": {}, **end, "finish_reason": choice.get("finish_reason")})
    return pieces
