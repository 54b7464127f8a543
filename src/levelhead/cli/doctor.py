"""`levelhead doctor`: what would keep the proxy from working, each with its mend. Spends nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import ConfigOption, JsonOption, print_json


def doctor(
    config: ConfigOption = None,
    as_json: JsonOption = False,
    offline: Annotated[bool, typer.Option("--offline", help="Don't connect to anything.")] = False,
) -> None:
    """Find what would keep the proxy from working; exit 1 if so."""
    from .checks import examine

    findings = examine(config, offline=offline)
    healthy = all(finding.status != "problem" for finding in findings)
    if as_json:
        print_json({"ok": healthy, "checks": [finding.as_dict() for finding in findings]})
    else:
        for finding in findings:
            typer.echo(f"{finding.status:8}{finding.check}: {finding.detail}")
            if finding.mend:
                typer.echo(f"{'':8}{finding.mend}")
    raise typer.Exit(code=0 if healthy else 1)
