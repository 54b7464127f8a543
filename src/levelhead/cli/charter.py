"""`levelhead charter`: what teams are bound by, and a person's part in changing it.

Whoever can run this on the machine that holds the state is taken for a person; `--by` says which, for the log.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import ConfigOption, JsonOption, print_json, table

if TYPE_CHECKING:
    from ..team.charter import Actor, Charter

app = typer.Typer(no_args_is_help=True, help="Show and change what teams are bound by, ring by ring.")
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who you are, for the log. Default: your login.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the log.")]
Name = Annotated[str, typer.Argument(metavar="SETTING")]


@app.command()
def show(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the three rings as they are in force, and open proposals."""
    from ..team.charter import RING_2, RING_3

    with _charter(config) as charter:
        now, ring1 = charter.settings(), charter.terms.ring1
        rings: dict[str, Any] = {
            "ring1": {**ring1, "hash": charter.terms.hash},
            "ring2": {name: now[name] for name in RING_2},
            "ring3": {name: {"value": now[name], "frozen": charter.frozen(name)} for name in RING_3},
            "proposals": {str(n): {"name": name, "value": value} for n, (name, value) in charter.proposals().items()},
        }
    if as_json:
        print_json(rings)
        return
    rows = [["ring", "setting", "value"]]
    for ring, settings in rings.items():
        for name, value in settings.items():
            frozen = ring == "ring3" and value["frozen"]
            shown = json.dumps(value["value"] if ring == "ring3" else value)
            rows.append([ring, name, shown + (" (frozen)" if frozen else "")])
    typer.echo(table(rows))


@app.command()
def propose(
    name: Name,
    value: Annotated[str, typer.Argument(help="JSON, or a word.")],
    why: Why = "",
    by: By = None,
    config: ConfigOption = None,
) -> None:
    """Propose a change of ring 2; it takes effect once approved."""
    with _charter(config) as charter:
        number = charter.propose(_person(by), name, _value(value), why)
    typer.echo(f"proposal {number}: {name} = {value}; levelhead charter approve {number}")


@app.command()
def approve(
    number: Annotated[int, typer.Argument(metavar="NUMBER")], why: Why = "", by: By = None, config: ConfigOption = None
) -> None:
    """Approve an open proposal: it is in force from the next run on."""
    with _charter(config) as charter:
        charter.approve(_person(by), number, why)
    typer.echo(f"proposal {number} approved")


@app.command()
def reject(
    number: Annotated[int, typer.Argument(metavar="NUMBER")], why: Why = "", by: By = None, config: ConfigOption = None
) -> None:
    """Reject an open proposal."""
    with _charter(config) as charter:
        charter.reject(_person(by), number, why)
    typer.echo(f"proposal {number} rejected")


@app.command("set")
def set_(
    name: Name,
    value: Annotated[str, typer.Argument(help="JSON, or a word.")],
    why: Why = "",
    by: By = None,
    config: ConfigOption = None,
) -> None:
    """Set a ring-3 setting within its bounds."""
    with _charter(config) as charter:
        charter.set(_person(by), name, _value(value), why)
    typer.echo(f"{name} = {value}")


@app.command()
def freeze(
    name: Annotated[str, typer.Argument(metavar="SETTING")] = "*",
    why: Why = "",
    by: By = None,
    config: ConfigOption = None,
) -> None:
    """Stop self tuning of a ring-3 setting, or of all."""
    with _charter(config) as charter:
        charter.freeze(_person(by), name, why)
    typer.echo(f"{name} is frozen")


@app.command()
def unfreeze(
    name: Annotated[str, typer.Argument(metavar="SETTING")] = "*",
    why: Why = "",
    by: By = None,
    config: ConfigOption = None,
) -> None:
    """Let a ring-3 setting tune itself again, or all."""
    with _charter(config) as charter:
        charter.unfreeze(_person(by), name, why)
    typer.echo(f"{name} is no longer frozen")


@app.command()
def rollback(name: Name, why: Why = "", by: By = None, config: ConfigOption = None) -> None:
    """Put a ring-3 setting back to the value before."""
    with _charter(config) as charter:
        charter.rollback(_person(by), name, why)
        now = charter.settings()[name]
    typer.echo(f"{name} = {json.dumps(now)}")


@app.command()
def log(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show who tried what, refused attempts included; exit 1 where the log was tampered with."""
    from ..team.charter_log import broken
    from ..team.state import TeamState

    with _charter(config) as charter:
        entries = charter.log()
        altered = broken(TeamState(_read(config).teams_store))
    if as_json:
        from dataclasses import asdict

        print_json({"entries": [asdict(entry) for entry in entries], "altered_at": altered})
    else:
        rows = [["#", "when", "who", "ring", "action", "setting", "value", "outcome"]]
        for entry in entries:
            when = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
            who = f"{entry.kind} {entry.actor}".strip()
            outcome = "done" if entry.allowed else entry.reason
            value = json.dumps(entry.value)
            rows.append([str(entry.seq), when, who, str(entry.ring), entry.action, entry.name, value, outcome])
        typer.echo(table(rows))
    if altered is not None:
        typer.echo(f"the log was altered at entry {altered}", err=True)
        raise typer.Exit(1)


def _read(config: Any) -> Any:
    from ..config import load

    return load(config, lenient=True)


@contextmanager
def _charter(config: Any) -> Iterator[Charter]:
    import sqlite3

    from ..errors import ConfigError
    from ..team.office import charter_of

    try:
        yield charter_of(_read(config))
    except sqlite3.Error as error:
        raise ConfigError(f"the teams' state can't be used: {error}") from None


def _person(by: str | None) -> Actor:
    from ..team.charter import Actor

    return Actor("person", by or getpass.getuser())


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
