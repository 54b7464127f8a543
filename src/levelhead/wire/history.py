"""A conversation that several models wrote, made valid for the one that comes next on the OpenAI wire.

What the next model can use is kept; what its vendor would refuse is mended, and each mend is counted by its kind:
the keys of `Call.repairs`, a bounded label of a metric. Anthropic's rules are kept by `messages_turns.py`, which writes
turns anew, and by `messages_through.py`; `chat_repair.py` mends single messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from ..types import Json, Need
from .chat_repair import Vendor, mended_messages

__all__ = ["KINDS", "MAX_NAME", "NO_RESULT", "repaired_messages", "short_name"]

KINDS = (
    "id_rewritten",  # a tool call's id that this vendor takes no more than so many characters of
    "name_rewritten",  # a tool's name, for the same reason or for its characters
    "orphan_told",  # a result without its call became a text
    "result_added",  # a call without its result got one that says so
    "result_moved",  # a result that came late stands behind its call
    "media_described",  # an earlier image or file, for a model that can't take it
    "message_mended",  # roles, thoughts, fields and blanks, see `chat_repair.py`
    "thinking_dropped",  # thoughts that another model signed
    "thinking_off",  # this turn is answered without thinking: its tool loop began without
    "choice_softened",  # a forced tool is asked for in words
    "turns_rewritten",  # roles that didn't alternate, blanks, an end on the assistant's turn
)

MAX_NAME = 64  # characters of a tool's name, at OpenAI and DeepSeek
MAX_ID = 40  # characters of a tool call's id, at OpenAI
NO_RESULT = "(no result of this call was recorded)"
_MEDIA = {
    "image_url": Need.VISION, "image": Need.VISION, "input_audio": Need.AUDIO,
    "file": Need.DOCUMENTS, "document": Need.DOCUMENTS,
}  # fmt: skip


def repaired_messages(
    messages: Sequence[Json], vendor: Vendor, *, thinks: bool, offers: frozenset[Need], repairs: dict[str, int]
) -> Sequence[Json]:
    """`messages` itself where nothing needs mending. `offers`: what the model can take; `thinks`: see `chat_repair`."""
    fixed = mended_messages(messages, vendor, thinks=thinks)
    if fixed is not messages:
        changed = sum(one is not other for one, other in zip(fixed, messages, strict=True))
        repairs["message_mended"] = changed
    if not offers >= _MEDIA_NEEDS:
        fixed = _each(fixed, lambda message: _described(message, offers), "media_described", repairs)
    if any(message.get("tool_calls") or message["role"] == "tool" for message in fixed):
        fixed = _paired(fixed, repairs)
        if vendor != "other":
            fixed = _each(fixed, _with_short_names, "name_rewritten", repairs)
        if vendor == "openai":
            fixed = _each(fixed, _with_short_ids, "id_rewritten", repairs)
    return fixed


_MEDIA_NEEDS = frozenset(_MEDIA.values())


def short_name(name: str) -> str:
    """A tool's name in at most `MAX_NAME` characters, the same for the same name wherever it occurs."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[: MAX_NAME - 13]}_{sha256(name.encode()).hexdigest()[:12]}"


def _each(
    messages: Sequence[Json], change: Callable[[Json], Json], kind: str, repairs: dict[str, int]
) -> Sequence[Json]:
    changed: list[Json] | None = None
    for index, message in enumerate(messages):
        fresh = change(message)
        if fresh is not message:
            if changed is None:
                changed = list(messages)
            changed[index] = fresh
            repairs[kind] = repairs.get(kind, 0) + 1
    return messages if changed is None else changed


def _described(message: Json, offers: frozenset[Need]) -> Json:
    content = message.get("content")
    if type(content) is not list or all(_shown(part, offers) for part in content):
        return message
    parts = [part if _shown(part, offers) else {"type": "text", "text": _description(part)} for part in content]
    return {**message, "content": parts}


def _shown(part: Mapping[str, Any], offers: frozenset[Need]) -> bool:
    need = _MEDIA.get(part.get("type", ""))
    return need is None or need in offers


def _description(part: Mapping[str, Any]) -> str:
    kind = {Need.VISION: "an image", Need.AUDIO: "a recording", Need.DOCUMENTS: "a file"}[_MEDIA[part["type"]]]
    file = part.get("file")
    name = file.get("filename") if isinstance(file, dict) else part.get("title")
    return f"({kind} was shown here{f': {name}' if name else ''}; you can't see it)"


def _paired(messages: Sequence[Json], repairs: dict[str, int]) -> Sequence[Json]:
    """Every call with its result right behind it, and no result without its call."""
    if _is_paired(messages):
        return messages
    paired: list[Json] = []
    late: set[int] = set()  # places of results that were moved up
    for index, message in enumerate(messages):
        if index in late:
            continue
        if message["role"] == "tool":
            paired.append(_told(message))
            _count(repairs, "orphan_told")
            continue
        paired.append(message)
        calls = message.get("tool_calls")
        if not calls:
            continue
        found = _results(messages, index, late)
        for call in calls:
            at = found.get(call["id"])
            if at is None:
                paired.append({"role": "tool", "tool_call_id": call["id"], "content": NO_RESULT})
                _count(repairs, "result_added")
            else:
                paired.append(messages[at])
                late.add(at)
        if any(messages[at - 1]["role"] == "user" for at in found.values()):
            _count(repairs, "result_moved")
    return paired


def _is_paired(messages: Sequence[Json]) -> bool:
    open_ids: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                return False
            open_ids.remove(message["tool_call_id"])
        elif open_ids:
            return False
        elif message.get("tool_calls"):
            open_ids = [call["id"] for call in message["tool_calls"]]
    return not open_ids


def _results(messages: Sequence[Json], index: int, taken: set[int]) -> dict[str, int]:
    """Where the results of the calls of message `index` are: before the next assistant speaks."""
    wanted = {call["id"] for call in messages[index]["tool_calls"]}
    found: dict[str, int] = {}
    for at in range(index + 1, len(messages)):
        message = messages[at]
        if message["role"] == "assistant":
            break
        if message["role"] == "tool" and at not in taken and message["tool_call_id"] in wanted:
            found.setdefault(message["tool_call_id"], at)
    return found


def _told(message: Json) -> Json:
    """A result without its call can only be told."""
    heading = f"Result of an earlier tool call ({message.get('tool_call_id')}):"
    content = message.get("content") or ""
    if type(content) is list:
        return {"role": "user", "content": [{"type": "text", "text": heading}, *content]}
    return {"role": "user", "content": f"{heading}\n{content}"}


def _with_short_names(message: Json) -> Json:
    calls = message.get("tool_calls")
    if not calls or all(len(_name(call)) <= MAX_NAME for call in calls):
        return message
    return {**message, "tool_calls": [_renamed(call) for call in calls]}


def _name(call: Json) -> str:
    inner = call.get(call.get("type", "function"))
    return str(inner.get("name", "")) if isinstance(inner, dict) else ""


def _renamed(call: Json) -> Json:
    kind = call.get("type", "function")
    return {**call, kind: {**call[kind], "name": short_name(call[kind]["name"])}} if _name(call) else call


def _with_short_ids(message: Json) -> Json:
    if message["role"] == "tool":
        id = message["tool_call_id"]
        return message if len(id) <= MAX_ID else {**message, "tool_call_id": _short_id(id)}
    calls = message.get("tool_calls")
    if not calls or all(len(call["id"]) <= MAX_ID for call in calls):
        return message
    return {**message, "tool_calls": [{**call, "id": _short_id(call["id"])} for call in calls]}


def _short_id(id: str) -> str:
    return id if len(id) <= MAX_ID else f"call_{sha256(id.encode()).hexdigest()[:32]}"


def _count(repairs: dict[str, int], kind: str) -> None:
    repairs[kind] = repairs.get(kind, 0) + 1
