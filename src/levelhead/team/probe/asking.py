"""The probe through a router: its tasks asked of one model, its team tasks played by a team of that model."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from ...errors import BudgetExhausted, LevelheadError, ModelNotFound, UpstreamError
from ..stage import Asker
from ..team import Team
from .ability import Estimate, Measuring
from .gate import Gate, Verdict
from .items import LINK_SD, LOWEST, Item, bank, team_tasks

TEAM_AGENTS = 3
ANSWER_TOKENS = 1_500
_MOST_FAILURES = 5

Progress = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """`ability`: on the scale of `items.py`. `may_self_organise` is what teams go by.

    `stopped`: why it ended before its time ("budget"), else "". `link_sd`: the doubt about the scale's zero, in logits.
    """

    model: str
    ability: Estimate
    verdict: Verdict
    may_self_organise: bool
    pairs: int
    free_right: int
    given_right: int
    cost_usd: float
    calls: int
    stopped: str = ""
    link_sd: float = LINK_SD
    upstream: str = ""  # the vendor's name of the model

    def as_json(self) -> dict[str, Any]:
        """Plain values; what the state keeps."""
        return asdict(self)


class _Purse:
    def __init__(self, budget_usd: float) -> None:
        self.left = budget_usd
        self.spent = 0.0
        self.calls = 0
        self.failures = 0

    def pay(self, cost_usd: float, calls: int) -> None:
        self.left -= cost_usd
        self.spent += cost_usd
        self.calls += calls


async def probe(
    router: Asker, model: str, *, budget_usd: float = 1.0, progress: Progress | None = None, **fields: Any
) -> ProbeReport:
    """Measures `model` (a configured name) within `budget_usd`. `fields` go into every request.

    Raises `ModelNotFound`; `UpstreamError` when the model fails five times in a row. Where money ends early the report
    says so, and the verdict is "undecided" unless it was reached before.
    """
    config = getattr(router, "config", None)
    if config is not None and model not in config.models:
        known = ", ".join(config.models)
        raise ModelNotFound(f"There is no model {model!r}. Configured: {known}.", param="model")
    purse, run, stopped = _Purse(budget_usd), f"probe-{secrets.token_hex(6)}", ""
    measuring, gate = Measuring(bank()), Gate()
    try:
        while (item := measuring.next()) is not None:
            right = await _one(router, model, item, run, purse, fields)
            if right is not None:
                measuring.record(item, right)
                _tell(progress, "tasks", measuring.tasks)
        ability = measuring.estimate()
        for item in team_tasks(ability.theta, _pairs(ability)):
            free = await _team(router, model, item, "free", run, purse, fields)
            given = await _team(router, model, item, "fixed", run, purse, fields)
            gate.add(free, given)
            _tell(progress, "pairs", gate.pairs)
            if gate.verdict is not None:
                break
    except BudgetExhausted:
        stopped = "budget"
    verdict = gate.verdict or "undecided"
    return ProbeReport(
        model=model,
        ability=measuring.estimate(),
        verdict=verdict,
        may_self_organise=verdict == "free",
        pairs=gate.pairs,
        free_right=gate.free_right,
        given_right=gate.given_right,
        cost_usd=purse.spent,
        calls=purse.calls,
        stopped=stopped,
        upstream="" if config is None else config.models[model].model,
    )


def _pairs(ability: Estimate) -> int:
    """None for a model at the bank's floor: no team task is easy enough to show anything."""
    return 0 if ability.high < LOWEST else Gate().most


async def _one(router: Asker, model: str, item: Item, run: str, purse: _Purse, fields: dict[str, Any]) -> bool | None:
    """None where the model failed to answer: that says nothing about its ability."""
    if purse.left <= 0:
        raise BudgetExhausted("The probe's budget is spent.", scope="run")
    asked = {"model": model, "slot": "probe", "run": run, "cache": "no-store", "max_tokens": ANSWER_TOKENS, **fields}
    try:
        outcome = await router.achat(
            [{"role": "user", "content": item.prompt}], **asked, max_cost_usd=f"{purse.left:.9f}"
        )
    except UpstreamError as error:
        _failed(purse, error)
        return None
    purse.failures = 0
    purse.pay(outcome.cost_usd, 1)
    return item.right(outcome.text)


async def _team(
    router: Asker, model: str, item: Item, roles: Any, run: str, purse: _Purse, fields: dict[str, Any]
) -> bool:
    if purse.left <= 0:
        raise BudgetExhausted("The probe's budget is spent.", scope="run")
    team = Team(
        "Solve the task exactly",
        slots=["probe"] * TEAM_AGENTS,
        protocol="sequential",
        router=_Pinned(router),
        roles=roles,
        budget_usd=purse.left,
        max_output_tokens=ANSWER_TOKENS,
        model=model,
        **fields,
    )
    try:
        played = await team.arun(item.prompt, run=f"{run}-{item.id}-{roles}")
    except UpstreamError as error:
        _failed(purse, error)
        return False
    if any(turn.abstention == "budget" for turn in played.turns):
        purse.pay(played.cost_usd, played.calls)
        raise BudgetExhausted("The probe's budget doesn't cover a team's run.", scope="run")
    purse.failures = 0
    purse.pay(played.cost_usd, played.calls)
    return item.right(played.result)


class _Pinned:
    """The router without its charter, gate and metrics: a probe is no run of the operator's teams."""

    def __init__(self, router: Asker) -> None:
        self.achat = router.achat


def _failed(purse: _Purse, error: LevelheadError) -> None:
    purse.pay(error.cost_usd, 0)
    purse.failures += 1
    if purse.failures >= _MOST_FAILURES:
        raise error


def _tell(progress: Progress | None, what: str, count: int) -> None:
    if progress is not None:
        progress(what, count)
