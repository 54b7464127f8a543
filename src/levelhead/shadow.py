"""Shadow mode: decide as ever, answer as without levelhead, and keep both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .deciding import Decider, Question
from .errors import LevelheadError
from .types import Assessment, Decision, Model, Reason


class Shadow(Decider):
    """A `Decider` whose decisions are the client's own, with what routing would have done in `routed`.

    `serve` answers whatever names neither model nor tier; None: the model that the client named, by the vendor's name
    for it, or else the strong one. Who names a model or tier gets it, here as ever. What `serve` can't carry, or the
    key may not have of it, is routed: trying levelhead out must not fail a request.
    """

    def __init__(self, *known: Any, serve: Model | None) -> None:
        super().__init__(*known)
        self._serve = serve

    def decide(self, question: Question, assessment: Assessment) -> Decision:
        if question.pinned:
            return super().decide(question, assessment)
        routed: Decision | None = None
        refusal: LevelheadError | None = None
        try:
            routed = super().decide(question, assessment)
        except LevelheadError as error:
            refusal = error
        try:
            served = super().decide(replace(question, pool=(self._asked(question),), pinned=True), assessment)
        except LevelheadError:
            if routed is None:
                assert refusal is not None
                raise refusal from None
            return routed
        reason = served.reason if served.reason is Reason.BUDGET else Reason.SHADOW
        seen = routed.candidates if routed is not None else served.candidates
        return replace(served, reason=reason, candidates=seen, routed=routed)

    def _asked(self, question: Question) -> Model:
        if self._serve is not None:
            return self._serve
        named = question.chat.model
        same = (model for model in question.pool if model.upstream_model == named)
        return next(same, None) or self._strong(question.chat, question.pool)
