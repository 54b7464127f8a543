"""Anthropic's Messages wire as an upstream: `write_request` and `headers` out, `read_answer` and `open_reader` in."""

from __future__ import annotations

from ..types import Call
from .messages_answer import read_answer
from .messages_relay import RelayReader
from .messages_request import VERSION, count_request, headers, read_count, write_request
from .messages_stream import StreamReader
from .messages_stripped import blames_thinking, without_thinking

__all__ = [
    "VERSION",
    "StreamReader",
    "blames_thinking",
    "count_request",
    "headers",
    "open_reader",
    "read_answer",
    "read_count",
    "without_thinking",
    "write_request",
]


def open_reader(call: Call) -> StreamReader:
    """For a client of this very dialect the frames go on as they are."""
    return (RelayReader if call.chat.dialect == "messages" else StreamReader)(call.chat, call)
