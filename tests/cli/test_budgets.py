"""`levelhead budgets` reads what a real ledger wrote."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from levelhead.cli.options import usd
from levelhead.config import load
from levelhead.spend import open_ledger, scopes_for
from levelhead.testing import RedisServer
from levelhead.types import Identity, Key

from .conftest import Run

NOON = 1_795_348_800.0
CONFIG = """
keys: [{name: team-a, key_env: KEY_A}, {name: team-b, key_env: KEY_B}]
slots: {critic: {}}
budgets:
  - {scope: key, name: team-a, usd: 25, per: day}
  - {scope: key, name: team-b, usd: 0.005}
  - {scope: run, usd: 0.50}
  - {scope: slot, name: critic, usd: 0.20, per: run}
"""


async def spend(usd: float) -> None:
    """One request of team-a's critic in run r1, settled at `NOON`."""
    config = load(lenient=True)
    budgets = config.budgets()
    ledger = open_ledger(budgets, config.state_store, simulated=config.simulated, clock=lambda: NOON)
    scopes = scopes_for(budgets, Identity(Key("team-a"), slot="critic", run="r1"))
    reservation = await ledger.reserve("one", scopes, 100_000_000)
    await ledger.settle(reservation, round(usd * 1e9))
    await ledger.aclose()


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No midnight comes between what is spent and what is shown."""
    monkeypatch.setattr("levelhead.cli.budgets.time", SimpleNamespace(time=lambda: NOON))


@pytest.mark.usefixtures("noon")
def test_before_and_after_spending(run: Run, tmp_path: Path) -> None:
    (tmp_path / "levelhead.yaml").write_text(CONFIG)
    before = {row["scope"]: row for row in json.loads(run("budgets", "--json").out)["budgets"]}
    assert set(before) == {"key:team-a", "key:team-b"}
    assert before["key:team-a"]["spent_usd"] == 0
    assert not (tmp_path / "home").exists()

    asyncio.run(spend(0.0375))
    ran = run("budgets", "--json")
    assert ran.code == 0
    after = {row["scope"]: row for row in json.loads(ran.out)["budgets"]}
    day = after["key:team-a"]
    assert day.pop("refills_at") == NOON + 43_200
    assert day == {
        "scope": "key:team-a",
        "limit_usd": 25,
        "spent_usd": 0.0375,
        "reserved_usd": 0,
        "remaining_usd": 24.9625,
    }
    assert after["run:team-a/r1"]["remaining_usd"] == 0.4625
    assert after["slot:team-a/r1/critic"]["refills_at"] is None
    assert after["key:team-b"]["spent_usd"] == 0

    lines = run("budgets").out.splitlines()
    assert lines[0].split() == ["scope", "limit", "spent", "reserved", "left", "refills"]
    (shown,) = [line.split() for line in lines if line.startswith("run:team-a/r1")]
    assert shown == ["run:team-a/r1", "$0.50", "$0.0375", "$0.00", "$0.4625", "never"]
    (small,) = [line.split() for line in lines if line.startswith("key:team-b")]
    assert small[1] == "$0.005"


@pytest.mark.usefixtures("noon")
@pytest.mark.skipif(not RedisServer.installed(), reason="needs redis-server")
def test_in_redis(run: Run, tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        (tmp_path / "levelhead.yaml").write_text(f"{CONFIG}\nstate: {{url: '{server.url}'}}\n")
        asyncio.run(spend(0.0375))
        shown = {row["scope"]: row["spent_usd"] for row in json.loads(run("budgets", "--json").out)["budgets"]}
        assert shown == {
            "key:team-a": 0.0375,
            "key:team-b": 0,
            "run:team-a/r1": 0.0375,
            "slot:team-a/r1/critic": 0.0375,
        }
    ran = run("budgets")
    assert ran.code == 1
    assert ran.err.startswith("levelhead: state.url: 127.0.0.1 can't be used")


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        (0, "$0.00"),
        (0.5, "$0.50"),
        (0.123456, "$0.1235"),
        (0.00021, "$0.00021"),
        (3e-9, "$0.000000003"),
        (1234.5, "$1,234.50"),
    ],
)
def test_money_is_shown_as_money(amount: float, shown: str) -> None:
    assert usd(amount) == shown


def test_no_budgets(run: Run) -> None:
    assert run("budgets").out == "No budgets are set.\n"
    assert json.loads(run("budgets", "--json").out) == {"budgets": []}


def test_a_file_that_is_no_ledger(run: Run, tmp_path: Path) -> None:
    (tmp_path / "levelhead.yaml").write_text(CONFIG)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/simulated.db").write_bytes(b"not a database" * 100)
    ran = run("budgets")
    assert ran.code == 1
    assert ran.err.startswith("levelhead: ")
    assert "Traceback" not in ran.err
