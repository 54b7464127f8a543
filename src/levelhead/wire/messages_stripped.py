"""The one retry for thoughts that Claude won't take back: the same call without them.

A signature says nothing of whose it is: it may be of another account, another cloud's Claude, or of a conversation that
a client has edited since. Only the vendor can tell, and says so in words.
"""

from __future__ import annotations

from dataclasses import replace

from ..types import Call, Json
from .messages_thinking import has_thinking

__all__ = ["blames_thinking", "without_thinking"]

_WORDS = (
    b"`signature` in `thinking`",
    b"signature in thinking",
    b"in the latest assistant message cannot be modified",
    b"bound to a different conversation",
)
_THINKING = ("thinking", "redacted_thinking")


def blames_thinking(said: bytes) -> bool:
    return any(words in said for words in _WORDS)


def without_thinking(call: Call) -> Call | None:
    """None where there are no thoughts to leave out."""
    chat = call.chat
    if not any(has_thinking(message) or "thinking_blocks" in message for message in chat.messages):
        return None
    call.repairs["thinking_dropped"] = sum("thinking_blocks" in message for message in chat.messages)
    messages = [
        {name: value for name, value in message.items() if name != "thinking_blocks"} for message in chat.messages
    ]
    source = chat.source
    if chat.dialect == "messages" and source is not None:
        source = {**source, "messages": [_stripped(message) for message in source["messages"]]}
    body = {**chat.body, "messages": messages}
    return replace(call, chat=replace(chat, messages=messages, body=body, source=source))


def _stripped(message: Json) -> Json:
    content = message["content"]
    if message["role"] != "assistant" or not isinstance(content, list):
        return message
    kept = [block for block in content if block.get("type") not in _THINKING]
    return {**message, "content": kept or [{"type": "text", "text": "(thinking)"}]}
