"""What rules a draft out by itself, before anyone is asked for a second opinion. Cheapest first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from ..types import Answer, Chat
from .reading import message_of, text_of

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_REFUSAL = re.compile(
    r"^\W*(?:i(?:'|\u2019)?m\s+(?:very\s+)?(?:sorry|afraid|unable)|i\s+apologi[sz]e|sorry,|unfortunately,?\s+i|"
    r"i\s+(?:can(?:no|')?t|cannot|won(?:'|\u2019)t|will\s+not|am\s+(?:not\s+able|unable))|as\s+an?\s+(?:ai|language\s+model))",
    re.I,
)
_UNABLE = re.compile(
    r"can(?:no|['\u2019])t|cannot|unable|not able|won['\u2019]t|don['\u2019]t have (?:access|the ability)", re.I
)
_REFUSAL_HEAD = 200  # characters: a refusal says so at once
_LOOP_UNIT = 400  # characters: the longest phrase whose repetition is looked for
_LOOP_TIMES = 4
_LOOP_LEAST = 60  # characters repeated in all: a table's dashes or "ha ha ha" are none


def flaw(answer: Answer, chat: Chat) -> str | None:
    """Why a draft can't be served (`filtered`, `truncated`, `empty`, `tool_call`, `schema`, `refusal`, `loop`)."""
    message = message_of(answer)
    if answer.finish == "content_filter" or message.get("refusal"):
        return "filtered"
    text, calls = text_of(message), message.get("tool_calls") or []
    if answer.finish == "length" and not _cut_on_purpose(chat):
        return "truncated"
    if not text.strip() and not calls:
        return "empty"
    if calls:
        return None if all(_valid_call(call, chat) for call in calls) else "tool_call"
    if _tool_is_due(chat):
        return "tool_call"
    if _breaks_format(text, chat):
        return "schema"
    if is_refusal(text):
        return "refusal"
    return "loop" if loops(text) else None


def is_refusal(text: str) -> bool:
    head = text[:_REFUSAL_HEAD]
    return bool(_REFUSAL.match(head) and _UNABLE.search(head))


def loops(text: str) -> bool:
    """Whether the text ends in one phrase, four times over or more."""
    tail = text.rstrip()[-_LOOP_UNIT * _LOOP_TIMES :]
    for unit in range(1, len(tail) // _LOOP_TIMES + 1):
        phrase, times = tail[-unit:], max(_LOOP_TIMES, -(-_LOOP_LEAST // unit))
        if unit * times <= len(tail) and tail.endswith(phrase * times) and re.search(r"\w", phrase):
            return True
    return False


def _cut_on_purpose(chat: Chat) -> bool:
    """A client that asks for a handful of tokens knows that they are cut."""
    return chat.output_cap is not None and chat.output_cap <= 16


def _tool_is_due(chat: Chat) -> bool:
    choice = chat.body.get("tool_choice")
    return bool(chat.tools) and (choice == "required" or isinstance(choice, Mapping))


def _valid_call(call: Mapping[str, Any], chat: Chat) -> bool:
    function = call.get("function")
    if not isinstance(function, Mapping):
        return call.get("type") == "custom"
    offered = {tool["function"]["name"]: tool["function"] for tool in chat.tools if tool.get("type") == "function"}
    if function.get("name") not in offered:
        return False
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except ValueError:
        return False
    schema = offered[function["name"]].get("parameters")
    return isinstance(arguments, dict) and (not schema or fits(arguments, schema))


def _breaks_format(text: str, chat: Chat) -> bool:
    wanted = chat.body.get("response_format")
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind not in ("json_object", "json_schema"):
        return False
    assert isinstance(wanted, Mapping)
    try:
        found = orjson.loads(text)
    except ValueError:
        return True
    schema = (wanted.get("json_schema") or {}).get("schema") if kind == "json_schema" else None
    return not isinstance(found, dict) if schema is None else not fits(found, schema)


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value keeps to a JSON schema. A broken schema says nothing; nothing is fetched for it."""
    try:
        return bool(_validator(orjson.dumps(schema, option=orjson.OPT_SORT_KEYS)).is_valid(value))
    except Exception:  # a broken schema is the client's, and raises whatever it likes
        return True


@lru_cache(128)
def _validator(schema: bytes) -> Validator:
    from jsonschema import validators  # on first use: it takes a tenth of a second
    from referencing import Registry

    parsed = orjson.loads(schema)
    return validators.validator_for(parsed)(parsed, registry=Registry())
