"""`levelhead train`: recorded outcomes -> an artefact. The same data give the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    data: Annotated[Path, typer.Option(metavar="DIR", help="Recorded outcomes and labelled tasks.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the artefact goes.")],
) -> None:
    """Fit a model artefact to recorded outcomes."""
    from ..learn import train as fit

    manifest = fit(data, out)
    typer.echo(f"{out}: {manifest['name']}, {len(manifest['features'])} features; scores are in its card")
