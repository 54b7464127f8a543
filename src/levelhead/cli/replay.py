"""`levelhead replay`: recorded outcomes through the policy, beside what needs no router and what none can beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import ConfigOption, JsonOption, print_json, table

if TYPE_CHECKING:
    from ..types import Goal


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
    """Say what levelhead would have cost and lost on an outcome table (parquet or JSONL)."""
    from ..difficulty import load_quality_model
    from ..learn.replay import replay as run
    from ..learn.replay import roles_of
    from ..learn.tables import load_table

    recorded = load_table(file, _prices(prices))
    roles = roles_of(recorded, strong=strong, efficient=efficient, second=second)
    report = run(recorded, roles, _goal(config, max_quality_loss, confidence), load_quality_model())
    if as_json:
        print_json(report)
    else:
        _show(report)


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
