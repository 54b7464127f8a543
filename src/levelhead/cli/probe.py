"""`levelhead probe`: how able a model is, and whether it may choose its own roles; kept for teams to go by."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer

from .options import ConfigOption, JsonOption, print_json, usd
from .progress import telling


def probe(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A configured model's name.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
    budget_usd: Annotated[float, typer.Option("--budget-usd", min=0, help="The most that it may cost.")] = 1.0,
) -> None:
    """Measure a model with at most 100 short tasks and paired team tasks. Calls the model: this costs money."""
    from ..api import Router
    from ..team.probe import probe as measure
    from ..team.state import TeamState

    with Router.from_config(config) as router, telling() as tell:
        report = asyncio.run(
            measure(router, model, budget_usd=budget_usd, progress=lambda what, count: tell(f"{count} {what}"))
        )
        TeamState(router.config.teams_store).add_probe(model, time.time(), report.as_json())
    if as_json:
        print_json(report.as_json())
        return
    ability = report.ability
    roles = "its own roles" if report.may_self_organise else "given roles"
    typer.echo(
        f"{model}: ability {ability.theta:+.2f} ({ability.low:+.2f} to {ability.high:+.2f})"
        f" after {ability.tasks} tasks\n"
        f"roles: {report.verdict} after {report.pairs} pairs"
        f" ({report.free_right} right when free, {report.given_right} when given): teams let it play {roles}\n"
        f"{report.calls} calls, {usd(report.cost_usd)}" + (", stopped: budget" if report.stopped else "")
    )
