"""The ledger over a real file: reserve, settle, windows, refusals, failures."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from levelhead.errors import BudgetExhausted, Overloaded
from levelhead.spend import Ledger, SqliteStore, Unlimited, open_ledger, stored_balances
from levelhead.spend.accounts import Shortage
from levelhead.types import NANOS_PER_USD, Budget, Scope

USD = NANOS_PER_USD
KEY, RUN, OTHER_RUN = Scope("key", "team-a"), Scope("run", "team-a/r1"), Scope("run", "team-a/r2")
DAY = Budget("key", USD, "team-a", "day")
PER_RUN = Budget("run", USD // 10)
NEVER = 1e9  # seconds: rounds happen when a test asks for them


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()

    def __call__(self):
        return self.now


class CountingStore(SqliteStore):
    grants = 0

    def grant(self, requests, at):
        self.grants += 1
        return super().grant(requests, at)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "ledger.db"


@pytest.fixture
async def opened(path, clock):
    """A factory of workers on one file."""
    ledgers = []

    def make(*budgets, store=None, **more):
        ledger = Ledger(budgets, store or SqliteStore(path), clock=clock, **{"flush_seconds": NEVER, **more})
        ledger._pause = 0.0
        ledgers.append(ledger)
        return ledger

    yield make
    for ledger in ledgers:
        await ledger.aclose()


def balance(ledger, scope=KEY):
    found = next(b for b in ledger.balances() if b.scope == scope)
    return found.spent, found.reserved, found.remaining


async def test_reserves_settles_and_gives_back(opened):
    ledger = opened(DAY, PER_RUN)
    held = await ledger.reserve("d1", [KEY, RUN], USD // 20)
    assert (held.id, held.amount, held.scopes) == ("d1", USD // 20, (KEY, RUN))
    assert balance(ledger) == (0, USD // 20, USD * 19 // 20)
    assert ledger.remaining([KEY, RUN]) == USD // 20
    await ledger.settle(held, 7)
    await ledger.settle(held, 7)  # a client that hangs up twice pays once
    assert balance(ledger) == (7, 0, USD - 7)
    assert balance(ledger, RUN) == (7, 0, USD // 10 - 7)


async def test_the_hot_path_asks_the_store_for_nothing(opened, path):
    store = CountingStore(path)
    ledger = opened(DAY, PER_RUN, store=store)
    for n in range(500):
        await ledger.settle(await ledger.reserve(f"d{n}", [KEY, RUN], USD // 1000), USD // 100_000)
    assert store.grants < 10
    assert ledger.remaining([RUN]) == USD // 10 - 500 * USD // 100_000


async def test_leases_are_topped_up_before_they_run_out(opened, path, monkeypatch):
    store = CountingStore(path)
    ledger = opened(DAY, store=store)
    waits = 0
    asked = Ledger._asked

    async def counting(self, shortage):
        nonlocal waits
        waits += 1
        return await asked(self, shortage)

    monkeypatch.setattr(Ledger, "_asked", counting)
    for n in range(100):
        await ledger.settle(await ledger.reserve(f"d{n}", [KEY], USD // 500), USD // 500)
        await ledger.flush()  # lets the keeper catch up
    assert waits == 1
    assert store.grants > 3


async def test_all_scopes_or_none(opened):
    ledger = opened(DAY, PER_RUN)
    first = await ledger.reserve("d1", [KEY, RUN], USD // 10)
    with pytest.raises(BudgetExhausted) as caught:
        await ledger.reserve("d2", [KEY, RUN], 1)
    assert caught.value.scope == "run:team-a/r1"
    assert balance(ledger) == (0, USD // 10, USD * 9 // 10)
    await ledger.settle(await ledger.reserve("d3", [KEY, OTHER_RUN], USD // 10), 0)
    await ledger.settle(first, USD // 10)
    assert balance(ledger)[0] == USD // 10


async def test_every_window_of_a_scope_binds(opened, clock):
    ledger = opened(Budget("key", 100, "team-a", "hour"), Budget("key", 150, "team-a", "day"))
    await ledger.settle(await ledger.reserve("d1", [KEY], 100), 100)
    with pytest.raises(BudgetExhausted, match="until 2026-11-22 13:00 UTC"):
        await ledger.reserve("d2", [KEY], 1)
    clock.now += 3_600
    with pytest.raises(BudgetExhausted, match="until 2026-11-23 00:00 UTC"):
        await ledger.reserve("d3", [KEY], 51)
    await ledger.settle(await ledger.reserve("d4", [KEY], 50), 50)


@pytest.mark.parametrize(
    ("budget", "scope", "spent", "needed", "message"),
    [
        (
            DAY,
            KEY,
            USD * 99 // 100,
            21_234_567,
            "budget of key team-a: needs up to $0.0213, $0.0100 left until 2026-11-23 00:00 UTC",
        ),
        (PER_RUN, RUN, USD // 10, 1, "budget of run team-a/r1: needs up to $0.000000001, $0.0000 left"),
        (PER_RUN, RUN, USD // 10 - 999_999, USD, "budget of run team-a/r1: needs up to $1.0000, $0.000999999 left"),
    ],
)
async def test_a_refusal_says_which_budget_what_for_and_until_when(opened, budget, scope, spent, needed, message):
    ledger = opened(budget)
    await ledger.settle(await ledger.reserve("d1", [scope], spent), spent)
    with pytest.raises(BudgetExhausted) as caught:
        await ledger.reserve("d2", [scope], needed)
    assert str(caught.value) == message
    assert caught.value.scope == str(scope)
    midnight = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    assert caught.value.refills_at == (midnight if budget.per == "day" else None)


async def test_what_no_budget_binds_is_free(opened):
    ledger = opened(DAY)
    held = await ledger.reserve("d1", [RUN, Scope("key", "team-b"), Scope("slot", "x/y")], 10**15)
    await ledger.settle(held, 10**15)
    assert held.scopes == ()
    assert ledger.remaining([RUN]) is None
    assert ledger.overruns == 0


async def test_a_free_model_is_never_refused(opened):
    ledger = opened(Budget("key", 0, "team-a"))
    await ledger.settle(await ledger.reserve("d1", [KEY], 0), 0)
    with pytest.raises(BudgetExhausted):
        await ledger.reserve("d2", [KEY], 1)


async def test_one_call_may_reserve_twice(opened):
    ledger = opened(DAY)
    draft = await ledger.reserve("d1", [KEY], 10)
    answer = await ledger.reserve("d1", [KEY], 20)
    await ledger.settle(draft, 10)
    await ledger.settle(draft, 10)
    await ledger.settle(answer, 20)
    assert balance(ledger) == (30, 0, USD - 30)


@pytest.mark.parametrize("amount", [-1])
async def test_negative_money_is_a_bug(opened, amount):
    ledger = opened(DAY)
    with pytest.raises(ValueError):
        await ledger.reserve("d1", [KEY], amount)
    held = await ledger.reserve("d2", [KEY], 5)
    with pytest.raises(ValueError):
        await ledger.settle(held, amount)
    assert balance(ledger) == (0, 5, USD - 5)


class TestOverruns:
    async def test_are_charged_counted_and_told(self, opened, path, clock):
        told = []
        ledger = opened(DAY, PER_RUN, on_overrun=told.append)
        await ledger.settle(await ledger.reserve("d1", [KEY, RUN], 1_000), 1_700)
        assert (ledger.overruns, told) == (700, [700])
        assert balance(ledger) == (1_700, 0, USD - 1_700)

    async def test_beyond_the_limit_stay_visible_and_end_the_budget(self, opened, path, clock):
        ledger = opened(PER_RUN)
        await ledger.settle(await ledger.reserve("d1", [RUN], USD // 10), USD)
        assert balance(ledger, RUN) == (USD, 0, 0)
        with pytest.raises(BudgetExhausted, match=r"\$0.0000 left"):
            await ledger.reserve("d2", [RUN], 1)
        await ledger.flush()
        assert [(b.spent, b.reserved) for b in stored_balances(path, [PER_RUN], clock.now)] == [(USD, 0)]


class TestWindows:
    async def test_refill(self, opened, clock):
        ledger = opened(DAY)
        await ledger.settle(await ledger.reserve("d1", [KEY], USD), USD)
        clock.now += 12 * 3_600
        assert balance(ledger) == (0, 0, USD)
        assert ledger.remaining([KEY]) == USD
        await ledger.reserve("d2", [KEY], USD)

    async def test_a_late_settlement_is_charged_to_its_own_window(self, opened, clock, path):
        ledger = opened(DAY)
        late = await ledger.reserve("d1", [KEY], 1_000)
        clock.now += 12 * 3_600
        today = await ledger.reserve("d2", [KEY], 50)
        await ledger.settle(late, 700)
        await ledger.settle(today, 40)
        assert today.windows[0] == late.windows[0] + 1
        assert balance(ledger) == (40, 0, USD - 40)
        await ledger.flush()
        rows = SqliteStore(path)._db.execute("SELECT window, spent FROM ledger_accounts ORDER BY window").fetchall()
        assert rows == [(late.windows[0], 700), (today.windows[0], 40)]
        leases = SqliteStore(path)._db.execute("SELECT leased FROM ledger_accounts ORDER BY window").fetchall()
        assert leases[0] == (0,)  # nobody sits on yesterday's money

    async def test_a_refill_that_comes_after_midnight_goes_back(self, opened, clock, path):
        ledger = opened(DAY)
        await ledger.settle(await ledger.reserve("d1", [KEY], USD // 500), 7)
        (yesterday,) = ledger._books._accounts([KEY])
        clock.now += 86_400
        ledger.remaining([KEY])
        ledger._keeper.submit(Shortage(None, USD // 500, (yesterday,), ((yesterday, 0),)))
        await ledger.flush()
        rows = SqliteStore(path)._db.execute("SELECT spent, leased FROM ledger_accounts").fetchall()
        assert rows == [(7, 0)]

    @pytest.mark.parametrize("back", [1, 3_600, 86_400, 40 * 86_400])
    @pytest.mark.parametrize("restart", [False, True])
    async def test_a_clock_set_back_refills_nothing(self, opened, clock, back, restart):
        ledger = opened(Budget("key", 100, "team-a", "hour"), Budget("run", 100, None, "day"))
        held = await ledger.reserve("d0", [KEY, RUN], 30)
        await ledger.settle(await ledger.reserve("d1", [KEY, RUN], 70), 70)
        clock.now -= back
        await ledger.settle(held, 30)
        if restart:
            await ledger.aclose()
            ledger = opened(Budget("key", 100, "team-a", "hour"), Budget("run", 100, None, "day"))
            assert balance(ledger) == (100, 0, 0)
        for scope in (KEY, RUN):
            with pytest.raises(BudgetExhausted):
                await ledger.reserve("d2", [scope], 1)
        assert balance(ledger) == (100, 0, 0)
        clock.now += back + 86_400
        await ledger.reserve("d3", [KEY, RUN], 100)


class TestWorkersOnOneFile:
    async def test_see_what_others_spent(self, opened):
        one, two = opened(DAY), opened(DAY)
        await one.settle(await one.reserve("d1", [KEY], USD * 6 // 10), USD * 6 // 10)
        with pytest.raises(BudgetExhausted):
            await two.reserve("d1", [KEY], USD * 6 // 10)  # the same id is another call here
        assert balance(two)[2] <= USD * 4 // 10
        await two.reserve("d2", [KEY], USD // 10)

    async def test_get_back_what_others_do_not_use(self, opened):
        """One worker sits on a lease; another needs nearly everything and gets it after a round."""
        one, two = opened(DAY), opened(DAY)
        await one.settle(await one.reserve("d1", [KEY], USD // 100), 0)
        with pytest.raises(BudgetExhausted):
            await two.reserve("d1", [KEY], USD)
        await one.flush()
        await two.reserve("d2", [KEY], USD)

    async def test_wait_for_a_round_before_refusing(self, opened, monkeypatch):
        monkeypatch.setattr("levelhead.spend.ledger._TRIES", 3_000)  # the round may be late
        one, two = opened(DAY, flush_seconds=0.01), opened(DAY, flush_seconds=0.01)
        two._pause = 0.01
        await one.settle(await one.reserve("d1", [KEY], USD // 100), 0)
        await two.reserve("d1", [KEY], USD)

    async def test_idle_leases_go_back(self, opened, path, clock):
        ledger = opened(DAY, PER_RUN)
        await ledger.settle(await ledger.reserve("d1", [KEY, RUN], USD // 1000), 5)
        await ledger.flush()
        assert {b.reserved > 0 for b in stored_balances(path, [DAY, PER_RUN], clock.now)} == {True}
        for _ in range(30):
            await ledger.flush()
        assert {(b.spent, b.reserved) for b in stored_balances(path, [DAY, PER_RUN], clock.now)} == {(5, 0)}

    async def test_a_worker_taken_for_dead_starts_anew(self, opened, path, clock):
        """Paused for long, swept by another: what it held was charged; it must neither spend nor charge that again."""
        ledger = opened(DAY, PER_RUN)
        held = await ledger.reserve("d1", [KEY, RUN], USD // 100)
        await ledger.settle(await ledger.reserve("d2", [KEY, RUN], USD // 100), 3)
        other = SqliteStore(path)
        lease = other._db.execute("SELECT max(amount) FROM ledger_leases").fetchone()[0]
        other._bury(ledger._keeper._store._me, clock.now)
        await ledger.flush()
        await ledger.settle(held, 7)
        assert balance(ledger)[1] == 0
        await ledger.settle(await ledger.reserve("d3", [KEY], 11), 11)
        await ledger.aclose()
        spent = {b.scope: b.spent for b in stored_balances(path, [DAY, PER_RUN], clock.now)}
        assert spent[KEY] == lease + 11

    async def test_a_worker_taken_for_dead_is_told_when_it_asks(self, opened, path, clock):
        ledger = opened(DAY)
        await ledger.reserve("d1", [KEY], 5)
        SqliteStore(path)._bury(ledger._keeper._store._me, clock.now)
        with pytest.raises(Overloaded):
            await ledger.reserve("d2", [KEY], USD // 2)
        await ledger.reserve("d3", [KEY], USD // 2)

    async def test_a_request_that_waited_meanwhile_gets_nothing(self, opened, path, clock):
        ledger = opened(DAY)
        waiting = ledger._books.take("d1", [KEY], 5)
        SqliteStore(path)._bury(ledger._keeper._store._me, clock.now)
        for _ in range(10):
            await ledger.flush()  # a sign of life is what it is found out by
        ledger._keeper.submit(waiting)
        with pytest.raises(Overloaded):
            await asyncio.wrap_future(waiting.answer)
        assert stored_balances(path, [DAY], clock.now)[0].reserved == 0


class TestMemory:
    async def test_runs_that_ended_are_forgotten(self, opened):
        ledger = opened(DAY, PER_RUN)
        for n in range(50):
            await ledger.settle(await ledger.reserve("d", [KEY, Scope("run", f"team-a/{n}")], 10), 3)
        assert len(ledger.balances()) == 51
        for _ in range(150):
            await ledger.flush()
        assert [b.scope for b in ledger.balances()] == [KEY]  # a budget with a name stays to be seen
        assert balance(ledger) == (150, 0, USD - 150)
        held = await ledger.reserve("d", [Scope("run", "team-a/7")], 1)
        assert balance(ledger, Scope("run", "team-a/7")) == (3, 1, USD // 10 - 4)
        await ledger.settle(held, 0)

    async def test_a_reservation_that_nobody_settles_is_charged(self, opened):
        ledger = opened(DAY)
        held = await ledger.reserve("d1", [KEY], 100)
        now = ledger._books._timer()
        ledger._books._timer = lambda: now + 7_200
        for _ in range(10):
            await ledger.flush()
        assert balance(ledger) == (100, 0, USD - 100)
        await ledger.settle(held, 1)
        assert balance(ledger) == (100, 0, USD - 100)


class TestFailures:
    async def test_a_store_that_fails_refuses_and_loses_nothing(self, opened, path):
        class Failing(SqliteStore):
            broken = False

            def grant(self, requests, at):
                if self.broken:
                    raise OSError("disk full")
                return super().grant(requests, at)

            def post(self, moves, at):
                if self.broken:
                    raise OSError("disk full")
                return super().post(moves, at)

        store = Failing(path)
        ledger = opened(DAY, PER_RUN, store=store)
        held = await ledger.reserve("d1", [KEY, RUN], USD // 100)
        await ledger.settle(held, 5)
        store.broken = True
        with pytest.raises(Overloaded):
            await ledger.reserve("d2", [KEY, RUN], USD // 11)
        with pytest.raises(Overloaded):
            await ledger.flush()
        assert balance(ledger)[:2] == (5, 0)
        leased = await ledger.reserve("d3", [KEY, RUN], 1)  # what is leased can still be spent
        await ledger.settle(leased, 1)
        store.broken = False
        await ledger.flush()
        assert [b.spent for b in stored_balances(path, [DAY, PER_RUN], 0)] == [6, 6]

    async def test_a_file_that_vanishes_is_not_made_anew(self, opened, path):
        ledger = opened(DAY)
        await ledger.reserve("d1", [KEY], 5)
        path.rename(path.with_name("elsewhere.db"))
        with pytest.raises(Overloaded):
            await ledger.reserve("d2", [KEY], USD // 2)
        SqliteStore(path).close()  # somebody starts from zero
        with pytest.raises(Overloaded):
            await ledger.reserve("d3", [KEY], USD // 2)

    async def test_a_client_that_leaves_while_the_store_is_asked(self, opened, path):
        entered, go = threading.Event(), threading.Event()

        class Slow(SqliteStore):
            def grant(self, requests, at):
                entered.set()
                assert go.wait(60)
                return super().grant(requests, at)

        ledger = opened(DAY, store=Slow(path))
        task = asyncio.create_task(ledger.reserve("d1", [KEY], USD))
        assert await asyncio.to_thread(entered.wait, 60)
        waiting = asyncio.create_task(ledger.reserve("d2", [KEY], USD))
        await asyncio.sleep(0)
        task.cancel()
        waiting.cancel()  # not even asked for yet
        for cancelled in (task, waiting):
            with pytest.raises(asyncio.CancelledError):
                await cancelled
        go.set()
        await ledger.flush()
        assert balance(ledger) == (0, 0, USD)
        await ledger.reserve("d3", [KEY], USD)

    async def test_closing_charges_what_is_open_and_then_refuses(self, opened, path, clock):
        ledger = opened(DAY)
        held = await ledger.reserve("d1", [KEY], 100)
        await ledger.settle(await ledger.reserve("d2", [KEY], 100), 30)
        await asyncio.gather(ledger.aclose(), ledger.aclose())
        await ledger.settle(held, 1)
        with pytest.raises(Overloaded):
            await ledger.reserve("d3", [KEY], 1)
        await ledger.flush()
        assert [(b.spent, b.reserved) for b in stored_balances(path, [DAY], clock.now)] == [(130, 0)]


def test_any_thread_and_any_loop_may_spend(path):
    """The sync facade runs loops as they come; money still adds up."""
    ledger = Ledger([DAY], SqliteStore(path), flush_seconds=NEVER)

    async def spend(name):
        for n in range(50):
            await ledger.settle(await ledger.reserve(f"{name}.{n}", [KEY], USD // 500), 10)

    threads = [threading.Thread(target=lambda name=name: asyncio.run(spend(name))) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert balance(ledger) == (4_000, 0, USD - 4_000)
    asyncio.run(ledger.aclose())


async def test_no_budgets_keep_no_file(path):
    ledger = open_ledger([], path)
    assert isinstance(ledger, Unlimited)
    await ledger.settle(await ledger.reserve("d1", [KEY], 10**15), 10**15)
    assert ledger.remaining([KEY]) is None
    assert not ledger.balances()
    await ledger.aclose()
    assert not path.exists()
