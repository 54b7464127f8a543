"""Which requests can be audited, and which model of the other tier is put beside the one that answered.

Not audited, because quality didn't decide or one answer doesn't show it: who names a model or tier or leans to one,
housekeeping, fallbacks, what money forced, answers from the cache, broken and cancelled ones, several choices, images,
audio and documents (a judge reads texts), embeddings, and steps in the midst of a tool loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .passage import Passage
from .policy import first_gate, trust_of
from .spend import estimate_input
from .types import ON_QUALITY, Answer, Chat, Decision, Model, Need, Reason, value

_AUDITED = ON_QUALITY | {Reason.ONLY_ELIGIBLE}
_DRAFTED = frozenset({Reason.DRAFT_ACCEPTED, Reason.DRAFT_REJECTED})
_UNREADABLE = frozenset({Need.VISION, Need.AUDIO, Need.DOCUMENTS, Need.CHOICES, Need.EMBEDDINGS})


@value
class Pair:
    """A request that was answered, and who is asked beside. `answered`: a draft that was discarded, where one was.

    `decision` is the policy's own: in shadow mode not the one that was served.
    """

    passage: Passage
    served: Answer
    by: Model
    other: Model
    answered: Answer | None
    decision: Decision

    @property
    def served_efficiently(self) -> bool:
        return self.by.tier_rank < self.other.tier_rank

    @property
    def efficient(self) -> Model:
        return self.by if self.served_efficiently else self.other

    @property
    def strong(self) -> Model:
        return self.other if self.served_efficiently else self.by

    @property
    def chose_efficient(self) -> bool:
        return self.decision.model.tier_rank < self.strong.tier_rank

    @property
    def route(self) -> str:
        """What decided, as certificates name it; "" where it wasn't quality."""
        if self.decision.reason in _DRAFTED:
            return "cascade"
        return "direct" if self.decision.reason in ON_QUALITY else ""

    @property
    def trust(self) -> float:
        """0..1, what a certificate's threshold is compared with."""
        if self.decision.reason in _DRAFTED:
            return self.decision.trust or 0.0
        success = self.decision.success
        return trust_of(success.get(self.strong.name, 0.5) - success.get(self.efficient.name, 0.5))


def pair_of(passage: Passage, served: Answer, models: Sequence[Model], available: Callable[[str], bool]) -> Pair | None:
    """None: there is nothing to compare, or the key may not use the models to compare with."""
    decision, by = passage.decision, passage.model
    if decision is None or by is None or passage.target.kind != "auto" or passage.wishes.lean:
        return None
    policy = decision.routed or decision
    if policy.reason not in _AUDITED or passage.reason is Reason.FALLBACK or not _readable(passage.chat):
        return None
    if passage.discarded is not None:
        return Pair(passage, served, by, *passage.discarded, policy)
    other = _other(passage, by, policy, models, available)
    return None if other is None else Pair(passage, served, by, other, None, policy)


def _readable(chat: Chat) -> bool:
    last = chat.messages[-1] if chat.messages else {}
    return not chat.images and not chat.needs & _UNREADABLE and last.get("role") not in ("tool", "function")


def _other(
    passage: Passage, by: Model, policy: Decision, models: Sequence[Model], available: Callable[[str], bool]
) -> Model | None:
    """The best model of the other tier that could carry the request: always-strong's, or the likeliest below it."""
    chat, slot, tokens = passage.chat, passage.slot, estimate_input(passage.chat)
    able = [
        model
        for model in models
        if model.tier_rank != by.tier_rank
        and first_gate(
            model, chat, input_tokens=tokens, slot=None, key=passage.key, healthy=available(model.name)
        ) is None
    ]  # fmt: skip
    if policy.model in able:
        return policy.model  # shadow mode: what would have answered
    above = [model for model in able if model.tier_rank > by.tier_rank]
    if above:
        top = max(model.tier_rank for model in above)
        above = [model for model in above if model.tier_rank == top]
        return policy.baseline if policy.baseline in above else _likeliest(above, policy)
    floor = slot.floor if slot is not None and slot.floor is not None else 0
    below = [model for model in able if model.tier_rank >= floor]  # else the policy never serves it there
    return _likeliest(below, policy) if below else None


def _likeliest(models: Sequence[Model], policy: Decision) -> Model:
    costs = {c.model.name: c.expected_cost_usd for c in policy.candidates}
    return max(models, key=lambda m: (policy.success.get(m.name, 0.0), -costs.get(m.name, 0.0)))
