"""The ledger's file: private, checked, never replaced; balances read beside a running proxy."""

import os
import random
import sqlite3
import stat

import pytest

from levelhead.errors import ConfigError
from levelhead.spend import Ledger, SqliteStore, open_ledger, stored_balances
from levelhead.spend.workers import EXPIRY_SECONDS, Worker, started_at, this_process
from levelhead.types import Budget, Scope

DAY = Budget("key", 1_000, "team-a", "day")
RUN = Budget("run", 500)
KEY = Scope("key", "team-a")
BOTH = (KEY, Scope("run", "team-a/r"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "ledger.db"


async def spend(path, amount, *, at=0.0, budgets=(DAY, RUN), scopes=BOTH):
    ledger = Ledger(budgets, SqliteStore(path), clock=lambda: at)
    await ledger.settle(await ledger.reserve("d", scopes, amount), amount)
    await ledger.aclose()


def test_is_for_its_owner_only(path):
    old = os.umask(0)
    try:
        store = SqliteStore(path)
        store.join(0.0)
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (path.parent, *path.parent.iterdir())}
    finally:
        os.umask(old)
    assert modes == {"state": 0o700, "ledger.db": 0o600, "ledger.db-wal": 0o600, "ledger.db-shm": 0o600}
    path.chmod(0o644)
    SqliteStore(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_survives_a_restart(path):
    await spend(path, 300)
    await spend(path, 200)
    assert [(str(b.scope), b.spent, b.reserved) for b in stored_balances(path, (DAY, RUN), 0)] == [
        ("key:team-a", 500, 0),
        ("run:team-a/r", 500, 0),
    ]


class TestDamage:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda raw: b"this is no database, it only has the right name\n" * 100,
            lambda raw: raw[: len(raw) // 2],
            lambda raw: raw[:100] + random.Random(0).randbytes(4_096) + raw[4_196:],
            lambda raw: raw[:4_096] + b"\xff" * 8_192 + raw[12_288:],
        ],
        ids=["text", "cut off", "first page", "a table"],
    )
    async def test_is_refused_and_left_alone(self, path, damage):
        await spend(path, 300)
        path.write_bytes(damage(path.read_bytes()))
        before = path.read_bytes()
        with pytest.raises(ConfigError, match=r"^state\.url: .*no ledger that can be trusted"):
            open_ledger((DAY,), path)
        assert path.read_bytes() == before

    async def test_of_another_release_is_refused(self, path):
        await spend(path, 300)
        with sqlite3.connect(path) as db:
            db.execute("UPDATE ledger_schema SET version = 99")
        with pytest.raises(ConfigError, match="schema 99"):
            SqliteStore(path)

    async def test_is_told_by_the_reader(self, path):
        path.parent.mkdir()
        path.write_bytes(b"no database" * 1_000)
        with pytest.raises(ConfigError, match="no ledger that can be trusted"):
            stored_balances(path, (DAY,), 0)

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path):
        (tmp_path / "file").touch()
        for path in (tmp_path, tmp_path / "file" / "ledger.db"):
            with pytest.raises(ConfigError, match=r"^state\.url: .*can't be opened"):
                SqliteStore(path)


async def test_shares_its_file_with_other_tables(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE decisions (id TEXT)")
    await spend(path, 5)
    assert sqlite3.connect(path).execute("SELECT count(*) FROM decisions").fetchone() == (0,)


class TestStoredBalances:
    def test_of_a_file_that_is_not_there(self, path):
        assert [(b.limit, b.spent) for b in stored_balances(path, (DAY, RUN), 0)] == [(1_000, 0)]
        assert not path.exists()

    async def test_beside_a_worker_that_holds_a_lease(self, path):
        ledger = Ledger((DAY,), SqliteStore(path), clock=lambda: 0.0, flush_seconds=1e9)
        await ledger.settle(await ledger.reserve("d", (KEY,), 10), 4)
        await ledger.flush()
        (shown,) = stored_balances(path, (DAY,), 0)
        assert shown.spent == 4
        assert shown.spent + shown.reserved <= shown.limit
        assert shown.refills_at == 86_400
        await ledger.aclose()

    async def test_of_a_window_that_is_over_start_from_zero(self, path):
        await spend(path, 300, at=0.0)
        (today,) = stored_balances(path, (DAY,), 86_400.0)
        assert (today.spent, today.refills_at) == (0, 2 * 86_400)

    async def test_follow_the_configuration(self, path):
        await spend(path, 300, at=0.0)
        raised = Budget("key", 5_000, "team-a", "day")
        assert [(b.limit, b.spent) for b in stored_balances(path, (raised,), 0.0)] == [(5_000, 300)]
        assert stored_balances(path, (), 0.0) == []

    async def test_leave_out_runs_of_long_ago(self, path):
        await spend(path, 300, at=0.0)
        assert len(stored_balances(path, (DAY, RUN), 80_000.0)) == 2
        assert [str(b.scope) for b in stored_balances(path, (DAY, RUN), 90_000.0)] == ["key:team-a"]


async def test_runs_are_forgotten_after_a_week(path):
    await spend(path, 100, at=0.0)
    await spend(path, 100, at=8 * 86_400.0, scopes=(KEY,))
    rows = sqlite3.connect(path).execute("SELECT scope, window, spent FROM ledger_accounts").fetchall()
    assert rows == [("key:team-a", 0, 100), ("key:team-a", 8, 100)]


class TestLiveness:
    """Which workers another one takes for dead."""

    here = Worker("node", 10, "100")

    def test_this_process_lives(self):
        me = this_process()
        assert me.sees(me.node, me.pid, me.started, seen=-1e9, at=0.0)

    def test_a_process_that_is_gone_is_dead_at_once(self):
        me = this_process()
        gone = next(pid for pid in range(4_000_000, 5_000_000) if started_at(pid) is None)
        assert not me.sees(me.node, gone, "1", seen=0.0, at=0.0)

    @pytest.mark.skipif(not this_process().started, reason="the system doesn't say when a process started")
    def test_a_later_process_of_the_same_pid_is_another(self):
        me = this_process()
        assert not me.sees(me.node, me.pid, "1", seen=0.0, at=0.0)

    @pytest.mark.parametrize(
        ("silence", "alive"), [(0, True), (EXPIRY_SECONDS - 1, True), (EXPIRY_SECONDS + 1, False), (-9e9, True)]
    )
    def test_elsewhere_its_word_counts(self, silence, alive):
        assert self.here.sees("another node", 1, "1", seen=0.0, at=silence) is alive
        assert self.here.sees("node", os.getpid(), "", seen=0.0, at=silence) is alive


def test_the_dead_are_charged_once(path):
    store, other = SqliteStore(path, worker=Worker("x", 1, "1")), SqliteStore(path)
    store.join(0.0)
    other.join(0.0)
    from levelhead.spend.store import AccountKey, Ask

    key = AccountKey("key:team-a", "day", 0)
    (verdict,) = store.grant([[Ask(key, 1_000, 100, 100, fresh=True)]], 0.0)
    assert verdict.extras == (0,)  # 100 is more than a sixteenth of what is left
    assert other.sweep(EXPIRY_SECONDS + 1) == 100
    assert other.sweep(EXPIRY_SECONDS + 2) == 0
    (standing,) = other.read([key])
    assert (standing.spent, standing.leased) == (100, 0)
