"""Every verb of the command line."""

from __future__ import annotations

from typing import Annotated

import typer

from .._version import __version__
from .budgets import budgets
from .certify import certify
from .charter import app as charter
from .decisions import decisions
from .demo import demo
from .doctor import doctor
from .explain import explain
from .grafana import grafana
from .probe import probe
from .replay import replay
from .report import report
from .serve import serve
from .train import train

app = typer.Typer(
    help="A cost-aware model router for mixed strong/efficient agent teams.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they print local variables, and those hold secrets
)
for verb in (serve, explain, doctor, probe, budgets, train, replay, report, decisions, certify, grafana, demo):
    app.command()(verb)
app.add_typer(charter, name="charter")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"levelhead {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass
