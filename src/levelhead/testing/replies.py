"""What a fake vendor is told to answer: neutral values that each vendor's server writes in its own format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..types import Usage

__all__ = ["Fault", "Refusal", "Reply", "Scripted", "ToolUse"]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call; `arguments` is JSON text. `id` None: one in the vendor's form."""

    name: str
    arguments: str = "{}"
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong after `after` events of a stream (in an unstreamed answer: halfway through its body).

    `error`: the vendor's error event; `cut`: the connection closes; `reset`: it is reset; `stall`: nothing until
    `VendorServer.release()`, then the rest.
    """

    kind: Literal["error", "cut", "reset", "stall"]
    after: int = 0
    message: str = "Overloaded"
    type: str = "overloaded_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. What is None is worked out as the vendor would."""

    text: str = ""
    reasoning: str = ""
    tools: tuple[ToolUse, ...] = ()
    refusal: str | None = None
    finish: str | None = None  # the vendor's own word for why it stopped
    usage: Usage | None = None
    piece_chars: int = 8  # characters in each delta of a stream
    drip: int | None = None  # bytes in each write of a stream; None: one event each
    close_delimited: bool = False  # neither length nor chunks: the body ends where the connection does
    headers: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error before any content, in the vendor's envelope; `body` replaces the envelope."""

    status: int = 400
    message: str = ""
    type: str | None = None
    code: str | None = None
    param: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    content_type: str = "application/json"


Scripted = Reply | Refusal | Fault  # a bare fault strikes before the first byte of the answer


def tokens(value: Any) -> int:
    """The fakes' token count: a token for each four bytes begun, of a text or of a value's JSON."""
    import orjson

    raw = value.encode() if isinstance(value, str) else orjson.dumps(value)
    return -(-len(raw) // 4)
