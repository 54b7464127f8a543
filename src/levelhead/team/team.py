"""`Team`: agents with a mission, a protocol and one budget, every call routed for its slot."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

import orjson

from ..errors import BudgetExhausted, InvalidRequest, LevelheadError, UpstreamUnavailable
from ..types import NANOS_PER_USD
from . import prompts
from .emergence import emergence, roles_of
from .judge import Quality, judging, quality, read_parts, read_rating, works
from .leaning import Lean, lean_plan
from .office import DEFAULTS, office_for
from .protocols import Coordination, protocol_named, purse_for
from .purse import usd
from .record import SeatUplift, TeamRun, Turn, summary
from .stage import BYTES_PER_TOKEN, Asker, Cast, Foresight, Leans, Stage, foresee
from .tuning import Arm
from .views import counting

MOST_AGENTS = 256
DEFAULT_CONTEXT_TOKENS = 32_000
_TEMPLATE_TOKENS = 700  # rules, the agent's part, JSON around it
_JUDGE = "judge"
_HISTORY_RUNS = 32
_WISHES = ("protocol", "batch_size", "explore", "pacing", "quality_threshold", "run_budget_usd")
Roles = Literal["auto", "free", "fixed"]


class Team:
    """Self-organising agents after arXiv:2603.28990, through the router.

        team = Team("Ship a safe release", agents=4, protocol="sequential", budget_usd=0.50, router=router)
        run = team.run("Plan the cut-over ...")
        print(run.result, run.cost_usd, run.emergence.distinct_roles)

    `agents`: 1 to 256 (a coordinator needs 2). `slots`: a name for each agent's place (default agent-0, agent-1, ...).
    `budget_usd`: the most one run may cost, judge included; None leaves it to the configured budgets. `batch_size`: K
    of "batched". `roles`: "free", "fixed" or "auto" (free unless the probe found that a model does worse with freedom).
    `judge`: the configured model that rates results. `explore`: the chance that a coin decides a seat's tier, to
    learn what a strong model is worth there; it shrinks as that becomes known. `average_usd`: what runs should cost on
    average, within `budget_usd`; what easy tasks leave of it goes where a strong model is worth more. `pacing`: how
    many shares of its budget a turn that runs alone may take at most. `quality_threshold`: the uplift that a strong
    model must be expected to bring to be preferred. Where the configuration has a charter, these and the protocol are
    asked for within it or left to it. `tune`: whether the charter's ring 3 may try other settings (by default where a
    judge says how it went). `context_tokens`: how much of a model's window a call may use. The same `seed` makes the
    same random choices. Further keywords are fields of every agent's request (temperature, ...).
    Raises `InvalidRequest` for what can't be a team.
    """

    def __init__(
        self,
        mission: str,
        agents: int | None = None,
        protocol: str | None = None,
        slots: Sequence[str] | None = None,
        budget_usd: float | None = None,
        router: Asker | None = None,
        *,
        values: Sequence[str] = (),
        batch_size: int | None = None,
        roles: Roles = "auto",
        judge: str | None = None,
        explore: float | None = None,
        max_output_tokens: int = 2_000,
        context_tokens: int | None = None,
        pacing: float | None = None,
        quality_threshold: float | None = None,
        seed: int = 0,
        gate: Mapping[str, bool] | None = None,
        tune: bool | None = None,
        average_usd: float | None = None,
        **fields: Any,
    ) -> None:
        if router is None:
            raise InvalidRequest("A team needs a router: Team(..., router=Router.from_config()).", param="router")
        self.mission = _text(mission, "mission")
        self.slots = _slots(agents, slots)
        self.router = router
        wishes = (protocol, batch_size, explore, pacing, quality_threshold, budget_usd)
        asked = {name: wish for name, wish in zip(_WISHES, wishes, strict=True) if wish is not None}
        _check({**DEFAULTS, **asked}, len(self.slots), roles, max_output_tokens, average_usd)
        self.office = office_for(getattr(router, "config", None), asked, tune=bool(judge) if tune is None else tune)
        self.office.admit(self.mission)
        charter = self.office.charter
        self._charter = "" if charter is None else charter.terms.hash
        self._values = tuple(values) if charter is None else charter.terms.values
        self._average_usd = average_usd
        self._roles = roles
        self._judge = judge
        self._max_output_tokens = max_output_tokens
        window = getattr(router, "context_tokens", None) or DEFAULT_CONTEXT_TOKENS
        self._context_tokens = context_tokens or min(window, DEFAULT_CONTEXT_TOKENS)
        self._seed = seed
        self._gate = {**self.office.gate, **(gate or {})}
        self._fields = fields
        self._runs = 0
        self._roles_before: dict[int, str] | None = None
        self._history: list[str] = []

    def run(self, task: str, *, run: str | None = None) -> TeamRun:
        """As `arun`, blocking. Not from within an event loop."""
        return asyncio.run(self.arun(task, run=run))

    async def arun(self, task: str, *, run: str | None = None) -> TeamRun:
        """One execution. `run`: its id in budgets and logs; one is made up where none is given.

        Always a result, as good as the money allows; only where no agent could be served at all it raises:
        `BudgetExhausted` (nothing was spent) or `UpstreamUnavailable`. Mistakes of the caller raise as `Router.chat`.
        """
        task = _text(task, "task")
        number, self._runs = self._runs, self._runs + 1
        began = time.perf_counter()
        name, seed = run or f"team-{secrets.token_hex(8)}", f"{self._seed}/{number}"
        arm = self.office.draw(name, seed)
        protocol = protocol_named(arm.settings["protocol"], batch_size=arm.settings["batch_size"])
        foresight = await foresee(self.router, task)
        stage = self._stage(protocol, task, name, seed, foresight, arm.settings)
        await protocol.play(stage)
        await stage.last_resort()
        _served(stage.turns)
        result, final = protocol.result(stage.turns)
        rating = await self._rate(stage, task, result) if stage.judged and result else None
        ended = self._finish(stage, task, result, final, rating, arm, time.perf_counter() - began)
        if rating is not None and rating.independent:
            self.office.learn(ended, rating.q, rating.contributions)
        return ended

    def score(self, run: TeamRun, score: float, contributions: Mapping[int, float] | None = None) -> None:
        """Tells the team how good a run was, 0..1, where no judge did or somebody knows better.

        `contributions`: the same of single agents' work, by agent, where it is known: from these a team learns what
        strength is worth where many times as fast. Raises `InvalidRequest` for a number that is no score.
        """
        verdicts = dict(contributions or {})
        if not all(0 <= one <= 1 for one in (score, *verdicts.values())):
            raise InvalidRequest("A score is a number from 0 to 1.", param="score")
        self.office.learn(run, score, verdicts)

    def uplift(self) -> tuple[SeatUplift, ...]:
        """What coins have shown so far of a strong model in each slot: main effects with 95 % intervals."""
        return self.office.seats.uplift()

    def _stage(
        self, protocol: Coordination, task: str, run: str, seed: str, foresight: Foresight, settings: Mapping[str, Any]
    ) -> Stage:
        agents = len(self.slots)
        usd_limit = settings["run_budget_usd"]
        budget = None if usd_limit is None else round(usd_limit * NANOS_PER_USD)
        purse = purse_for(protocol, agents, budget, settings["pacing"], foresight.least)
        toss = random.Random(f"{seed}/judge")  # noqa: S311 - a sample's coin, guards nothing
        judged = self._judge is not None and toss.random() < settings["judge_share"]
        if judged:
            purse.plan(_JUDGE, 1.0)
        seats, average = self.office.seats, self._average_usd
        plan = lean_plan(
            list(protocol.needs(agents)),
            self.slots,
            foresight.level,
            worth=seats.worth(),
            explore=settings["explore"],
            seed=seed,
            threshold=settings["quality_threshold"],
            money=seats.money(
                foresight.ratio,
                foresight.units(usd_limit),
                None if average is None else foresight.units(seats.due(average)),
            ),
        )
        for turn, lean in plan.items():
            purse.weigh(turn, foresight.ratio if lean.lean > 0 else 1.0)
        system = prompts.rules(self.mission, self._values, protocol.name, agents)
        used = _TEMPLATE_TOKENS + (len(system.encode()) + len(task.encode())) // BYTES_PER_TOKEN
        room = self._context_tokens - self._max_output_tokens - used
        cast = Cast(
            run=run,
            task=task,
            system=system,
            protocol=protocol.name,
            slots=self.slots,
            view_bytes=max(0, room * BYTES_PER_TOKEN),
            max_output_tokens=self._max_output_tokens,
            leans=Leans(plan, foresight.ratio, foresight.least),
            fixed_role=self._fixed(task),
            fields=self._fields,
            history="\n".join(self._history),
        )
        return Stage(self.router, cast, purse, level=foresight.level, judged=judged)

    def _fixed(self, task: str) -> Callable[[Lean], bool]:
        """Whether the model that a lean leads to has its role given: as asked, else as its probe found."""
        if self._roles != "auto" or all(self._gate.values()):
            return lambda lean: self._roles == "fixed"
        known: dict[float, bool] = {}

        def fixed(lean: Lean) -> bool:
            if lean.lean not in known:
                explain = getattr(self.router, "explain", None)
                if explain is None:  # which model will answer isn't known: structure hurts least
                    known[lean.lean] = True
                else:
                    chosen = explain([{"role": "user", "content": task}], lean=f"{lean.lean:.4f}").model.name
                    known[lean.lean] = not self._gate.get(chosen, True)
            return known[lean.lean]

        return fixed

    async def _rate(self, stage: Stage, task: str, result: str) -> Quality | None:
        """The judge's rating; None where money, the judge's model or its answer fail: a run doesn't fail for it."""
        judge = self._judge
        assert judge is not None
        (taken,) = stage.purse.take(_JUDGE)
        fields: dict[str, Any] = {"model": judge, "slot": _JUDGE, "run": stage.cast.run, "cache": "no-store"}
        if taken is not None:
            fields["max_cost_usd"] = f"{usd(taken):.9f}"
        parts = works(stage.turns)
        asked = judging(self.mission, task, result, parts)
        try:
            outcome = await self.router.achat(asked, max_tokens=400 + 10 * len(parts), **fields)
        except LevelheadError as error:
            stage.purse.settle(taken, round(error.cost_usd * NANOS_PER_USD))
            return None
        stage.purse.settle(taken, round(outcome.cost_usd * NANOS_PER_USD))
        grades = read_rating(outcome.text)
        if grades is None:
            return None
        independent = all(turn.model != outcome.model for turn in stage.turns if turn.called)
        found = quality(grades, judge=outcome.model, independent=independent, cost_usd=outcome.cost_usd)
        return replace(found, contributions=read_parts(outcome.text, parts))

    def _finish(
        self,
        stage: Stage,
        task: str,
        result: str,
        final: int | None,
        rating: Quality | None,
        arm: Arm,
        seconds: float,
    ) -> TeamRun:
        contributions = counting(stage.turns)
        cost_usd = usd(stage.purse.spent)
        before, self._roles_before = self._roles_before, roles_of(contributions)
        self._history = [*self._history, _roles_line(contributions)][-_HISTORY_RUNS:]
        trial = None if arm.trial is None else {**asdict(arm.trial), "took_challenger": arm.challenger}
        ended = TeamRun(
            id=stage.cast.run,
            mission=self.mission,
            task=task,
            protocol=stage.cast.protocol,
            result=result,
            final_agent=final,
            turns=tuple(stage.turns),
            contributions=contributions,
            cost_usd=cost_usd,
            budget_usd=arm.settings["run_budget_usd"],
            steps=stage.steps,
            level=stage.level,
            emergence=emergence(
                contributions,
                before=before,
                cost_usd=cost_usd - (rating.cost_usd if rating else 0.0),
                malformed=sum(turn.malformed for turn in stage.turns),
            ),
            quality=rating,
            budget_forced=stage.squeezed or any(turn.abstention == "budget" for turn in stage.turns),
            charter=self._charter,
            settings=arm.settings,
            trial=trial,
            uplift=self.office.seats.uplift(self.slots),
            seconds=seconds,
        )
        self.office.seats.ended(ended.cost_usd, ended.level)
        metrics = getattr(self.router, "metrics", None)
        if metrics is not None:
            metrics.team_finished(summary(ended))
        return ended


def _served(turns: Sequence[Turn]) -> None:
    """Raises where not one agent was served; money that failed calls have cost is named."""
    if any(turn.called for turn in turns):
        return
    if all(turn.abstention in ("budget", "directed") for turn in turns):
        scope = next((turn.error for turn in turns if turn.error), "run")
        raise BudgetExhausted("The run's budget doesn't cover a single agent's call.", scope=scope)
    codes = ", ".join(sorted({turn.error for turn in turns if turn.status == "failed"}))
    failed = UpstreamUnavailable(f"No agent of the team could be served ({codes}).")
    failed.cost_usd = sum(turn.cost_usd for turn in turns)
    raise failed


def _roles_line(contributions: Sequence[Turn]) -> str:
    roles = {str(turn.agent): turn.role for turn in contributions if turn.contributed}
    return orjson.dumps({"roles": roles}).decode().replace("<", "\\u003c")


def _text(value: str, name: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"A team needs a {name}: a text that isn't empty.", param=name)
    return value


def _slots(agents: int | None, slots: Sequence[str] | None) -> tuple[str, ...]:
    if slots is not None and agents is not None and len(slots) != agents:
        raise InvalidRequest(f"{len(slots)} slots for {agents} agents: give one name each.", param="slots")
    if slots is None:
        slots = [f"agent-{at}" for at in range(agents if agents is not None else 4)]
    if not 1 <= len(slots) <= MOST_AGENTS:
        raise InvalidRequest(f"A team has 1 to {MOST_AGENTS} agents, not {len(slots)}.", param="agents")
    return tuple(slots)


def _check(shape: Mapping[str, Any], agents: int, roles: str, tokens: int, average: float | None) -> None:
    if not isinstance(shape["batch_size"], int) or shape["batch_size"] < 1:
        raise InvalidRequest("batch_size must be a whole number of at least 1.", param="batch_size")
    protocol_named(shape["protocol"], batch_size=shape["batch_size"])
    if shape["protocol"] == "coordinator" and agents < 2:
        raise InvalidRequest("A coordinator needs somebody to coordinate: at least 2 agents.", param="agents")
    if average is not None and not average > 0:
        raise InvalidRequest("average_usd must be above 0.", param="average_usd")
    if roles not in ("auto", "free", "fixed"):
        raise InvalidRequest("roles must be 'auto', 'free' or 'fixed'.", param="roles")
    if shape["run_budget_usd"] is not None and not shape["run_budget_usd"] >= 0:
        raise InvalidRequest("budget_usd must not be negative.", param="budget_usd")
    if not 0 <= shape["explore"] <= 1:
        raise InvalidRequest("explore must be a share from 0 to 1.", param="explore")
    if not shape["pacing"] >= 1:
        raise InvalidRequest("pacing must be at least 1.", param="pacing")
    if not 0 <= shape["quality_threshold"] <= 1:
        raise InvalidRequest("quality_threshold must be from 0 to 1.", param="quality_threshold")
    if tokens < 1:
        raise InvalidRequest("max_output_tokens must be at least 1.", param="max_output_tokens")
