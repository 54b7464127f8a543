"""The journal in Redis or Valkey, for many machines. Verdicts are a list, so their place is their index plus one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import orjson

from .store import KEPT_DECISIONS, KEPT_SECONDS, Row

Db = Any  # redis-py's own types leave open whether a reply is decoded
_JUDGE = """
if redis.call('HSETNX', KEYS[1], ARGV[1], 1) == 0 then return 0 end
redis.call('RPUSH', KEYS[2], ARGV[2])
redis.call('RPUSH', KEYS[3], ARGV[2])
redis.call('EXPIRE', KEYS[3], ARGV[3])
return 1
"""
_KEEP = """
local known = tonumber(redis.call('HGET', KEYS[1], 'place') or '-1')
if known < tonumber(ARGV[1]) then redis.call('HSET', KEYS[1], 'place', ARGV[1], 'doc', ARGV[2]) end
"""


class RedisJournal:
    """`JournalStore` over one primary; `db` as `spend.redis.connect` makes it. Names start with `prefix`."""

    def __init__(self, db: Db, prefix: str = "levelhead:{journal}") -> None:
        self._db = db
        self._prefix = prefix
        self._judge = db.register_script(_JUDGE)
        self._keep = db.register_script(_KEEP)

    def write(self, rows: Sequence[Row]) -> None:
        with _os_errors():
            batch = self._db.pipeline(transaction=False)
            for row in rows:
                batch.set(self._name("decision", row.id), row.doc.decode(), ex=int(KEPT_SECONDS))
                batch.zadd(self._name("times"), {f"{row.id} {row.key}": row.at})
            batch.zremrangebyscore(self._name("times"), "-inf", rows[-1].at - KEPT_SECONDS)
            batch.zremrangebyrank(self._name("times"), 0, -KEPT_DECISIONS - 1)
            batch.execute()

    def decision(self, id: str) -> bytes | None:
        with _os_errors():
            found = self._db.get(self._name("decision", id))
        return found.encode() if found is not None else None

    def decisions(self, since: float, key: str | None, most: int) -> Iterator[bytes]:
        given, start = 0, 0
        while given < most:
            with _os_errors():
                page = self._db.zrevrangebyscore(self._name("times"), "+inf", since, start=start, num=500)
            if not page:
                return
            start += len(page)
            ids = [entry.split(" ", 1)[0] for entry in page if key is None or entry.split(" ", 1)[1] == key]
            with _os_errors():
                docs = self._db.mget([self._name("decision", id) for id in ids]) if ids else []
            for doc in docs:
                if doc is not None and given < most:
                    given += 1
                    yield doc.encode()

    def judge(self, decision_id: str, source: str, doc: bytes) -> bool:
        keys = [self._name("judged"), self._name("verdicts"), self._name("verdicts", decision_id)]
        with _os_errors():
            return bool(self._judge(keys, [orjson.dumps([decision_id, source]), doc.decode(), int(KEPT_SECONDS)]))

    def verdicts(self, after: int, most: int) -> list[tuple[int, bytes]]:
        with _os_errors():
            found = self._db.lrange(self._name("verdicts"), after, after + most - 1)
        return [(after + 1 + at, doc.encode()) for at, doc in enumerate(found)]

    def verdicts_of(self, decision_id: str) -> list[bytes]:
        with _os_errors():
            return [doc.encode() for doc in self._db.lrange(self._name("verdicts", decision_id), 0, -1)]

    def snapshot(self) -> tuple[int, bytes] | None:
        with _os_errors():
            place, doc = self._db.hmget(self._name("snapshot"), "place", "doc")
        return None if place is None else (int(place), doc.encode())

    def keep(self, place: int, learnt: bytes) -> None:
        with _os_errors():
            self._keep([self._name("snapshot")], [place, learnt.decode()])

    def close(self) -> None:
        self._db.close()

    def _name(self, *parts: str) -> str:
        return ":".join((self._prefix, *parts))


@contextmanager
def _os_errors() -> Iterator[None]:
    """What Redis can't do just now, as `OSError`."""
    from redis.exceptions import RedisError

    try:
        yield
    except RedisError as error:
        raise OSError(f"journal: {type(error).__name__}") from error
