"""`levelhead report` on the simulated pair, through the Python API."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from levelhead import Router
from levelhead.team.state import SeatTrial, TeamState

from .conftest import Run


def test_what_is_simulated_says_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "levelhead.yaml"
    file.write_text("mode: shadow\n")
    with Router.from_config(file) as router:
        for number in range(6):
            outcome = router.chat(messages=[{"role": "user", "content": f"Translate {number}"}], session=f"s{number}")
            router.feedback(outcome.decision_id, 1.0)
    assert outcome.model == "sim-strong"
    ran = run("report", "--config", str(file), "--out", str(tmp_path / "report.html"))
    assert (ran.code, ran.err) == (0, "")
    assert "no vendor was asked" in ran.out
    assert "routing would save" in ran.out
    assert "Every answer was simulated" in (tmp_path / "report.html").read_text()


def test_what_coins_have_shown_of_teams_slots(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVELHEAD_HOME", str(tmp_path))
    file = tmp_path / "levelhead.yaml"
    file.write_text("{}\n")
    with Router.from_config(file) as router:
        state = TeamState(router.config.teams_store)
    rng = random.Random(0)
    for number in range(80):
        plan, write = rng.random() < 0.5, rng.random() < 0.5
        score = 0.4 + 0.2 * plan - 0.1 * write + rng.gauss(0, 0.02)
        seats = (("<plan>", "first", plan), ("write", "last", write))
        state.add_seat_trials(
            [SeatTrial(f"r{number}", place, 3, strong, 0.5, score, slot) for slot, place, strong in seats]
        )
    ran = run("report", "--config", str(file), "--json")
    found = {one["slot"]: one for one in json.loads(ran.out)["teams"]}
    assert found["<plan>"]["low"] < 0.2 < found["<plan>"]["high"]
    assert found["write"]["high"] < 0
    assert found["write"]["runs"] == 80
    ran = run("report", "--config", str(file), "--out", str(tmp_path / "report.html"))
    assert f"{found['write']['uplift']:+.3f} (" in ran.out
    page = (tmp_path / "report.html").read_text()
    assert "&lt;plan&gt;" in page
    assert "<plan>" not in page
    assert f"{found['write']['low']:+.3f} to {found['write']['high']:+.3f}" in page
