"""What the vendors' prompt caches hold of each conversation: staying with a model is a matter of its price.

A cache holds the beginning of a prompt for a while: five minutes at Anthropic (an hour where that was asked for), hours
at DeepSeek, minutes at OpenAI. A turn that goes on with the same model reads it at a tenth of the price and less; one
that goes elsewhere pays for all of it anew. What is known here is an expectation for decisions, never a bill.

Held in this process, for the conversations seen last. One that another worker began is known by the marks that its
last turn bears: ids of tool calls and signed thoughts have their vendor's form.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..types import Chat, Json, Model, Usage, value

__all__ = ["Affinity", "Memory"]

MOST = 20_000  # conversations
_ANTHROPIC_SECONDS = 300.0
_ANTHROPIC_HOUR = 3_600.0
_DEEPSEEK_SECONDS = 7_200.0
_OTHER_SECONDS = 600.0
_NONE: Mapping[str, float] = {}


@value
class Held:
    """`tokens` from the beginning that a model's cache holds until `expires` (Unix seconds)."""

    tokens: int
    expires: float


@dataclass(slots=True)
class Memory:
    """What is known of a conversation: the model that spoke last, and each model's cache."""

    last: str
    held: dict[str, Held]


class Affinity:
    """Keys name a conversation within a tenant."""

    def __init__(self, clock: Callable[[], float] = time.time, *, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._known: OrderedDict[tuple[str, str], Memory] = OrderedDict()

    def warm(self, key: tuple[str, str], chat: Chat, models: Sequence[Model], tokens: int) -> Mapping[str, float]:
        """By model, how many of the request's `tokens` its cache is expected to hold; without those that hold none."""
        now = self._clock()
        memory = self._known.get(key)
        if memory is None:
            return _inferred(chat, models, tokens) if len(chat.messages) > 1 else _NONE
        return {name: min(held.tokens, tokens) for name, held in memory.held.items() if held.expires > now}

    def noted(self, key: tuple[str, str], model: Model, usage: Usage) -> bool:
        """After an answer. Whether the conversation changed its model."""
        memory = self._known.get(key)
        if memory is None:
            memory = self._known[key] = Memory(model.name, {})
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        tokens = _holds(model, usage)
        if tokens:
            memory.held[model.name] = Held(tokens, self._clock() + _lifetime(model, usage))
        switched = memory.last != model.name
        memory.last = model.name
        return switched


def _holds(model: Model, usage: Usage) -> int:
    """Tokens in the vendor's cache after a call: those it said it read and wrote, or all where that is automatic."""
    least = model.capabilities.prompt_cache_min_tokens
    if least is None:
        return 0
    if model.wire == "anthropic":
        tokens = usage.cached_input + usage.cache_write + usage.cache_write_1h
    else:
        tokens = usage.prompt + usage.output
    return tokens if tokens >= least else 0


def _lifetime(model: Model, usage: Usage) -> float:
    if model.wire == "anthropic":
        return _ANTHROPIC_HOUR if usage.cache_write_1h else _ANTHROPIC_SECONDS
    return _DEEPSEEK_SECONDS if "deepseek" in model.upstream_model.lower() else _OTHER_SECONDS


def _inferred(chat: Chat, models: Sequence[Model], tokens: int) -> Mapping[str, float]:
    """All but the last turn, for the models of the vendor whose marks the last answer bears."""
    for message in reversed(chat.messages):
        if message["role"] == "assistant":
            vendor = _vendor_of(message)
            if vendor is None:
                return _NONE
            held = tokens * 0.9
            return {
                model.name: held
                for model in models
                if _is_of(model, vendor) and held >= (model.capabilities.prompt_cache_min_tokens or tokens)
            }
    return _NONE


def _vendor_of(turn: Json) -> str | None:
    for call in turn.get("tool_calls") or ():
        id = call.get("id")
        if isinstance(id, str):
            if id.startswith("toolu_"):
                return "anthropic"
            if id.startswith("call_00_"):
                return "deepseek"
    blocks = turn.get("thinking_blocks")
    signature = blocks[0].get("signature") if isinstance(blocks, list) and blocks else None
    return "anthropic" if isinstance(signature, str) and len(signature) > 100 else None


def _is_of(model: Model, vendor: str) -> bool:
    return model.wire == "anthropic" if vendor == "anthropic" else vendor in model.upstream_model.lower()
