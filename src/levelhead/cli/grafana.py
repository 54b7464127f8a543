"""`levelhead grafana`: the Grafana dashboard and the Prometheus alerts that belong to this version's metrics."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer


def grafana(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where they go; those of another version are replaced.")],
) -> None:
    """Write the Grafana dashboard and the Prometheus alert rules."""
    from ..errors import ConfigError

    shipped = files("levelhead.observe") / "grafana"
    try:
        out.mkdir(parents=True, exist_ok=True)
        for source in sorted(shipped.iterdir(), key=lambda file: file.name):
            target = out / source.name
            target.write_bytes(source.read_bytes())
            typer.echo(target)
    except OSError as error:
        raise ConfigError(f"--out {out}: {error.strerror}", param="--out") from None
    typer.echo("Import the .json in Grafana; name the .yaml under rule_files in Prometheus' configuration.", err=True)
