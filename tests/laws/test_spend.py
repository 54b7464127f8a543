"""Laws of money: whatever workers do in whatever order, no budget is overspent and no nanodollar is lost or made."""

import asyncio
import atexit
import sqlite3
import tempfile
from collections import Counter
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from levelhead.errors import BudgetExhausted
from levelhead.spend import Ledger, RedisStore, SqliteStore, cost, worst_case, worst_rates
from levelhead.spend.accounts import Shortage
from levelhead.spend.redis import PREFIX, connect, stored_rows
from levelhead.spend.scopes import budgets_of, window_of
from levelhead.spend.store import Store
from levelhead.testing import RedisServer
from levelhead.types import Budget, OffPeak, Price, Reservation, Scope, Usage

BUDGETS = (
    Budget("key", 5_000, "a", "day"),
    Budget("key", 9_000, "a", "month"),
    Budget("key", 2_000, None, "hour"),
    Budget("run", 900),
    Budget("slot", 300, "critic", "run"),
    Budget("slot", 700, "critic", "hour"),
    Budget("team", 3_000, None, "hour"),
)
SCOPES = (
    Scope("key", "a"),
    Scope("key", "b"),
    Scope("team", "t"),
    Scope("run", "a/1"),
    Scope("run", "a/2"),
    Scope("slot", "a/1/critic"),
    Scope("slot", "a/critic"),
    Scope("slot", "a/writer"),  # nothing binds this one
)
NEVER = 1e9  # seconds: the keeper's rounds happen when a rule asks for them
START = 1_795_000_000.0
# A file in memory where there is such a place: nothing here depends on what survives a power cut.
RAM = "/dev/shm" if Path("/dev/shm").is_dir() else None

amounts = st.one_of(st.integers(0, 120), st.integers(0, 1_200))
some_scopes = st.lists(st.sampled_from(SCOPES), unique=True, max_size=5)


@dataclass(eq=False)
class Process:
    """A worker process as the store sees one; `living` is shared by all."""

    living: set[int]
    pid: int
    node: str = "here"
    started: str = "then"

    def sees(self, node, pid, started, seen, at):
        return pid in self.living


@dataclass(eq=False)
class Worker:
    ledger: Ledger
    store: Store
    pid: int
    held: list[Reservation] = field(default_factory=list)
    asked: list[Shortage] = field(default_factory=list)

    def __post_init__(self):
        submit = self.ledger._keeper.submit

        def noted(shortage):
            self.asked.append(shortage)
            submit(shortage)

        self.ledger._keeper.submit = noted

    def rest(self):
        """Returns when the keeper's thread has answered everything: the machine's steps follow one another."""
        wait([shortage.answer for shortage in self.asked])
        self.asked.clear()

    def accounts(self):
        books = self.ledger._books
        holders = {a for accounts, _, _ in books._open.values() for a in accounts}
        return {*books._all(), *books._touched, *holders}


class Broken:
    """The store of a process that was killed: nothing more reaches the accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def close(self):
        self._store._db.close()

    def __getattr__(self, name):
        raise OSError("killed")


class File:
    """The accounts in SQLite, as one who only looks sees them."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(dir=RAM)
        self.path = Path(self.directory.name) / "state.db"
        self.store(None).close()
        self.db = sqlite3.connect(self.path, isolation_level=None)

    def store(self, process):
        return SqliteStore(self.path, worker=process)

    def accounts(self):
        return self.db.execute("SELECT scope, per, window, cap, spent, leased FROM ledger_accounts").fetchall()

    def leases(self):
        """(worker, account, amount)"""
        rows = self.db.execute(
            "SELECT l.worker, a.scope, a.per, a.window, l.amount FROM ledger_leases l"
            " JOIN ledger_accounts a ON a.id = l.account"
        )
        return [(worker, (scope, per, window), amount) for worker, scope, per, window, amount in rows]

    def lose(self, which):
        """A file loses nothing."""

    def close(self):
        self.db.close()
        self.directory.cleanup()


class Server:
    """The accounts in Redis. Calls and replies get lost on the way, as `lose` says."""

    running: RedisServer | None = None

    def __init__(self):
        if Server.running is None:
            directory = tempfile.TemporaryDirectory(dir=RAM)
            server = RedisServer(Path(directory.name))
            server.start()
            atexit.register(directory.cleanup)
            atexit.register(server.kill)
            Server.running = server
        self.db = connect(Server.running.url, None)
        self.db.flushall()
        self.losses = []

    def store(self, process):
        store = RedisStore(Server.running.url, worker=process, patience=600.0)  # what is lost is lost here, on purpose
        store._run = self.lossy(store._run)
        store._pauses = (0.0,)
        return store

    def lossy(self, run):
        def attempt(**arguments):
            loss = self.losses.pop(0) if self.losses else "nothing"
            if loss == "call":
                raise redis.exceptions.ConnectionError("lost on the way there")
            reply = run(**arguments)
            if loss == "reply":
                raise redis.exceptions.TimeoutError("lost on the way back")
            return reply

        return attempt

    def lose(self, which):
        self.losses.append(which)

    def accounts(self):
        scopes = [(str(scope), per) for scope in SCOPES for per in budgets_of(BUDGETS, scope)]
        latest = {row.key: row for row in stored_rows(self.db, scopes)}
        for name, told in self.hashes("account"):
            per, window, scope = name.removeprefix(f"{PREFIX}:account:").split("|")
            cap, spent, leased = (int(told[field]) for field in ("cap", "spent", "leased"))
            if (found := latest.get((scope, per, int(window)))) is not None:
                assert (found.limit, found.spent, found.leased) == (cap, spent, leased)
            yield scope, per, int(window), cap, spent, leased

    def leases(self):
        for name, told in self.hashes("leases"):
            for account, amount in told.items():
                per, window, scope = account.split("|")
                yield name.rpartition(":")[2], (scope, per, int(window)), int(amount)

    def hashes(self, kind):
        """Each with its name, in two turns."""
        names = list(self.db.scan_iter(f"{PREFIX}:{kind}:*", count=1_000))
        with self.db.pipeline(transaction=False) as asked:
            for name in names:
                asked.hgetall(name)
            return zip(names, asked.execute(), strict=True)

    def close(self):
        self.db.close()


class Workers(RuleBasedStateMachine):
    place: type

    @initialize()
    def begin(self):
        self.loop = asyncio.new_event_loop()
        self.probe = self.place()
        self.now = START
        self.living: set[int] = set()
        self.workers: list[Worker] = []
        self.old: list[Reservation] = []
        self.pids = 0
        self.serial = 0
        self.settled: Counter = Counter()  # by account
        self.excess: Counter = Counter()  # what a crash costs beyond what was settled
        self.start()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    @rule()
    def start(self):
        if len(self.workers) == 3:
            return
        self.pids += 1
        self.living.add(self.pids)
        store = self.probe.store(Process(self.living, self.pids))
        ledger = Ledger(BUDGETS, store, clock=lambda: self.now, flush_seconds=NEVER)
        ledger._pause, ledger._patience = 0.0, 600.0
        self.workers.append(Worker(ledger, store, self.pids))

    @rule(who=st.integers(0, 2), scopes=some_scopes, amount=amounts)
    def reserve(self, who, scopes, amount):
        worker = self.workers[who % len(self.workers)]
        self.serial += 1
        with suppress(BudgetExhausted):
            worker.held.append(self.run(worker.ledger.reserve(f"d{self.serial}", scopes, amount)))
        worker.rest()

    @precondition(lambda self: any(w.held for w in self.workers))
    @rule(data=st.data(), share=st.floats(0, 1))
    def settle(self, data, share):
        worker = data.draw(st.sampled_from([w for w in self.workers if w.held]))
        reservation = worker.held.pop(data.draw(st.integers(0, len(worker.held) - 1)))
        real = int(reservation.amount * share)
        self.run(worker.ledger.settle(reservation, real))
        self.old.append(reservation)
        self.count(reservation, real)

    def count(self, reservation, real):
        seen = Counter()
        for scope, window in zip(reservation.scopes, reservation.windows, strict=True):
            per = list(budgets_of(BUDGETS, scope))[seen[scope]]
            seen[scope] += 1
            self.settled[str(scope), per, window] += real

    @precondition(lambda self: self.old)
    @rule(data=st.data(), real=amounts)
    def settle_again(self, data, real):
        reservation = data.draw(st.sampled_from(self.old))
        for worker in self.workers:
            self.run(worker.ledger.settle(reservation, real))

    @rule(who=st.integers(0, 2), rounds=st.sampled_from([1, 1, 10, 30]))
    def flush(self, who, rounds):
        worker = self.workers[who % len(self.workers)]
        for _ in range(rounds):
            self.run(worker.ledger.flush())

    @precondition(lambda self: len(self.workers) > 1)
    @rule(who=st.integers(0, 2))
    def crash(self, who):
        worker = self.workers.pop(who % len(self.workers))
        for key, unposted, lease in self.holdings(worker, self.probe.leases()):
            self.excess[key] += lease - unposted
        worker.ledger._keeper._store = Broken(worker.store)
        self.run(worker.ledger.aclose())
        self.living.discard(worker.pid)

    @precondition(lambda self: len(self.workers) > 1)
    @rule(who=st.integers(0, 2))
    def leave(self, who):
        worker = self.workers.pop(who % len(self.workers))
        for reservation in worker.held:  # abandoned: charged in full
            self.count(reservation, reservation.amount)
        self.run(worker.ledger.aclose())
        self.living.discard(worker.pid)

    @rule(which=st.sampled_from(["call", "reply"]))
    def lose(self, which):
        self.probe.lose(which)

    @rule(seconds=st.sampled_from([1.0, 1800.0, 3600.0, 86_400.0, 32 * 86_400.0, -1800.0, -90_000.0]))
    def pass_time(self, seconds):
        self.now += seconds

    def holdings(self, worker, leases):
        """(account, unposted, lease by the store) of everything that a worker has a lease of."""
        leases = [(key, lease) for owner, key, lease in leases if owner == worker.store._me]
        unposted = Counter()
        for account in worker.accounts():
            unposted[tuple(account.key)] += account.unposted
        return [(key, unposted[key], lease) for key, lease in leases]

    @invariant()
    def the_books_are_right(self):
        """Read once for all three: nothing happens between them."""
        if not hasattr(self, "probe"):
            return
        accounts, leases = list(self.probe.accounts()), list(self.probe.leases())
        self.no_budget_is_overspent(accounts, leases)
        self.workers_know_what_they_hold(leases)
        self.money_is_conserved(accounts, leases)

    def no_budget_is_overspent(self, accounts, leases):
        held = Counter()
        for _, key, lease in leases:
            held[key] += lease
        for scope, per, window, cap, spent, leased in accounts:
            assert spent >= 0 <= leased, (scope, per, window)
            assert spent + leased <= cap, (scope, per, window)
            assert leased == held[scope, per, window], (scope, per, window)

    def workers_know_what_they_hold(self, leases):
        for worker in self.workers:
            mine = Counter()
            for account in worker.accounts():
                assert min(account.free, account.reserved, account.unposted) >= 0
                mine[tuple(account.key)] += account.free + account.reserved + account.unposted - account.uncovered
            held_there = {key: lease for key, _, lease in self.holdings(worker, leases)}
            assert held_there == {key: held for key, held in mine.items() if held}

    def money_is_conserved(self, accounts, leases):
        booked = Counter()
        alive = {worker.store._me for worker in self.workers}
        for worker in self.workers:
            for account in worker.accounts():
                booked[tuple(account.key)] += account.unposted
        rows = set()
        for scope, per, window, _, spent, _ in accounts:
            booked[scope, per, window] += spent
            rows.add((scope, per, window))
        for key in [key for key in booked.keys() | self.settled.keys() | self.excess.keys() if key not in rows]:
            if self.now >= START + 7 * 86_400 and (key[0].startswith("run:") or key[1] == "run"):
                self.settled[key] = self.excess[key] = 0  # a run that nobody used for a week is forgotten
        for owner, key, lease in leases:
            if owner not in alive:  # dead, and not swept yet
                booked[key] += lease
        assert +booked == +(self.settled + self.excess)

    def teardown(self):
        if not hasattr(self, "loop"):
            return
        for worker in self.workers:
            self.run(worker.ledger.aclose())
        self.probe.close()
        self.loop.close()


class WorkersOnOneMachine(Workers):
    place = File


class WorkersOnManyMachines(Workers):
    place = Server


STEPS = settings(max_examples=50, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TestOneMachine = WorkersOnOneMachine.TestCase
TestOneMachine.settings = STEPS
TestManyMachines = pytest.mark.skipif(not RedisServer.installed(), reason="needs redis-server")(
    WorkersOnManyMachines.TestCase
)
TestManyMachines.settings = settings(STEPS, max_examples=25)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["reserve", "reserve", "settle", "flush", "hour"]),
            st.lists(st.sampled_from([SCOPES[0], SCOPES[3], SCOPES[5]]), unique=True, min_size=1),
            st.integers(0, 400),
            st.floats(0, 1),
        ),
        min_size=5,
        max_size=30,
    )
)
def test_one_worker_refuses_exactly_what_does_not_fit(steps):
    """Against plain sums in a dict: no lease makes a lone worker refuse money that is there, or grant what isn't."""

    async def play(path):
        now = START
        ledger = Ledger(BUDGETS, SqliteStore(path), clock=lambda: now, flush_seconds=NEVER)
        used = Counter()
        held = []
        for n, (what, scopes, amount, share) in enumerate(steps):
            if what == "hour":
                now += 3_600
            elif what == "flush":
                await ledger.flush()
            elif what == "settle" and held:
                reservation, keys = held.pop()
                real = int(reservation.amount * share)
                await ledger.settle(reservation, real)
                for key in keys:
                    used[key] -= reservation.amount - real
            elif what == "reserve":
                bound = {
                    (scope, per, window_of(per, now)): budget.amount
                    for scope in scopes
                    for per, budget in budgets_of(BUDGETS, scope).items()
                }
                fits = all(used[key] + amount <= limit for key, limit in bound.items())
                left = [limit - used[key] for key, limit in bound.items()]
                if not fits:
                    with pytest.raises(BudgetExhausted):
                        await ledger.reserve(f"d{n}", scopes, amount)
                else:
                    held.append((await ledger.reserve(f"d{n}", scopes, amount), list(bound)))
                    used.update(dict.fromkeys(bound, amount))
                    left = [each - amount for each in left]
                assert ledger.remaining(scopes) == (min(left) if left else None)
        await ledger.aclose()

    with tempfile.TemporaryDirectory(dir=RAM) as directory:
        asyncio.run(play(Path(directory) / "state.db"))


rates = st.integers(0, 10**6).map(lambda nanos: nanos / 1e9)
tokens = st.integers(0, 2_000_000)


@st.composite
def prices(draw):
    price, output, cached, write = draw(rates), draw(rates), draw(rates), draw(rates)
    cheap = OffPeak(
        price / 2, output / 2, cached / 2, ((frozenset({1, 2, 3, 4, 5}), 0, 719), (frozenset({6}), 0, 1439))
    )
    return Price(
        input=price,
        output=output,
        cached_input=cached,
        cache_write=write,
        cache_write_1h=draw(rates),
        long_context_tokens=draw(st.none() | st.integers(0, 500_000)),
        long_input_factor=draw(st.sampled_from([1.0, 2.0, 5.0])),
        long_output_factor=draw(st.sampled_from([1.0, 1.5, 5.000000000000001])),
        off_peak=draw(st.sampled_from([None, cheap])),
    )


@given(prices(), st.tuples(tokens, tokens, tokens, tokens), tokens, st.integers(1, 8), st.integers(0, 2 * 10**9))
def test_no_cost_exceeds_its_bound(price, inputs, output, n, at):
    usage = Usage(*inputs, output=output * n)
    assert 0 <= cost(usage, price, at) <= worst_case(usage.prompt, output, n, worst_rates(price))


@given(prices(), tokens, tokens, tokens, tokens, st.integers(1, 8))
def test_bounds_grow_with_what_they_bound(price, some, more, cap, raised, n):
    rates = worst_rates(price)
    assert worst_case(some, cap, n, rates) <= worst_case(some + more, cap + raised, n, rates)
