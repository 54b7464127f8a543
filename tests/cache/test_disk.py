"""The disk tier on real files, some of them written by somebody else."""

import hashlib
import pickle
import sqlite3
from collections import Counter
from contextlib import suppress
from pathlib import Path
from threading import Event

import diskcache
import pytest

from levelhead.cache import DiskTier, MemoryTier, TieredCache
from levelhead.cache.disk import MAX_VALUE_BYTES, BytesDisk, RefusedRow, private_directory
from levelhead.cache.filter import KeyFilter

KEY = b"k" * 32


@pytest.fixture
def open_tier(tmp_path):
    tiers = []

    def open_(directory=tmp_path / "cache", ttl_seconds=60.0, max_bytes=10_000_000):
        lost = Counter()
        tier = DiskTier(
            directory, ttl_seconds=ttl_seconds, max_bytes=max_bytes, lost=lambda result: lost.update([result])
        )
        tier.lost = lost
        tiers.append(tier)
        return tier

    yield open_
    for tier in tiers:
        tier.close()


def rows(directory, sql, *values):
    connection = sqlite3.connect(directory / "cache.db")
    with connection:
        found = connection.execute(sql, values).fetchall()
    connection.close()
    return found


def test_what_is_put_is_there_for_the_next_process(open_tier, tmp_path):
    first = open_tier(ttl_seconds=3600.0)
    first.put(KEY, b"\x00answer" * 10_000)
    first.close()
    value, left = open_tier().get(KEY)
    assert value == b"\x00answer" * 10_000
    assert 3000 < left <= 3600
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {"cache.db", "cache.db-wal", "cache.db-shm"}


def test_an_entry_past_its_time_is_a_miss(open_tier, tmp_path):
    tier = open_tier()
    tier.put(KEY, b"v")
    assert tier.flush()
    rows(tmp_path / "cache", "UPDATE Cache SET expire_time = expire_time - 61")
    assert tier.get(KEY) is None


def test_the_directory_keeps_its_size(open_tier, tmp_path):
    tier = open_tier(max_bytes=2_000_000)
    for i in range(2000):
        tier.put(b"%032d" % i, b"x" * 4000)
        if i % 100 == 0:
            assert tier.flush()
    tier.close()
    assert (tmp_path / "cache" / "cache.db").stat().st_size < 2_500_000
    assert open_tier().get(b"%032d" % 1999) is not None
    assert not tier.lost


class Payload:
    """Leaves a trace when it's unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (Path.touch, (self.trace,))


def plant(directory, trace):
    """Every way a row can lead to pickle, text or a file, as a plain diskcache would have written or read it."""
    directory.mkdir(mode=0o700)
    victim = directory.parent / "victim"
    victim.write_text("precious")
    payload = pickle.dumps(Payload(trace))
    (directory / "payload.val").write_bytes(payload)
    diskcache.Cache(str(directory)).close()
    for key, raw, mode, filename, value, expire in [
        (KEY, 1, 4, None, payload, 9e9),  # a pickled value in the row
        (b"file", 1, 4, "payload.val", None, 9e9),  # a pickled value in a file
        (payload, 0, 1, None, b"v", 9e9),  # a pickled key
        (payload + b".", 0, 1, "../victim", b"v", 1.0),  # one that has expired, and names a file to delete
        (b"read", 1, 2, "../victim", None, 9e9),  # a file to read
        (b"text", 1, 3, "../victim", None, 9e9),
        (b"str", 1, 1, None, "not bytes", 9e9),
        (b"null", 1, 1, None, None, 9e9),
        ("a string", 1, 1, None, b"v", 9e9),
    ]:
        rows(
            directory,
            "INSERT INTO Cache(key, raw, mode, filename, value, expire_time, store_time) VALUES (?, ?, ?, ?, ?, ?, 0)",
            *(key, raw, mode, filename, value, expire),
        )
    return victim


def test_the_planted_rows_do_run_in_a_plain_diskcache(tmp_path):
    plant(tmp_path / "cache", tmp_path / "trace")
    cache = diskcache.Cache(str(tmp_path / "cache"))
    cache.get(KEY)
    cache.close()
    assert (tmp_path / "trace").exists(), "the next test would prove nothing"


def test_no_planted_row_is_unpickled_read_or_deleted(open_tier, tmp_path):
    victim = plant(tmp_path / "cache", tmp_path / "trace")
    tier = open_tier()
    for key in (KEY, b"file", b"read", b"text", b"str", b"null", b"absent"):
        assert tier.get(key) is None
    assert tier.lost == {"refused": 6}
    cache = tier._cache
    for walk in (list, reversed, cache.__class__.iterkeys):
        with pytest.raises(RefusedRow):
            list(walk(cache))
    for reach in (
        cache.peekitem,
        cache.peek,
        cache.pull,
        lambda: cache.pop(KEY),
        lambda: cache.pop(b"read"),
        lambda: cache.read(b"file"),
    ):
        with suppress(RefusedRow):
            assert reach() in (None, (None, None))
    tier.put(KEY, b"fresh")
    assert tier.flush()
    assert tier.get(KEY)[0] == b"fresh"
    cache.expire()
    cache.reset("size_limit", 1)
    cache.cull()
    cache.clear()
    assert len(cache) == 0
    assert victim.read_text() == "precious"
    assert not (tmp_path / "trace").exists()


def test_eviction_while_writing_unpickles_nothing(open_tier, tmp_path):
    victim = plant(tmp_path / "cache", tmp_path / "trace")
    tier = open_tier(max_bytes=1)
    for i in range(20):
        tier.put(b"%032d" % i, b"x" * 4000)
    tier.close()
    assert rows(tmp_path / "cache", "SELECT count(*) FROM Cache WHERE length(key) <> 32") == [(0,)]
    assert victim.read_text() == "precious"
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("key", ["text", 7, 1.5, None, ("a",), bytearray(b"k")])
def test_only_bytes_get_in(tmp_path, key):
    disk = BytesDisk(str(tmp_path))
    with pytest.raises(RefusedRow):
        disk.put(key)
    with pytest.raises(RefusedRow):
        disk.store(key, False)


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_directory_that_others_may_fill_is_refused(open_tier, tmp_path, mode, caplog):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache").chmod(mode)
    tier = open_tier()
    assert not tier.on
    assert tier.lost == {"failed": 1}
    assert "writable by others" in caplog.text
    assert list((tmp_path / "cache").iterdir()) == []
    tier.put(KEY, b"v")
    assert tier.get(KEY) is None


def test_a_directory_that_others_may_only_read_is_closed_to_them(tmp_path):
    (tmp_path / "cache").mkdir(mode=0o755)
    assert private_directory(tmp_path / "cache").stat().st_mode & 0o777 == 0o700


def test_other_directories_that_are_refused(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "file").touch()
    monkeypatch.setenv("ELSEWHERE", "x")
    for path in ("link", "open/below", "$ELSEWHERE"):
        with pytest.raises(PermissionError):
            private_directory(tmp_path / path)
    with pytest.raises(FileExistsError):
        private_directory(tmp_path / "file")
    monkeypatch.setattr("os.geteuid", lambda: 4321)
    with pytest.raises(PermissionError, match="another user"):
        private_directory(tmp_path / "real")


@pytest.mark.parametrize("junk", [b"this is no database" * 500, b"SQLite format 3\x00" + b"\xff" * 8000])
def test_a_file_that_is_no_database_switches_the_tier_off(open_tier, tmp_path, junk, caplog):
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache" / "cache.db").write_bytes(junk)
    tier = open_tier()
    assert not tier.on
    assert tier.get(KEY) is None
    assert "cache on disk is off" in caplog.text


def test_damage_while_running_switches_the_tier_off(open_tier, tmp_path):
    first = open_tier()
    for i in range(500):
        first.put(b"%032d" % i, b"x" * 4000)
    first.close()
    tier = open_tier()
    assert tier.get(b"%032d" % 7) is not None
    with (tmp_path / "cache" / "cache.db").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * 1_900_000)
    found = [tier.get(b"%032d" % i) for i in range(400)]
    assert None in found
    assert tier.lost["failed"] >= 1
    for i in range(100):
        tier.put(b"%031dn" % i, b"x" * 4000)
    tier.flush()
    assert not tier.on


def test_a_full_disk_loses_the_write_and_nothing_else(open_tier, tmp_path):
    first = open_tier()
    first.put(KEY, b"small")
    first.close()
    # diskcache runs every such row as a PRAGMA on each new connection: SQLite then says SQLITE_FULL as on a full disk
    rows(tmp_path / "cache", "INSERT INTO Settings VALUES ('sqlite_max_page_count', 20)")
    tier = open_tier()
    tier.put(b"big", b"x" * 500_000)
    assert tier.flush()
    assert tier.lost == {"failed": 1}
    assert tier.on
    assert tier.get(b"big") is None
    assert tier.get(KEY)[0] == b"small"
    tier.put(b"another", b"small too")
    assert tier.flush()
    assert tier.get(b"another")[0] == b"small too"


def test_a_database_locked_by_another_process_costs_the_batch(open_tier, tmp_path, monkeypatch):
    monkeypatch.setattr("levelhead.cache.disk._LOCK_SECONDS", 0.01)
    tier = open_tier()
    other = sqlite3.connect(tmp_path / "cache" / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    tier.put(KEY, b"v")
    assert tier.flush()
    assert tier.get(KEY) is None
    other.execute("COMMIT")
    other.close()
    assert tier.lost == {"failed": 1}
    tier.put(KEY, b"v")
    assert tier.flush()
    assert tier.get(KEY)[0] == b"v"


def test_a_full_queue_drops_and_says_so(open_tier, monkeypatch):
    monkeypatch.setattr("levelhead.cache.disk._QUEUE_BYTES", 2500)
    tier = open_tier()
    stuck, go = Event(), Event()

    def slow(*arguments, **more):
        stuck.set()
        go.wait()

    monkeypatch.setattr("levelhead.cache.disk._store", slow)
    tier.put(b"first", b"x")
    assert stuck.wait(60)
    for i in range(4):
        tier.put(b"%d" % i, b"x" * 1000)
    assert tier.lost == {"dropped": 2}
    assert not tier.flush(timeout=0.01)
    go.set()
    assert tier.flush()
    tier.put(b"room again", b"x" * 2000)
    assert tier.lost == {"dropped": 2}
    tier.put(b"huge", b"x" * (MAX_VALUE_BYTES + 1))
    assert tier.get(b"huge") is None


async def test_disk_hits_move_up_into_memory_for_the_time_they_have_left(open_tier):
    now = [0.0]
    old = TieredCache(MemoryTier(ttl_seconds=60), open_tier())
    old.put(KEY, b"v")
    assert old.get(KEY) == (b"v", "memory")
    await old.aclose()

    memory = MemoryTier(ttl_seconds=3600, clock=lambda: now[0])
    cache = TieredCache(memory, open_tier(ttl_seconds=3600))
    assert cache.get(KEY) == (b"v", "disk")
    assert cache.get(KEY) == (b"v", "memory")
    now[0] = 60.0
    assert memory.get(KEY) is None, "a promoted entry must not outlive the disk's"
    assert cache.get(b"unknown") is None
    await cache.aclose()
    await cache.aclose()
    cache.put(b"late", b"v")
    assert cache.get(b"late") == (b"v", "memory")


async def test_memory_alone_is_a_cache():
    cache = TieredCache(MemoryTier(ttl_seconds=60))
    cache.put(KEY, b"v")
    assert cache.get(KEY) == (b"v", "memory")
    assert cache.get(b"unknown") is None
    await cache.aclose()


def test_what_another_process_stores_is_found_when_it_was_looked_for(open_tier, monkeypatch):
    monkeypatch.setattr("levelhead.cache.disk._LEARN_SECONDS", 0.0)
    here, there = open_tier(), open_tier()
    assert here.flush()
    assert here.get(b"\x07" * 32) is None
    there.put(b"\x07" * 32, b"v")
    assert there.flush()
    here.put(b"\x08" * 32, b"mine")  # wakes the writer, which looks
    assert here.flush()
    assert here.get(b"\x07" * 32)[0] == b"v"


def test_a_filter_knows_all_it_was_told_and_little_else():
    told = [bytes([i % 251, i // 251, *b"abcdefghi", i % 7]) for i in range(5_000)]
    known = KeyFilter()
    known.add(hashlib.blake2b(key).digest() for key in told)
    assert all(hashlib.blake2b(key).digest() in known for key in told)
    strangers = sum(hashlib.blake2b(b"stranger %d" % i).digest() in known for i in range(5_000))
    assert strangers < 5
