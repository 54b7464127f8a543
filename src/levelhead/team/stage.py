"""Where a protocol plays: it says who acts on what it sees; the stage prompts, pays, calls and writes down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ..errors import BudgetExhausted, InvalidRequest, LevelheadError, UpstreamError
from ..types import NANOS_PER_USD, Json, Level, Outcome, Reason
from . import prompts
from .answers import NO_ROLE, Said, read_answer, read_plan, read_ranking
from .leaning import RATIO, Lean, Turning, upgraded
from .purse import Purse, usd
from .record import Phase, Turn
from .transcript import Excerpt, excerpt, newest_lines

BYTES_PER_TOKEN = 3  # cautious: most text has four
_SMALLEST_VIEW = 400
AGENT_COST = 2.0  # of a bare answer: an agent reads the others, too


class Asker(Protocol):
    """What a team needs of a router: `levelhead.Router`, or `ProxyRouter` for one behind HTTP."""

    async def achat(self, messages: Sequence[Json], **fields: Any) -> Outcome: ...


@dataclass(frozen=True, slots=True)
class Cast:
    """The run's fixed terms. `fixed_role` says for a lean whether the model it leads to gets its role given."""

    run: str
    task: str
    system: str
    protocol: str
    slots: tuple[str, ...]
    view_bytes: int
    max_output_tokens: int
    leans: Leans
    fixed_role: Callable[[Lean], bool]
    fields: Mapping[str, Any] = field(default_factory=dict)
    history: str = ""  # roles of earlier tasks, JSON lines


class Leans:
    """A run's plan. Seats that only money kept from strength get it when others, by abstaining or by answering for
    less than was foreseen, have left enough. `unit`: nanodollars of an agent's cheapest call, 0: not known."""

    def __init__(self, plan: Mapping[Turning, Lean], ratio: float, unit: int) -> None:
        self._plan = dict(plan)
        self._ratio = ratio
        self._unit = unit

    def of(self, agent: int, phase: Phase) -> Lean:
        return self._plan[agent, phase]

    def play(self, starting: Sequence[Turning], purse: Purse) -> None:
        """Before these turns start: upgrades those that there is money for by now."""
        if purse.budget is None or not self._unit:
            return
        coming = [turn for turn in self._plan if turn in purse.coming]
        for turn in upgraded(self._plan, starting, coming, purse.left / self._unit, self._ratio):
            self._plan[turn] = Lean(1.0)
            purse.weigh(turn, self._ratio)


@dataclass(frozen=True, slots=True)
class Cue:
    """One turn that a protocol calls for. `role`: assigned by a coordinator, "" leaves it free."""

    agent: int
    phase: Phase = "act"
    sees: tuple[Turn, ...] = ()
    role: str = ""
    last: bool = False
    shows_history: bool = False
    told: str = ""  # what its protocol says to it alone


class Stage:
    """One run's calls. `turns` grows in the order of steps, within a step in the order of seats."""

    def __init__(
        self, asker: Asker, cast: Cast, purse: Purse, *, level: Level | None = None, judged: bool = False
    ) -> None:
        self.level = level
        self.judged = judged
        self.cast = cast
        self.purse = purse
        self.turns: list[Turn] = []
        self.steps = 0
        self.squeezed = False
        self._asker = asker
        self._shown: tuple[tuple[Turn, ...], int, Excerpt] = ((), 0, excerpt((), 0))

    @property
    def agents(self) -> int:
        return len(self.cast.slots)

    async def play(self, *cues: Cue) -> list[Turn]:
        """One step: these turns at once. Raises what is the caller's mistake; a failing model is a failed turn."""
        step = self.steps
        self.steps += 1
        acting = [(cue.agent, cue.phase) for cue in cues]
        self.cast.leans.play(acting, self.purse)
        until = self.purse.spent + self.purse.due(*acting)
        ceilings = self.purse.take(*acting)
        turns = await _all([self._turn(cue, step, taken) for cue, taken in zip(cues, ceilings, strict=True)])
        if len(cues) > 1 and self.purse.budget is not None:
            await self._again(cues, turns, step, until)
        self.turns.extend(turns)
        return turns

    async def _again(self, cues: Sequence[Cue], turns: list[Turn], step: int, until: int) -> None:
        """Seats whose part of the step's money didn't cover a call share anew what is left of it: half as many at a
        time, with more each. `until`: how much the run should have spent at the end of the step."""
        waiting = [at for at, turn in enumerate(turns) if turn.abstention == "budget"]
        size = (len(waiting) + 1) // 2
        while waiting and size:
            now = waiting[:size]
            ceilings = self.purse.share(until - self.purse.spent, len(now))
            if not ceilings[0]:
                break
            asked = [self._turn(cues[at], step, taken) for at, taken in zip(now, ceilings, strict=True)]
            for at, turn in zip(now, await _all(asked), strict=True):
                turns[at] = turn
            waiting = [at for at in waiting if turns[at].abstention == "budget"]
            served = sum(turns[at].abstention != "budget" for at in now)
            size = min(size if 2 * served >= size else size // 2, len(waiting))

    def sit_out(self, agent: int, why: str) -> Turn:
        """A turn that the coordinator does without: no call is made."""
        self.purse.waive((agent, "act"))
        turn = Turn(agent, self.cast.slots[agent], "act", self.steps, "abstained", why=why, abstention="directed")
        self.turns.append(turn)
        return turn

    async def plan(self) -> dict[int, tuple[str, int]]:
        """Agent 0's assignment: agent -> (role, phase), phase 0 for "sit out". See `read_plan` for unreadable ones."""
        (turn,) = await self.play(Cue(0, "assign"))
        plan, readable = read_plan(turn.text, self.agents)
        if turn.called and turn.malformed == readable:
            self.turns[-1] = replace(turn, malformed=not readable)
        return plan

    async def rank(self, drafts: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """Agent 0's ranking of drafts, the best first; those that it leaves out follow in the order of seats."""
        (turn,) = await self.play(Cue(0, "rank", sees=drafts))
        order = read_ranking(turn.text)
        if turn.called and turn.malformed == bool(order):
            self.turns[-1] = replace(turn, malformed=not order)
        place = {agent: at for at, agent in enumerate(order)}
        return tuple(sorted(drafts, key=lambda draft: (place.get(draft.agent, len(place)), draft.agent)))

    async def last_resort(self) -> Turn | None:
        """Where nobody has contributed and money kept somebody from it: the last such seat, with all that is left."""
        if any(turn.contributed and turn.phase in ("act", "integrate") for turn in self.turns):
            return None
        forced = [
            at
            for at, turn in enumerate(self.turns)
            if turn.abstention == "budget" and turn.phase not in ("assign", "rank")
        ]
        if not forced or not (taken := self.purse.take_all()):
            return None
        seat = self.turns[forced[-1]]
        cue = Cue(seat.agent, "integrate" if seat.phase == "integrate" else "act", last=True)
        turn = await self._turn(cue, self.steps, taken)
        self.steps += 1
        self.turns[forced[-1]] = turn
        return turn

    async def _turn(self, cue: Cue, step: int, taken: int | None) -> Turn:
        cast, lean = self.cast, self.cast.leans.of(cue.agent, cue.phase)
        free = not cue.role and not cast.fixed_role(lean)
        blank = Turn(cue.agent, cast.slots[cue.agent], cue.phase, step, "failed", free_role=free, lean=lean.lean)
        blank = replace(blank, propensity=lean.propensity)
        room = cast.view_bytes
        while True:
            messages, seen = self._messages(cue, free, room)
            try:
                outcome = await self._ask(cue, lean, messages, taken)
            except BudgetExhausted as error:
                if seen.text and room > _SMALLEST_VIEW:  # less to read costs less; a refusal costs nothing
                    room = min(room, len(seen.text.encode())) // 2
                    self.squeezed = True
                    continue
                self.purse.settle(taken, 0)
                return replace(blank, status="abstained", abstention="budget", why="no money", error=error.scope)
            except InvalidRequest as error:
                if error.code == "context_length_exceeded" and seen.text and room > _SMALLEST_VIEW:
                    room = min(room, len(seen.text.encode())) // 2
                    continue
                self.purse.settle(taken, 0)
                raise
            except UpstreamError as error:
                cost = round(error.cost_usd * NANOS_PER_USD)
                self.purse.settle(taken, cost)
                return replace(blank, error=error.code or error.openai_type, cost_usd=usd(cost))
            except BaseException:
                self.purse.settle(taken, taken or 0)
                raise
            break
        self.purse.settle(taken, round(outcome.cost_usd * NANOS_PER_USD))
        if _reason(outcome) == Reason.BUDGET:
            self.squeezed = True
        blank = replace(blank, sees=seen.sees, cut=seen.cut)
        return _heard(blank, outcome, cue)

    def _messages(self, cue: Cue, free: bool, room: int) -> tuple[list[Json], Excerpt]:
        cast = self.cast
        role = cue.role or (None if free else prompts.fixed_role(cue.agent, self.agents))
        seen = self._excerpt(cue.sees, room)
        heading, text = "What the team has so far, one JSON object a line:", seen.text
        if cue.shows_history and cast.history:
            heading, text = "Which roles were played in earlier tasks:", newest_lines(cast.history, room)
        nobody_yet = not any(turn.contributed for turn in cue.sees)
        told = prompts.part(
            cue.agent, self.agents, cue.phase, role=role, last=cue.last, nobody_yet=nobody_yet, told=cue.told
        )
        return prompts.messages(cast.system, cast.task, text, heading, told), seen

    def _excerpt(self, sees: tuple[Turn, ...], room: int) -> Excerpt:
        """Turns of one step see the same: it is written once."""
        turns, known_room, known = self._shown
        if turns is not sees or known_room != room:
            known = excerpt(sees, room)
            self._shown = sees, room, known
        return known

    async def _ask(self, cue: Cue, lean: Lean, messages: list[Json], taken: int | None) -> Outcome:
        cast = self.cast
        fields: dict[str, Any] = {
            "slot": cast.slots[cue.agent],
            "run": cast.run,
            "session": f"{cast.run}.{cue.agent}",
            "cache": "no-store",
            "max_tokens": cast.max_output_tokens,
        }
        if taken is not None:
            fields["max_cost_usd"] = f"{usd(taken):.9f}"
        if lean.lean:
            fields["lean"] = f"{lean.lean:.4f}"
        return await self._asker.achat(messages, **{**fields, **cast.fields})


def _heard(blank: Turn, outcome: Outcome, cue: Cue) -> Turn:
    """The turn with what the model answered and what it cost."""
    said = read_answer(outcome.text)
    if cue.phase in ("assign", "rank"):
        said = Said(role="coordinator", text=outcome.text, contribute=bool(outcome.text.strip()))
    used = tuple(agent for agent in said.used if agent in blank.sees)
    role = cue.role if cue.role and said.role == NO_ROLE else said.role
    abstains = not said.contribute
    empty = abstains and said.malformed and not said.why and said.role == NO_ROLE
    return replace(
        blank,
        status="failed" if empty else "abstained" if abstains else "contributed",
        abstention="voluntary" if abstains and not empty else None,
        error="empty answer" if empty else "",
        role=role,
        text=said.text,
        why=said.why,
        used=used,
        malformed=said.malformed,
        called=True,
        model=outcome.model,
        tier=_tier(outcome),
        level=outcome.level,
        cost_usd=outcome.cost_usd,
        decision_id=outcome.decision_id,
    )


def _reason(outcome: Outcome) -> str:
    if outcome.decision is not None:
        return outcome.decision.reason
    return str((outcome.response.get("levelhead") or {}).get("reason", ""))


def _tier(outcome: Outcome) -> str:
    decision = outcome.decision
    if decision is None:
        return str((outcome.response.get("levelhead") or {}).get("tier", ""))  # of a proxy: what its headers say
    return next((c.model.tier for c in decision.candidates if c.model.name == outcome.model), decision.tier)


async def _all(work: Sequence[Any]) -> list[Turn]:
    """All of them, in order. When one raises the others are cancelled and waited for: nothing goes on unseen."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


@dataclass(frozen=True, slots=True)
class Foresight:
    """What can be told of a task without calling a model. Costs: USD of one bare answer, cheapest and strongest."""

    level: Level | None = None
    cheap_usd: float = 0.0
    dear_usd: float = 0.0

    @property
    def ratio(self) -> float:
        """What a strong call costs in cheap ones."""
        return max(1.0, self.dear_usd / self.cheap_usd) if self.cheap_usd > 0 else RATIO

    @property
    def least(self) -> int:
        """What an agent's cheapest call comes to, in nanodollars; 0 where nothing is known."""
        return round(self.cheap_usd * AGENT_COST * NANOS_PER_USD)

    def units(self, amount_usd: float | None) -> float | None:
        """Money in cheap calls of a team's agent, who reads what others wrote; None: no limit, or not known."""
        if amount_usd is None or self.cheap_usd <= 0:
            return None
        return amount_usd / (self.cheap_usd * AGENT_COST)


async def foresee(asker: Any, task: str) -> Foresight:
    """Level and costs, where the asker can tell."""
    messages = [{"role": "user", "content": task}]
    if hasattr(asker, "aexplain"):
        told = await asker.aexplain(messages)
        return Foresight() if told is None else told
    if not hasattr(asker, "explain"):
        return Foresight()
    try:
        decision = asker.explain(messages)
    except LevelheadError:
        return Foresight()
    able = [c for c in getattr(decision, "candidates", ()) if c.eligible]
    if not able:
        return Foresight(decision.level)
    top = max(c.model.tier_rank for c in able)
    costs = [c.expected_cost_usd for c in able]
    return Foresight(decision.level, min(costs), min(c.expected_cost_usd for c in able if c.model.tier_rank == top))
