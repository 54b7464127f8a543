"""`levelhead decisions`, and what `log_prompts` puts into the log."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from levelhead import Router

from .conftest import Run

SECRET = "the swordfish is called Ada"


@pytest.mark.parametrize("logged", [False, True])
def test_jsonl(run: Run, tmp_path: Path, logged: bool) -> None:
    file = tmp_path / "levelhead.yaml"
    file.write_text(f"log_prompts: {json.dumps(logged)}\n")
    asked = [{"role": "user", "content": SECRET}]
    with Router.from_config(file) as router:
        first = router.chat(messages=asked, temperature=0, slot="red")
        again = router.chat(messages=asked, temperature=0, slot="red")
        router.feedback(first.decision_id, 0.5, source="me")
        long = router.chat(messages=[{"role": "user", "content": "é" * 40_000}])
    ran = run("decisions", "--config", str(file), "--jsonl")
    assert (ran.code, ran.err) == (0, "")
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert [row["id"] for row in rows] == [long.decision_id, again.decision_id, first.decision_id]
    assert [row["outcome"] for row in rows] == ["ok", "cached", "ok"]
    assert [(one["score"], one["source"]) for one in rows[2]["verdicts"]] == [(0.5, "me")]
    assert rows[2]["decision"]["candidates"]
    if logged:
        assert rows[2]["prompt"] == rows[1]["prompt"] == asked
        assert rows[0]["prompt_bytes"] > 80_000
        assert 60_000 < len(rows[0]["prompt"].encode()) <= 64_000
    else:
        assert all("prompt" not in row for row in rows)
    files = [path.read_bytes() for path in (tmp_path / "home").rglob("*journal*") if path.is_file()]
    assert any(SECRET.encode() in content for content in files) is logged

    shown = run("decisions", "--config", str(file), "--most", "2").out
    assert again.decision_id in shown
    assert first.decision_id not in shown
    assert SECRET not in shown
    assert run("decisions", "--config", str(file), "--key", "nobody").out == "No decision is logged.\n"
    assert run("decisions", "--config", str(file), "--days", "0", "--jsonl").out == ""


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    with Router.from_config() as router:
        for number in range(60):
            router.chat(messages=[{"role": "user", "content": f"{number} " * 400}])
    tool = Path(sys.executable).with_name("levelhead")
    done = subprocess.run(f"{tool} decisions --jsonl | head -1", shell=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["outcome"] == "ok"


def test_without_a_log(run: Run) -> None:
    ran = run("decisions")
    assert ran.code == 1
    assert "No decision log" in ran.err
