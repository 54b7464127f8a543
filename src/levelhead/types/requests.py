"""What is asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from .base import Dialect, Json, Need, Wire, value
from .models import Key, Model


@value
class Identity:
    """Who asks, in which run, slot and conversation. Headers are hints: ids are namespaced by the key when used."""

    key: Key
    slot: str | None = None
    run: str | None = None
    session: str | None = None
    task: str | None = None


@value
class Chat:
    """One request, whatever dialect it came in.

    `messages` and `tools` are shaped like OpenAI chat completions (with Anthropic's extras kept as extra keys), `body`
    is all of it in that shape. `source` is the client's own JSON object, read and never changed, so that fields
    levelhead doesn't know travel untouched; in the chat dialect that is `body`, and `source` is None. `history_needs`:
    what only the turn before the latest one needs; where no model offers it, one that lacks it may serve.
    """

    dialect: Dialect
    body: Json
    model: str
    messages: Sequence[Json]
    tools: Sequence[Json] = ()
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    output_cap: int | None = None  # the client's own, tokens
    temperature: float | None = None
    needs: frozenset[Need] = frozenset()
    text_bytes: int = 0  # everything that becomes text tokens: an upper bound on them, templates aside
    images: int = 0
    history_needs: frozenset[Need] = frozenset()
    source: Json | None = None


@value
class Usage:
    """Tokens of one answer. The four kinds of input don't overlap; `output` includes `reasoning`."""

    input: int = 0
    cached_input: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        return self.input + self.cached_input + self.cache_write + self.cache_write_1h


@value
class Trace:
    """Where a request stands in a distributed trace (W3C Trace Context): identifiers in hexadecimal digits.

    `parent_id` is the client's span, "" without one; `requested` the model that it asked for.
    """

    trace_id: str
    span_id: str
    parent_id: str
    flags: int
    state: str
    requested: str

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What a vendor is told: its own spans hang below this one."""
        parent = ("traceparent", f"00-{self.trace_id}-{self.span_id}-{self.flags & 1:02x}")
        return (parent, ("tracestate", self.state)) if self.state else (parent,)


@value
class Call:
    """What an upstream is asked: this chat, of this model, with this output cap (per choice) and this much time."""

    chat: Chat
    model: Model
    output_cap: int
    timeout: float  # seconds for the whole call
    request_id: str = ""
    forward_headers: tuple[tuple[str, str], ...] = ()  # the client's vendor headers that may travel on
    repairs: dict[str, int] = field(default_factory=dict)  # what of the history had to be mended: the codec fills it in


@value
class Answer:
    """A whole answer: `body` is a chat.completion object; `raw` the bytes to send where they are already right."""

    body: dict[str, Any]
    usage: Usage
    finish: str  # OpenAI finish_reason of the first choice
    raw: bytes | None = None
    wire: Wire = "openai"  # whose format `raw` has


@value
class Chunk:
    """One event of a streamed answer.

    `data` is a chat.completion.chunk; `raw` is its complete SSE frame in the upstream's own wire, where there is one.
    """

    data: dict[str, Any]
    raw: bytes | None = None
