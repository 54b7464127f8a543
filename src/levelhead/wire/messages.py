"""Anthropic's Messages wire as an upstream: `write_request` and `headers` out, `read_answer` and `StreamReader` in."""

from __future__ import annotations

from .messages_answer import read_answer
from .messages_request import VERSION, headers, write_request
from .messages_stream import StreamReader

__all__ = ["VERSION", "StreamReader", "headers", "read_answer", "write_request"]
