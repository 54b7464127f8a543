"""What an answer says, apart from how it says it: its kind, and the value that two answers can be compared by."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import orjson

from ..types import Answer, value

Kind = Literal["tools", "json", "code", "letter", "number", "short", "list", "text"]

_LONGEST_LITERAL = 4_000
SHORT_WORDS = 12  # an answer up to this long is compared word by word
_FENCE = re.compile(r"```([\w+#.-]*)[^\n]*\n(.*?)```", re.S)
_BOXED = re.compile(r"\\boxed\s*\{")
_MARKED = re.compile(
    r"(?:^|\b)(?:final\s+answer|the\s+(?:correct\s+|final\s+)?(?:answer|result|option|choice)\s+is|answer)"
    r"\s*(?:is)?\s*[:=]?\s*",
    re.I,
)
_LETTER = re.compile(r"^\W*(?:option\s+|choice\s+)?\(?([A-J])(?:\b|[).:])\W*", re.I)
_BULLET = re.compile(r"(?m)^\s*(?:[-*\u2022]|\d+[.)])\s+(.+)$")
_THOUGHTS = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S)
_NOISE = re.compile(
    r"\\(?:left|right|,|!|;|text\{[^}]*\}|mathrm\{[^}]*\}|%)|[$\u20ac\u00a3%\u00b0{}]|\\(?=\s)"
)  # LaTeX and units that a number may wear
_NUMBER = re.compile(r"[-+]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:\s*/\s*\d+)?")


@value
class Reading:
    """`kind` and what it is compared by: calls, a JSON value, code, a letter, a number, words, items or a text."""

    kind: Kind
    said: Any
    language: str = ""


def read(answer: Answer) -> Reading:
    """The first choice of an answer."""
    message = message_of(answer)
    calls = message.get("tool_calls")
    if calls:
        return Reading("tools", [_call(call) for call in calls])
    return read_text(text_of(message))


def message_of(answer: Answer) -> Mapping[str, Any]:
    choices = answer.body.get("choices") or [{}]
    message = choices[0].get("message")
    return message if isinstance(message, Mapping) else {}


def text_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping))
    return ""


def read_text(text: str) -> Reading:
    """Structure first (JSON, code), then what is marked as the answer, then the form of the whole."""
    text = _THOUGHTS.sub("", text).strip()
    if (found := _json(text)) is not None:
        return _of_json(found)
    fences = _FENCE.findall(text)
    boxed = last_boxed(text)
    if boxed is not None:
        return _final(boxed)
    if fences:
        return Reading("code", "\n".join(code for _, code in fences), fences[0][0].lower())
    if (marked := _marked(text)) is not None:
        return _final(marked)
    items = _BULLET.findall(text)
    if len(items) >= 2 and sum(map(len, items)) > len(text) / 2:
        return Reading("list", items)
    return _final(text) if len(text.split()) <= SHORT_WORDS else Reading("text", text)


def last_boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{...}`, braces balanced."""
    starts = [match.end() for match in _BOXED.finditer(text)]
    if not starts:
        return None
    depth, start = 1, starts[-1]
    for at in range(start, len(text)):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return text[start:at]
    return None


def _call(call: Mapping[str, Any]) -> tuple[str, Any]:
    """Name and arguments; arguments that are no JSON stay text."""
    function = call.get("function") or call.get("custom") or {}
    arguments = function.get("arguments", function.get("input"))
    try:
        return str(function.get("name")), orjson.loads(arguments) if isinstance(arguments, str) else arguments
    except ValueError:
        return str(function.get("name")), arguments


def _json(text: str) -> Any:
    """The object or array that the text is, alone or in one fence; None for anything else."""
    fence = re.fullmatch(r"```(?:json)?\s*\n(.*?)\n?```", text, re.S)
    bare = fence.group(1) if fence else text
    if not bare.lstrip().startswith(("{", "[")):
        return None
    try:
        found = orjson.loads(bare)
    except ValueError:
        return None
    return found if isinstance(found, dict | list) else None


def _of_json(found: Any) -> Reading:
    """An object that reasons and then answers is compared by its answer."""
    if isinstance(found, dict):
        for name in ("answer", "final_answer", "result"):
            if name in found and set(found) - {name} <= {"reasoning", "explanation", "thoughts", "thought", "steps"}:
                said = found[name]
                return Reading("json", said) if isinstance(said, dict | list) else _final(str(said))
    return Reading("json", found)


def _marked(text: str) -> str | None:
    """The rest of the line after the last "answer:" or "the answer is", where that is short."""
    marks = list(_MARKED.finditer(text))
    for mark in reversed(marks):
        rest = text[mark.end() :].strip().splitlines()
        line = re.split(r"(?<=[\w)\]])[.;]\s", rest[0])[0] if rest else ""
        if line and len(line.split()) <= SHORT_WORDS:
            return line
    return None


def _final(text: str) -> Reading:
    text = text.strip().strip("*_`$ ").rstrip(".").strip()
    if (letter := _LETTER.match(text)) and (len(text) <= 4 or text[letter.end(1) : letter.end(1) + 1] in ").:"):
        return Reading("letter", letter.group(1).upper())
    if (number := as_number(text)) is not None:
        return Reading("number", number)
    if (literal := _literal(text)) is not None:
        return Reading("json", literal)
    return Reading("short", text)


def as_number(text: str) -> float | None:
    """A text that is one number: with a sign, commas, a currency, a percent sign or a LaTeX fraction."""
    bare = _NOISE.sub(" ", _fractions(text))
    bare = bare.replace("\u2212", "-").strip()
    bare = re.sub(r"(?<=\d)\s+[a-zA-Z]{1,12}\.?$", "", bare)  # a unit
    if not (match := _NUMBER.fullmatch(bare.strip())):
        return None
    top, _, bottom = match.group().replace(",", "").partition("/")
    try:
        return float(top) / float(bottom) if bottom else float(top)
    except (ValueError, ZeroDivisionError):
        return None


def _literal(text: str) -> Any:
    """A list, a tuple, a dict or a set as Python writes it, in JSON's terms; None for anything else."""
    if not text.startswith(("[", "(", "{")) or len(text) > _LONGEST_LITERAL:
        return None
    try:
        return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((_plain(inner) for inner in value), key=repr)
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | type(None)) else repr(value)


def _fractions(text: str) -> str:
    return re.sub(r"\\[dt]?frac\s*\{?(-?[\d.]+)\}?\s*\{?(-?[\d.]+)\}?", r"\1/\2", text)
