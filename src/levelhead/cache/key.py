"""What makes two requests the same request, and which ones may be answered from store at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

import orjson

from ..errors import InvalidRequest
from ..types import Chat, Model, Need

When = Literal["deterministic", "always"]

_SCHEME = 1  # raise it whenever the meaning of a key or of a stored answer changes
_EXACT_INTEGER = 2**53

# These say how an answer travels or whom it is booked to, not what it says. `model` is replaced by what it resolves to.
_IMMATERIAL = frozenset(
    {
        "metadata",
        "model",
        "prompt_cache_key",
        "prompt_cache_retention",
        "safety_identifier",
        "stream",
        "stream_options",
        "user",
    }
)
# A request that has an effect, or that reads something which changes by itself, isn't deterministic at any temperature.
_EFFECTS = ("background", "container", "conversation", "mcp_servers", "store", "web_search_options")
_HOSTED_TOOLS = (
    "code_execution",
    "code_interpreter",
    "file_search",
    "image_generation",
    "mcp",
    "web_fetch",
    "web_search",
)


@dataclass(frozen=True, slots=True)
class CacheUse:
    """`read`: may be answered from store, and may share a call in flight. `write`: its answer may be stored."""

    read: bool
    write: bool


FULL = CacheUse(read=True, write=True)
REFRESH = CacheUse(read=False, write=True)
BYPASS = CacheUse(read=False, write=False)


def serving_set(models: Iterable[Model]) -> tuple[str, ...]:
    """The deployments that may answer, as `cache_key` wants them. A name that changes its upstream is another one."""
    return tuple(sorted(f"{m.name} {m.tier} {m.wire} {m.upstream_model} {m.base_url or ''}" for m in models))


def cache_key(
    chat: Chat,
    *,
    tenant: str,
    slot: str | None,
    models: Sequence[str],
    pinned: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
) -> bytes:
    """32 bytes (BLAKE2b-256) over everything that determines the answer; equal for any order of keys in an object.

    `models` is the `serving_set`, `pinned` the model or tier that the client named (None: the router's choice), so that
    `auto`, `auto/critic` and an alias of it differ only by what they resolve to. `headers` are the client's vendor
    headers that travel upstream (`anthropic-beta`). Fields that levelhead doesn't know count. A top-level 1 equals 1.0.
    Raises `InvalidRequest` for a body that isn't JSON or nests deeper than 250 levels.
    """
    asked = chat.body if chat.source is None else chat.source
    body = {name: _number(value) for name, value in asked.items() if name not in _IMMATERIAL}
    what = (_SCHEME, chat.dialect, tenant, slot, sorted(models), pinned, sorted(headers), body)
    try:
        canonical = orjson.dumps(what, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise InvalidRequest("The request nests too deeply or holds a value that JSON can't express.") from None
    return blake2b(canonical, digest_size=32).digest()


def _number(value: Any) -> Any:
    if type(value) is float and value.is_integer() and abs(value) < _EXACT_INTEGER:
        return int(value)
    return value


def cacheable(chat: Chat, when: When, directive: str | None = None) -> CacheUse:
    """How this request may use the cache.

    `deterministic`: the client set temperature 0, wants one choice, and uses nothing that acts or looks things up on
    the vendor's side. `always`: everything. `directive` is the `x-levelhead-cache` header: `no-cache` asks for a fresh
    answer and stores it, `no-store` neither looks nor stores; what it says otherwise is ignored, as HTTP does.
    """
    said = {part.strip() for part in directive.lower().split(",")} if directive else ()
    if "no-store" in said or not (when == "always" or _deterministic(chat)):
        return BYPASS
    return REFRESH if "no-cache" in said else FULL


def _deterministic(chat: Chat) -> bool:
    if chat.temperature != 0 or chat.n != 1:  # None: the vendor's default, which samples
        return False
    if any(chat.body.get(name) for name in _EFFECTS):
        return False
    if chat.stream and chat.dialect == "messages" and Need.DOCUMENTS in chat.needs:
        return False  # citations go by in frames that aren't collected
    tools = chat.body.get("tools")
    return not (isinstance(tools, (list, tuple)) and any(_hosted(tool) for tool in tools))


def _hosted(tool: object) -> bool:
    kind = tool.get("type", "function") if isinstance(tool, dict) else ""
    return kind != "function" and isinstance(kind, str) and kind.startswith(_HOSTED_TOOLS)
