"""What a conversation says about the task: the user's last words, and what they continue.

System prompts, tool catalogues and what a harness injects are not the task. What is asked ("commit it", "and the second
one?") may only be known from what came before, so that is read too: the model learns what to make of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..types import Json, value
from .courtesies import is_thanks, peel

ASK_CHARS = 6_000
BEFORE_CHARS = 2_400
EARLIER_CHARS = 3_600
_MAX_MESSAGES = 200
_MAX_TAGS = 24
_MAX_CALLS = 4
_EDGE_CHARS = (40, 200)  # of a head or a tail: whole sentences up to the first, cut at the second

_OPEN_TAG = re.compile(r"<([a-zA-Z][\w-]{1,40})(?: [^<>\n]{0,200})?>")
_ERROR = re.compile(r"(?i)\b(?:error|exception|traceback|failed|failure|panic|fatal|not found|denied)\b")
_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
# Blocks that coding agents and chat front ends put around or into what a user typed.
HARNESS_TAGS = frozenset(
    [
        "system-reminder",
        "system_reminder",
        "environment_context",
        "environment_details",
        "env",
        "user_instructions",
        "command-name",
        "command-message",
        "command-args",
        "local-command-stdout",
        "local-command-stderr",
        "local-command-caveat",
        "ide_selection",
        "ide_opened_file",
        "ide_diagnostics",
        "additional_data",
        "attached_files",
        "open_and_recently_viewed_files",
        "user_info",
        "rules",
        "project_layout",
        "git_status",
        "gitstatus",
        "cwd",
        "cursor_rules",
        "permissions",
        "developer_instructions",
        "available_skills",
        "skills",
        "reminder",
        "reminders",
        "tool_reminder",
        "context_window",
        "context_reminder",
        "current_time",
        "timestamp",
        "token_budget",
        "budget",
        "automated_reminder_from_anthropic",
        "task-notification",
        "agents_md",
        "new_diagnostics",
        "new-diagnostics",
        "system",
        "system_prompt",
        "system_message",
        "system-warning",
        "system_warning",
        "tool_catalog",
        "tools",
        "functions",
        "function_results",
        "bash-input",
        "bash-stdout",
        "bash-stderr",
        "user-prompt-submit-hook",
        "session-start-hook",
        "instructions_for_assistant",
    ]
)


@value
class Conversation:
    """`ask`: the user's last words; `before`: the assistant's words before them; `earlier`: the user's, older ones."""

    ask: str
    before: str = ""
    earlier: str = ""
    turns: int = 1  # of the user
    tool_results: int = 0
    tool_errors: int = 0


def read_conversation(messages: Sequence[Json]) -> Conversation:
    """Reads messages in OpenAI's shape. Never raises on odd content."""
    ask: str | None = None
    before = ""
    earlier: list[str] = []
    turns = tool_results = tool_errors = size = 0
    for message in reversed(messages[-_MAX_MESSAGES:]):
        role = message.get("role")
        if role == "user":
            text = _user_text(message.get("content"))
            if not text:
                continue
            turns += 1
            if ask is None:
                ask = text
            elif size < EARLIER_CHARS:
                earlier.append(text)
                size += len(text)
        elif role == "assistant":
            if ask is not None and not before:
                before = _assistant_text(message)
        elif role == "tool":
            tool_results += 1
            tool_errors += bool(_ERROR.search(text_of(message.get("content"))[:400]))
    if ask is not None and is_thanks(ask):
        return Conversation(ask)
    return Conversation(
        peel(cap(ask or "", ASK_CHARS)),
        cap(before, BEFORE_CHARS),
        "\n".join(earlier[::-1])[-EARLIER_CHARS:],
        turns,
        tool_results,
        tool_errors,
    )


def cap(text: str, size: int) -> str:
    """The head and the tail of a text that is too long."""
    if len(text) <= size:
        return text
    head = size * 2 // 3
    return f"{text[:head]}\n{text[len(text) - (size - head) :]}"


def head(text: str) -> str:
    """The opening sentences: where most asks stand."""
    least, most = _EDGE_CHARS
    if len(text) <= least:
        return text
    end = _END.search(text, least, most)
    return text[: end.start()] if end else text[:most]


def tail(text: str) -> str:
    """The closing sentences: where the others stand."""
    least, most = _EDGE_CHARS
    if len(text) <= least:
        return text
    window = text[-most:]
    cut = 0
    for end in _END.finditer(window, 0, len(window) - least):
        cut = end.end()
    return window[cut:]


def strip_harness(text: str) -> str:
    """The text without the blocks that a harness adds (`<system-reminder>` and its like)."""
    if "<" not in text:
        return text.strip()
    kept, position = [], 0
    for _ in range(_MAX_TAGS):
        match = _OPEN_TAG.search(text, position)
        if match is None:
            break
        tag = match[1]
        if tag.lower() not in HARNESS_TAGS:
            kept.append(text[position : match.end()])
            position = match.end()
            continue
        end = text.find(f"</{tag}>", match.end())
        kept.append(text[position : match.start()])
        position = len(text) if end < 0 else end + len(tag) + 3
    kept.append(text[position:])
    return "".join(kept).strip()


def text_of(content: Any) -> str:
    """The texts of a message's content, one paragraph each."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = [part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict)]
    return "\n\n".join(text for text in texts if isinstance(text, str) and text)


def _user_text(content: Any) -> str:
    if isinstance(content, list):  # a block may open in one part only: each is stripped by itself
        parts = [strip_harness(text_of([part])) for part in content]
        return "\n\n".join(part for part in parts if part)
    return strip_harness(text_of(content))


def _assistant_text(message: Json) -> str:
    said = text_of(message.get("content"))
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        for call in calls[:_MAX_CALLS]:
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                said += f"\n{function.get('name')} {str(function.get('arguments'))[:400]}"
    return said
