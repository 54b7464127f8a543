"""Agreement of two answers, by kind: 1 where they say the same, 0 where they contradict each other.

None where nothing can be said: free texts agree or disagree in meaning, which takes a reader (`rubric.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .code import same_code
from .reading import SHORT_WORDS, Reading, as_number

_CLOSE = 1e-6  # relative; recorded answers are rounded
_ROUNDED = 5e-5
_MOST_CALLS = 64
_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")
_ARTICLES = frozenset({"a", "an", "the"})


def agreement(first: Reading, second: Reading) -> float | None:
    """0..1, or None. Different kinds contradict each other where both are short; else they can't be compared."""
    if first.kind != second.kind:
        return _across(first, second)
    compare = _BY_KIND.get(first.kind)
    if compare is None:
        return None
    if first.kind == "code":
        return same_code(first.said, second.said, first.language or second.language)
    return compare(first.said, second.said)


def _across(first: Reading, second: Reading) -> float | None:
    kinds = {first.kind, second.kind}
    if "text" in kinds:
        return None if kinds <= {"text", "list", "short"} else 0.0
    if kinds == {"list", "json"}:
        lists = [r.said for r in (first, second)]
        return same_items(*lists) if all(isinstance(said, list) for said in lists) else 0.0
    if kinds == {"number", "short"}:
        number, text = (first, second) if first.kind == "number" else (second, first)
        found = _NUMBER.findall(text.said)
        return same_number(number.said, float(found[0].replace(",", ""))) if len(found) == 1 else 0.0
    if kinds <= {"letter", "short"}:
        return same_short(str(first.said), str(second.said))
    return 0.0


def same_number(first: float, second: float) -> float:
    return float(abs(first - second) <= max(_CLOSE * max(abs(first), abs(second)), 1e-9) or _round(first, second))


def _round(first: float, second: float) -> bool:
    """One of them was rounded to four decimals."""
    whole = float(first).is_integer() or float(second).is_integer()
    return not whole and abs(first - second) <= _ROUNDED


def same_short(first: str, second: str) -> float:
    """Short answers: the same words but for case, articles and punctuation; numbers by value."""
    one, other = _words(first), _words(second)
    if one == other and (one or first.strip() == second.strip()):
        return float(bool(one) or bool(first.strip()))
    numbers = as_number(first), as_number(second)
    if numbers[0] is not None and numbers[1] is not None:
        return same_number(numbers[0], numbers[1])
    return float(re.sub(r"\s+", "", first) == re.sub(r"\s+", "", second) and bool(first.strip()))


def same_json(first: Any, second: Any) -> float | None:
    """The share of fields that agree. A long text in a field is no evidence, unless every field is one."""
    one, other = dict(_leaves(first, ())), dict(_leaves(second, ()))
    paths = one.keys() | other.keys()
    counted = [path for path in paths if not (_long(one.get(path)) and _long(other.get(path)))]
    if not paths:
        return float(first == second)
    if not counted:
        return None
    return sum(_same_leaf(one.get(path, _MISSING), other.get(path, _MISSING)) for path in counted) / len(counted)


def same_calls(first: Sequence[tuple[str, Any]], second: Sequence[tuple[str, Any]]) -> float:
    """Tool calls by name and arguments, in any order: parallel calls have none."""
    pairs = [
        (_call_score(mine, theirs), at, to)
        for at, (name, mine) in enumerate(first[:_MOST_CALLS])
        for to, (other, theirs) in enumerate(second[:_MOST_CALLS])
        if name == other
    ]
    total, used, taken = 0.0, set(), set()
    for score, at, to in sorted(pairs, key=lambda pair: -pair[0]):
        if at not in used and to not in taken:
            total += score
            used.add(at)
            taken.add(to)
    return total / max(len(first), len(second), 1)


def same_items(first: Sequence[Any], second: Sequence[Any]) -> float:
    """Lists as sets: the share of items of either that both have."""
    one, other = ({" ".join(_words(str(item))) for item in items} for items in (first, second))
    return len(one & other) / len(one | other) if one | other else 1.0


def _call_score(mine: Any, theirs: Any) -> float:
    if not mine and not theirs:
        return 1.0
    score = same_json(mine, theirs)
    return 1.0 if score is None else score  # the right tool, told in other words


_MISSING = object()


def _leaves(value: Any, path: tuple[Any, ...]) -> list[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, Mapping) and value:
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, (*path, name))]
    if isinstance(value, list) and value:
        return [leaf for at, inner in enumerate(value) for leaf in _leaves(inner, (*path, at))]
    return [(path, value)]


def _same_leaf(first: Any, second: Any) -> float:
    if first is _MISSING or second is _MISSING:
        return 0.0
    if isinstance(first, bool) or isinstance(second, bool) or first is None or second is None:
        return float(first is second or (type(first) is type(second) and first == second))
    if isinstance(first, int | float) and isinstance(second, int | float):
        return same_number(first, second)
    if first == second:
        return 1.0
    plain = isinstance(first, str | int | float) and isinstance(second, str | int | float)
    return same_short(str(first), str(second)) if plain else 0.0


def _long(value: Any) -> bool:
    return isinstance(value, str) and len(value.split()) > SHORT_WORDS


def _words(text: str) -> list[str]:
    """Words and signs: `x < 1` isn't `x > 1`, and `-1` isn't `1`."""
    signs = re.sub(r"[\s.,;:!?'\"`*_$()\\]+", " ", text.casefold())
    return [word for word in signs.split() if word not in _ARTICLES]


_BY_KIND: Mapping[str, Callable[[Any, Any], float | None]] = {
    "tools": same_calls,
    "json": same_json,
    "code": same_code,
    "letter": lambda a, b: float(a == b),
    "number": same_number,
    "short": same_short,
    "list": same_items,
}
