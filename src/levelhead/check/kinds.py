"""What kind of answer a request will get, guessed before anything is asked: can two answers to it be compared?"""

from __future__ import annotations

import re

from ..types import Chat
from .reading import Kind

_LOOKED_AT = 4_000  # characters at the end of the task
_OPTIONS = re.compile(r"(?m)^\s*\(?([A-E])[).:]\s+\S.*(?:\n\s*)+\(?([B-F])[).:]\s")
_MATHS = re.compile(
    r"\\(?:frac|sqrt|sum|int|boxed)|\$[^$\n]+\$|\bhow (?:many|much|far|long|old|fast)\b|"
    r"\bwhat (?:is|are) the (?:value|sum|product|probability|area|volume|number|total|average|"
    r"result|output|remainder|percentage)\b|"
    r"\b(?:compute|calculate|evaluate|solve|simplify|find the|determine the)\b.*\d",
    re.I | re.S,
)
_CODE = re.compile(
    r"```|\b(?:write|implement|fix|refactor|complete|debug)\b.{0,60}\b(?:function|method|class|script|code|query|regex|program|"
    r"test)\b|\bdef \w+\(|\bSELECT\b.+\bFROM\b",
    re.I | re.S,
)
_SHORT = re.compile(
    r"\b(?:yes or no|true or false|one word|classify|which of|answer with|respond with|reply with|label)\b", re.I
)


def expected_kind(chat: Chat) -> Kind:
    """`text` where nothing points to an answer that can be compared without a reader."""
    if chat.tools and chat.body.get("tool_choice") != "none":
        return "tools"
    wanted = chat.body.get("response_format")
    if isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema"):
        return "json"
    task = last_asked(chat)[-_LOOKED_AT:]
    if _OPTIONS.search(task):
        return "letter"
    if _CODE.search(task):
        return "code"
    if _MATHS.search(task):
        return "number"
    return "short" if _SHORT.search(task) else "text"


def last_asked(chat: Chat) -> str:
    """The text of the last user message."""
    for message in reversed(chat.messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            return "\n".join(str(p.get("text") or "") for p in content or () if isinstance(p, dict))
    return ""
