"""What workers share at once."""

import sqlite3
import stat

from levelhead.cache import Conversations
from levelhead.cache.shelf import Shelf


def test_another_worker_finds_it_at_once(tmp_path):
    first, second = (Conversations(tmp_path / "conversations.db") for _ in range(2))
    first.put("team-a", "resp_1", [{"role": "user", "content": "é漢"}])
    assert second.get("team-a", "resp_1") == [{"role": "user", "content": "é漢"}]
    assert second.get("team-b", "resp_1") is None
    assert second.get("team-a", "resp_2") is None
    for one in (first, second):
        one.close()
    assert stat.S_IMODE((tmp_path / "conversations.db").stat().st_mode) == 0o600


def test_it_forgets_by_age_and_by_size(tmp_path):
    now = [1000.0]
    shelf = Shelf(tmp_path / "x.db", ttl_seconds=50, max_bytes=10_000, clock=lambda: now[0])
    for number in range(64):
        now[0] += 1
        shelf.put(b"%d" % number, bytes(1_000))
    kept = [number for number in range(64) if shelf.get(b"%d" % number)]
    assert 1 <= len(kept) <= 10
    assert kept == list(range(64 - len(kept), 64))
    now[0] += 60
    assert shelf.get(b"63") is None
    for number in range(64):
        shelf.put(b"new %d" % number, b"x")
    with sqlite3.connect(tmp_path / "x.db") as db:
        assert db.execute("SELECT count(*) FROM kept").fetchone() == (64,)
    db.close()
    shelf.close()
    shelf.put(b"after", b"x")
    assert shelf.get(b"after") is None


def test_a_moment_s_rush_is_cut_too(tmp_path):
    shelf = Shelf(tmp_path / "x.db", ttl_seconds=50, max_bytes=10, clock=lambda: 5.0)
    for number in range(64):
        shelf.put(b"%d" % number, b"12345")
    assert shelf.get(b"63") is None
    shelf.close()


def test_a_shelf_that_fails_is_a_miss(tmp_path, caplog):
    (tmp_path / "x.db").write_bytes(b"not a database" * 100)
    conversations = Conversations(tmp_path / "x.db")
    conversations.put("t", "r", [{"a": 1}])
    assert conversations.get("t", "r") == [{"a": 1}]  # its own worker still has it
    assert Conversations(tmp_path / "x.db").get("t", "r") is None
    assert Conversations(tmp_path / "nowhere" / "x.db").get("t", "r") is None
    assert "can't share them" in caplog.text
    (tmp_path / "link.db").symlink_to(tmp_path / "y.db")
    Conversations(tmp_path / "link.db").put("t", "r", [{"a": 1}])
    assert not (tmp_path / "y.db").exists()
