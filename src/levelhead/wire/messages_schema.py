"""JSON Schema for constrained decoding: what Anthropic's grammar compiler takes.

It takes closed objects only and knows no bounds on numbers, texts and lists. Bounds move into the description, where
the model can read them, as the vendor's own SDK does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

__all__ = ["closed_schema", "under_defs", "unions_in"]

_KEPT = frozenset({"type", "enum", "const", "description", "title", "default", "$ref", "required"})
_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
_SILENT = frozenset({"$schema", "$id", "$comment", "additionalProperties", "examples", "definitions"})


class _Open(Exception):
    """An object that takes any key: closing it would change what the client asked for."""


def closed_schema(schema: object) -> dict[str, Any] | None:
    """`schema` with every object closed, or None where that would lose something."""
    if not isinstance(schema, dict):
        return None
    try:
        return _close(under_defs(schema))
    except (_Open, RecursionError):
        return None


def under_defs(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with its definitions under `$defs`, the only place where Anthropic looks for them."""
    if "definitions" not in schema or "$defs" in schema:
        return schema
    moved = {("$defs" if key == "definitions" else key): value for key, value in schema.items()}
    # a string that begins so can only be a pointer
    renamed: dict[str, Any] = orjson.loads(orjson.dumps(moved).replace(b'"#/definitions/', b'"#/$defs/'))
    return renamed


def _close(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping):
        raise _Open
    closed: dict[str, Any] = {}
    notes: list[str] = []
    for key, value in schema.items():
        if key in _KEPT:
            closed[key] = value
        elif key in ("properties", "$defs") and isinstance(value, Mapping):
            closed[key] = {name: _close(one) for name, one in value.items()}
        elif key == "items":
            closed[key] = _close(value)
        elif key in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
            closed.setdefault("allOf" if key == "allOf" else "anyOf", []).extend(_close(one) for one in value)
        elif (key == "format" and isinstance(value, str) and value in _FORMATS) or (
            key == "minItems" and value in (0, 1)
        ):
            closed[key] = value
        elif key not in _SILENT and value is not False:
            notes.append(f"{key}: {value if isinstance(value, str | int | float) else orjson.dumps(value).decode()}")
    if schema.get("type") == "object" or "properties" in schema or "object" in _types(schema):
        _close_object(schema, closed)
    if notes:
        written = closed.get("description")
        closed["description"] = f"{written}\n\n" * bool(written) + "{" + ", ".join(notes) + "}"
    return closed


def _types(schema: Mapping[str, Any]) -> list[Any]:
    kind = schema.get("type")
    return kind if isinstance(kind, list) else [kind]


def _close_object(schema: Mapping[str, Any], closed: dict[str, Any]) -> None:
    others = schema.get("additionalProperties")
    named = schema.get("properties")
    if others not in (None, False) or (not named and others is None) or "patternProperties" in schema:
        raise _Open
    closed.setdefault("properties", {})
    closed["additionalProperties"] = False


def unions_in(schema: object) -> int:
    """How many places of `schema` take more than one type: each multiplies the grammar."""
    if isinstance(schema, list):
        return sum(map(unions_in, schema))
    if not isinstance(schema, Mapping):
        return 0
    here = int("anyOf" in schema or isinstance(schema.get("type"), list))
    return here + sum(unions_in(value) for value in schema.values() if isinstance(value, dict | list))
