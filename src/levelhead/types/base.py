"""What every value is made of, and the words of the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any, Literal, TypeVar, dataclass_transform, get_args

T = TypeVar("T")
Json = Mapping[str, Any]
Dialect = Literal["chat", "responses", "messages", "completions", "embeddings"]
Wire = Literal["openai", "anthropic", "litellm", "simulated"]
TeamProtocol = Literal[
    "sequential",
    "batched",
    "coordinator",
    "broadcast",
    "shared",
    "morphogenetic",
    "clonal",
    "stigmergic",
    "ripple",
]
PROTOCOLS: tuple[TeamProtocol, ...] = get_args(TeamProtocol)
Nanos = int
NANOS_PER_USD = 1_000_000_000


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen dataclass of which each request makes some: frozen for the type checker, and only for it.

    The guard of a real one costs 0.1 us a field, which is 15 us a request.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


class Level(IntEnum):
    """Difficulty after arXiv:2603.28990, section III-C."""

    L1 = 1  # single-domain: one domain, 3-5 steps, no dependencies
    L2 = 2  # cross-domain: two domains, 5-10 steps, knowledge to integrate
    L3 = 3  # multi-phase: three or more domains, 10-20 dependent steps
    L4 = 4  # adversarial: conflicting stakeholders, incomplete information, no single correct answer

    def __str__(self) -> str:
        return self.name


class Need(StrEnum):
    """What a request can't do without; a model that lacks it is not eligible."""

    VISION = "vision"
    AUDIO = "audio"
    DOCUMENTS = "documents"
    TOOLS = "tools"
    FORCED_TOOL = "forced_tool"
    CUSTOM_TOOLS = "custom_tools"
    JSON_SCHEMA = "json_schema"
    CHOICES = "choices"  # n > 1
    LOGPROBS = "logprobs"
    LOGIT_BIAS = "logit_bias"
    EMBEDDINGS = "embeddings"  # what offers it serves nothing else
    ANTHROPIC = "anthropic_features"  # tools that run at Anthropic, files stored there: nobody else has them


class Reason(StrEnum):
    """Why a model was chosen: the `reason` of a decision, a bounded metric label."""

    PINNED = "pinned"  # the client named the model or the tier
    ONLY_ELIGIBLE = "only_eligible"  # slot limits and capabilities leave one tier
    QUALITY_MET = "quality_met"  # the cheaper model keeps the quality target
    UPLIFT = "uplift"  # the dearer model is worth its price here
    BUDGET = "budget"  # money ruled out what would have been chosen
    HOUSEKEEPING = "housekeeping"  # a title or the like: the cheapest tier does it
    FALLBACK = "fallback"  # the chosen model failed; this one answered
    DRAFT_ACCEPTED = "draft_accepted"  # an efficient model drafted, and the check found it good
    DRAFT_REJECTED = "draft_rejected"  # it found it wanting: the strong model answered
    SHADOW = "shadow"  # answered as without levelhead; what routing would have done is on record
    CACHE = "cache"  # answered before


class Secret:
    """A string that shows itself only when asked by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"
