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
from statistics import median, quantiles
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report
from harness.contestants import KEY, MODELS, ROOT
from harness.machine import cores, describe
from harness.native import Generator, Mock, build, write_bodies
from harness.procs import Child, ProcError, free_port
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


def started(
    folder: Path, name: str, budgets: list[dict[str, Any]], upstream: int, core: int | None
) -> tuple[Child, int]:
    """A proxy, its cache off."""
    models = {
        one["name"]: {
            "tier": tier,
            "wire": "openai",
            "model": one["name"],
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "price": {"input": one["input"], "output": one["output"]},
        }
        for tier, one in MODELS.items()
    }
    config = {
        "keys": [{"name": "bench", "key_env": "LEVELHEAD_BENCH_KEY"}],
        "tiers": list(MODELS),
        "models": models,
        "budgets": budgets,
        "cache": {"ttl_seconds": 0},
        "state": {"url": f"sqlite:///{folder}/{name}.db"},
    }
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(config))
    port = free_port()
    program = Path(sys.executable).with_name("levelhead")
    argv = [program, "serve", "--config", file, "--port", str(port)]
    child = Child(argv, log=folder / f"{name}.log", core=core, env={"LEVELHEAD_BENCH_KEY": KEY})
    child.wait_ready(f"http://127.0.0.1:{port}/readyz")
    return child, port


def through_the_proxy(folder: Path, rounds: int, seconds: float) -> dict[str, list[tuple[float, float]]]:
    """Requests per second, and CPU microseconds for one, of each round, with and without budgets."""
    core, other = cores()
    bodies = write_bodies(folder / "bodies.jsonl", "auto", stream=False)
    generator = Generator(build("loadgen", ROOT / ".bench"), other)
    budgets = [{"scope": "key", "name": "bench", "usd": 1000, "per": "day"}, {"scope": "run", "usd": 1000}]
    found: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
    with Mock(build("mock", ROOT / ".bench"), folder, other) as mock:
        kinds = {"with": budgets, "without": []}
        servers = {kind: started(folder, kind, some, mock.port, core) for kind, some in kinds.items()}
        try:
            for number in range(-1, rounds):  # the first one warms up
                for kind in sorted(servers, reverse=bool(number % 2)):
                    before = servers[kind][0].cpu()
                    load = generator.run(
                        servers[kind][1],
                        bodies,
                        conns=32,
                        seconds=seconds,
                        headers=(f"Authorization: Bearer {KEY}", "x-levelhead-run: r"),
                    )
                    if load.ok != load.sent:
                        raise ProcError(f"{kind}: {load.ok} of {load.sent} answers are right: {load.complaint}")
                    if number >= 0:
                        found[kind].append((load.rps, (servers[kind][0].cpu() - before) / load.ok * 1e6))
        finally:
            for child, _ in servers.values():
                child.stop()
    return found


def _compared(having: list[tuple[float, float]], lacking: list[tuple[float, float]]) -> str:
    (rps, cpu), (rps_lacking, cpu_lacking) = (tuple(map(median, zip(*some, strict=True))) for some in (having, lacking))
    pairs = list(zip(having, lacking, strict=True))
    faster, leaner = sorted(a[0] / b[0] for a, b in pairs), sorted(b[1] / a[1] for a, b in pairs)
    return (
        f"Throughput at 32 connections with budgets is {median(faster):.3f} of that without ({faster[0]:.3f}.."
        f"{faster[-1]:.3f} over {len(pairs)} rounds): {rps:,.0f} against {rps_lacking:,.0f} requests per second. "
        f"By the CPU time of a request, which other work on the machine disturbs less, it is {median(leaner):.3f} "
        f"({leaner[0]:.3f}..{leaner[-1]:.3f}): {cpu:,.0f} against {cpu_lacking:,.0f} us."
    )


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
        proxied = through_the_proxy(Path(place), wanted.rounds, wanted.seconds) if wanted.rounds else {}
    os.sched_setaffinity(0, usable)
    rows = [[name, f"{one['p50_us']:.1f}", f"{one['p99_us']:.1f}"] for name, one in alone.items()]
    shown = report.table(["reserve + settle", "p50, us", "p99, us"], rows)
    if proxied:
        shown += "\n\n" + _compared(proxied["with"], proxied["without"])
    print(shown)
    if not wanted.no_write:
        made = {"machine": describe().as_dict(), "in_process": alone, "rps_and_cpu_us": proxied}
        (HERE / "results" / "budget_cost.json").write_text(json.dumps(made, indent=1) + "\n")
        report.replace_between(HERE / "README.md", "budget-cost", shown)


if __name__ == "__main__":
    main()
