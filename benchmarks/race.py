"""Workers race for one dollar: is a run's budget ever overspent, and is it used up to its end?

In each round, connections hammer one run budget of $1.00 with calls whose real cost is random up to a cap of just under
half a cent, until they are refused three times in a row. The vendor keeps its own books. Three settings:

    calm      one proxy of 8 workers, SQLite
    kills     the same, and every second a serving worker is killed (-9), while at least half of them serve
    machines  three proxies of 3 workers over one Redis (appendfsync always), the same kills, and Redis killed and
              started again once in each round

What is under way in a worker that is killed stays charged: the vendor may bill it, and does here.

    .venv/bin/python benchmarks/race.py [--rounds 20] [--connections 64] [--only calm,kills,machines] [--no-write]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import race_parts, report
from harness.machine import describe
from harness.procs import Child, ProcError, free_port, http_get, tree
from levelhead.spend import stored_balances
from levelhead.spend.redis import PREFIX, connect
from levelhead.testing import RedisServer
from levelhead.types import Budget

HERE = Path(__file__).resolve().parent
PARTS = HERE / "harness" / "race_parts.py"
LIMIT = 10**9
SETTLED_WITHIN = 60.0  # seconds
COMPLETE_WITHIN = 120.0
SETTINGS = {"calm": (1, 8), "kills": (1, 8), "machines": (3, 3)}  # proxies, workers of each


@dataclass
class Field:
    """What a setting runs on."""

    proxies: list[Child]
    ports: list[int]
    vendor: int
    store: Path | str
    redis: RedisServer | None
    kills: bool
    workers: int

    def serving(self) -> list[int]:
        """Worker processes that have joined the ledger and live."""
        if isinstance(self.store, Path):
            with closing(sqlite3.connect(self.store)) as db:
                joined = {pid for (pid,) in db.execute("SELECT pid FROM ledger_workers")}
        else:
            with closing(connect(self.store, None)) as redis:
                joined = {json.loads(who)[1] for who in redis.hgetall(f"{PREFIX}:workers").values()}
        return [pid for proxy in self.proxies for pid in tree(proxy.pid)[1:] if pid in joined]

    def complete(self) -> None:
        """Returns when every worker serves."""
        deadline = time.monotonic() + COMPLETE_WITHIN
        while len(self.serving()) < self.workers:
            if time.monotonic() > deadline:
                raise ProcError(f"{len(self.serving())} of {self.workers} workers serve")
            time.sleep(0.2)


def opened(stack: ExitStack, setting: str, folder: Path) -> Field:
    """Starts vendor, store and proxies; the stack ends them."""
    vendor = free_port()
    stack.enter_context(Child([sys.executable, PARTS, "vendor", str(vendor)], log=folder / "vendor.log"))
    redis = None
    store: Path | str = folder / "state.db"
    if setting == "machines":
        redis = stack.enter_context(RedisServer(folder, durable=True))
        store = redis.url
    model = {
        "tier": "strong",
        "wire": "openai",
        "model": "racer",
        "base_url": f"http://127.0.0.1:{vendor}/v1",
        "price": race_parts.USD_PER_MILLION,
    }
    config = {
        "models": {"racer": model},
        "tiers": ["strong"],
        "budgets": [{"scope": "run", "usd": 1}],
        "cache": {"ttl_seconds": 0},
        "state": {"url": store if isinstance(store, str) else f"sqlite://{store}"},
    }
    proxies, ports = [], []
    many, workers = SETTINGS[setting]
    for number in range(many):
        file = folder / f"proxy{number}.yaml"
        file.write_text(yaml.safe_dump(config))
        ports.append(free_port())
        command = [Path(sys.executable).with_name("levelhead"), "serve", "--config", file, "--port", str(ports[-1])]
        proxy = Child([*command, "--workers", str(workers)], log=folder / f"proxy{number}.log")
        proxies.append(stack.enter_context(proxy))
    for proxy, port in zip(proxies, ports, strict=True):
        proxy.wait_ready(f"http://127.0.0.1:{port}/healthz")
    return Field(proxies, ports, vendor, store, redis, kills=setting != "calm", workers=many * workers)


def play(field: Field, run: str, connections: int, seed: int) -> dict[str, Any]:
    """One round. Returns its figures."""
    over = threading.Event()
    kills, restarts = [0], [0]

    def disturb() -> None:
        chance = random.Random(seed)
        while not over.wait(1.0):
            serving = field.serving()
            if 2 * len(serving) >= field.workers:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(serving), signal.SIGKILL)
                kills[0] += 1
            if field.redis is not None and not restarts[0]:
                field.redis.kill()
                field.redis.start()
                restarts[0] += 1

    field.complete()
    disturber = threading.Thread(target=disturb)
    began = time.monotonic()
    if field.kills:
        disturber.start()
    argv = [sys.executable, str(PARTS), "clients", run, str(connections), str(seed), *map(str, field.ports)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=600)
    seconds = time.monotonic() - began
    over.set()
    if field.kills:
        disturber.join()
    counts = json.loads(done.stdout)
    owed = json.loads(http_get(f"http://127.0.0.1:{field.vendor}/")[1])[run]
    spent, reserved = settled(field, run)
    return {
        "run": run,
        "spent_usd": spent / LIMIT,
        "reserved_usd": reserved / LIMIT,
        "billed_usd": owed / LIMIT,
        "told_usd": counts.pop("told_nanos", 0) / LIMIT,
        "kills": kills[0],
        "restarts": restarts[0],
        "seconds": round(seconds, 1),
        **counts,
    }


def settled(field: Field, run: str) -> tuple[int, int]:
    """What the ledger says has been spent once nothing is reserved any more: the dead are swept within seconds."""
    deadline = time.monotonic() + SETTLED_WITHIN
    while True:
        balances = stored_balances(field.store, (Budget("run", LIMIT),), time.time())
        (found,) = [b for b in balances if b.scope.name.rpartition("/")[2] == run]
        if found.reserved == 0 or time.monotonic() > deadline:
            return found.spent, found.reserved
        time.sleep(0.1)


def verdict(rounds: list[dict[str, Any]], *, calm: bool) -> list[str]:
    """What went wrong, one line each."""
    wrong = []
    for one in rounds:
        spent, billed, told = one["spent_usd"], one["billed_usd"], one["told_usd"]
        if spent > 1 or spent < 0.99 or one["reserved_usd"]:
            wrong.append(f"{one['run']}: spent {spent}, reserved {one['reserved_usd']}")
        if not told <= billed <= spent or (calm and not told == billed == spent):
            wrong.append(f"{one['run']}: told {told}, billed {billed}, spent {spent}")
    return wrong


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    head = ["setting", "rounds", "spent, USD: least", "most", "billed by the vendor, of spent", "kills", "restarts"]
    rows = []
    for setting, rounds in results.items():
        spent = [one["spent_usd"] for one in rounds]
        billed = sum(one["billed_usd"] for one in rounds) / sum(spent)
        counts = [str(sum(one[name] for one in rounds)) for name in ("kills", "restarts")]
        rows.append([setting, str(len(rounds)), f"{min(spent):.6f}", f"{max(spent):.6f}", f"{billed:.1%}", *counts])
    return report.table(head, rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=64, help="for each worker")
    parser.add_argument("--only", default=",".join(SETTINGS))
    parser.add_argument("--no-write", action="store_true")
    wanted = parser.parse_args()
    file = HERE / "results" / "race.json"
    known = json.loads(file.read_text())["settings"] if file.exists() else {}  # of settings that aren't played now
    results: dict[str, list[dict[str, Any]]] = {}
    wrong = []
    for setting in wanted.only.split(","):
        with tempfile.TemporaryDirectory(prefix="levelhead-race-") as folder, ExitStack() as stack:
            field = opened(stack, setting, Path(folder))
            proxies, workers = SETTINGS[setting]
            rounds = []
            for number in range(wanted.rounds):
                one = play(field, f"{setting}-{number}", wanted.connections * proxies * workers, number)
                print(json.dumps(one), flush=True)
                rounds.append(one)
        results[setting] = rounds
        wrong += verdict(rounds, calm=setting == "calm")
    results = {setting: {**known, **results}[setting] for setting in SETTINGS if setting in {**known, **results}}
    shown = table(results)
    print(shown, *wrong, sep="\n")
    if not wanted.no_write:
        made = {"machine": describe().as_dict(), "settings": results}
        file.write_text(json.dumps(made, indent=1) + "\n")
        report.replace_between(HERE / "README.md", "race", f"{describe().line()}\n\n{shown}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
