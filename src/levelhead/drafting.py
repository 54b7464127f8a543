"""Where a draft is worth trying: by which models, and whether that should cost less than asking the strong one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .check import DEFAULT_ACCEPTANCE, PRIOR, Checker, expected_kind, family
from .passage import Passage
from .policy import Promises
from .stats import Logistic
from .types import Decision, Model, Need, Reason, value

Mode = Literal["auto", "off", "always"]

# How often two cheap answers of a kind can be expected to agree, until a slot's own traffic says better.
_USUAL_RATE: Mapping[str, float] = {
    "tools": 0.5, "json": 0.5, "letter": 0.7, "number": 0.5, "short": 0.6, "code": 0.3, "list": 0.3, "text": 0.4,
}  # fmt: skip
_PRIOR_TRIES = 4.0
_FADE = 0.995  # a rate follows the last few hundred
_RETRY = 50  # one in so many is drafted all the same where drafting stopped paying: traffic changes
_AT_ONCE = 0.1  # of the strong answer's cost: a second opinion below that is asked at once, not after the draft
_UNCOMPARED = frozenset({Need.CHOICES, Need.AUDIO})
_READ_BY_A_MODEL = frozenset({"text", "list"})


@value
class Plan:
    """Who drafts, who checks, who answers where that fails. `threshold`: the acceptance that a draft passes with."""

    draft: Model
    second: Model
    strong: Model
    kind: str
    threshold: float
    certified: bool
    at_once: bool


@dataclass(frozen=True, slots=True)
class Drafting:
    """The operator's settings. `comparator` reads free texts, `checker` and `runner` are the user's; None: nobody."""

    mode: Mode = "off"
    comparator: Model | None = None
    checker: Checker | None = None
    runner: Checker | None = None
    checker_seconds: float = 10.0
    weights: Logistic = PRIOR
    uncertified: Literal["estimate", "strong"] = "estimate"
    policy: str = ""  # its version, which certificates are bound to
    promises: Promises = field(default_factory=Promises)


class Rates:
    """How often drafts pass, by slot and kind of answer."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], tuple[float, float]] = {}
        self._skipped = 0

    def of(self, slot: str, kind: str) -> float:
        passed, tried = self._counts.get((slot, kind), (0.0, 0.0))
        return (passed + _PRIOR_TRIES * _USUAL_RATE[kind]) / (tried + _PRIOR_TRIES)

    def note(self, slot: str, kind: str, accepted: bool) -> None:
        passed, tried = self._counts.get((slot, kind), (0.0, 0.0))
        self._counts[slot, kind] = (passed * _FADE + accepted, tried * _FADE + 1)

    def try_again(self) -> bool:
        self._skipped += 1
        return self._skipped % _RETRY == 0


def plan_draft(passage: Passage, settings: Drafting, rates: Rates) -> Plan | None:
    """Whether and how to draft; None: ask the decision's model at once. Costs next to nothing where it is off."""
    slot = passage.slot
    mode = (slot.cascade if slot is not None else None) or settings.mode
    decision = passage.decided
    if mode == "off" or (mode == "auto" and decision.reason is not Reason.UPLIFT) or not _may_wait(passage):
        return None
    able = [c for c in decision.candidates if c.eligible]
    strong = decision.model if mode == "auto" else max((c.model for c in able), key=lambda m: m.tier_rank)
    cheap = [c for c in able if c.model.tier_rank < strong.tier_rank]
    if not cheap:
        return None
    draft = max(cheap, key=lambda c: (c.success, -c.expected_cost_usd)).model
    second = _second_opinion(draft, [c.model for c in cheap], decision)
    kind = expected_kind(passage.chat)
    certified = settings.promises.threshold("cascade", slot_of(passage), str(decision.level))
    costs = {c.model.name: c.expected_cost_usd for c in able}
    if mode == "auto":
        if certified is None and settings.uncertified == "strong":
            return None
        if kind in _READ_BY_A_MODEL and settings.comparator is None and settings.checker is None:
            return None
        paid = costs[draft.name] + costs[second.name]
        if paid >= rates.of(slot_of(passage), kind) * costs[strong.name] and not rates.try_again():
            return None
    threshold = DEFAULT_ACCEPTANCE if certified is None else certified
    at_once = costs[second.name] <= _AT_ONCE * costs[strong.name]
    return Plan(draft, second, strong, kind, threshold, certified is not None, at_once)


def slot_of(passage: Passage) -> str:
    return passage.slot.name if passage.slot is not None else ""


def _may_wait(passage: Passage) -> bool:
    """Not who named a model or leans to one end, not who has a latency to keep; not what money or need has decided."""
    if passage.target.kind != "auto" or passage.wishes.lean:
        return False
    if passage.slot is not None and passage.slot.latency_ms is not None:
        return False
    chat = passage.chat
    return (
        passage.decided.reason in (Reason.UPLIFT, Reason.QUALITY_MET) and chat.n == 1 and not chat.needs & _UNCOMPARED
    )


def _second_opinion(draft: Model, cheap: Sequence[Model], decision: Decision) -> Model:
    """Another family's before a sibling's, the likelier to be right before the others; else the drafter once more."""
    house, success = family(draft.upstream_model), decision.success
    others = [model for model in cheap if model is not draft]
    return max(others, key=lambda m: (family(m.upstream_model) != house, success.get(m.name, 0.0)), default=draft)
