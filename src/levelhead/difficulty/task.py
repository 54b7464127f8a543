"""What is the task in a conversation?

The last thing the user wants, in its context: system prompts, tool catalogues and what a harness injects are not it;
"commit it" and "yes, go on" inherit what they continue; "thanks!" asks for nothing. Inside one message the ask is told
apart from what was pasted: a trivial ask about a long contract is a trivial task.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..types import Json, value
from .phrases import (
    CLOSING,
    COURTESY,
    DEICTIC,
    FILLER,
    GO_ON,
    HARNESS_TAGS,
    RESUME,
    SAME,
    TASK_TAGS,
    TEXT_WORK,
    WIDE_CLOSING,
    WIDE_DEICTIC,
    WIDE_GO_ON,
)

ASK_CHARS = 6_000
MATERIAL_CHARS = 1_000  # a sample is enough to say what kind of material it is
_SCAN_CHARS = 24_000
_MAX_MESSAGES = 200
_MAX_TAGS = 24
_LIST_CHARS = 4_000  # enough to see whether a text is a list

_OPEN_TAG = re.compile(r"<([a-zA-Z][\w-]{1,40})(?: [^<>\n]{0,200})?>")
_QUOTED = re.compile(
    r'"[^"\n]{12,800}"|“[^”\n]{6,800}”|„[^“”\n]{6,800}[“”]|«[^»\n]{6,800}»|「[^」\n]{4,400}」|`[^`\n]{2,400}`'
)
_LIST_LINE = re.compile(r"^[ \t]{0,8}(?:[-*•]|\(?\d{1,2}[.)]|\(?[a-zA-Z][.)])\s", re.M)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_PAUSE = re.compile(r"[,.!?:;\n，。！？、]\s*")
_PLEASE = re.compile(
    r"(?i)^(?:(?:please|kindly|could you|can you|would you|will you|i need you to|i want you to|i'd like you to|help me"
    r"|bitte|kannst du|könntest du|können sie|könnten sie|s'il (?:te|vous) plaît|peux-tu|pouvez-vous|pourrais-tu"
    r"|por favor|puedes|podrías|pode|poderia|per favore|puoi|potresti|пожалуйста|можешь|lütfen|prosz[eę]|kun je)"
    r"[,\s]+){1,3}|^(?:请你帮我|请帮我|请你|麻烦你|麻烦|请)"
)
_TALK = GO_ON | CLOSING | FILLER
_THANKS = CLOSING | FILLER | COURTESY
_MAX_COURTESIES = 3
_ERROR = re.compile(r"(?i)\b(?:error|exception|traceback|failed|failure|panic|fatal|not found|denied)\b")


@value
class Task:
    """The ask and a sample of the material it is about; sizes are those before any cut, in characters."""

    ask: str
    material: str = ""
    ask_chars: int = 0
    material_chars: int = 0
    closing: bool = False  # thanks, goodbye: nothing is asked
    inherited: bool = False  # the ask comes from an earlier turn
    user_turns: int = 1
    tool_results: int = 0
    tool_errors: int = 0


def read_task(messages: Sequence[Json]) -> Task:
    """The task of a conversation in OpenAI's message shape. Never raises on odd content."""
    asks: list[str] = []
    tool_results = tool_errors = 0
    closing = inherited = False
    for message in reversed(messages[-_MAX_MESSAGES:]):
        role = message.get("role")
        if role == "tool":
            tool_results += 1
            tool_errors += bool(_ERROR.search(_text_of(message)[:400]))
        if role != "user":
            continue
        text = strip_harness(_text_of(message))
        if not text:
            continue
        kind = _kind(text)
        if kind == "task" or (kind == "same" and asks):
            asks.append(text)
            break
        if kind == "closing" and not inherited:
            closing = True
            break
        inherited = True
        if kind == "same":
            asks.append(text)
    turns = sum(1 for message in messages[-_MAX_MESSAGES:] if message.get("role") == "user")
    if closing:
        return Task("", closing=True, user_turns=turns)
    if not asks:  # nothing but "go on", or nothing at all: the words themselves are all there is
        asks = [strip_harness(_text_of(message)) for message in messages[-1:] if message.get("role") == "user"]
    ask, material = split_ask("\n\n".join(strip_courtesy(ask) for ask in reversed(asks)))
    return Task(
        ask=_cap(ask, ASK_CHARS),
        material=material[:MATERIAL_CHARS],
        ask_chars=len(ask),
        material_chars=len(material),
        inherited=inherited,
        user_turns=turns,
        tool_results=tool_results,
        tool_errors=tool_errors,
    )


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


def strip_courtesy(text: str) -> str:
    """The text without the greeting before and the thanks after what is asked."""
    bare = text.strip()
    for _ in range(_MAX_COURTESIES):
        end = _PAUSE.search(bare, 0, 90)
        if end is None or not COURTESY.issuperset(_WORD.findall(bare[: end.start()].lower())):
            break
        bare = bare[end.end() :].lstrip()
    bare = _PLEASE.sub("", bare)
    last = max(bare.rfind(mark, -60, -1) for mark in ".!?\n。！？") + 1 if len(bare) > 60 else 0
    if last:
        closing = set(_WORD.findall(bare[last:].lower()))
        if closing & CLOSING and closing <= _THANKS:
            bare = bare[:last].rstrip()
    return bare or text.strip()


def split_ask(text: str) -> tuple[str, str]:
    """(ask, material): what is wanted, and what was pasted for it."""
    if len(text) > _SCAN_CHARS:
        cut = text[_SCAN_CHARS // 2 : -_SCAN_CHARS // 2]
        text, dropped = text[: _SCAN_CHARS // 2] + "\n\n" + text[-_SCAN_CHARS // 2 :], len(cut)
    else:
        dropped = 0
    material: list[str] = []
    text = _take_fences(text, material)
    text = _take_tags(text, material)
    text = _take_pasted(text, material)
    text = _take_quotes(text, material)
    pasted = "\n".join(material)
    if dropped:
        pasted += " " * dropped
    return text.strip(), pasted


def _text_of(message: Json) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(strip_harness(part["text"]))
    return "\n\n".join(text for text in texts if text)


def _kind(text: str) -> str:
    """`task`, `closing`, `go_on` (inherits everything) or `same` (adds to what it inherits)."""
    if len(text) > 120:
        return "task"
    if not text.isascii():
        squeezed = "".join(_WORD.findall(text))
        if len(squeezed) <= 14:
            if squeezed.startswith(WIDE_GO_ON):
                return "go_on"
            if squeezed.startswith(WIDE_CLOSING):
                return "closing"
    words = _WORD.findall(text.lower())
    if not words or len(words) > 12:
        return "task"
    known = set(words)
    if known <= _TALK:
        if known & GO_ON:
            return "go_on"
        if known & CLOSING:
            return "closing"
    if len(words) <= 10 and (words[0] in RESUME or text.lower().startswith(("go on", "go ahead", "keep going"))):
        return "same"
    if len(words) <= 9 and known & SAME and not known & {"what", "why", "how"}:
        return "same"
    return "task"


def _take_fences(text: str, material: list[str]) -> str:
    if "```" not in text:
        return text
    pieces = text.split("```")
    material.extend(pieces[1::2])
    return "\n".join(pieces[::2])


def _take_tags(text: str, material: list[str]) -> str:
    """Long tagged blocks are material, unless the tag says that they hold the request."""
    position = 0
    for _ in range(_MAX_TAGS):
        match = _OPEN_TAG.search(text, position)
        if match is None:
            break
        end = text.find(f"</{match[1]}>", match.end())
        if end < 0 or match[1].lower() in TASK_TAGS:
            position = match.end()
            continue
        inner = text[match.end() : end]
        material.append(inner)
        text = text[: match.start()] + " " + text[end + len(match[1]) + 3 :]
        position = match.start()
    return text


def _take_pasted(text: str, material: list[str]) -> str:
    """What follows an introduction: after a colon, after a first paragraph that points at it, or a long middle."""
    head, colon, tail = text.partition(":")
    if colon and len(head) <= 300 and "\n\n" not in head and len(tail) >= 40:
        rest, words = tail.lstrip(" "), _WORD.findall(head.lower())
        introduces = _points(head, words) or (words[:1] and words[0] in TEXT_WORK and len(words) <= 16)
        listed = _LIST_LINE.match(rest.lstrip("\n")) is not None
        if introduces and not (listed and rest.startswith("\n")) and len(words) <= 40:
            return _keep_question(head, rest, material)
    paragraphs = [part for part in text.split("\n\n") if part.strip()]
    if len(paragraphs) < 2:
        return text
    first, rest = paragraphs[0], "\n\n".join(paragraphs[1:])
    if len(first) <= 300 and len(rest) >= max(200, len(first)) and not _LIST_LINE.match(rest):
        words = _WORD.findall(first.lower())
        if first.rstrip().endswith(("?", "？")) or _points(first, words) or (words and words[0] in TEXT_WORK):
            return _keep_question(first, rest, material)
    return _take_middle(text, paragraphs, material)


def _points(text: str, words: list[str]) -> bool:
    """Does it speak of "this letter", "the text below"?"""
    return not DEICTIC.isdisjoint(words) or any(word in text for word in WIDE_DEICTIC)


def _take_middle(text: str, paragraphs: list[str], material: list[str]) -> str:
    if len(text) < 1_200 or len(paragraphs) < 3:
        return text
    first, middle, last = paragraphs[0], paragraphs[1:-1], paragraphs[-1]
    inner = "\n\n".join(middle)
    if len(inner) < 0.6 * len(text) or len(_LIST_LINE.findall(inner[:_LIST_CHARS])) > 2:
        return text
    ask = [part for part in (first, last) if len(part) <= 400]
    if not ask:
        return text
    material.append("\n\n".join(part for part in (first, inner, last) if part not in ask))
    return "\n\n".join(ask)


def _keep_question(head: str, rest: str, material: list[str]) -> str:
    body, blank, last = rest.rstrip().rpartition("\n\n")
    if blank and len(last) <= 240 and last.rstrip().endswith(("?", "？")):
        material.append(body)
        return f"{head}\n{last}"
    material.append(rest)
    return head


def _take_quotes(text: str, material: list[str]) -> str:
    if not any(mark in text for mark in '"“„«「`'):
        return text
    head = text[:ASK_CHARS]
    quotes = _QUOTED.findall(head)
    bare = _QUOTED.sub(" ", head) + text[ASK_CHARS:] if quotes else text
    if not quotes or len(bare.strip()) < 8:
        return text
    material.extend(quotes)
    return bare


def _cap(text: str, size: int) -> str:
    if len(text) <= size:
        return text
    head = size * 2 // 3
    return text[:head] + "\n" + text[-(size - head) :]
