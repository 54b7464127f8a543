"""What each Claude model takes and refuses, as its vendor's documents say: the faithful server's own copy.

Written from the vendor's side on purpose: `wire/claude.py` says what levelhead believes, and a test is only worth
something when the two were not copied from each other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

ALL_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})


@dataclass(frozen=True)
class ClaudeRules:
    """`thinking`: the accepted `thinking.type` values. `off_efforts`: efforts at which thinking may be off."""

    thinking: frozenset[str]
    efforts: frozenset[str] = ALL_EFFORTS
    off_efforts: frozenset[str] = ALL_EFFORTS
    sampling: bool = False
    both_sampling: bool = False
    prefill: bool = False
    forced_tool: bool = True
    system_turns: bool = True
    bound_thinking: bool = False
    max_images: int = 600
    max_output: int = 128_000


def _types(*names: str) -> frozenset[str]:
    return frozenset(names)


_UP_TO_HIGH = frozenset({"low", "medium", "high"})
_OLD = ClaudeRules(
    thinking=_types("enabled", "disabled"),
    efforts=frozenset(),
    sampling=True,
    prefill=True,
    system_turns=False,
    max_images=100,
    max_output=64_000,
)
_FOUR_SIX = replace(
    _OLD,
    thinking=_types("enabled", "disabled", "adaptive"),
    efforts=ALL_EFFORTS - {"xhigh"},
    prefill=False,
    max_images=600,
    max_output=128_000,
)
_FOUR_SEVEN = ClaudeRules(thinking=_types("disabled", "adaptive"), system_turns=False)
_FIVE = ClaudeRules(thinking=_types("disabled", "adaptive"), off_efforts=_UP_TO_HIGH)
_ALWAYS = ClaudeRules(thinking=_types("adaptive"), system_turns=False)
_NEWEST = ClaudeRules(thinking=_types("adaptive"), forced_tool=False, bound_thinking=True)

# The longest matching beginning wins.
_BY_NAME: dict[str, ClaudeRules] = {
    "claude-": _NEWEST,
    "claude-3": replace(_OLD, both_sampling=True, thinking=frozenset(), max_output=8_192),
    "claude-3-7": replace(_OLD, both_sampling=True),
    "claude-haiku-4-5": _OLD,
    "claude-sonnet-4": replace(_OLD, both_sampling=True),
    "claude-sonnet-4-5": _OLD,
    "claude-sonnet-4-6": _FOUR_SIX,
    "claude-opus-4": replace(_OLD, both_sampling=True, max_output=32_000),
    "claude-opus-4-1": replace(_OLD, max_output=32_000),
    "claude-opus-4-5": replace(_OLD, efforts=_UP_TO_HIGH),
    "claude-opus-4-6": replace(_FOUR_SIX, both_sampling=True),
    "claude-opus-4-7": _FOUR_SEVEN,
    "claude-opus-4-8": replace(_FOUR_SEVEN, system_turns=True),
    "claude-opus-5": _FIVE,
    "claude-opus-5-5": _NEWEST,
    "claude-sonnet-5": replace(_FIVE, off_efforts=ALL_EFFORTS, system_turns=False),
    "claude-sonnet-5-5": replace(_NEWEST, thinking=_types("adaptive", "between_tools"), off_efforts=_UP_TO_HIGH),
    "claude-haiku-5-5": replace(_FIVE, bound_thinking=True),
    "claude-fable-5": _ALWAYS,
    "claude-fable-5-1": _NEWEST,
    "claude-mythos": _ALWAYS,
    "claude-mythos-5-1": _NEWEST,
}


def rules(model: str) -> ClaudeRules:
    """The rules of `model`; a Claude that isn't known follows the newest."""
    name = model.rsplit("/", 1)[-1].rsplit("anthropic.", 1)[-1].lower()
    known = [start for start in _BY_NAME if name.startswith(start)]
    return _BY_NAME[max(known, key=len)] if known else _NEWEST
