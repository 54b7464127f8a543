"""What a Claude accepts, read from its name: the facts that `Capabilities` has no field for.

A name of the future behaves like the newest model of its line, an unknown line like the strictest one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["ClaudeTraits", "family"]

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_NAME = re.compile(
    r"claude-(?:(?P<old_major>\d)(?:[-.](?P<old_minor>\d))?-)?(?P<line>[a-z]+)"
    r"(?:-(?P<major>\d{1,2})(?!\d)(?:[-.](?P<minor>\d{1,2})(?!\d))?)?"
)


@dataclass(frozen=True, slots=True)
class ClaudeTraits:
    """Defaults are those of the newest and strictest models.

    `off`: the `thinking.type` that ends up-front thinking, None where it is always on or off unless asked for.
    """

    claude: bool = True  # False: another vendor's model behind the same wire
    manual_thinking: bool = False  # thinking.type "enabled" with a budget
    adaptive_thinking: bool = True
    thinks_by_default: bool = True
    off: Literal["disabled", "between_tools"] | None = None
    efforts: tuple[str, ...] = _EFFORTS
    sampling: bool = False
    both_sampling: bool = False  # temperature and top_p in one request
    prefill: bool = False
    forced_tool: bool = False
    system_turns: bool = True
    structured_outputs: bool = True
    bound_thinking: bool = True  # thinking blocks are bound to everything before them

    def thinks(self, thinking: str | None) -> bool:
        """Whether a request with this `thinking.type` (None: left out) thinks up front."""
        return self.thinks_by_default if thinking is None else thinking in ("enabled", "adaptive")


@lru_cache(maxsize=256)
def family(name: str) -> ClaudeTraits:
    """The traits of the model that the vendor calls `name`, whatever prefix or date it carries."""
    match = _NAME.search(name.lower())
    if match is None:
        return _OTHER if "claude" not in name.lower() else ClaudeTraits()
    version = (int(match["major"] or match["old_major"] or 99), int(match["minor"] or match["old_minor"] or 0))
    if version < (5, 0) and match["line"] in ("haiku", "sonnet", "opus", "instant"):
        return _fourth(match["line"], version)
    return _fifth(match["line"], version, name)


_OTHER = ClaudeTraits(
    claude=False,
    manual_thinking=True,
    adaptive_thinking=False,
    thinks_by_default=False,
    efforts=(),
    sampling=True,
    both_sampling=True,
    prefill=True,
    forced_tool=True,
    system_turns=False,
    structured_outputs=False,
    bound_thinking=False,
)


def _fourth(line: str, version: tuple[int, int]) -> ClaudeTraits:
    efforts: tuple[str, ...] = ()
    if version >= (4, 7):
        efforts = _EFFORTS
    elif version >= (4, 6):
        efforts = ("low", "medium", "high", "max")
    elif version == (4, 5) and line == "opus":
        efforts = ("low", "medium", "high")
    return ClaudeTraits(
        manual_thinking=(3, 7) <= version < (4, 7),
        adaptive_thinking=version >= (4, 6),
        thinks_by_default=False,
        efforts=efforts,
        sampling=version < (4, 7),
        both_sampling=version < (4, 1),
        prefill=version < (4, 6),
        forced_tool=True,
        system_turns=version >= (4, 8),
        structured_outputs=version >= (4, 5),
        bound_thinking=False,
    )


def _fifth(line: str, version: tuple[int, int], name: str) -> ClaudeTraits:
    if line == "haiku":
        return ClaudeTraits(off="disabled", forced_tool=True)
    if line == "sonnet" and version >= (5, 5):
        return ClaudeTraits(off="between_tools")
    if line in ("sonnet", "opus") and version < (5, 5):
        return ClaudeTraits(off="disabled", forced_tool=True, system_turns=line == "opus", bound_thinking=False)
    if line in ("fable", "mythos") and (version < (5, 1) or "preview" in name.lower()):
        return ClaudeTraits(forced_tool=True, system_turns=False, bound_thinking=False)
    return ClaudeTraits()
