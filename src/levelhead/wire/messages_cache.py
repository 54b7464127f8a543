"""Prompt cache breakpoints: at most four, longest life first; and where to set them for clients that can't ask.

A write costs a quarter more than plain input, a read saves at least nine tenths of it: a breakpoint pays where the
chance that the prefix is sent again is above 0.28. So one is set when the conversation already went back and forth, or
brings a tool catalogue large enough to be cached by itself, as agents do, who send it with every step. A single
question stays plain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from ..types import Model
from .messages_parts import Block
from .messages_turns import Turn

__all__ = ["set_breakpoints"]

MAX_BREAKPOINTS = 4
_BYTES_PER_TOKEN = 4
_EPHEMERAL = {"type": "ephemeral"}


def set_breakpoints(
    model: Model, tools: Sequence[Block], system: Sequence[Block], turns: Sequence[Turn], top: dict[str, str] | None
) -> dict[str, str] | None:
    """Marks blocks in place. `top`: the client's top-level `cache_control`; returns what is left of it."""
    marked = list(_marked(tools, system, turns))
    if not marked and top is None:
        if _pays(model, tools, turns):
            _mark_prefix(tools, system, turns)
        return None
    room = MAX_BREAKPOINTS - (top is not None)
    for block in marked[1 : len(marked) - room + 1]:
        del block["cache_control"]
    kept = [block["cache_control"] for block in marked if "cache_control" in block]
    for index, mark in enumerate(kept):
        if mark != _EPHEMERAL:
            continue
        for later in kept[index + 1 :]:  # an hour must not come after five minutes
            later.pop("ttl", None)
        return dict(_EPHEMERAL) if top is not None else None
    return top


def _pays(model: Model, tools: Sequence[Block], turns: Sequence[Turn]) -> bool:
    minimum = model.capabilities.prompt_cache_min_tokens
    if minimum is None:
        return False
    if any(turn["role"] == "assistant" for turn in turns):
        return True
    return bool(tools) and len(orjson.dumps(tools)) >= minimum * _BYTES_PER_TOKEN


def _mark_prefix(tools: Sequence[Block], system: Sequence[Block], turns: Sequence[Turn]) -> None:
    """The end of tools and system, which other conversations share; where the last request ended; the end."""
    shared = system or tools
    if shared and ("text" in shared[-1] or "input_schema" in shared[-1]):
        shared[-1]["cache_control"] = dict(_EPHEMERAL)
    users = [turn for turn in turns if turn["role"] == "user"]
    ends = [turns[-1], *users[-2:-1]] if turns[-1]["role"] != "user" else users[-2:]
    for turn in ends:
        block = turn["content"][-1]
        if block["type"] not in ("thinking", "redacted_thinking"):
            block["cache_control"] = dict(_EPHEMERAL)


def _marked(tools: Sequence[Block], system: Sequence[Block], turns: Sequence[Turn]) -> Iterator[Block]:
    yield from (block for blocks in (tools, system) for block in blocks if "cache_control" in block)
    for turn in turns:
        for block in turn["content"]:
            inner: Any = block.get("content")
            if isinstance(inner, list):
                yield from (part for part in inner if "cache_control" in part)
            if "cache_control" in block:
                yield block
