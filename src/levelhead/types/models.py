"""What the operator declares: models and their prices, slots, the goal, keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .base import Need, Secret, Wire


@dataclass(frozen=True, slots=True)
class Price:
    """USD per token. `per_image` bounds one image in input tokens."""

    input: float
    output: float
    cached_input: float
    cache_write: float
    cache_write_1h: float
    long_context_tokens: int | None = None  # above this much input, the two factors apply to the whole request
    long_input_factor: float = 1.0
    long_output_factor: float = 1.0
    off_peak: OffPeak | None = None


@dataclass(frozen=True, slots=True)
class OffPeak:
    """A cheaper tariff by the clock, UTC. `windows`: (ISO weekdays, first minute of day, last minute of day)."""

    input: float
    output: float
    cached_input: float
    windows: tuple[tuple[frozenset[int], int, int], ...]


@dataclass(frozen=True, slots=True)
class Capabilities:
    context_tokens: int = 128_000
    max_output_tokens: int = 8_192
    offers: frozenset[Need] = frozenset()
    sampling: bool = True  # accepts temperature, top_p
    thinking: Literal["none", "optional", "always"] = "none"
    prefill: bool = True  # accepts a conversation that ends on an assistant turn
    prompt_cache_min_tokens: int | None = None  # None: no prompt cache


@dataclass(frozen=True, slots=True)
class Model:
    """One deployment in a tier. `name` is the operator's, `upstream_model` the vendor's."""

    name: str
    tier: str
    tier_rank: int  # 0 is the cheapest tier
    wire: Wire
    upstream_model: str
    price: Price
    capabilities: Capabilities = field(default_factory=Capabilities)
    base_url: str | None = None
    api_key: Secret | None = None
    extra_headers: tuple[tuple[str, str], ...] = ()

    def lean(self, top: int) -> float:
        """Where its tier stands: -1 the cheapest, 1 the dearest, which has rank `top`."""
        return 2 * self.tier_rank / top - 1 if top else -1.0


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in an agent team, as the operator declared it."""

    name: str
    floor: int | None = None  # lowest tier rank allowed
    ceiling: int | None = None  # highest tier rank allowed
    max_quality_loss: float | None = None  # None: the global goal
    max_output_tokens: int | None = None
    min_output_tokens: int = 256  # tight money may lower the cap of an answer to this, never below
    cascade: Literal["auto", "off", "always"] | None = None
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """`max_quality_loss`: how much mean quality (0..1) may be lost against always-strong."""

    max_quality_loss: float = 0.02
    confidence: float = 0.95
    uncertified: Literal["estimate", "strong"] = "estimate"


@dataclass(frozen=True, slots=True)
class Key:
    """Who pays. None in `models`, `slots`, `requests_per_minute` means any; keys of a `team` share budgets."""

    name: str
    models: frozenset[str] | None = None
    slots: frozenset[str] | None = None
    requests_per_minute: int | None = None
    admin: bool = False
    team: str | None = None
