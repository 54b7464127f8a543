"""The decision log and the line of verdicts, in a file and in a real Redis."""

import asyncio
import sqlite3
from dataclasses import replace

import orjson
import pytest
import redis

from levelhead.errors import ConfigError
from levelhead.observe.journal import Journal, decision_row, open_journal, verdict_of
from levelhead.observe.journal.redis import RedisJournal
from levelhead.observe.journal.rows import kept
from levelhead.observe.journal.sqlite import SqliteJournal
from levelhead.observe.journal.store import KEPT_SECONDS, Row
from levelhead.observe.journal.verdicts import verdict_from, verdict_row
from levelhead.testing import RedisServer
from levelhead.types import Assessment, Attempt, Candidate, Decision, Level, Reason, Spent, Usage, Verdict

NOW = 1_700_000_000.0
VERDICT = Verdict("dec_1", "team-a", "critic", "fast", Level.L2, -1.0, 0.9, (0.5, 1.0), 1.0, "client", NOW)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["sqlite", "redis"])
def opened(request, tmp_path):
    """Opens the same store again and again, as each worker does."""
    if request.param == "sqlite":
        return lambda: SqliteJournal(tmp_path / "j.db", lambda: NOW)
    if not RedisServer.installed():
        pytest.skip("needs redis-server")
    server = request.getfixturevalue("running")
    with redis.Redis.from_url(server.url) as db:
        db.flushall()
    return lambda: RedisJournal(redis.Redis.from_url(server.url, decode_responses=True))


async def test_a_finished_request_can_be_looked_up_by_any_worker(opened, make_record):
    mine, other = Journal(opened()), Journal(opened())
    mine.finished(make_record())
    mine.flush()
    found = await other.decision("dec_1")
    assert found["key"] == "team-a"
    assert (found["level"], found["model"], found["tier"]) == ("L2", "fast", "efficient")
    assert found["decision"]["reason"] == "quality_met"
    assert found["usage"]["cache_write"] == 7
    assert await other.decision("dec_2") is None
    await mine.aclose()
    await other.aclose()


async def test_what_waits_is_found_and_written_on_close(opened, make_record):
    journal = Journal(opened())
    for number in range(3):
        journal.finished(make_record(id=f"dec_{number}", at=NOW + number))
    assert (await journal.decision("dec_2"))["id"] == "dec_2"
    journal.finished(make_record(id="dec_9", at=NOW + 9))
    await journal.aclose()
    again = Journal(opened())
    assert [row["id"] for row in await again.decisions(since=NOW + 1)] == ["dec_9", "dec_2", "dec_1"]
    assert await again.decisions(key="team-b") == []
    assert len(await again.decisions(key="team-a", most=2)) == 2
    await again.aclose()


async def test_verdicts_stand_in_one_line_for_all_workers(opened):
    one, other = Journal(opened()), Journal(opened())
    assert await one.judge(VERDICT)
    assert not await other.judge(replace(VERDICT, score=0.0))  # the same source, the same decision
    assert await other.judge(replace(VERDICT, source="audit", score=0.0))
    assert await one.judge(replace(VERDICT, decision_id="dec_2"))
    line = await one.verdicts(0, 10)
    assert line == await other.verdicts(0, 10)
    assert [place for place, _ in line] == sorted(place for place, _ in line)
    assert [(v.decision_id, v.source) for _, v in line] == [
        ("dec_1", "client"),
        ("dec_1", "audit"),
        ("dec_2", "client"),
    ]
    assert line[0][1] == VERDICT
    assert await other.verdicts(line[0][0], 1) == line[1:2]
    assert [row["source"] for row in await other.verdicts_of("dec_1")] == ["client", "audit"]
    await one.aclose()
    await other.aclose()


async def test_the_latest_snapshot_is_kept(opened):
    journal = Journal(opened())
    assert await journal.snapshot() is None
    await journal.keep(2_000, {"a": 2})
    await journal.keep(1_000, {"a": 1})
    assert await journal.snapshot() == (2_000, {"a": 2})
    await journal.aclose()


async def test_workers_that_judge_at_once_lose_nothing(opened):
    journals = [Journal(opened()) for _ in range(3)]
    verdicts = [replace(VERDICT, decision_id=f"dec_{n}") for n in range(30)]
    new = await asyncio.gather(*(journals[n % 3].judge(verdict) for n, verdict in enumerate(verdicts + verdicts)))
    assert sum(new) == 30
    assert len(await journals[0].verdicts(0, 100)) == 30
    for journal in journals:
        await journal.aclose()


def test_old_decisions_go(tmp_path):
    clock = [NOW]
    store = SqliteJournal(tmp_path / "j.db", lambda: clock[0])
    store.write([Row("old", NOW, "a", b"{}")])
    clock[0] += KEPT_SECONDS + 1
    store.write([Row(f"new{n}", clock[0], "a", b"{}") for n in range(5_000)])
    assert store.decision("old") is None
    assert store.decision("new0") == b"{}"


async def test_a_store_that_fails_costs_rows_not_answers(tmp_path, make_record):
    lost = []
    store = SqliteJournal(tmp_path / "j.db", lambda: NOW)
    journal = Journal(store, lost=lost.append)
    store._db.execute("DROP TABLE decisions")
    journal.finished(make_record())
    journal.flush()
    assert lost == [1]
    await journal.aclose()


async def test_a_row_that_is_no_json_is_lost_alone(tmp_path, make_record):
    lost = []
    journal = Journal(SqliteJournal(tmp_path / "j.db", lambda: NOW), lost=lost.append)
    journal.finished(make_record(id="dec_1", cost_usd=2**70))
    journal.finished(make_record(id="dec_2"))
    assert (await journal.decision("dec_2"))["id"] == "dec_2"
    assert await journal.decision("dec_1") is None
    assert lost == [1]
    await journal.aclose()


def test_what_is_no_journal_is_refused(tmp_path):
    file = tmp_path / "state-journal.db"
    file.write_bytes(b"not a database, but long enough to look at" * 40)
    with pytest.raises(ConfigError, match="state-journal"):
        open_journal(tmp_path / "state.db")
    file.unlink()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="version 99"):
        open_journal(tmp_path / "state.db")


def test_the_file_is_the_owner_s_alone(tmp_path):
    SqliteJournal(tmp_path / "j.db", lambda: NOW).close()
    assert (tmp_path / "j.db").stat().st_mode & 0o077 == 0


def test_a_verdict_survives_the_way_through_json():
    assert verdict_from(orjson.loads(orjson.dumps(verdict_row(VERDICT)))) == VERDICT


def test_a_cached_answer_can_be_judged_but_teaches_nothing(make_record):
    row = decision_row(kept(make_record(outcome="cached", cache="hit")))
    assert "usage" not in row
    found = verdict_of(row, 0.5, "client", NOW)
    assert (found.vector, found.model, found.level) == ((), "fast", Level.L2)


def test_a_row_says_everything_by_name(make_record, models):
    fast, best = models
    assessment = Assessment(Level.L3, 0.4, 0.8, {"fast": 0.7, "best": 0.9}, {"words": 12.0}, (0.5, 1.0))
    candidates = (Candidate(fast, 0.7, 0.001), Candidate(best, 0.9, 0.01, False, "budget"))
    decision = Decision(fast, Reason.BUDGET, 0.001, 0.01, candidates, (fast,), assessment, 200, trust=0.6)
    routed = replace(decision, model=best, reason=Reason.UPLIFT, expected_cost_usd=0.01)
    record = make_record(
        decision=replace(decision, routed=routed),
        level=Level.L3,
        routed_usd=(0.02, 0.03),
        extras=(Spent(best, "draft", Usage(), 0.004),),
        attempts=(Attempt("best", "timeout", "connect", 1.23456), Attempt("fast", "ok")),
        reserved_usd=0.05,
        prompt=[{"role": "user", "content": "hi"}],
    )
    price = {"input": 1.0, "output": 2.0, "cached_input": 0.1}
    assert decision_row(kept(record)) == {
        "id": "dec_1",
        "at": NOW,
        "key": "team-a",
        "slot": "critic",
        "run": "r1",
        "session": None,
        "task": None,
        "outcome": "ok",
        "error": None,
        "level": "L3",
        "model": "fast",
        "tier": "efficient",
        "cache": "miss",
        "cost_usd": 0.001,
        "baseline_usd": 0.01,
        "prompt": [{"role": "user", "content": "hi"}],
        "usage": {"input": 10, "cached_input": 20, "cache_write": 7, "output": 5, "reasoning": 2},
        "seconds": {"decision": 0.0003, "overhead": 0.0004, "first_byte": 0.8, "total": 1.5},
        "reserved_usd": 0.05,
        "extras": [["draft", "best", 0.004]],
        "attempts": [["best", "timeout", "connect", 1.2346], ["fast", "ok", "", 0.0]],
        "decision": {
            "model": "fast",
            "tier": "efficient",
            "reason": "budget",
            "certified": False,
            "trust": 0.6,
            "difficulty": 0.4,
            "confidence": 0.8,
            "features": {"words": 12.0},
            "vector": [0.5, 1.0],
            "shipped": {"fast": 0.7, "best": 0.9},
            "leans": {"fast": -1.0, "best": 1.0},
            "expected_cost_usd": 0.001,
            "baseline_cost_usd": 0.01,
            "output_cap": 200,
            "candidates": [
                {
                    "model": "fast",
                    "success": 0.7,
                    "expected_cost_usd": 0.001,
                    "eligible": True,
                    "why_not": None,
                    "price": price,
                },
                {
                    "model": "best",
                    "success": 0.9,
                    "expected_cost_usd": 0.01,
                    "eligible": False,
                    "why_not": "budget",
                    "price": price,
                },
            ],
        },
        "shadow": {
            "model": "best",
            "tier": "strong",
            "reason": "uplift",
            "success": 0.9,
            "expected_cost_usd": 0.01,
            "cost_usd": 0.02,
            "cost_usd_if_twice_as_long": 0.03,
        },
    }


def test_a_row_of_an_earlier_version_is_read_as_it_is():
    assert decision_row(b'{"id":"dec_1"}') == {"id": "dec_1"}


def test_a_long_request_is_found_by_its_beginning(tmp_path):
    """It ended after shorter ones that began later: rows stand in the order of their ends."""
    store = SqliteJournal(tmp_path / "j.db", lambda: NOW)
    store.write([Row("early", NOW - 7_200, "a", b"0"), Row("short", NOW, "a", b"1"), Row("long", NOW - 600, "b", b"2")])
    assert list(store.decisions(NOW - 10, None, 9)) == [b"1"]
    assert list(store.decisions(NOW - 600, None, 9)) == [b"2", b"1"]
    assert list(store.decisions(0, "a", 1)) == [b"1"]
    assert list(store.decisions(0, "a", 9)) == [b"1", b"0"]
