"""What agents ask for between the turns: a title, a topic, a line that sums up. Any model does that well.

Told by the words of Claude Code, Codex, opencode and the frameworks that copied them. Summaries that replace a
conversation (compaction) aren't meant: what they lose is lost for every turn to come.
"""

from __future__ import annotations

import re

from ..types import Chat

__all__ = ["is_housekeeping"]

_MOST_MESSAGES = 4
_EDGE = 2_000  # characters, of instructions and of a message, that are looked at
_HINTS = ("title", "topic", "summar", "branch name")
_WORDS = re.compile(
    r"title generator"
    r"|(generate|write|create|provide|produce|suggest|come up with) (a|an|one|the) [^.\n]{0,60}?\b(title|branch name)\b"
    r"[^.\n]{0,40}\b(conversation|chat|thread|session|task|coding|summarizes|topic|repo)"
    r"|(conversation|chat|session|thread) title"
    r"|new (conversation )?topic"
    r"|summarize (this|the) [^.\n]{0,40}?\b(conversation|session|chat) in (under|at most|fewer than|one|a few|\d)"
    r"|(title|summary) (for|of) (this|the) (conversation|chat|session|thread)[^.\n]{0,40}\b(words|characters|line)",
    re.IGNORECASE,
)


def is_housekeeping(chat: Chat) -> bool:
    """Without tools, short, and in words that ask for a title or the like."""
    if chat.tools or chat.needs or len(chat.messages) > _MOST_MESSAGES:
        return False
    return any(_asks(message.get("content")) for message in chat.messages if message["role"] != "assistant")


def _asks(content: object) -> bool:
    if isinstance(content, str):
        edges = content if len(content) <= 2 * _EDGE else content[:_EDGE] + "\n" + content[-_EDGE:]
        lowered = edges.lower()
        return any(hint in lowered for hint in _HINTS) and _WORDS.search(lowered) is not None
    if isinstance(content, list):
        return any(_asks(part.get("text")) for part in content if isinstance(part, dict))
    return False
