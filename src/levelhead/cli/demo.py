"""`levelhead demo`: the whole thing in a minute, without a key: a proxy on the simulated pair, a team, the bill."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import LevelheadError

if TYPE_CHECKING:
    from openai import OpenAI

CONFIG = """\
slots:
  planner: {}
  drafter: {max_output_tokens: 2000}
  critic: {max_quality_loss: 0.01}
budgets:
  - {scope: run, usd: 0.50}
"""

# (slot, task): a team that ships a small product, from routine to contested. The repeats come back from the cache.
TEAM = [
    ("drafter", "Rename the variable `x` to `count` in: for x in range(3): print(x)"),
    ("drafter", "Translate 'The meeting starts at nine.' into French."),
    ("critic", "Is this commit message in the imperative mood? 'Add retry to uploader'"),
    ("planner", "What is the capital of Australia?"),
    ("drafter", "Write a docstring for def area(r): return 3.14159 * r * r"),
    (
        "drafter",
        "Our Postgres query behind the invoice page slowed down after the finance team added VAT columns. Suggest an "
        "index, and write two sentences for the finance newsletter on what changed for them.",
    ),
    (
        "critic",
        "Check this pricing page copy against our refund policy (refunds within 30 days, not for annual plans) and "
        "against EU consumer law on digital services; list each sentence that conflicts.",
    ),
    (
        "planner",
        "Plan the migration of our monolith's billing module to a separate service: first map the data it owns, then "
        "design the API from that, then the dual-write phase, the back-fill with its checks, the cut-over with a "
        "rollback, and at last the clean-up. Each phase must name what it needs from the one before, the teams "
        "(database, payments, support, legal) and the test that lets the next one start.",
    ),
    (
        "drafter",
        "From these interview notes design, then cost, then schedule a six-month pilot of a clinic's triage assistant: "
        "requirements from nurses, a model choice that follows from them, a data-protection assessment of that choice, "
        "an evaluation protocol built on the assessment, and a budget that fits the protocol.",
    ),
    (
        "critic",
        "Security wants the release stopped over an unconfirmed report of a data leak, sales has promised the customer "
        "the date, legal says that saying anything may admit liability, and the only engineer who knows the module is "
        "away. The log has gaps. Recommend what to do in the next two hours and what to tell each of them, and say "
        "what would change your mind.",
    ),
    (
        "planner",
        "The city wants the river bank for flood defence, the fishermen for their moorings, an investor for flats, and "
        "the surveys contradict each other about the subsoil. Nobody trusts the mayor's numbers. Propose a way to a "
        "decision that each side could live with, naming who loses what and which facts you would need first.",
    ),
]
REPEATS = (0, 1, 2, 3, 4, 0, 1)


@dataclass
class Row:
    """What one slot did at one level."""

    calls: int = 0
    hits: int = 0
    cost: float = 0.0
    strong: float = 0.0  # the same answers from the strong model
    models: set[str] = field(default_factory=set)


def demo() -> None:
    """Run a sample mixed team through the proxy on the embedded simulated pair, and print the bill."""
    with _proxy() as url, _client(url) as client:
        typer.echo(f"The proxy answers on {url}; nothing leaves this machine, and all answers are simulated.\n")
        _print_bill(_run_team(client))
    typer.echo(
        "\nThe answers and their token counts are simulated; levels, routing, prices, budget and cache are the real "
        "ones.\nNext:\n"
        "  levelhead serve                        the proxy for your own keys: README.md, 'Your own models'\n"
        "  levelhead explain 'a task of yours'    its level and where it would go, without calling a model\n"
        "  levelhead doctor                       what is missing, and how to mend it"
    )


def _run_team(client: OpenAI) -> Mapping[tuple[str, str], Row]:
    rows: dict[tuple[str, str], Row] = defaultdict(Row)
    for number in (*range(len(TEAM)), *REPEATS):
        slot, task = TEAM[number]
        answer = client.chat.completions.with_raw_response.create(
            model=f"auto/{slot}",
            messages=[{"role": "user", "content": task}],
            temperature=0,
            extra_headers={"x-levelhead-run": "demo"},
        )
        headers = answer.headers
        row = rows[slot, headers["x-levelhead-level"]]
        row.calls += 1
        row.hits += headers["x-levelhead-cache"] == "hit"
        row.cost += float(headers["x-levelhead-cost-usd"])
        row.strong += float(headers["x-levelhead-baseline-cost-usd"])
        row.models.add(headers["x-levelhead-model"])
    return rows


def _print_bill(rows: Mapping[tuple[str, str], Row]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="The bill of run 'demo' (simulated models)", title_justify="left")
    for name in ("slot", "level", "model"):
        table.add_column(name)
    for name in ("calls", "cache hits", "cost USD", "all-strong USD", "saved"):
        table.add_column(name, justify="right")
    for at in sorted(rows):
        table.add_row(*at, ", ".join(sorted(rows[at].models)), *_figures([rows[at]]))
    table.add_section()
    table.add_row("all", "", "", *_figures(rows.values()), style="bold")
    Console(width=None if sys.stdout.isatty() else 100).print(table)


def _figures(rows: Iterable[Row]) -> tuple[str, ...]:
    rows = list(rows)
    cost, strong = sum(row.cost for row in rows), sum(row.strong for row in rows)
    calls, hits = sum(row.calls for row in rows), sum(row.hits for row in rows)
    return str(calls), str(hits), f"{cost:.6f}", f"{strong:.6f}", f"{1 - cost / strong:.0%}" if strong else "-"


@contextmanager
def _client(url: str) -> Iterator[OpenAI]:
    from openai import OpenAI

    with OpenAI(base_url=f"{url}/v1", api_key="not-needed-on-loopback", max_retries=0, timeout=30) as client:
        yield client


@contextmanager
def _proxy() -> Iterator[str]:
    """The real `levelhead serve` in a process of its own, on a free port and a directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="levelhead-demo-") as home:
        config = Path(home) / "levelhead.yaml"
        config.write_text(CONFIG)
        kept = {k: v for k, v in os.environ.items() if k not in ("ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY")}
        process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "levelhead", "serve", "--config", str(config), "--port", "0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**kept, "LEVELHEAD_HOME": home},
        )
        try:
            yield _url_of(process)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _url_of(process: subprocess.Popen[Any]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    if "http" not in line:
        assert process.stderr is not None
        raise LevelheadError(f"the proxy didn't start: {process.stderr.read().strip()}")
    return str(line[line.index("http") :].strip())
