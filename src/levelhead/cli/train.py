"""`levelhead train`: recorded outcomes -> an artefact. The same data give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .progress import telling


def train(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Recorded outcomes: train/*.parquet or *.jsonl.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the artefact goes.")],
    corpora: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Labelled tasks and published abilities, if not the shipped ones."),
    ] = None,
) -> None:
    """Fit a model artefact to recorded outcomes and labelled tasks. Takes some minutes."""
    from ..learn import train as fit

    with telling() as tell:
        manifest = fit(data, out, corpora, tell)
    typer.echo(f"{out}: {manifest['name']}, fitted to {manifest['tasks']} labelled tasks; scores are in its card")
