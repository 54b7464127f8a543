"""What budgets cost on the hot path: a reservation and its settlement in process, and the proxy with and without them.

In process: one request at a time over a lease, key > team > run > slot, in SQLite and in Redis; microseconds. Proxy:
two servers that differ in their budgets alone (a key's day, which is paced, and a run's), measured in turns at 32
connections, cache off; the ratios of their throughputs, and of the CPU time that a request takes.

    .venv/bin/python benchmarks/budget_cost.py [--rounds 7] [--seconds 3] [--no-write]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles
from time import perf_counter

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report
from harness.contestants import ROOT
from harness.machine import describe
from harness.pairs import Setting, by_turns, compared
from levelhead.spend import Ledger, open_ledger
from levelhead.testing import RedisServer
from levelhead.types import NANOS_PER_USD, Budget, Scope

HERE = Path(__file__).resolve().parent
CALLS = 20_000
SCOPES = (Scope("key", "bench"), Scope("team", "t"), Scope("run", "bench/r"), Scope("slot", "bench/r/critic"))
BUDGETS = (
    Budget("key", 1_000 * NANOS_PER_USD, "bench", "day"),
    Budget("team", 1_000 * NANOS_PER_USD, None, "month"),
    Budget("run", 1_000 * NANOS_PER_USD),
    Budget("slot", 1_000 * NANOS_PER_USD, "critic", "run"),
)
PACED = [{"scope": "key", "name": "bench", "usd": 1000, "per": "day"}, {"scope": "run", "usd": 1000}]


async def timed(where: Path | str, scopes: Sequence[Scope]) -> dict[str, float]:
    """Microseconds for one reservation and its settlement."""
    ledger = open_ledger(BUDGETS, where)
    assert isinstance(ledger, Ledger)
    took = []
    for call in range(CALLS):
        began = perf_counter()
        held = await ledger.reserve(f"d{call}", scopes, 10_000_000)
        await ledger.settle(held, 100_000)
        took.append(perf_counter() - began)
    await ledger.aclose()
    cuts = quantiles(took[CALLS // 10 :], n=100)
    return {"p50_us": cuts[49] * 1e6, "p99_us": cuts[98] * 1e6}


def in_process(folder: Path) -> dict[str, dict[str, float]]:
    found = {}
    with RedisServer(folder, durable=True) as redis:
        for store, where in (("SQLite", folder / "state.db"), ("Redis", redis.url)):
            for count in (1, 4):
                scopes = "1 scope" if count == 1 else f"{count} scopes"
                found[f"{store}, {scopes}"] = asyncio.run(timed(where, SCOPES[:count]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="0: in process only")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--no-write", action="store_true")
    wanted = parser.parse_args()
    (ROOT / ".bench").mkdir(exist_ok=True)
    usable = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="levelhead-budgets-") as place:
        alone = in_process(Path(place))
        settings = {"with": Setting({"budgets": PACED}), "without": Setting({"budgets": []})}
        proxied = by_turns(Path(place), settings, wanted.rounds, wanted.seconds) if wanted.rounds else {}
    os.sched_setaffinity(0, usable)
    rows = [[name, f"{one['p50_us']:.1f}", f"{one['p99_us']:.1f}"] for name, one in alone.items()]
    shown = report.table(["reserve + settle", "p50, us", "p99, us"], rows)
    if proxied:
        shown += "\n\n" + compared(proxied["with"], proxied["without"], "budgets")
    print(shown)
    if not wanted.no_write:
        made = {"machine": describe().as_dict(), "in_process": alone, "rps_and_cpu_us": proxied}
        (HERE / "results" / "budget_cost.json").write_text(json.dumps(made, indent=1) + "\n")
        report.replace_between(HERE / "README.md", "budget-cost", shown)


if __name__ == "__main__":
    main()
