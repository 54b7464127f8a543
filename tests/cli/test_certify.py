"""`levelhead certify`: verdicts in, certificates out, kept where the proxy looks for them."""

import asyncio
import json

import pytest

from levelhead.assemble import rooms_of
from levelhead.config import load as load_config
from levelhead.observe.journal import open_journal
from levelhead.policy import FILE, load
from levelhead.types import Audited, Level, Verdict

from .conftest import Run


def verdicts(path, n=600, **fields):
    rows = []
    for at in range(n):
        trusted = at % 2 == 0
        scores = (1, 1) if trusted else (0, 1)
        rows.append({"trust": 0.9 if trusted else 0.2, "efficient": scores[0], "strong": scores[1], **fields})
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def test_what_is_shown_is_certified(run: Run, tmp_path):
    done = run("certify", verdicts(tmp_path / "v.jsonl", slot="critic", level="L2"), "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert (found["slot"], found["domain"], found["n"], found["method"]) == ("critic", "L2", 600, "betting")
    assert 0.2 < found["threshold"] <= 0.9
    (kept,) = load(tmp_path / "home" / FILE)
    assert kept.threshold == found["threshold"]
    assert run("certify", verdicts(tmp_path / "d.jsonl"), "--direct").code == 0
    assert {one.path for one in load(tmp_path / "home" / FILE)} == {"cascade", "direct"}


def test_what_is_not_is_not(run: Run, tmp_path):
    done = run("certify", verdicts(tmp_path / "v.jsonl", n=50))
    assert done.code == 1
    assert "uncertified" in done.out
    assert load(tmp_path / "home" / FILE) == []


def test_bad_rows_are_named(run: Run, tmp_path):
    path = tmp_path / "v.jsonl"
    for text, said in (
        ("{", "line 1"),
        ('\n{"trust": 2, "efficient": 1, "strong": 1}', "line 2: trust"),
        ("3", "line 1"),
    ):
        path.write_text(text)
        done = run("certify", str(path))
        assert done.code == 1
        assert said in done.err
    assert "none.jsonl" in run("certify", str(tmp_path / "none.jsonl")).err


def audits(settings, n, **changed):
    """In the log of the simulated pair: half of the drafts are trusted and as good as the strong answers."""
    policy = rooms_of(settings).drafting.policy
    for at in range(n):
        trusted = at % 2 == 0
        known = {
            "path": "efficient" if trusted else "strong", "route": "cascade", "trust": 0.9 if trusted else 0.2,
            "propensity": 0.02, "efficient": 1.0 if trusted else 0.0, "strong": 1.0, "other": "m", "other_lean": 1.0,
            "other_predicted": 0.9, "judge": "j", "certifies": True, "served_first": True, "policy": policy,
            "cost_usd": 0.01,
        }  # fmt: skip
        verdict = (f"dec_{at}", "local", None, "n", Level.L2, -1.0, 0.7, (), 1.0, "audit", 1.0)
        yield Verdict(*verdict, Audited(**{**known, **changed}))


def keep(found):
    settings = load_config(None)

    async def write():
        journal = open_journal(settings.state_store, simulated=settings.simulated)
        for verdict in found(settings):
            assert await journal.judge(verdict)
        await journal.aclose()

    asyncio.run(write())


def test_audits_certify_without_a_table(run: Run, tmp_path):
    keep(lambda settings: audits(settings, 400))
    done = run("certify", "--json")
    assert done.code == 0, done.err
    (found,) = json.loads(done.out)
    assert (found["domain"], found["n"], found["method"], found["accepted"]) == ("L2", 400, "anytime", 0.5)
    assert found["upper"] <= 0.02
    (kept,) = load(tmp_path / "home" / FILE)
    assert (kept.path, kept.threshold) == ("cascade", found["threshold"])
    assert "No audit of routing by text alone" in run("certify", "--direct").err


@pytest.mark.parametrize("changed", [{"policy": "another"}, {"certifies": False}, {"route": ""}])
def test_audits_that_speak_for_no_certificate(run: Run, changed):
    assert "No decision log" in run("certify").err
    keep(lambda settings: audits(settings, 20, **changed))
    done = run("certify")
    assert (done.code, done.out) == (1, "")
    assert "No audit of drafts under the policy that runs" in done.err
