"""The dialects that clients speak, each with what the pipeline asks of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson

from ..errors import LevelheadError, StreamBroken
from ..types import Answer, Chat, Chunk, Dialect, Json, Usage
from . import (
    chat,
    completions,
    embeddings,
    messages_events,
    messages_read,
    messages_write,
    responses_events,
    responses_read,
    responses_write,
)

__all__ = ["DIALECTS", "Codec", "StreamWriter", "dialect_of", "render", "write"]


class StreamWriter(Protocol):
    """Writes one stream. May raise `StreamBroken` for chunks that its dialect can't tell."""

    def write(self, chunks: Sequence[Chunk], cost_usd: float | None) -> bytes:
        """The frames of what one read brought. `cost_usd`: what the answer costs, as far as that is known."""
        ...

    def end(self) -> bytes:
        """What follows the last chunk."""
        ...

    def fail(self, error: LevelheadError) -> bytes:
        """The frame that ends a stream which broke."""
        ...


@dataclass(frozen=True, slots=True)
class Codec:
    """`read_request(raw, default_model=..., recall=...)` raises `InvalidRequest`; `recall` finds an earlier response.

    `replay` streams what `render_answer` made, with the answer's usage and finish.
    """

    read_request: Callable[..., Chat]
    render_answer: Callable[[Answer, Chat], bytes]
    replay: Callable[[bytes, Usage, str, Chat], list[Chunk]]
    writer: Callable[[Chat], StreamWriter]


DIALECTS: Mapping[Dialect, Codec] = {
    "chat": Codec(
        lambda raw, default_model=None, recall=None: chat.read_request(raw, default_model=default_model),
        lambda answer, _: chat.render_answer(answer),
        chat.replay,
        chat.StreamWriter,
    ),
    "messages": Codec(
        lambda raw, default_model=None, recall=None: messages_read.read_request(raw, default_model=default_model),
        messages_write.render_answer,
        lambda body, _usage, _finish, _chat: messages_write.replay(body),
        messages_events.StreamWriter,
    ),
    "completions": Codec(
        lambda raw, default_model=None, recall=None: completions.read_request(raw, default_model=default_model),
        completions.render_answer,
        completions.replay,
        completions.StreamWriter,
    ),
    "embeddings": Codec(
        lambda raw, default_model=None, recall=None: embeddings.read_request(raw, default_model=default_model),
        embeddings.render_answer,
        lambda body, usage, finish, _chat: [],
        chat.StreamWriter,
    ),
    "responses": Codec(
        responses_read.read_request,
        responses_write.render_answer,
        lambda body, _usage, _finish, _chat: responses_write.replay(body),
        responses_events.StreamWriter,
    ),
}

_OF_MESSAGES = ("system", "stop_sequences", "top_k", "output_config", "cache_control")


def render(answer: Answer, chat: Chat) -> bytes:
    """The answer in the client's dialect. Raises `StreamBroken` for one that can't be told: it was a vendor's."""
    try:
        return DIALECTS[chat.dialect].render_answer(answer, chat)
    except _ODD as error:
        raise _untold(error) from None


def write(writer: StreamWriter, chunks: Sequence[Chunk], cost_usd: float | None) -> bytes:
    """`writer.write`, which raises `StreamBroken` for what can't be told."""
    try:
        return writer.write(chunks, cost_usd)
    except _ODD as error:
        raise _untold(error) from None


def _untold(error: Exception) -> StreamBroken:
    code = "upstream_protocol"
    return StreamBroken(f"the upstream sent what this dialect can't tell ({type(error).__name__})", code=code)


_ODD = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def dialect_of(raw: bytes, headers: Mapping[str, str]) -> Dialect:
    """Which dialect a body for /v1/explain is in: told by the fields that only one of them has."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return "chat"  # its reader says what is wrong
    if not isinstance(body, dict):
        return "chat"
    if "input" in body and "messages" not in body:
        return "responses"
    if "anthropic-version" in headers or any(name in body for name in _OF_MESSAGES):
        return "messages"
    tools = body.get("tools")
    return "messages" if isinstance(tools, list) and any(map(_anthropic_tool, tools)) else "chat"


def _anthropic_tool(tool: Json | Any) -> bool:
    return isinstance(tool, dict) and "input_schema" in tool
