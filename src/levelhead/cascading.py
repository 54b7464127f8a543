"""Step 7, where it pays to draft: ask an efficient model, check, and only then pay for a strong answer.

One reservation covers the worst case (draft, check and strong answer). Nothing of a draft goes out before it is
accepted, so that nothing is ever taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, Literal

from .calling import Caller
from .check import (
    OUTPUT_CAP,
    HttpChecker,
    Outcome,
    Reading,
    acceptance,
    agreement,
    ask_checker,
    ask_runner,
    comparison,
    family,
    flaw,
    last_asked,
    mean_logprob,
    message_of,
    read,
    read_comparison,
    text_of,
)
from .deciding import output_cap
from .drafting import Drafting, Plan, Rates, plan_draft, slot_of
from .errors import BudgetExhausted, LevelheadError, UpstreamError, UpstreamTimeout
from .passage import Passage
from .ports import AnswerStream
from .spend import cost
from .types import NANOS_PER_USD, Answer, Call, Chat, Chunk, Decision, Model, Nanos, Reason, Spent, Usage, Wire
from .upstream import Attempts
from .wire.chat import answer_chunks

Kind = Literal["draft", "check"]


class Cascade(Caller):
    """A `Caller` that drafts first where that pays."""

    def __init__(self, *rooms: Any, timeout: float, drafting: Drafting) -> None:
        super().__init__(*rooms, timeout=timeout)
        self._drafting = drafting
        self._rates = Rates()

    def call(
        self, passage: Passage, redecide: Callable[[Nanos], Decision]
    ) -> Coroutine[Any, Any, Answer | AnswerStream]:
        plan = plan_draft(passage, self._drafting, self._rates)
        return super().call(passage, redecide) if plan is None else self._try(passage, plan, redecide)

    async def _try(self, passage: Passage, plan: Plan, redecide: Callable[[Nanos], Decision]) -> Answer | AnswerStream:
        draft = await self._drafted(passage, plan)
        if draft is None:
            return await super().call(passage, redecide)
        return Whole(draft, passage.chat) if passage.chat.stream else draft

    async def aclose(self) -> None:
        for hook in (self._drafting.checker, self._drafting.runner):
            if isinstance(hook, HttpChecker):
                await hook.aclose()

    async def _drafted(self, passage: Passage, plan: Plan) -> Answer | None:
        """The accepted draft, or None: the strong model is to be asked, under what stays reserved."""
        if not await self._secured(passage, plan):
            return None
        began, trust = perf_counter(), 0.0
        try:
            draft, second = await self._opinions(passage, plan)
            if draft is not None and flaw(draft, passage.chat) is None:
                found = await self._checked(passage, plan, draft, second)
                if found.agreement is not None or found.checker is not None:  # else nothing speaks for it
                    trust = acceptance(found, self._drafting.weights)
        except BaseException:
            await self.settle(passage, 0)  # what was asked is paid for; the strong model never was
            raise
        finally:
            passage.upstream_seconds += perf_counter() - began
        accepted = trust >= plan.threshold and draft is not None
        slot = slot_of(passage)
        self._drafting.promises.checked("cascade", slot, str(passage.decided.level), trust)
        self._rates.note(slot, plan.kind, accepted)
        _decide(passage, plan, accepted, trust)
        if not accepted or draft is None:
            if passage.sampled and draft is not None:
                passage.discarded = plan.draft, draft
            return None
        passage.first_byte = perf_counter() - passage.started
        _promote(passage, plan.draft)
        return draft

    async def _secured(self, passage: Passage, plan: Plan) -> bool:
        """Sets the worst case aside: draft, second opinion, comparison and strong answer. False: no money for that."""
        total = sum(self._decider.bound(passage.chat, m, passage.slot) for m in (plan.draft, plan.second, plan.strong))
        reader = self._drafting.comparator
        if reader is not None:
            total += self._decider.bound(_longest_comparison(), reader, None, OUTPUT_CAP)
        try:
            await self.reserve(passage, total, f"{passage.id}.draft")
        except BudgetExhausted:
            return False
        return True

    async def _opinions(self, passage: Passage, plan: Plan) -> tuple[Answer | None, Answer | None]:
        """Draft and second opinion: at once where that costs next to nothing, else only for a draft without flaw."""
        chat = replace(passage.chat, stream=False, include_usage=False)
        other = _other_sample(chat) if plan.second is plan.draft else chat
        caps = [output_cap(chat, model, passage.slot) for model in (plan.draft, plan.second)]
        if plan.at_once:
            draft, second = await asyncio.gather(
                self._opinion(passage, plan.draft, chat, caps[0], "draft"),
                self._opinion(passage, plan.second, other, caps[1], "check"),
            )
            return draft, second
        draft = await self._opinion(passage, plan.draft, chat, caps[0], "draft")
        if draft is None or flaw(draft, passage.chat) is not None:
            return draft, None
        return draft, await self._opinion(passage, plan.second, other, caps[1], "check")

    async def _opinion(self, passage: Passage, model: Model, chat: Chat, cap: int, kind: Kind) -> Answer | None:
        """One opinion, paid for; None where the model fails. A call that was cut off may be billed up to its bound."""
        attempts = Attempts(self._health, self._observer, deadline_seconds=self.left(passage))
        headers = passage.headers_for(model) if kind == "draft" else ()
        call = Call(chat, model, cap, attempts.remaining, passage.id, headers)
        try:
            answer = await attempts.complete(self._upstreams[model.wire], call)
        except UpstreamError as error:
            if isinstance(error, UpstreamTimeout):
                _pay(passage, model, kind, Usage(), self._decider.bound(chat, model, passage.slot, cap))
            return None
        except LevelheadError:  # this model can't be told this chat
            return None
        except BaseException:
            _pay(passage, model, kind, Usage(), self._decider.bound(chat, model, passage.slot, cap))
            raise
        finally:
            passage.asked += attempts.trail
        _pay(passage, model, kind, answer.usage, cost(answer.usage, model.price, passage.at))
        return answer

    async def _checked(self, passage: Passage, plan: Plan, draft: Answer, second: Answer | None) -> Outcome:
        """What the checks say of a draft without flaw."""
        settings = self._drafting
        agreed, kind, stretch = None, plan.kind, None
        if second is not None:
            mine, theirs = read(draft), read(second)
            kind, agreed = mine.kind, await self._agreed(passage, mine, theirs)
            stretch = (second.usage.output + 1) / (draft.usage.output + 1)
            if agreed is None and settings.comparator is not None:
                agreed = await self._compared(passage, settings.comparator, draft, second)
        said = None
        if settings.checker is not None:
            seconds = min(settings.checker_seconds, self.left(passage))
            said = await ask_checker(settings.checker, passage.chat, draft, seconds=seconds)
        return Outcome(
            agreement=agreed,
            kind=kind,
            sibling=family(plan.draft.upstream_model) == family(plan.second.upstream_model),
            prior=passage.decided.success.get(plan.draft.name),
            tokens=draft.usage.output,
            stretch=stretch,
            logprob=_logprob(draft),
            checker=said,
        )

    async def _agreed(self, passage: Passage, mine: Reading, theirs: Reading) -> float | None:
        """Programs by what they do where the user has something to run them, and it says."""
        settings = self._drafting
        if settings.runner is not None and mine.kind == theirs.kind == "code" and mine.said != theirs.said:
            seconds = min(settings.checker_seconds, self.left(passage))
            ran = await ask_runner(settings.runner, passage.chat, mine, theirs, seconds=seconds)
            if ran is not None:
                return ran
        return agreement(mine, theirs)

    async def _compared(self, passage: Passage, reader: Model, draft: Answer, second: Answer) -> float | None:
        texts = text_of(message_of(draft)), text_of(message_of(second))
        chat = _comparison_chat(comparison(last_asked(passage.chat), *texts))
        answer = await self._opinion(passage, reader, chat, OUTPUT_CAP, "check")
        return None if answer is None else read_comparison(text_of(message_of(answer)))


class Whole:
    """An answer that is there already, as the stream that the client asked for."""

    wire: Wire = "openai"

    def __init__(self, answer: Answer, chat: Chat) -> None:
        self.usage: Usage | None = None
        self.counted: Usage | None = answer.usage
        self.output_bytes = 0
        self._answer = answer
        self._chunks: list[Chunk] | None = answer_chunks(answer, chat)

    def __aiter__(self) -> Whole:
        return self

    async def __anext__(self) -> list[Chunk]:
        chunks, self._chunks = self._chunks, None
        if chunks is None:
            raise StopAsyncIteration
        self.usage = self._answer.usage
        return chunks

    async def aclose(self) -> None:
        self._chunks = None


def _pay(passage: Passage, model: Model, kind: Kind, usage: Usage, amount: Nanos) -> None:
    passage.spent += amount
    passage.extras.append(Spent(model, kind, usage, amount / NANOS_PER_USD))


def _promote(passage: Passage, draft: Model) -> None:
    """The draft is the answer now: it is charged as one, and no longer stands among what came besides."""
    at = next(i for i, spent in enumerate(passage.extras) if spent.model is draft and spent.kind == "draft")
    passage.spent -= round(passage.extras.pop(at).cost_usd * NANOS_PER_USD)


def _decide(passage: Passage, plan: Plan, accepted: bool, trust: float) -> None:
    """The decision as it stands after the check."""
    reason = Reason.DRAFT_ACCEPTED if accepted else Reason.DRAFT_REJECTED
    model = plan.draft if accepted else plan.strong
    decision = passage.decided
    passage.decision = replace(
        decision,
        model=model,
        reason=reason,
        ranking=(model, *(m for m in decision.ranking if m is not model)),
        output_cap=output_cap(passage.chat, model, passage.slot),
        certified=plan.certified,
        trust=trust,
    )
    passage.reason = reason
    if accepted:
        passage.model = model


def _other_sample(chat: Chat) -> Chat:
    """The same question for a second sample of the same model: at temperature 0 it would be the same answer."""
    if chat.temperature is None or chat.temperature > 0:
        return chat
    return replace(chat, temperature=0.7, body={**chat.body, "temperature": 0.7})


def _comparison_chat(messages: Sequence[Any]) -> Chat:
    size = sum(len(str(message["content"]).encode()) for message in messages)
    return Chat("chat", {"messages": messages}, "auto", messages, output_cap=OUTPUT_CAP, text_bytes=size)


def _longest_comparison() -> Chat:
    longest = "\U0001f9ea" * 6_000  # four bytes each, as many as are read of a text
    return _comparison_chat(comparison(longest, longest, longest))


def _logprob(draft: Answer) -> float | None:
    logprobs = (draft.body.get("choices") or [{}])[0].get("logprobs")
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    return mean_logprob(content) if isinstance(content, list) else None
