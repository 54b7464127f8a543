"""Steps 4 and 5: assess a chat and decide on a model. Calls no model, spends nothing; `explain` runs just this."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace

from .errors import InvalidRequest, LevelheadError, NotCapable, PermissionDenied
from .policy import FIELD_OF_NEED, Choice, Offer, Promises, choose, first_gate, unmet_needs, uplift_of
from .ports import QualityModel
from .spend import InputRatios, estimate_input, expected_cost, worst_case, worst_rates
from .types import (
    Assessment,
    Candidate,
    Chat,
    Decision,
    Goal,
    Identity,
    Key,
    Level,
    Model,
    Nanos,
    Need,
    Reason,
    Scope,
    Slot,
    value,
)

DEFAULT_OUTPUT_CAP = 8_192
DEFAULT_MIN_OUTPUT = 256

# How long answers tend to be, tokens: a prior until a slot's own traffic says better. Only cost ratios depend on it.
TYPICAL_OUTPUT = {Level.L1: 200, Level.L2: 500, Level.L3: 1_000, Level.L4: 1_200}


Learned = Callable[[str, str | None, Assessment, Sequence[Model]], Assessment]  # key, slot, what was read, of whom


@value
class Question:
    """Everything that a decision depends on besides the models themselves."""

    chat: Chat
    key: Key
    pool: tuple[Model, ...]  # the models that the request's target leaves open
    slot: Slot | None
    pinned: bool
    remaining: Nanos | None  # nanodollars in the tightest budget; None: no budget
    at: float  # Unix seconds, for tariffs by the clock
    lean: float = 0.0  # -1..1, how much the caller leans to the strong end
    scopes: tuple[Scope, ...] = ()  # the budgets that bind it
    warm: Mapping[str, float] = field(default_factory=dict)  # input tokens in each model's prompt cache
    humble: bool = False  # a title or the like: the cheapest tier does it, unless it can't


class Decider:
    """Holds what decisions need and requests don't change.

    `healthy`: does a model's breaker let calls pass? `pace`: the price of money in budgets that have to last. `inputs`
    learns how many tokens texts come to. `learned` corrects an assessment by what is known of its key and slot.
    """

    def __init__(
        self,
        quality: QualityModel,
        models: Sequence[Model],
        goal: Goal,
        healthy: Callable[[str], bool],
        pace: Callable[[Sequence[Scope]], float] | None = None,
        promises: Promises | None = None,
        learned: Learned | None = None,
    ) -> None:
        self._quality = quality
        self._models = tuple(models)
        self._goal = goal
        self._healthy = healthy
        self._pace = pace
        self._promises = promises or Promises()
        self.inputs = InputRatios()
        self._learned = learned
        self._thresholds: dict[float, float] = {}
        self._rates = {model.name: worst_rates(model.price) for model in models}

    def assess(self, chat: Chat, who: Identity | None = None) -> Assessment:
        assessment = self._quality.assess(chat, self._models)
        if self._learned is None or who is None:
            return assessment
        return self._learned(who.key.name, who.slot, assessment, self._models)

    def decide(self, question: Question, assessment: Assessment) -> Decision:
        """The decision of `_decide`, with the models that only a turn before needed, if there are any."""
        if question.humble and not question.pinned and (question.slot is None or not question.slot.floor):
            cheapest = min(model.tier_rank for model in question.pool)
            humble = tuple(model for model in question.pool if model.tier_rank == cheapest)
            with suppress(LevelheadError):  # else it is a request like any other
                decision = self._decide(replace(question, pool=humble), assessment)
                return decision if decision.reason is Reason.BUDGET else replace(decision, reason=Reason.HOUSEKEEPING)
        chat = question.chat
        if not chat.history_needs:
            return self._decide(question, assessment)
        try:
            full = replace(chat, needs=chat.needs | chat.history_needs)
            return self._decide(replace(question, chat=full), assessment)
        except NotCapable:
            return self._decide(question, assessment)

    def _decide(self, question: Question, assessment: Assessment) -> Decision:
        """Raises what names the gate when no model of the pool can carry the request.

        Where money covers nothing, the decision is the cheapest call that would still be useful: reserving for it then
        refuses, and names the budget.
        """
        chat, slot = question.chat, question.slot
        tokens = estimate_input(chat)
        candidates = tuple([self._candidate(model, question, assessment, tokens) for model in question.pool])
        open_to = [c for c in candidates if c.eligible] or [c for c in candidates if c.why_not == "unhealthy"]
        if not open_to:
            raise _nobody(chat, candidates)
        offers = [
            Offer(
                c.model,
                c.success,
                c.expected_cost_usd,
                self.bound(chat, c.model, slot),
                self._expected(question, c.model, assessment.level, tokens, cold=True) if question.warm else None,
            )
            for c in open_to
        ]
        promised = self._promises.threshold("direct", slot.name if slot else "", str(assessment.level))
        choice, cap = self._choice(offers, question, promised)
        # Who names a model has chosen by themselves: that saves nothing, and costs nothing more.
        baseline = choice.offer.model if question.pinned else self._strong(chat, question.pool)
        known = next((c.expected_cost_usd for c in candidates if c.model is baseline), None)
        return Decision(
            model=choice.offer.model,
            reason=choice.reason,
            expected_cost_usd=choice.offer.expected_cost_usd,
            baseline_cost_usd=self._expected(question, baseline, assessment.level, tokens) if known is None else known,
            candidates=candidates,
            ranking=tuple([o.model for o in choice.ranking]),
            assessment=assessment,
            output_cap=cap,
            slot=slot.name if slot else None,
            baseline=baseline,
            certified=promised is not None,
            shortened=cap < output_cap(chat, choice.offer.model, slot),
        )

    def _choice(self, offers: list[Offer], question: Question, promised: float | None) -> tuple[Choice, int]:
        chat, slot, left = question.chat, question.slot, question.remaining
        threshold = self._threshold(slot) if promised is None else uplift_of(promised)
        if question.lean:
            threshold = min(1.0, max(0.0, threshold - question.lean))
        dual = self._pace(question.scopes) if self._pace is not None else 0.0
        choice = choose(offers, threshold=threshold, remaining=left, dual=dual, pinned=question.pinned)
        if self._goal.uncertified == "strong" and promised is None:
            choice = _strong_first(offers, choice, left, pinned=question.pinned)
        if choice is not None:
            return choice, output_cap(chat, choice.offer.model, slot)
        assert left is not None
        return self._squeeze(offers, chat, slot, left)

    def _squeeze(self, offers: list[Offer], chat: Chat, slot: Slot | None, left: Nanos) -> tuple[Choice, int]:
        """No model is affordable at its full cap: a lower cap, down to the slot's minimum, cheapest model first."""
        least = slot.min_output_tokens if slot else DEFAULT_MIN_OUTPUT
        ordered = sorted(offers, key=lambda o: (o.worst_case, o.expected_cost_usd))
        for offer in ordered:
            model = offer.model
            most = output_cap(chat, model, slot)
            tokens = self.inputs.bound(chat, model.name)
            cap = _largest(most, lambda n, m=model, t=tokens: self._worst(m, t, n, chat) <= left)  # type: ignore[misc]
            if cap >= min(most, least):
                return Choice(offer, Reason.BUDGET, (offer,)), cap
        cheapest = ordered[0]
        return Choice(cheapest, Reason.BUDGET, (cheapest,)), min(least, output_cap(chat, cheapest.model, slot))

    def _strong(self, chat: Chat, pool: tuple[Model, ...]) -> Model:
        """Always-strong: the first model of the highest tier that could have carried the request, slot limits aside."""
        able = [m for m in self._models if chat.needs <= m.capabilities.offers] or pool
        return max(able, key=lambda m: m.tier_rank)

    def bound(self, chat: Chat, model: Model, slot: Slot | None, cap: int | None = None) -> Nanos:
        """The most that one call can cost: what is reserved for it."""
        most = output_cap(chat, model, slot) if cap is None else cap
        return self._worst(model, self.inputs.bound(chat, model.name), most, chat)

    def _worst(self, model: Model, input_tokens: int, cap: int, chat: Chat) -> Nanos:
        return worst_case(input_tokens, cap, chat.n, self._rates[model.name])

    def _candidate(self, model: Model, question: Question, assessment: Assessment, tokens: int) -> Candidate:
        gate = first_gate(
            model,
            question.chat,
            input_tokens=tokens,
            slot=None if question.pinned else question.slot,
            key=question.key,
            healthy=self._healthy(model.name),
        )
        return Candidate(
            model=model,
            success=assessment.success[model.name],
            expected_cost_usd=self._expected(question, model, assessment.level, tokens),
            eligible=gate is None,
            why_not=gate,
        )

    def _expected(self, question: Question, model: Model, level: Level, tokens: int, *, cold: bool = False) -> float:
        chat = question.chat
        output = min(TYPICAL_OUTPUT[level], output_cap(chat, model, question.slot)) * chat.n
        warm = 0.0 if cold else question.warm.get(model.name, 0.0)
        return expected_cost(tokens, output, model.price, warm_tokens=warm, at=question.at)

    def _threshold(self, slot: Slot | None) -> float:
        loss = self._goal.max_quality_loss
        if slot is not None and slot.max_quality_loss is not None:
            loss = slot.max_quality_loss
        known = self._thresholds.get(loss)
        if known is None:
            answering = [m for m in self._models if Need.EMBEDDINGS not in m.capabilities.offers]
            known = self._thresholds[loss] = self._quality.threshold(loss, answering or self._models)
        return known


def _strong_first(offers: Sequence[Offer], choice: Choice | None, left: Nanos | None, *, pinned: bool) -> Choice | None:
    """The strong tier while it can be paid for, with `choice` behind it for when it fails."""
    top = max(o.model.tier_rank for o in offers)
    strong = choose([o for o in offers if o.model.tier_rank == top], threshold=0.0, remaining=left, pinned=pinned)
    if choice is None or strong is None:
        return strong or (choice and replace(choice, reason=Reason.BUDGET))
    rest = tuple(o for o in choice.ranking if o.model.tier_rank < top)
    return replace(strong, ranking=strong.ranking + rest)


def output_cap(chat: Chat, model: Model, slot: Slot | None) -> int:
    """Tokens per choice that are reserved and sent upstream: the least of what client, slot and model allow.

    Where the client says nothing the slot does, or else the default.
    """
    most = slot.max_output_tokens if slot is not None else None
    cap = chat.output_cap if chat.output_cap is not None else most or DEFAULT_OUTPUT_CAP
    return min(cap, most or cap, model.capabilities.max_output_tokens)


def _largest(most: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `most` that fits, by bisection; 0 where none does. What fits once fits for all below."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        if fits(middle):
            least = middle
        else:
            most = middle - 1
    return least


def _nobody(chat: Chat, candidates: Sequence[Candidate]) -> LevelheadError:
    """The refusal that says what to change: the gate that kept the last hope out."""
    gates = {c.why_not for c in candidates}
    if unmet := unmet_needs(chat, gates):
        wanted = ", ".join(unmet)
        return NotCapable(f"No model that may serve this request offers {wanted}.", param=FIELD_OF_NEED[unmet[0]])
    if gates == {"lacks_chat"}:
        return NotCapable("This model serves embeddings only.", param="model")
    if "context" in gates:
        return InvalidRequest(
            "The request is longer than the context of every model that may serve it.",
            param="messages",
            code="context_length_exceeded",
        )
    if gates == {"key"}:
        return PermissionDenied("This key may not use the models that could serve this request.", param="model")
    return NotCapable("The slot's floor and ceiling leave no model for this request.", param="model")


def explanation(decision: Decision, id: str | None = None) -> dict[str, object]:
    """A decision as the JSON of `levelhead explain --json` and `POST /v1/explain`."""
    assessment, routed = decision.assessment, decision.routed
    told: dict[str, object] = {
        "id": id,
        "level": str(assessment.level),
        "difficulty": round(assessment.difficulty, 4),
        "confidence": round(assessment.confidence, 4),
        "slot": decision.slot,
        "models": {
            c.model.name: {
                "success": round(c.success, 4),
                "expected_cost_usd": round(c.expected_cost_usd, 9),
                "eligible": c.eligible,
                "why_not": c.why_not,
            }
            for c in decision.candidates
        },
        "decision": {
            "model": decision.model.name,
            "tier": decision.tier,
            "reason": decision.said,
            "expected_cost_usd": round(decision.expected_cost_usd, 9),
            "baseline_cost_usd": round(decision.baseline_cost_usd, 9),
        },
    }
    if routed is not None:
        told["shadow"] = {
            "model": routed.model.name,
            "tier": routed.tier,
            "reason": routed.said,
            "expected_cost_usd": round(routed.expected_cost_usd, 9),
        }
    return told
