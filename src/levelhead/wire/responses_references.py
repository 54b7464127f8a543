"""Items of Responses that a client names instead of sending: `{"type": "item_reference", "id": ...}`.

An item's id holds its response's, and a response is kept with the whole conversation before it: the last answer's is
mostly all that must be looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..types import Json
from .responses_write import response_of

__all__ = ["Recall", "resolved"]

Recall = Callable[[str], list[Json] | None]


def resolved(items: list[Any], recall: Recall) -> tuple[list[Any], list[Json]]:
    """The items with those that are referred to in their place, and these alone. An unknown reference stays."""
    known: dict[str, Json] = {}
    tried: set[str] = set()
    whole, found = list(items), []
    for index in range(len(whole) - 1, -1, -1):
        id = _referred(whole[index])
        if id is None:
            continue
        response = response_of(id)
        if id not in known and response not in tried:
            tried.add(response)
            known |= {item["id"]: item for item in recall(response) or () if isinstance(item.get("id"), str)}
        if id in known:
            whole[index] = known[id]
            found.append(known[id])
    return whole, found


def _referred(item: Any) -> str | None:
    if not isinstance(item, dict) or item.get("type") != "item_reference":
        return None
    id = item.get("id")
    return id if isinstance(id, str) else None
