"""`levelhead replay`: recorded outcomes through the policy, beside what needs no router and what none can beat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import ConfigOption, JsonOption, print_json, table, usd
from .progress import counting

if TYPE_CHECKING:
    from ..passage import Ask
    from ..ports import QualityModel
    from ..types import Assessment, Chat, Decision, Goal, Model


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="prompt_id, prompt, model, score, cost_usd, answer?")],
    strong: Annotated[
        str | None, typer.Option(help="The model to compare with; default: the best of the table.")
    ] = None,
    efficient: Annotated[str | None, typer.Option(help="The model that drafts; default: the cheapest.")] = None,
    second: Annotated[str | None, typer.Option(help="The second opinion, where answers are recorded.")] = None,
    prices: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON: USD per million tokens by model, [input, output].")
    ] = None,
    max_quality_loss: Annotated[float | None, typer.Option(min=0, max=1, help="Default: the configuration's.")] = None,
    confidence: Annotated[float | None, typer.Option(min=0.5, max=0.9999, help="Default: the configuration's.")] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what levelhead would have cost and lost on an outcome table (parquet or JSONL) or a gateway's request log.

    A log is LiteLLM's spend logs, or rows of request and response, as JSON or JSONL; its requests are routed as the
    configuration says, and priced by the tokens that they used.
    """
    from ..learn.gateway import is_log

    if is_log(file):
        _replay_log(file, config, confidence, as_json=as_json)
        return
    from ..difficulty import load_quality_model
    from ..learn.replay import replay as run
    from ..learn.replay import roles_of
    from ..learn.tables import load_table

    recorded = load_table(file, _prices(prices))
    roles = roles_of(recorded, strong=strong, efficient=efficient, second=second)
    with counting("prompts") as tick:
        quality = _Counted(load_quality_model(), tick)
        report = run(recorded, roles, _goal(config, max_quality_loss, confidence), quality)
    if as_json:
        print_json(report)
    else:
        _show(report)


def _replay_log(file: Path, path: Path | None, confidence: float | None, *, as_json: bool) -> None:
    from ..assemble import rooms_of
    from ..config import load
    from ..learn.gateway import read_log
    from ..learn.hindsight import hindsight
    from ..router import Pipeline

    config = load(path)
    pipeline = Pipeline(rooms_of(config))
    with counting("requests") as tick:

        def explain(ask: Ask) -> Decision:
            tick()
            return pipeline.explain(ask)[0]

        report = hindsight(read_log(file), explain, confidence or config.goal().confidence)
    if as_json:
        print_json(report)
    else:
        _show_log(report, simulated=config.simulated)


class _Counted:
    """A quality model that says how often it was asked."""

    def __init__(self, quality: QualityModel, tick: Callable[[], None]) -> None:
        self._quality = quality
        self._tick = tick
        self.threshold = quality.threshold

    def assess(self, chat: Chat, models: Sequence[Model]) -> Assessment:
        self._tick()
        return self._quality.assess(chat, models)


def _show_log(report: dict[str, Any], *, simulated: bool) -> None:
    found = report["routing"]
    if simulated:
        typer.echo("no models are configured: routed between the simulated pair, whose prices are made up")
    if found is not None:
        typer.echo(f"{found['requests']} requests cost {usd(found['spent_usd'])}; routed, about", nl=False)
        typer.echo(f" {usd(found['would_cost_usd'])}: {found['would_save_share']:.0%} saved")
        if found["interval"] is not None:
            low, high = found["interval"]
            typer.echo(f"  at {report['confidence']:.0%} confidence {low:.0%} to {high:.0%}")
        typer.echo(f"  with answers twice as long and cold prompt caches {found['if_twice_as_long_share']:.0%}")
        typer.echo(f"  {found['would_go_elsewhere']} would go to another model")
        typer.echo(f"  predicted loss of quality {found['predicted_loss']:+.4f}: a log can't show it,"
                   " `mode: shadow` and audits do")  # fmt: skip
        for name in ("levels", "models"):
            typer.echo(f"  {name}: " + ", ".join(f"{key} {count}" for key, count in report[name].items()))
    for why, count in report["left_out"].items():
        typer.echo(f"left out: {count} {why}")
    if report["prompts_cut_by_the_gateway"]:
        typer.echo(f"{report['prompts_cut_by_the_gateway']} prompts were cut by the gateway: routed by what is left")


def _goal(config: Path | None, loss: float | None, confidence: float | None) -> Goal:
    from ..config import load
    from ..types import Goal

    goal = load(config).goal()
    return Goal(
        goal.max_quality_loss if loss is None else loss,
        goal.confidence if confidence is None else confidence,
        goal.uncertified,
    )


def _prices(path: Path | None) -> dict[str, tuple[float, float]]:
    import orjson

    from ..errors import ConfigError

    if path is None:
        return {}
    try:
        found = orjson.loads(path.read_bytes())
        return {str(model): (float(price[0]), float(price[1])) for model, price in found.items()}
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        raise ConfigError(f"{path.name}: should be JSON like {{model: [input, output]}}") from None


def _show(report: dict[str, Any]) -> None:
    roles = report["models"]
    typer.echo(f"{report['prompts']} prompts; {roles['efficient']} against {roles['strong']}")
    rows = [
        (name, *(_told(report[key].get(field), shown) for field, shown in _COLUMNS))
        for name, key in (("all strong", "all_strong"), ("all efficient", "all_efficient"), ("routing", "routing"),
                          (f"checked by {roles['second']}", "cascade"))
        if key in report
    ]  # fmt: skip
    head = ("", "quality", "USD a prompt", "saved", "loss", "at most", "static mix", "oracle")
    typer.echo(table([head, *rows]))
    for name in ("routing", "cascade"):
        found = report.get(name, {}).get("certificate")
        if found is not None:
            said = f"certified from {found['threshold']:g} on, {found['n']} verdicts" if found["certified"] else ""
            typer.echo(f"{name}: {said or found['reason']}")
    if "cascade" in report and not report["cascade"]["checking_pays"]:
        typer.echo("cascade: on these answers checking doesn't show that it pays; `auto` would leave it off")


_COLUMNS = (
    ("quality", "{:.3f}"), ("cost_usd", "{:.6f}"), ("savings", "{:.0%}"), ("loss", "{:+.4f}"),
    ("loss_upper", "{:.4f}"), ("static_mix", "{:.3f}"), ("oracle", "{:.3f}"),
)  # fmt: skip


def _told(number: float | None, shown: str) -> str:
    return "" if number is None else shown.format(number)
