"""OpenAI's POST /v1/embeddings: passed on to a configured model, as it came and as it comes back."""

from __future__ import annotations

from typing import Any

import orjson

from ..errors import UpstreamUnavailable
from ..types import Answer, Call, Chat, Need
from .chat_read import parse_body
from .fields import Fault, missing, required, string, wrong_type
from .usage import complete_usage

__all__ = ["read_answer", "read_request", "render_answer", "write_request"]


def _input(value: object) -> None:
    if type(value) is not list:
        string(value)
        return
    if not value:
        raise Fault("", "Invalid '{}': empty array.", "empty_array")
    for index, item in enumerate(value):
        if type(item) not in (str, int, list):
            raise wrong_type(f"[{index}]", "a string or token ids", item)


def read_request(raw: bytes, *, default_model: str | None = None) -> Chat:
    """Raises `InvalidRequest` naming the field."""
    source = parse_body(raw)
    try:
        required(source, "input", _input)
        model = source.get("model") or default_model
        if not model:
            raise missing("model")
        string(model)
    except Fault as fault:
        raise fault.error() from None
    given = source["input"]
    text = given if isinstance(given, str) else "\n".join(one for one in given if isinstance(one, str))
    return Chat(
        dialect="embeddings",
        body={"model": model, "metadata": source.get("metadata")},
        model=model,
        messages=[{"role": "user", "content": text}],
        output_cap=1,
        needs=frozenset({Need.EMBEDDINGS}),
        text_bytes=len(raw),
        source=source,
    )


def write_request(call: Call) -> bytes:
    """The client's body under the vendor's name for the model."""
    body = {**(call.chat.source or {}), "model": call.model.upstream_model}
    body.pop("metadata", None)
    return orjson.dumps(body)


def read_answer(raw: bytes, call: Call) -> Answer:
    """Raises `UpstreamUnavailable` for anything that isn't a list of embeddings."""
    try:
        body: dict[str, Any] = orjson.loads(raw)
        if not isinstance(body["data"], list):
            raise TypeError
        said = body.get("usage")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise UpstreamUnavailable("The upstream's answer is no list of embeddings.", upstream_status=200) from None
    usage, _ = complete_usage(said, call.chat, 0)
    return Answer(body, usage, "stop", raw)


def render_answer(answer: Answer, chat: Chat) -> bytes:
    return orjson.dumps(answer.body) if answer.raw is None else answer.raw
