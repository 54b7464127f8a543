"""Where two JSON values differ, as paths with `[*]` for any index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() | theirs.keys():
            inner = f"{path}.{key}".lstrip(".")
            if key in ours and key in theirs:
                yield from differences(ours[key], theirs[key], inner)
            else:
                yield inner
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for mine, other in zip(ours, theirs, strict=True):
            yield from differences(mine, other, f"{path}[*]")
    elif ours != theirs:
        yield path
