"""How many tokens a byte of text really comes to, per model and kind of text: tightens the bound on long inputs.

One token a byte is the only bound that holds for any text, and three to four times too much for prose: a long prompt
would be refused for want of money that it never costs. What calls were billed for says better. Short texts keep the
hard bound: it costs little there, and what is seen of one says little of the next. Should a text come to more after
all, the difference is charged and alarmed as every overrun.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

from ..types import Chat, Usage
from .costs import input_bound

LONG_BYTES = 8_192
_ENOUGH = 20  # calls, before anything is concluded
_MARGIN = 1.5  # over the highest ratio seen
_FORGET = 0.999  # of that ratio, per call
_DENSE = 0.06  # of the characters are blanks: below it, data rather than prose
_MOST = 1_000  # kinds


class InputRatios:
    """Learns from usage; one for each process."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], tuple[int, float]] = {}

    def bound(self, chat: Chat, model: str) -> int:
        """At most so many input tokens, as far as is known of this model and kind of text."""
        most = input_bound(chat)
        if chat.text_bytes < LONG_BYTES or not self._seen:
            return most
        calls, highest = self._seen.get((model, kind_of(chat)), (0, 1.0))
        if calls < _ENOUGH:
            return most
        return most - chat.text_bytes + ceil(chat.text_bytes * min(1.0, _MARGIN * highest))

    def observe(self, chat: Chat, model: str, usage: Usage) -> None:
        """What a call of `model` was billed for, by the vendor's own count."""
        if chat.text_bytes < LONG_BYTES or chat.images:
            return
        key = model, kind_of(chat)
        if key not in self._seen and len(self._seen) >= _MOST:
            return
        calls, highest = self._seen.get(key, (0, 0.0))
        self._seen[key] = calls + 1, max(highest * _FORGET, usage.prompt / chat.text_bytes)


def kind_of(chat: Chat) -> str:
    """What tells apart texts that differ in tokens per byte: the script, and whether it is prose or dense data."""
    characters = blanks = encoded = 0
    for message in chat.messages:
        for text in _texts(message):
            characters += len(text)
            blanks += text.count(" ") + text.count("\n")
            encoded += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if not characters:
        return "none"
    width = encoded / characters
    script = "ascii" if width < 1.02 else "latin" if width < 1.3 else "two" if width < 2.3 else "three"
    return f"{script} {'dense' if blanks < _DENSE * characters else 'prose'}"


def _texts(message: Mapping[str, Any]) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    return [part["text"] for part in content if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
