"""OpenAI chat completions, as a client's dialect and as an upstream's wire."""

from .chat_answer import answer_chunks, read_answer, render_answer
from .chat_collect import Collector
from .chat_read import read_request
from .chat_stream import DONE, StreamReader, render_chunks
from .chat_write import write_request

__all__ = [
    "DONE",
    "Collector",
    "StreamReader",
    "answer_chunks",
    "read_answer",
    "read_request",
    "render_answer",
    "render_chunks",
    "write_request",
]
