"""`levelhead budgets`: what each scope may spend, has spent and has set aside."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from .options import ConfigOption, JsonOption, print_json, table, usd

if TYPE_CHECKING:
    from ..types import Balance


def budgets(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show limit, spent, reserved and refill time per scope."""
    from ..config import load
    from ..spend import as_json as shown
    from ..spend import stored_balances
    from ..types import NANOS_PER_USD

    read = load(config, lenient=True)
    balances = stored_balances(
        read.state_store,
        (*read.budgets(), *read.audit_budgets()),
        time.time(),
        password=read.secret(read.state.password_env),
        simulated=read.simulated,
    )
    if as_json:
        print_json({"budgets": [shown(b) for b in balances]})
    elif not balances:
        typer.echo(
            "No budgets are set." if not (read.budgets() or read.audit_budgets()) else "Nothing has been spent yet."
        )
    else:
        head = ["scope", "limit", "spent", "reserved", "left", "refills"]
        rows = [
            [str(b.scope), *(usd(n / NANOS_PER_USD) for n in (b.limit, b.spent, b.reserved, b.remaining)), _when(b)]
            for b in balances
        ]
        typer.echo(table([head, *rows]))


def _when(balance: Balance) -> str:
    if balance.refills_at is None:
        return "never"
    return datetime.fromtimestamp(balance.refills_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
