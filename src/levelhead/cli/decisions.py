"""`levelhead decisions`: the decision log, for people or as JSONL."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime
from typing import Annotated, Any

import typer

from .logged import opened, watched
from .options import ConfigOption, table, usd

SHOWN = 20


def decisions(
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Every row as a JSON object with its verdicts, the newest first.")
    ] = False,
    days: Annotated[float, typer.Option(min=0, help="How far back; the log keeps 30.")] = 30.0,
    key: Annotated[str | None, typer.Option(metavar="NAME", help="Of this key only.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help=f"At most so many; {SHOWN} where a table is shown.")] = None,
    config: ConfigOption = None,
) -> None:
    """Show the last decisions, or export the log."""
    import orjson

    from ..config import load
    from ..errors import ConfigError
    from ..observe.journal import KEPT_DECISIONS, decision_row

    read = load(config, lenient=True)
    since = time.time() - days * 86_400
    try:
        with closing(opened(read)) as store:
            found = store.decisions(since, key, most or (KEPT_DECISIONS if jsonl else SHOWN))
            if not jsonl:
                _show([decision_row(doc) for doc in found])
                return
            out = sys.stdout.buffer
            for doc in watched(found, "decisions"):
                row = decision_row(doc)
                row["verdicts"] = [orjson.loads(one) for one in store.verdicts_of(row["id"])]
                out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
            out.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        raise ConfigError(f"The decision log can't be read: {error}", param="state.url") from None


def _show(rows: list[dict[str, Any]]) -> None:
    if not rows:
        typer.echo("No decision is logged.")
        return
    head = ["time", "key", "slot", "level", "model", "reason", "outcome", "cost", "id"]
    typer.echo(table([head, *([_word(cell) for cell in _line(row)] for row in rows)]))


def _line(row: Mapping[str, Any]) -> list[str | None]:
    at = datetime.fromtimestamp(row["at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    reason = (row.get("decision") or {}).get("reason") or row["error"]
    told = (row["key"], row["slot"], row["level"], row["model"], reason, row["outcome"])
    return [at, *told, usd(row["cost_usd"]), row["id"]]


def _word(cell: str | None) -> str:
    """Short, and without anything that would write elsewhere on a terminal."""
    shown = "".join(c if c.isprintable() else "?" for c in cell or "-")
    return shown if len(shown) <= 32 else shown[:31] + "…"
