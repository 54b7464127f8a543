"""OpenAI's POST /v1/completions, the forerunner of chat: a prompt is a user's message, for any model and wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from ..errors import LevelheadError
from ..types import Answer, Chat, Chunk, Usage
from .chat_answer import replay as replay_chat
from .chat_read import parse_body
from .chat_stream import DONE
from .errors import render_error_event
from .fields import (
    Check,
    Fault,
    boolean,
    integer,
    known_fields,
    missing,
    number,
    object_,
    one_or_more_strings,
    required,
    string,
    unsupported,
    wrong_type,
)
from .sse import encode

__all__ = ["StreamWriter", "read_request", "render_answer", "replay"]


def _prompt(value: object) -> None:
    if type(value) is list:
        if len(value) != 1 or type(value[0]) is not str:
            raise Fault("", "Invalid value for '{}': send one text; token ids and several prompts aren't taken here.")
    elif type(value) is not str:
        raise wrong_type("", "a string", value)


_CHECKS: dict[str, Check] = {
    "best_of": integer(1, 1),
    "echo": unsupported("a chat model doesn't repeat its prompt."),
    "frequency_penalty": number(-2, 2),
    "logprobs": unsupported("ask for them by chat completions."),
    "max_tokens": integer(1),
    "metadata": object_,
    "model": string,
    "n": integer(1, 1),
    "presence_penalty": number(-2, 2),
    "seed": integer(-(2**63), 2**63 - 1),
    "stop": one_or_more_strings,
    "stream": boolean,
    "stream_options": object_,
    "suffix": unsupported("no chat model fills in the middle."),
    "temperature": number(0, 2),
    "top_p": number(0, 1),
    "user": string,
}
_SAME = ("frequency_penalty", "max_tokens", "metadata", "presence_penalty", "seed", "stop", "stream", "stream_options",
         "temperature", "top_p", "user")  # fmt: skip


def read_request(raw: bytes, *, default_model: str | None = None) -> Chat:
    """Raises `InvalidRequest` naming the field."""
    source = parse_body(raw)
    try:
        known_fields(source, _CHECKS)
        required(source, "prompt", _prompt)
        model = source.get("model") or default_model
        if not model:
            raise missing("model")
    except Fault as fault:
        raise fault.error() from None
    prompt = source["prompt"] if isinstance(source["prompt"], str) else source["prompt"][0]
    messages = [{"role": "user", "content": prompt}]
    body = {"model": model, "messages": messages}
    body |= {name: source[name] for name in _SAME if source.get(name) is not None}
    options = source.get("stream_options") or {}
    return Chat(
        dialect="completions",
        body=body,
        model=model,
        messages=messages,
        stream=source.get("stream") is True,
        include_usage=options.get("include_usage") is True,
        output_cap=source.get("max_tokens"),
        temperature=source.get("temperature"),
        text_bytes=len(raw),
        source=source,
    )


def render_answer(answer: Answer, chat: Chat) -> bytes:
    return orjson.dumps(
        {**_head(answer.body), "choices": [_choice(_text(answer.body), answer.finish)], "usage": answer.body["usage"]}
    )


def replay(body: bytes, usage: Usage, finish: str, chat: Chat) -> list[Chunk]:
    whole = orjson.loads(body)
    message = {"role": "assistant", "content": whole["choices"][0]["text"]}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return replay_chat(orjson.dumps({**whole, "choices": [choice]}), usage, finish, chat)


class StreamWriter:
    """Text deltas as they come; thoughts and roles have no place in this dialect."""

    def __init__(self, chat: Chat) -> None:
        self._include_usage = chat.include_usage

    def write(self, chunks: Sequence[Chunk], cost_usd: float | None) -> bytes:
        frames = []
        for data in (chunk.data for chunk in chunks):
            for choice in data.get("choices") or ():
                delta = choice.get("delta") or {}
                text = delta.get("content") or delta.get("refusal") or ""
                if text or choice.get("finish_reason"):
                    piece = _choice(text, choice.get("finish_reason"))
                    frames.append(encode(orjson.dumps({**_head(data), "choices": [piece]})))
            if self._include_usage and data.get("usage") and not data.get("choices"):
                usage = data["usage"] if cost_usd is None else {**data["usage"], "cost_usd": cost_usd}
                frames.append(encode(orjson.dumps({**_head(data), "choices": [], "usage": usage})))
        return b"".join(frames)

    def end(self) -> bytes:
        return DONE

    def fail(self, error: LevelheadError) -> bytes:
        return render_error_event(error, "completions")


def _head(data: Mapping[str, Any]) -> dict[str, Any]:
    head = {name: data[name] for name in ("id", "created", "model", "system_fingerprint") if name in data}
    return {**head, "object": "text_completion"}


def _choice(text: str, finish: str | None) -> dict[str, Any]:
    return {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}


def _text(body: Mapping[str, Any]) -> str:
    message = body["choices"][0]["message"]
    return message.get("content") or message.get("refusal") or ""
