"""Damage, from a seed: values in JSON trees, bytes in files and streams, and where these are cut."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**70), 0.5, 1e308, -0.0, "", " ", "x", "auto", "auto/", "user", "tool",
    "\u0000", "é漢\u202e", "A" * 3000, "data:image/png;base64,AA", "../../etc", "{}", "[", [], {}, [[]], [{}], {"": {}},
    {"type": "text"}, {"type": "tool_result"}, {"type": "image"}, {"role": "user"}, [None], {"a": [1, {"b": None}]},
)  # fmt: skip
BYTES = (
    b"",
    b"\x00",
    b"\xff",
    b"\n",
    b"\r",
    b"\n\n",
    b"data:",
    b"event:",
    b": ",
    b"[DONE]",
    b"{",
    b"}",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a tree but its root."""
    found: list[tuple[Any, ...]] = []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        found.append((*path, key))
        found += places(inner, (*path, key))
    return found


def damaged(tree: Any, rng: random.Random) -> Any:
    """A copy with one to four changes."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        known = places(tree)
        if not known:
            return tree
        *above, last = rng.choice(known)
        holder = tree
        for key in above:
            holder = holder[key]
        kind = rng.randrange(6)
        if kind <= 2:
            holder[last] = copy.deepcopy(rng.choice(JUNK))
        elif kind == 3:
            del holder[last]
        elif kind == 4:
            *from_above, from_last = rng.choice(known)
            source = tree
            try:
                for key in (*from_above, from_last):
                    source = source[key]
            except (KeyError, IndexError, TypeError):
                continue  # it was below what has gone
            holder[last] = copy.deepcopy(source)
        elif isinstance(holder, list):
            holder.insert(last, copy.deepcopy(holder[last]))
        else:
            holder[str(rng.choice(("type", "id", "content", "x", "\u0000")))] = copy.deepcopy(holder[last])
    return tree


def scarred(raw: bytes, rng: random.Random) -> bytes:
    """Bytes changed, added, taken, doubled or cut."""
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        at, to = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
        kind = rng.randrange(5)
        if kind == 0:
            raw = raw[:at] + rng.choice(BYTES) + raw[at:]
        elif kind == 1:
            raw = raw[:at] + bytes((rng.randrange(256),)) + raw[at + 1 :]
        elif kind == 2:
            raw = raw[:at] + raw[to:]
        elif kind == 3:
            raw = raw[:to] + raw[at:to] + raw[to:]
        else:
            raw = raw[:to]
    return raw


def cut(raw: bytes, rng: random.Random) -> Sequence[bytes]:
    at = sorted({0, len(raw), *(rng.randrange(len(raw) + 1) for _ in range(rng.choice((0, 1, 3, 20))))})
    return [raw[a:b] for a, b in pairwise(at)] or [b""]
