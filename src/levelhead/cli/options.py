"""The options and the plain-text forms that several verbs share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Default: $LEVELHEAD_CONFIG, ./levelhead.yaml, the environment."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def print_json(value: Any) -> None:
    import orjson

    typer.echo(orjson.dumps(value).decode())


def usd(amount: float) -> str:
    """Cents at least, four significant digits below a dollar, nanodollars at most."""
    if abs(amount) >= 1:
        return f"${amount:,.2f}"
    whole, _, part = f"{float(f'{amount:.4g}'):.9f}".rstrip("0").partition(".")
    return f"${whole}.{part:0<2}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
