"""Token counts in every shape vendors send them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..types import Chat, Usage

__all__ = ["complete_usage", "estimate_usage", "from_openai", "to_openai"]

_BYTES_PER_TOKEN = 4


def from_openai(usage: Mapping[str, Any]) -> Usage:
    """OpenAI's, DeepSeek's and compatible servers' usage; what is missing or of a wrong type counts as 0."""
    prompt = _count(usage.get("prompt_tokens"))
    output = _count(usage.get("completion_tokens"))
    prompt_details = usage.get("prompt_tokens_details")
    output_details = usage.get("completion_tokens_details")
    cached = write = write_1h = reasoning = 0
    if isinstance(prompt_details, dict):
        cached = _count(prompt_details.get("cached_tokens"))
        write = _count(prompt_details.get("cache_write_tokens"))
        write_1h = min(write, _count(prompt_details.get("cache_write_1h_tokens")))
    if isinstance(output_details, dict):
        reasoning = _count(output_details.get("reasoning_tokens"))
    if "prompt_cache_hit_tokens" in usage:  # DeepSeek
        cached = _count(usage["prompt_cache_hit_tokens"])
        prompt = max(prompt, cached + _count(usage.get("prompt_cache_miss_tokens")))
    if reasoning and _count(usage.get("total_tokens")) == prompt + output + reasoning:
        output += reasoning  # a few servers count reasoning beside the completion instead of within it
    cached = min(cached, prompt)
    write = min(write, prompt - cached)
    write_1h = min(write_1h, write)
    return Usage(
        input=prompt - cached - write,
        cached_input=cached,
        cache_write=write - write_1h,
        cache_write_1h=write_1h,
        output=output,
        reasoning=min(reasoning, output),
    )


def to_openai(usage: Usage) -> dict[str, Any]:
    """A chat.completion's `usage` object; `from_openai` reads it back without loss."""
    prompt_details = {"cached_tokens": usage.cached_input}
    if write := usage.cache_write + usage.cache_write_1h:
        prompt_details["cache_write_tokens"] = write
    if usage.cache_write_1h:
        prompt_details["cache_write_1h_tokens"] = usage.cache_write_1h
    prompt = usage.prompt
    return {
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }


def estimate_usage(chat: Chat | None, answer_text_bytes: int) -> Usage:
    """For an answer whose vendor sent no counts, or that broke off before they came: a token per four bytes."""
    sent = chat.text_bytes if chat is not None else 0
    return Usage(input=-(-sent // _BYTES_PER_TOKEN), output=-(-answer_text_bytes // _BYTES_PER_TOKEN))


def complete_usage(said: object, chat: Chat | None, answer_text_bytes: int) -> tuple[Usage, Mapping[str, Any]]:
    """What the vendor counted and, for what it left at zero, an estimate; as `Usage` and as OpenAI's object."""
    usage = from_openai(said) if isinstance(said, dict) else None
    if usage is not None and usage.prompt and (usage.output or not answer_text_bytes):
        return usage, said  # type: ignore[return-value] # a dict: it was read
    estimate = estimate_usage(chat, answer_text_bytes)
    if usage is None:
        usage = estimate
    else:
        usage = replace(usage, input=usage.input or estimate.input, output=usage.output or estimate.output)
    return usage, to_openai(usage)


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0
