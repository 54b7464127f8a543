"""A disk that is full, files that are damaged, a clock that jumps: the proxy answers, says so, and no budget opens."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from levelhead.assemble import assemble
from levelhead.config import from_mapping
from levelhead.errors import BudgetExhausted
from levelhead.passage import Ask
from levelhead.testing import FakeClock
from levelhead.types import Key

from .house import Proxy, Vendors, eventually
from .talk import Client

LIMIT = Decimal("0.05")
KEY = "key:team"
SMALL = {"model": "gpt-mini", "max_tokens": 50, "temperature": 0}


@contextmanager
def serving(folder: Path, vendors: Vendors) -> Iterator[tuple[Proxy, Client]]:
    with Proxy(folder, vendors, keys={"team": {}}, budgets=[{"scope": "key", "usd": float(LIMIT)}]) as proxy:
        yield proxy, proxy.client("team")


def ask(client: Client, said: str) -> Decimal:
    answer = client.chat(said, **SMALL)
    assert answer.status == 200, answer.raw
    return answer.cost


def spoil(file: Path) -> None:
    """Never shorter than it was: SQLite maps one of its files, and a page that is gone ends a process."""
    with file.open("r+b") as damaged:
        damaged.write(b"\x00junk" * max(10_000, file.stat().st_size // 5 + 1))


def test_a_full_disk(vendors: Vendors, tmp_path: Path) -> None:
    """Nothing can be written for a while: answers go on, what they cost is posted later."""
    with serving(tmp_path, vendors) as (proxy, client):
        told = ask(client, "before")
        limits = resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
        told += sum(ask(client, f"while {number}") for number in range(20))
        eventually(lambda: proxy.metric("cache_requests_total", tier="disk", result="failed") > 0, "it is counted")
        eventually(lambda: proxy.metric("ledger_errors_total") > 0, "this, too")
        assert client.get("/readyz").status == 200
        resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, limits)
        told += ask(client, "afterwards")
        assert "Traceback" not in proxy.log
    with serving(tmp_path, vendors) as (_, client):
        told += ask(client, "again")
        assert client.balance(KEY).spent == told


@pytest.mark.parametrize("which", ["responses/cache.db", "state.db"])
def test_a_file_that_is_damaged_under_way(vendors: Vendors, tmp_path: Path, which: str) -> None:
    """A cache is switched off. A ledger can't be trusted any more: what is leased is spent, nothing beyond."""
    with serving(tmp_path, vendors) as (proxy, client):
        told = ask(client, "before")
        eventually((tmp_path / which).exists, "there is a file")
        for file in (tmp_path / which).parent.glob(f"{Path(which).name}*"):
            spoil(file)
        statuses = set()
        for number in range(400 if which == "state.db" else 30):
            said = client.chat(f"after {number}", **{**SMALL, "max_tokens": 400})
            statuses.add(said.status)
            if said.status != 200:
                break
            told += said.cost
        assert statuses <= {200, 429, 503}
        assert told <= LIMIT
        assert client.get("/healthz").status == 200
        assert proxy.process.poll() is None
        if which == "state.db":
            eventually(lambda: "budgets: the store failed" in proxy.log, "it is said")
            assert proxy.metric("ledger_errors_total") > 0
        else:
            # answers are written behind
            eventually(lambda: proxy.metric("cache_requests_total", tier="disk", result="failed") > 0, "it is counted")
            assert 503 not in statuses
        assert "internal error" not in proxy.log


def test_a_damaged_ledger_is_not_served_on(vendors: Vendors, tmp_path: Path) -> None:
    """Whoever starts from zero must say so: a budget is never open because its file is broken."""
    with serving(tmp_path, vendors) as (_, client):
        ask(client, "before")
    spoil(tmp_path / "state.db")
    with pytest.raises(AssertionError, match="no ledger that can be trusted"), serving(tmp_path, vendors):
        pass
    doctor = subprocess.run(
        [Path(sys.executable).with_name("levelhead"), "doctor", "--offline", "--config", tmp_path / "levelhead.yaml"],
        capture_output=True, text=True, env={"LEVELHEAD_HOME": str(tmp_path), "PATH": "", "HOME": str(tmp_path)},
    )  # fmt: skip
    assert doctor.returncode == 1
    assert "file is not a database" in doctor.stdout


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """Forward a day, back two, forward: no window gives more than its limit, nothing fails but for want of money."""
    models = {
        name: {"tier": tier, "wire": "simulated", "model": f"sim-{tier}", "price": {"input": 1, "output": 5}}
        for name, tier in (("small", "efficient"), ("large", "strong"))
    }
    budgets = [{"scope": "key", "usd": 0.02, "per": "hour"}, {"scope": "key", "usd": 0.08}]
    file = {"models": models, "budgets": budgets, "cache": {"directory": str(tmp_path)}}
    clock = FakeClock()

    async def life() -> None:
        house = assemble(from_mapping(file, env={}), clock=clock)
        paid = 0
        for jump in (0, 86_400, -2 * 86_400, 3_600, -7_200, 10 * 86_400):
            clock.now += jump
            for number in range(40):
                body: dict[str, Any] = {
                    "messages": [{"role": "user", "content": f"{jump} {number}"}],
                    "max_tokens": 200,
                }
                with suppress(BudgetExhausted):
                    reply = await house.pipeline.respond(Ask(orjson.dumps({"model": "auto", **body}), {}, Key("local")))
                    assert reply.passage.cost_usd > 0
                    paid += round(reply.passage.cost_usd * 1e9)
                for balance in house.pipeline.balances(None):
                    assert balance.spent + balance.reserved <= balance.limit
        assert 20_000_000 < paid <= 80_000_000
        await house.pipeline.aclose()

    asyncio.run(life())
