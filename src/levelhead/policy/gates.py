"""What rules a model out before price and quality are looked at. The order is the order in which reasons are given."""

from __future__ import annotations

from collections.abc import Iterable

from ..types import Chat, Key, Model, Need, Slot

# Which request field asks for a need: named in the error when no model can carry it.
FIELD_OF_NEED = {
    Need.VISION: "messages",
    Need.AUDIO: "messages",
    Need.DOCUMENTS: "messages",
    Need.TOOLS: "tools",
    Need.CUSTOM_TOOLS: "tools",
    Need.FORCED_TOOL: "tool_choice",
    Need.JSON_SCHEMA: "response_format",
    Need.CHOICES: "n",
    Need.LOGPROBS: "logprobs",
    Need.LOGIT_BIAS: "logit_bias",
    Need.ANTHROPIC: "tools",
    Need.EMBEDDINGS: "model",
}


def first_gate(
    model: Model, chat: Chat, *, input_tokens: int, slot: Slot | None, key: Key, healthy: bool
) -> str | None:
    """The first reason why `model` can't serve this request, or None.

    `input_tokens` is the estimate, not the bound: a bound of one token a byte would keep long prompts from models
    that hold them easily, and an overflow that does happen moves on to a bigger model.
    """
    if key.models is not None and model.name not in key.models:
        return "key"
    if slot is not None and slot.floor is not None and model.tier_rank < slot.floor:
        return "floor"
    if slot is not None and slot.ceiling is not None and model.tier_rank > slot.ceiling:
        return "ceiling"
    offers = model.capabilities.offers
    if Need.EMBEDDINGS in offers and Need.EMBEDDINGS not in chat.needs:
        return "lacks_chat"
    missing = chat.needs - offers
    if missing:
        return f"lacks_{min(missing)}"
    if input_tokens >= model.capabilities.context_tokens:
        return "context"
    if not healthy:
        return "unhealthy"
    return None


def unmet_needs(chat: Chat, gates: Iterable[str | None]) -> list[Need]:
    """The needs of `chat` that kept every model out, for the error message."""
    reasons = set(gates)
    return sorted(need for need in chat.needs if f"lacks_{need}" in reasons)
