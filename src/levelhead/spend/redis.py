"""The shared accounts in Redis or Valkey, for many machines: `ledger.lua` is the one script that changes them.

A reply can be lost after the script ran. So calls are numbered, and one that was not answered is sent again under its
number until it is: the server answers a call that it knows and changes nothing. What is acknowledged must survive a
restart, or money is spent twice: `appendonly yes`, `appendfsync always`, `maxmemory-policy noeviction`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from ..errors import ConfigError
from ..types import NANOS_PER_USD, Nanos, Secret
from .scopes import Per
from .store import AccountKey, Ask, Move, Standing, StoredRow, Unanswered, Verdict, WorkerUnknown
from .workers import Worker, this_process

Db = Any  # redis-py's own types leave open whether a reply is decoded
PREFIX = "levelhead:{budgets}"
LARGEST: Nanos = 2**53 - 1  # what a Lua number counts exactly
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
_PATIENCE_SECONDS = 2.0
_START_SECONDS = 10.0
_PAUSES = (0.02, 0.05, 0.1, 0.2)
_FORGET_RUNS_SECONDS = 86_400
_PRUNE_SECONDS = 3_600

logger = logging.getLogger(__name__)


class RedisStore:
    """`Store` over one primary. Raises `ConfigError` where it can't be reached or isn't to be trusted with money.

    `patience`: seconds for which a call is tried again before it raises `Unanswered`.
    """

    def __init__(
        self,
        url: str,
        *,
        password: Secret | None = None,
        prefix: str = PREFIX,
        worker: Worker | None = None,
        patience: float = _PATIENCE_SECONDS,
    ) -> None:
        self._db = connect(url, password)
        if not is_durable(self._db):
            logger.warning("budgets: Redis may forget what was spent when it restarts: set appendfsync to always")
        self._prefix = prefix
        self._worker = worker or this_process()
        self._patience = patience
        self._pauses = _PAUSES
        self._me = ""
        self._number = 0
        self._unanswered: tuple[object, ...] | None = None
        self._run = self._db.register_script(files(__package__).joinpath("ledger.lua").read_text())
        self._in_touch_since = 0.0
        self._pruned = 0.0

    def grant(self, requests: Sequence[Sequence[Ask]], at: float) -> list[Verdict]:
        body = [
            [(a.key.scope, a.key.per, a.key.window, a.limit, a.need, a.unit, a.offer, a.fresh) for a in asks]
            for asks in requests
        ]
        figures = iter(self._numbered("grant", body))
        verdicts = []
        for asks in requests:
            denied = next(figures)
            told = [(_standing(ask.key, figures), next(figures)) for ask in asks]
            standings, extras = zip(*told, strict=True) if told else ((), ())
            verdicts.append(Verdict(standings, extras, None if denied < 0 else denied))
        return verdicts

    def post(self, moves: Sequence[Move], at: float) -> list[Standing]:
        figures = iter(self._numbered("post", [(*m.key, m.spent, m.uncovered, m.release) for m in moves]))
        return [_standing(move.key, figures) for move in moves]

    def wanted(self) -> list[AccountKey]:
        names = sorted(self._tried(lambda: self._db.smembers(f"{self._prefix}:wanted")))
        if not names:
            return []
        leases = self._tried(lambda: self._db.hmget(f"{self._prefix}:leases:{self._me}", names))
        return [_key(name) for name, lease in zip(names, leases, strict=True) if lease is not None]

    def read(self, keys: Sequence[AccountKey]) -> list[Standing]:
        rows = self._tried(lambda: stored_rows(self._db, [(key.scope, key.per) for key in keys], self._prefix))
        latest = {(row.key.scope, row.key.per): row for row in rows}
        standings = []
        for key in keys:
            row = latest.get((key.scope, key.per))
            if row is None or row.key.window < key.window:
                standings.append(Standing(key, 0, 0, 0, 0))
            else:
                name = _name(row.key)
                mine = self._tried(lambda n=name: self._db.hget(f"{self._prefix}:leases:{self._me}", n))  # type: ignore[misc]
                standings.append(Standing(row.key, row.limit, row.spent, row.leased, int(mine or 0)))
        return standings

    def join(self, at: float) -> None:
        me, worker = uuid4().hex, self._worker
        who = orjson.dumps([worker.node, worker.pid, worker.started]).decode()
        self._tried(lambda: self._script("join", me, 0, who))
        self._me, self._number, self._unanswered = me, 0, None

    def sweep(self, at: float) -> Nanos:
        workers, seen, (seconds, _) = self._tried(self._everybody)
        now = float(seconds)
        # Who was silent while the server was away may only have been unable to speak.
        silent_since = self._in_touch_since = self._in_touch_since or now
        charged = 0
        for id, who in workers.items():
            node, pid, started = orjson.loads(who)
            last = max(float(seen.get(id, 0)), silent_since)
            if id != self._me and not self._worker.sees(node, pid, started, last, now):
                charged += int(self._tried(lambda dead=id: self._script("bury", dead)))  # type: ignore[misc]
        if now - self._pruned >= _PRUNE_SECONDS:
            self._pruned = now
            self._tried(lambda: self._prune(now))
        return charged

    def close(self) -> None:
        try:
            if self._me:
                self._script("bury", self._me)
        finally:
            self._me = ""
            self._db.close()

    def _numbered(self, operation: str, body: list[Any]) -> list[int]:
        """The script's figures; for a call that is sent again, those of the first time."""
        if self._unanswered is None:
            self._number += 1
            self._unanswered = operation, self._me, self._number, orjson.dumps(body).decode()
        call = self._unanswered
        assert call[0] == operation, "an unanswered call is made again before any other"
        reply: bytes | str = self._tried(lambda: self._script(*call), keeps=True)
        self._unanswered = None
        return [int(figure) for figure in reply.split()]

    def _script(self, *arguments: object) -> Any:
        return self._run(keys=[self._prefix], args=list(arguments))

    def _tried(self, call: Callable[[], Any], *, keeps: bool = False) -> Any:
        """`keeps`: a call that may change the accounts, and stays unanswered until its outcome is known."""
        from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

        until = time.monotonic() + self._patience
        doubt = False
        for attempt in range(1_000_000):
            try:
                return call()
            except (ConnectionError, TimeoutError) as error:
                doubt, self._in_touch_since = True, 0.0
                if time.monotonic() >= until:
                    raise Unanswered(type(error).__name__) from error
                time.sleep(self._pauses[min(attempt, len(self._pauses) - 1)])
            except RedisError as error:
                if isinstance(error, ResponseError) and str(error).startswith("UNKNOWN"):
                    self._unanswered = None
                    raise WorkerUnknown from None
                if keeps and doubt:
                    raise Unanswered(type(error).__name__) from error
                if keeps:
                    self._unanswered = None
                raise
        raise AssertionError

    def _everybody(self) -> tuple[dict[str, str], dict[str, str], tuple[int, int]]:
        pipe = self._db.pipeline(transaction=False)
        pipe.hgetall(f"{self._prefix}:workers")
        pipe.hgetall(f"{self._prefix}:seen")
        pipe.time()
        workers, seen, now = pipe.execute()
        return workers, seen, now

    def _prune(self, now: float) -> None:
        recent = f"{self._prefix}:recent"
        old = self._db.zrangebyscore(recent, 0, now - _FORGET_RUNS_SECONDS)
        if runs := [member for member in old if member.partition("|")[2].startswith(("run:", "slot:"))]:
            self._db.zrem(recent, *runs)


def connect(url: str, password: Secret | None, *, patience: float = _START_SECONDS) -> Db:
    """Raises `ConfigError` where nobody answers, and where the server may drop what it is told.

    `patience`: seconds to wait for a server that restarts; a worker that starts meanwhile must not give up.
    """
    try:
        import redis
    except ImportError:
        raise ConfigError("state.url: needs: pip install 'levelhead[redis]'", param="state.url") from None
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    db: Db = redis.Redis.from_url(
        url,
        password=None if password is None else password.reveal(),
        decode_responses=True,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    host = urlsplit(url).hostname
    try:
        _await_answer(db, patience)
        policy = db.info("memory").get("maxmemory_policy", "noeviction")
        role = db.info("replication").get("role", "master")
    except redis.exceptions.RedisError as error:
        raise ConfigError(f"state.url: {host} can't be used: {type(error).__name__}", param="state.url") from error
    if policy != "noeviction":
        raise ConfigError(
            f"state.url: {host} may evict budgets (maxmemory-policy {policy}); it has to be noeviction",
            param="state.url",
        )
    if role != "master":
        raise ConfigError(f"state.url: {host} is a replica: budgets need the primary", param="state.url")
    return db


def _await_answer(db: Db, patience: float) -> None:
    from redis.exceptions import AuthenticationError, ConnectionError, TimeoutError

    until = time.monotonic() + patience
    while True:
        try:
            db.ping()
        except AuthenticationError:
            raise
        except (ConnectionError, TimeoutError):
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSES[-1])
        else:
            return


def is_durable(db: Db) -> bool:
    """Whether what is acknowledged survives a restart; a server that keeps its settings to itself is believed."""
    from redis.exceptions import RedisError

    if not db.info("persistence").get("aof_enabled"):
        return False
    try:
        return bool(db.config_get("appendfsync").get("appendfsync", "always") == "always")
    except RedisError:
        return True


def stored_rows(db: Db, accounts: Sequence[tuple[str, Per]] = (), prefix: str = PREFIX) -> list[StoredRow]:
    """Each account in its latest window; without `accounts`, every key's and team's, and a day's runs and slots."""
    if not accounts:
        members = db.zrange(f"{prefix}:recent", 0, -1)
        accounts = [(scope, per) for per, _, scope in (member.partition("|") for member in members)]
    windows = db.mget([f"{prefix}:last:{per}|{scope}" for scope, per in accounts]) if accounts else []
    keys = [
        AccountKey(scope, per, int(window))
        for (scope, per), window in zip(accounts, windows, strict=True)
        if window is not None
    ]
    pipe = db.pipeline(transaction=False)
    for key in keys:
        pipe.hmget(f"{prefix}:account:{_name(key)}", "cap", "spent", "leased")
    found = zip(keys, pipe.execute(), strict=True)
    return [StoredRow(key, *(int(n or 0) for n in amounts)) for key, amounts in found if amounts[1] is not None]


def prefix_of(*, simulated: bool) -> str:
    return "levelhead:{simulated}" if simulated else PREFIX


def too_large(limit: Nanos) -> str | None:
    """Why a limit can't be kept here."""
    if limit <= LARGEST // 2:
        return None
    return f"more than {LARGEST // 2 // NANOS_PER_USD} USD can't be counted exactly in Redis"


def _name(key: AccountKey) -> str:
    return f"{key.per}|{key.window}|{key.scope}"


def _key(name: str) -> AccountKey:
    per, window, scope = name.split("|", 2)
    return AccountKey(scope, per, int(window))  # type: ignore[arg-type]  # our own names


def _standing(key: AccountKey, figures: Any) -> Standing:
    window, limit, spent, leased, mine = (next(figures) for _ in range(5))
    return Standing(key._replace(window=window), limit, spent, leased, mine)
