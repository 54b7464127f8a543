"""Who asks: the slot, run, session and task of a request, and what its `model` means.

Each id comes from the first of these that says it: an `x-levelhead-*` header, the model's name (slot only), the body's
`metadata`, W3C baggage, what known agents send by themselves; for the session, at last, a hash of how the conversation
opened.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from ..errors import InvalidRequest, ModelNotFound
from ..types import Chat, Identity, Json, Key, value
from .agents import agent_hints, baggage_hints

__all__ = ["MAX_ID_CHARS", "Target", "identify", "resolve_model"]

MAX_ID_CHARS = 128
_MAX_METADATA_CHARS = 512  # OpenAI's own limit
_EDGE = 2048  # of a long opening, its first and last characters tell conversations apart
_OPENING = 16  # messages, or parts of one, that are looked at
_NAMES = ("run", "slot", "session", "task")
_HEADERS = tuple((name, "x-levelhead-" + name) for name in _NAMES)
_NO_ALIASES: Mapping[str, str] = MappingProxyType({})
_NO_HINTS: Mapping[str, str] = MappingProxyType({})


@value
class Target:
    """What `model` asks for. `name`: the tier's or the model's, "auto" otherwise; `slot` where the name implied one."""

    kind: Literal["auto", "tier", "model"]
    name: str = "auto"
    slot: str | None = None


_AUTO = Target("auto")


def resolve_model(
    name: str,
    *,
    models: Collection[str],
    tiers: Collection[str],
    slots: Collection[str],
    aliases: Mapping[str, str] = _NO_ALIASES,
) -> Target:
    """Configured names win, then aliases: exact ones first, else the first pattern that matches.

    Raises `ModelNotFound` for anything else, an undeclared `auto/<slot>` included.
    """
    target = _configured(name, models, tiers, slots)
    if target is None and not name.startswith("auto/") and (alias := _alias(name, aliases)) is not None:
        target = _configured(alias, models, tiers, slots)
    if target is not None:
        return target
    if name.startswith("auto/"):
        declared = ", ".join(sorted(slots)) or "none"
        raise ModelNotFound(f"There is no slot {_shown(name[5:])}. Declared slots: {declared}.", param="model")
    raise ModelNotFound(
        f"The model {_shown(name)} does not exist. Use auto, auto/<slot>, a slot, a tier or a configured model.",
        param="model",
    )


def identify(
    chat: Chat,
    headers: Mapping[str, str],
    key: Key,
    *,
    slots: Collection[str],
    aliases: Mapping[str, str] = _NO_ALIASES,
    target: Target | None = None,
) -> Identity:
    """`headers` have lower-case names. `target`: what `resolve_model` made of the model, if that is known already.

    The session is never None; without a run of its own the session is the run. A slot may be one nobody declared.
    Raises `InvalidRequest` naming the header or the metadata field that can't be an id.
    """
    found: dict[str, str] = {}
    for name, header in _HEADERS:
        value = headers.get(header)
        if value and (value := _decoded(value, header)):
            found[name] = value
    if "slot" not in found and (slot := _slot_of(chat.model, slots, aliases) if target is None else target.slot):
        found["slot"] = slot
    metadata = (chat.body if chat.source is None else chat.source).get("metadata")
    if isinstance(metadata, dict):
        _add_metadata(found, metadata)
    baggage = headers.get("baggage")
    for hints in (baggage_hints(baggage) if baggage else _NO_HINTS, agent_hints(headers, metadata)):
        for name, value in hints.items():
            if len(value) <= MAX_ID_CHARS and value.isprintable():
                found.setdefault(name, value)
    session = found.get("session") or _opening(chat.messages)
    return Identity(
        key=key, slot=found.get("slot"), run=found.get("run") or session, session=session, task=found.get("task")
    )


def _configured(name: str, models: Collection[str], tiers: Collection[str], slots: Collection[str]) -> Target | None:
    if name == "auto":
        return _AUTO
    if name in models:
        return Target("model", name)
    if name in tiers:
        return Target("tier", name)
    slot = name.removeprefix("auto/")
    return Target("auto", slot=slot) if slot in slots else None


def _alias(name: str, aliases: Mapping[str, str]) -> str | None:
    exact = aliases.get(name)
    if exact is not None:
        return exact
    return next((to for pattern, to in aliases.items() if fnmatchcase(name, pattern)), None)


def _slot_of(name: str, slots: Collection[str], aliases: Mapping[str, str]) -> str | None:
    if name == "auto":
        return None
    target = _configured(name, (), (), slots)
    if target is None and (alias := _alias(name, aliases)) is not None:
        target = _configured(alias, (), (), slots)
    return None if target is None else target.slot


def _shown(name: str) -> str:
    return repr(name if len(name) <= MAX_ID_CHARS else name[:MAX_ID_CHARS] + "...")


def _decoded(value: str, header: str) -> str:
    """A header's value: percent-encoded UTF-8."""
    value = value.strip()
    if not value.isascii():
        raise InvalidRequest(
            f"The header {header} must be ASCII: percent-encode other characters as UTF-8.", param=header
        )
    if "%" in value:
        try:
            value = unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"The header {header} isn't percent-encoded UTF-8.", param=header) from None
    if len(value) > MAX_ID_CHARS:
        raise InvalidRequest(f"The header {header} is longer than {MAX_ID_CHARS} characters.", param=header)
    if not value.isprintable():
        raise InvalidRequest(f"The header {header} holds control characters.", param=header)
    return value


def _add_metadata(found: dict[str, str], metadata: Json) -> None:
    for name in _NAMES:
        value = metadata.get(name)
        if value is None or name in found:
            continue
        path = "metadata." + name
        if not isinstance(value, str):
            raise InvalidRequest(f"Invalid type for '{path}': expected a string.", param=path, code="invalid_type")
        if len(value) > _MAX_METADATA_CHARS:
            raise InvalidRequest(f"'{path}' is longer than {_MAX_METADATA_CHARS} characters.", param=path)
        if value:
            found[name] = value


def _opening(messages: Sequence[Json]) -> str:
    """A hash of the instructions and the first user message: the same for every turn of one conversation."""
    digest = blake2b(digest_size=12)
    for message in messages[:_OPENING]:
        _digest(digest, message.get("content"))
        if message.get("role") == "user":
            break
    return "opening-" + digest.hexdigest()


def _digest(digest: blake2b, content: Any) -> None:
    if isinstance(content, str):
        edges = content if len(content) <= 2 * _EDGE else content[:_EDGE] + content[-_EDGE:]
        digest.update(b"%d:" % len(content))
        digest.update(edges.encode("utf-8", "replace"))
    elif isinstance(content, list):
        for part in content[:_OPENING]:
            if isinstance(part, dict):
                _digest(digest, part.get("text") or _source(part))


def _source(part: Json) -> Any:
    """Where a part without text has its bytes: an image's URL, a file's id or data."""
    for name in ("image_url", "source", "input_audio", "file"):
        inner = part.get(name)
        if isinstance(inner, dict):
            return inner.get("url") or inner.get("data") or inner.get("file_id") or inner.get("file_data")
    return None
