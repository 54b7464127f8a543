"""OpenAI's rules for `response_format`, strict schemas included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["check_response_format"]

MAX_DEPTH = 10


def check_response_format(wanted: Mapping[str, Any] | None, mentions_json: bool) -> str | None:
    """The vendor's complaint, or None."""
    kind = (wanted or {"type": "text"}).get("type")
    if kind == "json_object" and not mentions_json:
        return "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
    if kind not in ("text", "json_object", "json_schema"):
        return f"Invalid value: '{kind}'. Supported values are: 'json_object', 'json_schema', and 'text'."
    if kind != "json_schema":
        return None
    spec = (wanted or {}).get("json_schema") or {}
    if not spec.get("name"):
        return "Missing required parameter: 'response_format.json_schema.name'."
    if not spec.get("strict"):
        return None
    schema = spec.get("schema") or {}
    start = f"Invalid schema for response_format '{spec['name']}': "
    if schema.get("type") != "object":
        return f"{start}schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{schema.get('type')}\"'."
    complaint = next(_strict(schema, (), 0), None)
    return None if complaint is None else start + complaint


def _strict(schema: Any, path: tuple[str, ...], depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    if depth > MAX_DEPTH:
        yield f"nesting depth {depth} exceeds limit of {MAX_DEPTH}."
    properties = schema.get("properties") or {}
    if schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            yield f"In context={path}, 'additionalProperties' is required to be supplied and to be false."
        missing = [name for name in properties if name not in (schema.get("required") or ())]
        if missing:
            said = "'required' is required to be supplied and to be an array including every key in properties."
            yield f"In context={path}, {said} Missing '{missing[0]}'."
    for name, inner in properties.items():
        yield from _strict(inner, (*path, "properties", name), depth + 1)
    yield from _strict(schema.get("items"), (*path, "items"), depth + 1)
    for number, inner in enumerate(schema.get("anyOf") or ()):
        yield from _strict(inner, (*path, "anyOf", str(number)), depth)
    for name, inner in (schema.get("$defs") or {}).items():
        yield from _strict(inner, ("$defs", name), 1)
