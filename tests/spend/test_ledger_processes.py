"""Real processes on one file or one Redis: they race for the last cent, and die with money in their hands."""

import json
import signal
import subprocess
import sys
import time

import pytest

from levelhead.spend import Ledger, SqliteStore, stored_balances
from levelhead.testing import RedisServer
from levelhead.types import NANOS_PER_USD, Budget, Scope

USD = NANOS_PER_USD
RUN = Budget("run", USD)
SCOPE = Scope("run", "a/r")
WORKER = """
import asyncio, json, random, sys
from pathlib import Path
from levelhead.errors import BudgetExhausted
from levelhead.spend import Ledger, RedisStore, SqliteStore
from levelhead.types import Budget, Scope

where, seed, connections, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
scope, cap = Scope("run", "a/r"), 5_000_000
chance = random.Random(seed)
spent = calls = 0

async def connection(ledger):
    global spent, calls
    refusals = 0
    while refusals < 6:
        try:
            held = await ledger.reserve(f"{seed}.{calls}", (scope,), cap)
        except BudgetExhausted:
            refusals += 1
            continue
        await asyncio.sleep(0)  # the call
        cost = chance.randint(0, cap)
        calls, spent = calls + 1, spent + cost
        await ledger.settle(held, cost)

async def main():
    store = RedisStore(where) if where.startswith("redis:") else SqliteStore(Path(where))
    holds = mode == "hold"  # then nothing moves any more that the test doesn't move
    ledger = Ledger((Budget("run", 1_000_000_000),), store, flush_seconds=1e9 if holds else 0.05)
    if holds:
        settled = await ledger.reserve("one", (scope,), cap)
        await ledger.settle(settled, 1_000)
        await ledger.flush()
        await ledger.reserve("two", (scope,), cap)
        print("holding", flush=True)
        await asyncio.sleep(600)
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(connection(ledger) for _ in range(connections)))
    if mode != "exit":
        await ledger.aclose()
    print(json.dumps([spent, calls]), flush=True)

asyncio.run(main())
"""


@pytest.fixture
def worker(tmp_path):
    running = []

    def start(seed, connections=8, mode="race", where=tmp_path / "state.db"):
        process = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(where), str(seed), str(connections), mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(params=["file", "server"])
def store(request, tmp_path):
    """Where the ledger is, and what makes it lose its breath for a moment."""
    if request.param == "file":
        yield tmp_path / "state.db", lambda: None
    elif not RedisServer.installed():
        pytest.skip("needs redis-server")
    else:
        with RedisServer(tmp_path, durable=True) as server:
            yield server.url, lambda: (server.kill(), server.start())


def test_workers_race_for_a_dollar(worker, store):
    """Redis is killed in the middle of it, and comes back with what it acknowledged."""
    where, falter = store
    workers = [worker(seed, where=where) for seed in range(4)]
    for process in workers:
        assert process.stdout.readline() == "ready\n"
    for process in workers:
        process.stdin.write("go\n")
        process.stdin.flush()
    falter()
    results = [json.loads(process.stdout.readline()) for process in workers]
    for process in workers:
        assert process.wait(60) == 0
    (balance,) = stored_balances(where, (RUN,), time.time())
    assert balance.spent == sum(spent for spent, _ in results)
    assert balance.reserved == 0
    assert USD * 98 // 100 <= balance.spent <= USD
    assert sum(calls for _, calls in results) > 300


async def test_a_killed_worker_pays_for_all_that_it_held(worker, tmp_path):
    process = worker(1, mode="hold")
    assert process.stdout.readline() == "holding\n"
    path = tmp_path / "state.db"
    (before,) = stored_balances(path, (RUN,), time.time())
    assert before.spent + before.reserved >= 5_001_000
    process.send_signal(signal.SIGKILL)
    process.wait()
    ledger = Ledger((RUN,), SqliteStore(path))
    (after,) = stored_balances(path, (RUN,), time.time())
    assert (after.spent, after.reserved) == (before.spent + before.reserved, 0)
    assert ledger.rescued == before.reserved
    await ledger.reserve("d", (SCOPE,), USD - after.spent)
    await ledger.aclose()


def test_a_worker_that_exits_without_closing_leaves_a_clean_file(worker, tmp_path):
    process = worker(1, connections=1, mode="exit")
    process.stdout.readline()
    process.stdin.write("go\n")
    process.stdin.flush()
    spent, _ = json.loads(process.stdout.readline())
    assert process.wait(60) == 0
    (balance,) = stored_balances(tmp_path / "state.db", (RUN,), time.time())
    assert (balance.spent, balance.reserved) == (spent, 0)
