"""`levelhead report`: what was spent, what was saved, and what it did to quality, from the decision log."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .logged import opened, verdicts, watched
from .options import ConfigOption, JsonOption, print_json, table, usd

if TYPE_CHECKING:
    from ..config import Config


def report(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report there, as one HTML file.")] = None,
    days: Annotated[float, typer.Option(min=0, help="How far back; the log keeps 30.")] = 30.0,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Say what was spent and saved, by which slots, and how good the answers were."""
    from ..config import load
    from ..errors import ConfigError

    read = load(config, lenient=True)
    try:
        found = _figures(read, time.time() - days * 86_400)
    except OSError as error:
        raise ConfigError(f"The decision log can't be read: {error}", param="state.url") from None
    if out is not None:
        from ..observe.report import page

        try:
            out.write_text(page(found), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{out}: {error.strerror}") from None
    if as_json:
        print_json(found)
    else:
        _show(found, out)


def _figures(config: Config, since: float) -> dict[str, Any]:
    """Raises `OSError` and `ConfigError` where log or ledger can't be read."""
    from ..observe.journal import KEPT_DECISIONS, decision_row
    from ..observe.report import Figures
    from ..spend import as_json, stored_balances

    tiers = {name: model.tier for name, model in config.models.items()}
    figures = Figures(config.slots(), tiers, config.goal().confidence)
    password = config.secret(config.state.password_env)
    with closing(opened(config)) as store:
        for doc in watched(store.decisions(since, None, KEPT_DECISIONS), "decisions"):
            figures.add(decision_row(doc))
        for verdict in watched(verdicts(store, since), "verdicts"):
            figures.judged(verdict)
    balances = stored_balances(
        config.state_store,
        (*config.budgets(), *config.audit_budgets()),
        time.time(),
        password=password,
        simulated=config.simulated,
    )
    told = figures.told([as_json(balance) for balance in balances], simulated=config.simulated)
    return {**told, "teams": _uplifts(config)}


def _uplifts(config: Config) -> list[dict[str, Any]]:
    """What a strong model was worth in each slot of teams, where coins have shown it."""
    import sqlite3

    from ..team.seats import SeatBook
    from ..team.state import TeamState

    try:
        return [asdict(one) for one in SeatBook(TeamState(config.teams_store)).uplift()]
    except sqlite3.Error as error:
        raise OSError(f"{config.teams_store}: {error}") from None


def _show(found: dict[str, Any], out: Path | None) -> None:
    by = found["saved_by"]
    rows = [
        ("requests", f"{found['requests']:,}"),
        ("spent", usd(found["spent_usd"])),
        ("all strong", usd(found["baseline_usd"])),
        ("saved", f"{usd(found['saved_usd'])} (routing {usd(by['routing'])}, cache {usd(by['cache'])})"),
    ]
    for tier, one in found["quality"].items():
        rows.append((f"quality, {tier}", f"{one['score']:.3f} ({one['lower']:.3f} to {one['upper']:.3f})"))
    if (loss := (found["loss"] or {}).get("served")) is not None:
        bounds = f"{loss['lower']:+.1%} to {loss['upper']:+.1%}"
        rows.append(("quality lost", f"{loss['loss']:+.1%} ({bounds}), by {loss['audits']:,} audits"))
    for one in found["teams"]:
        bounds = f"{one['low']:+.3f} to {one['high']:+.3f}"
        rows.append((f"strength in {one['slot']}", f"{one['uplift']:+.3f} ({bounds}), by {one['runs']:,} runs"))
    if (shadow := found["shadow"]) is not None:
        bounds = shadow["bounds"]
        said = "" if bounds is None else f" ({bounds[0]:.1%} to {bounds[1]:.1%})"
        rows.append(("routing would save", f"{usd(shadow['would_save_usd'])}, {shadow['would_save_share']:.1%}{said}"))
    if found["simulated"]:
        rows.insert(0, ("simulated", "every answer: no vendor was asked"))
    typer.echo(table(rows))
    if out is not None:
        typer.echo(f"written to {out}")
