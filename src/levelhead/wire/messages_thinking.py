"""How hard a Claude thinks: OpenAI's `reasoning_effort` or the vendor's own fields -> what this model takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..types import Call, Json
from .claude import ClaudeTraits, family

__all__ = ["UNSIGNED", "Thinking", "has_thinking", "opens_bare_loop", "plan_for", "plan_thinking", "signed", "unsigned"]

MIN_BUDGET = 1024
# Tokens where an effort must become a budget; at most half of the output cap, so that an answer has room.
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 4096, "high": 8192, "xhigh": 16_384, "max": 32_768}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_DISPLAYS = ("summarized", "omitted", "updates")


@dataclass(frozen=True, slots=True)
class Thinking:
    """`config`: the body's `thinking` (None: left out). `effort`: for `output_config`. `active`: thinks up front."""

    config: dict[str, Any] | None
    effort: str | None
    active: bool

    @property
    def manual(self) -> bool:
        return self.config is not None and self.config["type"] == "enabled"


def plan_thinking(body: Json, traits: ClaudeTraits, cap: int, *, manual: bool) -> Thinking:
    """`manual`: whether this request may think with a budget at all (no forced tool, no prefill, no bare tool loop)."""
    asked, effort = _asked(body)
    if asked is None:
        config = None
        if effort is None and traits.thinks_by_default and cap < MIN_BUDGET:
            effort = "low"  # thinking counts against the cap: much of it would leave no room for an answer
    elif asked["type"] in ("disabled", "between_tools"):
        config = {"type": traits.off} if traits.off else None
        if not traits.claude:
            config = {"type": "disabled"}
        effort = _off_effort(effort, traits)
    else:
        config, effort = _on(asked, effort, traits, cap, manual=manual)
    if effort is not None and effort not in traits.efforts:
        effort = "high" if effort in ("xhigh", "max") and "high" in traits.efforts else None
    return Thinking(config, effort, traits.thinks(config["type"] if config else None))


def plan_for(
    call: Call, body: Json, messages: Sequence[Json], choice: Mapping[str, Any] | None, *, prefill: bool
) -> Thinking:
    """A budget goes neither with a forced tool nor with a prefill, nor with a tool loop that began without thinking.

    `body` and `messages`: the request as chat completions, or as the client's own in this wire's format. `choice`: its
    `tool_choice` in this wire's format.
    """
    traits = family(call.model.upstream_model)
    if not traits.claude and call.model.capabilities.thinking == "none":
        return Thinking(None, None, False)
    if not traits.manual_thinking:
        return plan_thinking(body, traits, call.output_cap, manual=False)
    forced = choice is not None and choice["type"] in ("any", "tool")
    filled = prefill and bool(messages) and messages[-1].get("role") == "assistant"
    bare = traits.claude and opens_bare_loop(messages)
    thinking = plan_thinking(body, traits, call.output_cap, manual=not (forced or filled or bare))
    if bare and not thinking.active and plan_thinking(body, traits, call.output_cap, manual=True).active:
        call.repairs["thinking_off"] = 1
    return thinking


def _asked(body: Json) -> tuple[dict[str, Any] | None, str | None]:
    """What the client asks for: a wished `thinking` and an effort. Its `thinking` beats its `reasoning_effort`."""
    reasoning = body.get("reasoning")
    effort = body.get("reasoning_effort")
    if isinstance(effort, Mapping):
        effort = effort.get("effort")
    if effort is None and isinstance(reasoning, Mapping):
        effort = reasoning.get("effort")
    asked: dict[str, Any] | None = None
    if effort == "none":
        asked, effort = {"type": "disabled"}, None
    elif effort in _EFFORTS:
        asked = {"type": "adaptive", "display": "summarized", "budget_tokens": _BUDGETS[effort], "derived": True}
    output = body.get("output_config")
    own_effort = output.get("effort") if isinstance(output, Mapping) else None
    thinking = body.get("thinking")
    if isinstance(thinking, Mapping) and thinking.get("type") in ("enabled", "adaptive", "disabled", "between_tools"):
        asked = dict(thinking)
    chosen = own_effort if isinstance(own_effort, str) else effort
    return asked, _EFFORTS.get(chosen) if isinstance(chosen, str) else None


def _off_effort(effort: str | None, traits: ClaudeTraits) -> str | None:
    if traits.thinks_by_default and traits.off is None:
        return effort or "low"  # as little as a model gives that can't stop thinking
    return "high" if effort in ("xhigh", "max") else effort


def _on(
    asked: Mapping[str, Any], effort: str | None, traits: ClaudeTraits, cap: int, *, manual: bool
) -> tuple[dict[str, Any] | None, str | None]:
    budget = asked.get("budget_tokens")
    given = budget if isinstance(budget, int) and asked["type"] == "enabled" else None
    config: dict[str, Any]
    if traits.adaptive_thinking and not (given is not None and traits.manual_thinking and manual):
        if given is not None and effort is None:
            effort = next((name for name in ("low", "medium", "high") if given <= _BUDGETS[name]), "xhigh")
        config = {"type": "adaptive"}
    elif traits.manual_thinking and manual:
        room = cap // 2 if given is None else cap - 1
        size = min(budget if isinstance(budget, int) else _BUDGETS["medium"], room)
        if size < MIN_BUDGET:
            return None, effort
        config, effort = {"type": "enabled", "budget_tokens": size}, None if asked.get("derived") else effort
    else:
        return None, effort
    # a budget's text is shown unless hidden, so only adaptive thinking needs to be asked to show it
    display = asked.get("display")
    if display in _DISPLAYS and not (asked.get("derived") and config["type"] == "enabled"):
        config["display"] = display
    if isinstance(asked.get("block_binding"), dict):
        config["block_binding"] = asked["block_binding"]
    return config, effort


# What stands for a signature where a model thought that signs nothing. No vendor takes it for its own.
UNSIGNED = "levelhead-unsigned"


def has_thinking(message: Json) -> bool:
    """Whether an assistant message begins with thinking that Claude signed."""
    content = message.get("content")
    if isinstance(content, list) and content and isinstance(content[0], dict) and signed(content[0]):
        return True
    blocks = message.get("thinking_blocks")
    return isinstance(blocks, list) and any(isinstance(block, dict) and signed(block) for block in blocks)


def signed(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """The block as Claude takes it back: one that another vendor made, or that nobody signed, would be refused."""
    if block.get("type") == "redacted_thinking":
        return {"type": "redacted_thinking", "data": block["data"]} if isinstance(block.get("data"), str) else None
    signature = block.get("signature")
    if block.get("type") != "thinking" or not isinstance(signature, str) or not signature or _is_foreign(signature):
        return None
    return {"type": "thinking", "thinking": str(block.get("thinking") or ""), "signature": signature}


def unsigned(block: Mapping[str, Any]) -> dict[str, Any] | None:
    """The block as other vendors behind this wire take it: their own signature or none."""
    if block.get("type") != "thinking":
        return None
    signature = block.get("signature")
    own = isinstance(signature, str) and _is_uuid(signature)
    return {"type": "thinking", "thinking": str(block.get("thinking") or ""), "signature": signature if own else ""}


def _is_foreign(signature: str) -> bool:
    return signature == UNSIGNED or _is_uuid(signature)


def _is_uuid(signature: str) -> bool:
    """DeepSeek signs with the id of its message."""
    return len(signature) == 36 and signature.count("-") == 4


def opens_bare_loop(messages: Sequence[Json]) -> bool:
    """Whether the model is in the middle of a tool loop that doesn't begin with thinking: manual mode refuses that."""
    first: Json | None = None
    group: list[Json] = []
    for message in reversed(messages):
        if message.get("role") == "assistant":
            group.append(message)
        elif group:
            if not any(_calls(one) for one in group):
                break
            first, group = group[-1], []
    if group and any(_calls(one) for one in group):
        first = group[-1]
    return first is not None and not has_thinking(first)


def _calls(message: Json) -> bool:
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    in_content = any(isinstance(part, dict) and part.get("type") == "tool_use" for part in parts)
    return in_content or bool(message.get("tool_calls") or message.get("function_call"))
