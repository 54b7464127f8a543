"""What models can do: the table's flags, and the vendors' own truths where the two disagree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from ..types import Capabilities, Need, Wire

Entry = Mapping[str, Any]

_OPENAI_WIRE = frozenset({Need.TOOLS, Need.FORCED_TOOL, Need.JSON_SCHEMA, Need.CHOICES, Need.LOGPROBS, Need.LOGIT_BIAS})
_ANTHROPIC_WIRE = frozenset({Need.TOOLS, Need.FORCED_TOOL, Need.JSON_SCHEMA, Need.VISION, Need.DOCUMENTS})
_FLAGS = {
    Need.TOOLS: "supports_function_calling",
    Need.FORCED_TOOL: "supports_tool_choice",
    Need.JSON_SCHEMA: "supports_response_schema",
    Need.VISION: "supports_vision",
    Need.DOCUMENTS: "supports_pdf_input",
    Need.AUDIO: "supports_audio_input",
}
_REASONING = re.compile(r"(?i)(?:openai/)?(?:o\d|gpt-[5-9])")  # OpenAI's refuse sampling, whatever their number
_DEEPSEEK_CACHE_UNIT = 64
_USUAL_CACHE_MINIMUM = 1_024


def generic_capabilities(model: str, wire: Wire, provider: str = "") -> Capabilities:
    """Of a model that no table knows: what its wire can say. The operator knows the rest."""
    if provider == "deepseek":
        return capabilities_of({"supports_function_calling": True, "supports_reasoning": True}, provider, model, wire)
    if wire == "simulated":
        return Capabilities(offers=frozenset(Need) - {Need.LOGPROBS, Need.CUSTOM_TOOLS, Need.EMBEDDINGS})
    if wire != "anthropic" and _REASONING.match(model):
        return Capabilities(offers=_OPENAI_WIRE - {Need.LOGPROBS, Need.LOGIT_BIAS}, sampling=False, thinking="optional")
    if wire != "anthropic":
        return Capabilities(offers=_OPENAI_WIRE)
    if "claude" not in model.lower():
        return Capabilities(offers=_ANTHROPIC_WIRE, thinking="optional")
    # A Claude newer than the table follows the newest known.
    offers = (_ANTHROPIC_WIRE | {Need.ANTHROPIC}) - {Need.FORCED_TOOL}
    return Capabilities(offers=offers, sampling=False, prefill=False, thinking="always")


def capabilities_of(entry: Entry, provider: str, model: str, wire: Wire) -> Capabilities:
    """`provider`: the table's name for who answers; "" where the address is nobody's that the table knows."""
    context = int(entry.get("max_input_tokens") or 128_000)
    most = int(entry.get("max_output_tokens") or entry.get("max_tokens") or 8_192)
    reasons = bool(entry.get("supports_reasoning"))
    return Capabilities(
        context_tokens=context,
        max_output_tokens=min(most, context),
        offers=_offers(entry, provider, model.lower(), wire),
        sampling=entry.get("supports_sampling_params") is not False and not (provider == "openai" and reasons),
        thinking=_thinking(entry, provider, model.lower()),
        prefill=bool(entry.get("supports_assistant_prefill", "claude" not in model.lower())),
        prompt_cache_min_tokens=_cache_minimum(entry, provider),
    )


def _offers(entry: Entry, provider: str, model: str, wire: Wire) -> frozenset[Need]:
    if entry.get("mode") == "embedding":
        return frozenset({Need.EMBEDDINGS} if wire == "openai" else ())
    if provider == "deepseek":
        return _deepseek(entry, model)
    if "claude" in model:
        return _claude(entry, wire)
    said = {need: entry[flag] for need, flag in _FLAGS.items() if entry.get(flag) is not None}
    if not _audio_at_text_price(entry):
        said[Need.AUDIO] = False  # usage doesn't tell audio tokens apart, so their bill would come out short
    granted = {need for need, flag in said.items() if flag}
    if provider == "openai":
        return frozenset(granted | _openai(entry, model))
    if wire == "litellm":
        return frozenset(granted)
    return frozenset((_OPENAI_WIRE | granted) - {need for need, flag in said.items() if not flag})


def _deepseek(entry: Entry, model: str) -> frozenset[Need]:
    """json_object, function tools and text only. The table grants more: structured output, and image_url to all.

    Thinking mode refuses a forced tool and logprobs: such calls have to go out without it.
    """
    offers = {Need.LOGPROBS} if "reasoner" not in model else set()
    if entry.get("supports_function_calling"):
        offers |= {Need.TOOLS, Need.FORCED_TOOL}
    if "vision" in model:
        offers.add(Need.VISION)
    return frozenset(offers)


def _claude(entry: Entry, wire: Wire) -> frozenset[Need]:
    """One choice, no logprobs, no logit_bias, no audio, whatever carries it."""
    offers = {need for need in (Need.TOOLS, Need.FORCED_TOOL, Need.VISION, Need.DOCUMENTS) if entry.get(_FLAGS[need])}
    if entry.get("supports_forced_tool_use") is False:
        offers.discard(Need.FORCED_TOOL)
    if wire == "anthropic":
        offers.add(Need.ANTHROPIC)
    # litellm asks a model without structured output of its own by way of a forced tool.
    by_tool = wire == "litellm" and Need.FORCED_TOOL in offers and entry.get("supports_response_schema")
    if entry.get("supports_native_structured_output") or by_tool:
        offers.add(Need.JSON_SCHEMA)
    return frozenset(offers)


def _openai(entry: Entry, model: str) -> set[Need]:
    """What OpenAI's own models take and the table has no flags for; reasoning models refuse logprobs and biases."""
    offers = {Need.CHOICES}
    if not entry.get("supports_reasoning"):
        offers |= {Need.LOGPROBS, Need.LOGIT_BIAS}
    elif model.rpartition("/")[2].startswith("gpt-5"):
        offers.add(Need.CUSTOM_TOOLS)
    return offers


def _audio_at_text_price(entry: Entry) -> bool:
    text, audio = entry.get("input_cost_per_token"), entry.get("input_cost_per_audio_token")
    return audio is None or audio == text


def _thinking(entry: Entry, provider: str, model: str) -> Literal["none", "optional", "always"]:
    if entry.get("thinking_always_on") or "reasoner" in model:
        return "always"
    if not entry.get("supports_reasoning"):
        return "none"
    return "always" if provider == "openai" and not entry.get("supports_none_reasoning_effort") else "optional"


def _cache_minimum(entry: Entry, provider: str) -> int | None:
    if (least := entry.get("prompt_cache_min_tokens")) is not None:
        return int(least)
    if provider == "deepseek":
        return _DEEPSEEK_CACHE_UNIT
    return _USUAL_CACHE_MINIMUM if entry.get("cache_read_input_token_cost") is not None else None
