"""What can be counted in a text without reading it: its size and its shape.

Two uses. `SHAPE` feeds the levels. `LOAD` says how much a question asks a reader to hold and to rule out: long stems
and options, negations, numbers, sentences, repetition, plain words. Each of its parts makes benchmark items harder in
item-writing research (e.g. Haladyna and Rodriguez, Developing and Validating Test Items, 2013).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import log1p

SHAPE = ("words", "chars", "lines", "questions", "code", "digits", "quotes", "ends_question")
LOAD = (
    "words",
    "chars",
    "stem",
    "options",
    "negations",
    "digits",
    "sentences",
    "commas",
    "past",
    "repetition",
    "short",
)

_DIGITS = b"0123456789"
_CODE = b"{}();=<>[]_"
_QUOTES = ('"', "“", "”", "„", "«", "»", "「", "」")
_OPTIONS = re.compile(r"(?m)^\s*(?:choices\s*:|\(?A[).:]\s)", re.IGNORECASE)
_NEGATIONS = frozenset(
    [
        "not",
        "no",
        "never",
        "except",
        "without",
        "neither",
        "nor",
        "false",
        "incorrect",
        "least",
        "none",
        "cannot",
        "isn't",
        "aren't",
    ]
)


def surface(text: str, words: Sequence[str]) -> tuple[list[float], list[float]]:
    """(in the order of `SHAPE`, in the order of `LOAD`). `words` as `words_of` cuts them."""
    raw = text.encode("utf-8", "replace")
    plain = len(raw) == len(text)
    size, chars = log1p(len(words)), log1p(len(text))
    lines = text.count("\n")
    marks = text.count("?")
    quotes = text.count('"')
    ends = text.rstrip().endswith("?")
    sentences = text.count(". ") + text.count("? ") + text.count("! ")
    if not plain:
        marks += text.count("？")
        quotes += sum([text.count(mark) for mark in _QUOTES[1:]])
        ends = ends or text.rstrip().endswith("？")
        sentences += text.count("。")
    digits = log1p(_count(raw, _DIGITS))
    shape = [
        size, chars, log1p(lines), float(marks > 0), log1p(_count(raw, _CODE)), digits, log1p(quotes), float(ends)
    ]  # fmt: skip
    found = _OPTIONS.search(text) if lines else None
    options = len(text[found.start() :].split()) if found else 0
    count = max(1, len(words))
    distinct = set(words)
    past = text.count("ed ") + text.count(" was ") + text.count(" were ") + text.count(" had ")
    load = [
        size,
        chars,
        log1p(max(0, len(words) - options)),
        log1p(options),
        log1p(len(_NEGATIONS & distinct)),
        log1p(len([word for word in words if "0" in word])) if digits else 0.0,
        log1p(sentences),
        text.count(",") / count,
        log1p(past),
        1 - len(distinct) / count,
        -min(15.0, len(text) / count),
    ]
    return shape, load


def _count(raw: bytes, marks: bytes) -> int:
    return len(raw) - len(raw.translate(None, marks))
