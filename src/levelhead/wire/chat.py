"""OpenAI chat completions, as a client's dialect and as an upstream's wire."""

from .chat_answer import answer_chunks, read_answer, render_answer, replay
from .chat_collect import Collector
from .chat_read import read_request
from .chat_stream import DONE, StreamReader, StreamWriter, render_chunks
from .chat_write import write_request

__all__ = [
    "DONE",
    "Collector",
    "StreamReader",
    "StreamWriter",
    "answer_chunks",
    "read_answer",
    "read_request",
    "render_answer",
    "render_chunks",
    "replay",
    "write_request",
]
