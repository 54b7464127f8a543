"""The ledger over a real Redis: outages, restarts, servers that aren't to be trusted with money."""

import asyncio
import logging
import threading

import pytest
import redis

from levelhead.errors import BudgetExhausted, ConfigError, Overloaded
from levelhead.spend import Ledger, RedisStore, open_ledger, stored_balances
from levelhead.spend.redis import PREFIX, connect
from levelhead.spend.store import AccountKey, Ask, Move, Unanswered
from levelhead.spend.workers import EXPIRY_SECONDS, Worker
from levelhead.testing import RedisServer
from levelhead.types import NANOS_PER_USD, Budget, Scope, Secret

pytestmark = pytest.mark.skipif(not RedisServer.installed(), reason="needs redis-server")

USD = NANOS_PER_USD
KEY, RUN = Scope("key", "team-a"), Scope("run", "team-a/r1")
DAY, PER_RUN = Budget("key", USD, "team-a", "day"), Budget("run", USD // 10)
NOON = 1_795_348_800.0
NEVER = 1e9


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis"), durable=True) as server:
        yield server


@pytest.fixture
def server(running):
    with redis.Redis.from_url(running.url) as db:
        db.flushall()
    return running


def ledger_of(server, *budgets, patience=2.0, **more):
    store = RedisStore(server.url, patience=patience)
    return Ledger(budgets, store, **{"clock": lambda: NOON, "flush_seconds": NEVER, **more})


def stored(server, *budgets):
    return [(str(b.scope), b.spent, b.reserved) for b in stored_balances(server.url, budgets, NOON)]


async def test_spends_and_shows(server):
    ledger = ledger_of(server, DAY, PER_RUN)
    await ledger.settle(await ledger.reserve("d1", [KEY, RUN], USD // 100), 7)
    await ledger.flush()
    (_, spent, leased), _ = stored(server, DAY, PER_RUN)
    assert spent == 7
    assert 0 < leased < USD
    await ledger.aclose()
    assert sorted(stored(server, DAY, PER_RUN)) == [("key:team-a", 7, 0), ("run:team-a/r1", 7, 0)]


async def test_a_restart_loses_nothing_and_counts_nothing_twice(server):
    """Redis dies with a posting and a grant under way; both are made once it is back."""
    ledger = ledger_of(server, PER_RUN, patience=60.0)  # however slow the restart
    ledger._patience = 60.0
    held = await ledger.reserve("d1", [RUN], USD // 20)
    await ledger.settle(held, 1_000)
    server.kill()
    waiting = [asyncio.ensure_future(ledger.reserve(f"w{n}", [RUN], USD // 50)) for n in range(4)]
    flushed = asyncio.ensure_future(ledger.flush())
    await asyncio.sleep(0)
    server.start()
    for reservation in await asyncio.gather(*waiting):
        await ledger.settle(reservation, 100)
    await flushed
    with pytest.raises(BudgetExhausted):
        await ledger.reserve("d2", [RUN], USD // 10)
    await ledger.reserve("d3", [RUN], USD // 10 - 1_400)
    await ledger.aclose()  # what is still reserved is charged
    assert stored(server, PER_RUN) == [("run:team-a/r1", USD // 10, 0)]


async def test_an_outage_is_said_and_over_when_it_is_over(server, caplog):
    ledger = ledger_of(server, PER_RUN, patience=0.05)
    ledger._patience = 0.2
    leased = await ledger.reserve("d1", [RUN], 1_000)
    server.kill()
    try:
        await ledger.settle(await ledger.reserve("d2", [RUN], 1_000), 10)  # the lease goes on
        with pytest.raises(Overloaded, match="can't be reached"):
            await ledger.reserve("d3", [RUN], USD // 11)
        with pytest.raises(Overloaded):
            await ledger.flush()
    finally:
        server.start()
    ledger._patience = ledger._keeper._store._patience = 60.0
    await ledger.flush()
    await ledger.settle(leased, 20)
    await ledger.reserve("d4", [RUN], USD // 10 - 30)  # d3 got its money late, and gave it back
    await ledger.aclose()
    assert stored(server, PER_RUN) == [("run:team-a/r1", USD // 10, 0)]
    assert "does not answer" in caplog.text


async def test_closing_in_an_outage_ends(server):
    ledger = ledger_of(server, PER_RUN, patience=0.05)
    await ledger.settle(await ledger.reserve("d1", [RUN], 1_000), 10)
    server.kill()
    try:
        await ledger.aclose()
        with pytest.raises(Overloaded):
            await ledger.reserve("d2", [RUN], USD // 11)
    finally:
        server.start()


@pytest.mark.parametrize("lost", ["call", "reply"])
@pytest.mark.parametrize("operation", ["grant", "post"])
def test_a_call_that_is_made_again_is_made_once(server, monkeypatch, operation, lost):
    store = RedisStore(server.url, patience=0.0)
    store.join(NOON)
    key = AccountKey("run:a/r", "ever", 0)
    call = {
        "grant": lambda: store.grant([[Ask(key, 1_000, 100, 100)]], NOON)[0].standings[0],
        "post": lambda: store.post([Move(key, 30, 0, 20)], NOON)[0],
    }
    if operation == "post":
        call["grant"]()
    real = store._run

    def lossy(**arguments):
        monkeypatch.setattr(store, "_run", real)
        if lost == "reply":
            real(**arguments)
        raise redis.exceptions.TimeoutError

    monkeypatch.setattr(store, "_run", lossy)
    with pytest.raises(Unanswered):
        call[operation]()
    standing = call[operation]()
    assert (standing.spent, standing.leased, standing.mine) == ((0, 100, 100) if operation == "grant" else (30, 50, 50))
    assert store.read([key]) == [standing]
    store.close()


def test_large_amounts_stay_exact(server):
    store = RedisStore(server.url)
    store.join(NOON)
    key, limit = AccountKey("key:a", "ever", 0), 2**52 - 1
    (verdict,) = store.grant([[Ask(key, limit, limit - 1, limit)]], NOON)
    assert verdict.standings[0].leased == limit - 1
    (standing,) = store.post([Move(key, limit - 2, 0, 1)], NOON)
    assert (standing.spent, standing.leased) == (limit - 2, 0)
    store.close()
    with pytest.raises(ConfigError, match=r"budgets\[0\]\.usd: more than 4503599 USD"):
        open_ledger([Budget("key", 2**52)], server.url)


def test_silence_counts_only_while_one_could_be_heard(server):
    """Who said nothing while this worker heard nothing either is not dead for that."""
    here, there = Worker("here", 1, "1"), Worker("there", 1, "1")
    silent, other = RedisStore(server.url, worker=there), RedisStore(server.url, worker=here)
    silent.join(NOON)
    other.join(NOON)
    key = AccountKey("run:a/r", "ever", 0)
    silent.grant([[Ask(key, 1_000, 100, 100)]], NOON)
    with redis.Redis.from_url(server.url) as db:
        seconds, _ = db.time()
        db.hset(f"{PREFIX}:seen", silent._me, seconds - 2 * EXPIRY_SECONDS)
    assert other.sweep(NOON) == 0
    other._in_touch_since -= 2 * EXPIRY_SECONDS
    assert other.sweep(NOON) == 100
    assert other.sweep(NOON) == 0
    assert other.read([key])[0].spent == 100


def test_simulated_money_is_kept_apart(server):
    async def spend(simulated):
        ledger = open_ledger([PER_RUN], server.url, simulated=simulated)
        await ledger.settle(await ledger.reserve("d", [RUN], 50), 50)
        await ledger.aclose()

    asyncio.run(spend(True))
    assert stored(server, PER_RUN) == []
    assert [b.spent for b in stored_balances(server.url, [PER_RUN], NOON, simulated=True)] == [50]


def test_a_worker_that_starts_while_redis_restarts_waits_for_it(tmp_path):
    server = RedisServer(tmp_path)
    starting = threading.Thread(target=server.start)
    starting.start()
    RedisStore(server.url).close()
    starting.join()
    server.kill()


class TestServersNotToBeTrusted:
    def test_nobody_there(self, tmp_path):
        with pytest.raises(ConfigError, match=r"^state\.url: 127\.0\.0\.1 can't be used: ConnectionError"):
            connect(RedisServer(tmp_path).url, None, patience=0)

    def test_one_that_evicts(self, server):
        with redis.Redis.from_url(server.url) as db:
            db.config_set("maxmemory-policy", "allkeys-lru")
            try:
                with pytest.raises(ConfigError, match="may evict budgets"):
                    RedisStore(server.url)
            finally:
                db.config_set("maxmemory-policy", "noeviction")

    def test_one_that_wants_another_password(self, server):
        with redis.Redis.from_url(server.url) as db:
            db.config_set("requirepass", "right-one")
            try:
                for password in (None, Secret("wrong-one")):
                    with pytest.raises(ConfigError, match=r"can't be used: Auth") as refused:
                        RedisStore(server.url, password=password)
                    assert "-one" not in str(refused.value)
                RedisStore(server.url, password=Secret("right-one")).close()
            finally:
                db.execute_command("AUTH", "right-one")
                db.config_set("requirepass", "")

    def test_one_that_forgets_is_told_of(self, tmp_path, caplog):
        caplog.set_level(logging.WARNING)
        with RedisServer(tmp_path) as forgetful:
            RedisStore(forgetful.url).close()
        assert "may forget what was spent" in caplog.text
