"""What was judged, chosen and done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .base import Dialect, Json, Level, Reason, value
from .models import Model
from .requests import Identity, Trace, Usage


@value
class Assessment:
    """How hard, and how likely each model is to serve it well.

    `difficulty` 0..1 on the latent scale, `confidence` 0..1 that the level is right, `success` by model name 0..1.
    `vector`: the numbers that verdicts on the answer are explained by; `shipped`: `success` before verdicts changed it,
    where they did.
    """

    level: Level
    difficulty: float
    confidence: float
    success: Mapping[str, float]
    features: Mapping[str, float] = field(default_factory=dict)
    vector: tuple[float, ...] = ()
    shipped: Mapping[str, float] | None = None


# What rests on a claim about quality.
ON_QUALITY = frozenset({Reason.QUALITY_MET, Reason.UPLIFT, Reason.DRAFT_ACCEPTED, Reason.DRAFT_REJECTED})


@value
class Candidate:
    """One model as the decision saw it. `why_not` names the first gate it failed."""

    model: Model
    success: float
    expected_cost_usd: float
    eligible: bool = True
    why_not: str | None = None


@value
class Decision:
    """The chosen model, why, and what else was possible. `ranking`: eligible candidates, best first."""

    model: Model
    reason: Reason
    expected_cost_usd: float
    baseline_cost_usd: float
    candidates: tuple[Candidate, ...]
    ranking: tuple[Model, ...]
    assessment: Assessment
    output_cap: int
    slot: str | None = None
    baseline: Model | None = None  # always-strong; the pinned model itself where the client named one
    certified: bool = False  # a certificate stands behind it; matters only where quality decided
    trust: float | None = None  # 0..1, the draft's acceptance probability, where one was checked
    shortened: bool = False  # no model was affordable at the wanted output cap
    routed: Decision | None = None  # in shadow mode: what would have been done instead

    @property
    def tier(self) -> str:
        return self.model.tier

    @property
    def level(self) -> Level:
        return self.assessment.level

    @property
    def said(self) -> str:
        """The reason as clients and logs are told it: what quality decided without a certificate says so."""
        return f"{self.reason}; uncertified" if self.reason in ON_QUALITY and not self.certified else str(self.reason)

    @property
    def success(self) -> Mapping[str, float]:
        return self.assessment.success


@value
class Attempt:
    """One call to one upstream and how it ended. `outcome`: ok, error, timeout, refused, cancelled."""

    model: str
    outcome: Literal["ok", "error", "timeout", "refused", "cancelled"]
    code: str = ""
    seconds: float = 0.0


@value
class Spent:
    """What was paid for besides an answer: a draft that was discarded, a check, an audit afterwards."""

    model: Model
    kind: Literal["draft", "check", "audit"]
    usage: Usage
    cost_usd: float


@value
class Record:
    """Everything that is known when a request has ended: what metrics and the decision log are made from."""

    id: str
    at: float
    identity: Identity
    outcome: Literal["ok", "cached", "refused", "error", "cancelled"]
    decision: Decision | None = None
    level: Level | None = None  # known for cached answers too, which have no decision
    model: Model | None = None  # the one that answered: a fallback may differ from the decision
    usage: Usage = Usage()
    cost_usd: float = 0.0  # all of it, `extras` included
    baseline_usd: float = 0.0
    routed_usd: tuple[float, float] | None = None  # in shadow mode: what routing would have cost, see `passage`
    cache: Literal["hit", "miss", "bypass"] = "bypass"
    cache_tier: str = ""
    attempts: tuple[Attempt, ...] = ()
    decision_seconds: float = 0.0
    overhead_seconds: float = 0.0
    first_byte_seconds: float | None = None
    total_seconds: float = 0.0
    error_code: str = ""
    slot_label: str = "none"  # a declared slot, "other" or "none": bounded
    switch: Reason | None = None  # why, where the conversation changed its model
    extras: tuple[Spent, ...] = ()
    reserved_usd: float | None = None  # what was last set aside for it; None: no budget binds it
    repairs: Mapping[str, int] = field(default_factory=dict)  # mends of the history by kind, see `wire/history.py`
    dialect: Dialect = "chat"
    trace: Trace | None = None
    prompt: Sequence[Json] | None = field(default=None, repr=False)  # the messages, where they are logged


@dataclass(frozen=True, slots=True)
class Audited:
    """What an audit adds to a verdict: the other tier's answer to the same request, graded beside the served one.

    `path`: what the policy chose of the two; `route` what decided it, "" where that wasn't quality; `trust` 0..1 as
    certificates read it. `propensity`: the chance with which such a request was audited. Scores are 0..1.
    """

    path: Literal["efficient", "strong"]
    route: Literal["direct", "cascade", ""]
    trust: float
    propensity: float
    efficient: float
    strong: float
    other: str  # the model that was asked afterwards, or whose draft was discarded
    other_lean: float
    other_predicted: float
    judge: str
    certifies: bool  # the judge is of neither model's family
    served_first: bool  # in what the judge was shown
    policy: str  # its version
    cost_usd: float

    @property
    def loss(self) -> float:
        """What the policy lost on this request against always-strong."""
        return self.strong - self.efficient if self.path == "efficient" else 0.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """Evidence about one answer: `score` 0..1, from `source` (a client's rating, a check, an audit).

    `predicted` is the success rate that was shipped for the model that answered, before corrections; `lean` where its
    tier stands (-1 the cheapest, 1 the dearest); `vector` what the assessment was made from.
    """

    decision_id: str
    key: str
    slot: str | None
    model: str
    level: Level
    lean: float
    predicted: float
    vector: tuple[float, ...]
    score: float
    source: str
    at: float
    audit: Audited | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the Python API gives back. `response` is an OpenAI chat.completion object."""

    text: str
    response: dict[str, Any]
    decision: Decision | None
    decision_id: str
    model: str
    level: Level | None
    cost_usd: float
    usage: Usage
    cache: Literal["hit", "miss", "bypass"]
