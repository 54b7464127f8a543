"""The charter: who may do what in which ring, what is written down, and how ring 3 tunes itself."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cast import ScriptedRouter, plain

from levelhead import Router, Team
from levelhead.cli import main
from levelhead.config import Config, load
from levelhead.errors import InvalidRequest, PermissionDenied
from levelhead.team.charter import CLIENT, SYSTEM, Actor, Charter, Terms, matrix
from levelhead.team.charter_log import broken
from levelhead.team.state import TeamState
from levelhead.team.tuning import Evidence, Tuner

ANN = Actor("person", "ann")
ACTORS = {"person": ANN, "system": SYSTEM, "client": CLIENT}
SETTINGS = {1: ("mission", "another"), 2: ("run_budget_usd", 0.3), 3: ("batch_size", 6)}
TERMS = Terms("be of use", ("honesty",), {"batch_size": (2, 8)}, ("sequential", "batched"))


@pytest.fixture
def state(tmp_path: Path) -> TeamState:
    return TeamState(tmp_path / "teams.db")


@pytest.fixture
def charter(state: TeamState) -> Charter:
    return Charter(TERMS, state, clock=lambda: 1_790_000_000.0)


def attempt(charter: Charter, actor: Actor, ring: int, action: str) -> None:
    name, value = SETTINGS[ring]
    if action in ("approve", "reject"):
        number = charter.propose(ANN, "run_budget_usd", 0.3)
        getattr(charter, action)(actor, number)
    elif action in ("set", "propose"):
        getattr(charter, action)(actor, name, value)
    else:
        getattr(charter, action)(actor, name)


@pytest.mark.parametrize(("kind", "ring", "action", "allowed"), matrix())
def test_the_matrix(charter: Charter, kind: str, ring: int, action: str, allowed: bool) -> None:
    """Every attempt is written down, and changes something only where it is allowed."""
    before, entries = charter.settings(), len(charter.log())
    if allowed:
        attempt(charter, ACTORS[kind], ring, action)
    else:
        with pytest.raises(PermissionDenied):
            attempt(charter, ACTORS[kind], ring, action)
        assert charter.settings() == before
        assert not charter.frozen("batch_size")
    last = charter.log()[-1]
    assert len(charter.log()) > entries
    assert (last.kind, last.ring, last.action, last.allowed) == (kind, ring, action, allowed)
    assert charter.terms.ring1["mission"] == "be of use"


def test_ring_2_changes_by_approval(charter: Charter) -> None:
    number = charter.propose(SYSTEM, "run_budget_usd", 0.75, "runs were starved")
    assert charter.settings()["run_budget_usd"] is None
    assert charter.proposals() == {number: ("run_budget_usd", 0.75)}
    charter.approve(ANN, number)
    assert charter.settings()["run_budget_usd"] == 0.75
    for decide in (charter.approve, charter.reject):
        with pytest.raises(InvalidRequest, match="no open proposal"):
            decide(ANN, number)
    charter.reject(ANN, charter.propose(SYSTEM, "explore", 0.5))
    assert charter.settings()["explore"] == 0.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 9),
        ("batch_size", 1),
        ("batch_size", 2.5),
        ("batch_size", True),
        ("batch_size", "4"),
        ("protocol", "broadcast"),
        ("quality_threshold", -0.1),
        ("pacing", float("nan")),
    ],
)
def test_bounds_bind_persons_too(charter: Charter, name: str, value: Any) -> None:
    before = charter.settings()
    for actor in (ANN, SYSTEM):
        with pytest.raises(InvalidRequest):
            charter.set(actor, name, value)
    assert charter.settings() == before
    assert [entry.allowed for entry in charter.log()[-2:]] == [False, False]


def test_freeze_and_rollback(charter: Charter) -> None:
    charter.set(SYSTEM, "batch_size", 6)
    charter.set(SYSTEM, "batch_size", 8)
    charter.freeze(ANN)
    for actor in (SYSTEM, ANN):
        with pytest.raises(PermissionDenied, match="frozen"):
            charter.set(actor, "batch_size", 2)
    charter.rollback(ANN, "batch_size")
    assert charter.settings()["batch_size"] == 6
    charter.rollback(ANN, "batch_size")
    charter.rollback(ANN, "batch_size")
    assert charter.settings()["batch_size"] == 4
    charter.unfreeze(ANN)
    charter.set(SYSTEM, "batch_size", 2)
    assert charter.settings()["batch_size"] == 2


def test_a_value_outside_newer_bounds_does_not_count(charter: Charter, state: TeamState) -> None:
    charter.set(ANN, "batch_size", 8)
    narrower = Charter(Terms("be of use", ("honesty",), {"batch_size": (2, 3)}), state)
    assert narrower.settings()["batch_size"] == 3


def test_an_amendment_of_ring_1_is_noted(charter: Charter, state: TeamState) -> None:
    Charter(TERMS, state)
    changed = Charter(Terms("be rich"), state)
    amended = [entry for entry in charter.log() if entry.action == "amend"]
    assert [entry.value for entry in amended] == [TERMS.hash, changed.terms.hash]
    assert TERMS.hash != changed.terms.hash


def test_the_log_shows_when_it_was_altered(charter: Charter, state: TeamState) -> None:
    for size in (2, 3, 4):
        charter.set(ANN, "batch_size", size)
    assert broken(state) is None
    with sqlite3.connect(state.path) as db:
        db.execute("UPDATE charter_log SET value = '8' WHERE seq = 3")
    assert broken(state) == 3
    with sqlite3.connect(state.path) as db:
        db.execute("DELETE FROM charter_log WHERE seq = 3")
    assert broken(state) == 4
    assert state.path.stat().st_mode & 0o077 == 0


def test_a_proposal_is_decided_once(charter: Charter, state: TeamState) -> None:
    """Two persons at once: what the second read is no longer so when it writes."""
    number = charter.propose(ANN, "explore", 0.1)
    stale = charter.proposals()
    charter.approve(ANN, number)
    charter.proposals = lambda: stale  # type: ignore[method-assign]
    with pytest.raises(InvalidRequest, match="decided already"):
        charter.reject(Actor("person", "bob"), number)
    assert broken(state) is None


# ring 3 by itself


def reward(size: int, rng: random.Random, better: int | None) -> float:
    return min(1.0, max(0.0, rng.gauss(0.8 if size == better else 0.6, 0.1)))


def play(tuner: Tuner, runs: int, better: int | None, seed: int) -> list[str]:
    rng = random.Random(seed)
    found = []
    for number in range(runs):
        arm = tuner.draw(f"{seed}/{number}")
        outcome = tuner.learn(arm, f"r{number}", reward(arm.settings["batch_size"], rng, better))
        if outcome:
            found.append(outcome)
    return found


def test_a_better_setting_is_adopted_and_nothing_else(charter: Charter, state: TeamState) -> None:
    """From 4, within 2..8, by steps of 1.5: 6 is better, and reached by challenges alone."""
    tuner = Tuner(charter, state, ("batch_size",))
    ended = play(tuner, 250, 6, seed=1)
    assert "adopted" in ended
    assert charter.settings()["batch_size"] == 6
    steps = [entry for entry in charter.log() if entry.action in ("trial", "set", "trial-end")]
    assert [entry.kind for entry in steps] == ["system"] * len(steps)
    assert all(entry.value["propensity"] == 0.5 for entry in steps if entry.action == "trial")
    assert broken(state) is None


def test_a_challenger_that_is_no_better_is_seldom_adopted() -> None:
    rng = random.Random(5)
    wrong = 0
    for _ in range(60):
        evidence = Evidence()
        for _ in range(200):
            evidence.add(rng.random() < 0.5, min(1.0, max(0.0, rng.gauss(0.6, 0.2))))
            if evidence.better:
                wrong += 1
                break
    assert wrong <= 4  # 2.5 % of 60 is 1.5


def test_what_is_frozen_has_no_trials(charter: Charter, state: TeamState) -> None:
    tuner = Tuner(charter, state, ("batch_size",))
    assert tuner.draw("a").trial is not None
    charter.freeze(ANN, "batch_size")
    assert tuner.draw("b").trial is None
    assert charter.log()[-1].value["outcome"] == "void"
    assert tuner.draw("c").trial is None


# teams under a charter


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEVELHEAD_HOME", str(tmp_path / "home"))
    sim = {"wire": "simulated", "price": {"input": 1, "output": 1}}
    config = {
        "models": {"a": {**sim, "tier": "efficient", "model": "a"}, "b": {**sim, "tier": "strong", "model": "b"}},
        "charter": {"mission": "be of use", "values": ["honesty"], "bounds": {"batch_size": [2, 8]}},
    }
    path = tmp_path / "levelhead.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def router(file: Path) -> Iterator[Router]:
    with Router.from_config(file) as made:
        yield made


def person(file: Path, *words: str) -> None:
    by = () if words[0] == "log" else ("--by", "ann")
    main(["charter", *words, *by, "--config", str(file)])


def told(capsys: pytest.CaptureFixture[str], file: Path, *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        person(file, *words)
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_a_team_is_bound_and_says_by_what(file: Path, router: Router, capsys: pytest.CaptureFixture[str]) -> None:
    said = told(capsys, file, "propose", "run_budget_usd", "0.05")
    number = said.split()[1].rstrip(":")
    told(capsys, file, "approve", number)
    told(capsys, file, "set", "protocol", "batched")
    run = Team("be of use", agents=4, router=router).run("Say hello.")
    config: Config = load(file)
    assert (run.protocol, run.budget_usd) == ("batched", 0.05)
    assert run.charter == Terms(config.charter.mission, config.charter.values).hash
    assert run.settings["batch_size"] == 4
    for wish, what in (
        ({"budget_usd": 0.06}, "run_budget_usd"),
        ({"batch_size": 9}, "batch_size"),
        ({"explore": 0.2}, "explore"),
        ({"mission": "be rich"}, "mission"),
    ):
        with pytest.raises(PermissionDenied):
            Team(**{"mission": "be of use", "agents": 4, "router": router, **wish})  # type: ignore[arg-type]
        log = told(capsys, file, "log")
        last = log.strip().splitlines()[-1]
        assert "client" in last
        assert what in last
    assert Team("be of use", agents=4, router=router, budget_usd=0.01, batch_size=8).run("Hi").budget_usd == 0.01


def test_without_a_charter_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVELHEAD_HOME", str(tmp_path))
    for name in ("ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY", "LEVELHEAD_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with Router.from_config() as router:
        run = Team("m", agents=2, router=router).run("Say hello.")
    assert (run.charter, run.trial) == ("", None)
    assert list(tmp_path.rglob("*teams.db")) == []


def test_scores_teach_a_team_what_strength_is_worth() -> None:
    """Seats that a coin made strong against those it didn't; in the first seat it matters, in the middle it hurts."""
    from levelhead.types import Level

    class Leveled(ScriptedRouter):
        def explain(self, messages: Any, **fields: Any) -> Any:
            return type("D", (), {"level": Level.L4})()

    router = Leveled(plain)
    team = Team("m", agents=4, router=router, explore=1.0)
    for number in range(160):
        run = team.run("t", run=f"r{number}")
        strong = [turn.lean > 0 for turn in run.contributions]
        team.score(run, 0.5 + 0.2 * strong[0] - 0.1 * strong[1] - 0.1 * strong[2])
    shown = {one.slot: one for one in run.uplift}
    assert [run.uplift[n].slot for n in range(4)] == ["agent-0", "agent-1", "agent-2", "agent-3"]
    for slot, uplift in (("agent-0", 0.2), ("agent-1", -0.1), ("agent-3", 0.0)):
        assert shown[slot].uplift == pytest.approx(uplift, abs=0.02)
        assert shown[slot].low <= uplift <= shown[slot].high
        assert shown[slot].high - shown[slot].low < 0.1
    assert team.uplift() == run.uplift
    table = run.plot()
    assert "uplift of strength" in table
    assert f"{shown['agent-0'].uplift:+.3f} ({shown['agent-0'].low:+.3f} to" in table
    assert all(f'<td class="n">{turn.strong_chance:.2f}</td>' in table for turn in run.contributions)
    wiser = Team("m", agents=4, router=router)
    wiser.office.seats = team.office.seats
    assert [turn.lean for turn in wiser.run("t").contributions] == [1.0, -1.0, -1.0, 0.0]
    with pytest.raises(InvalidRequest):
        team.score(run, 1.5)


def test_metrics(router: Router) -> None:
    Team("be of use", agents=4, router=router).run("Say hello.")
    page = router.exposition()
    assert 'levelhead_team_runs_total{outcome="complete",protocol="sequential"} 1.0' in page
    assert 'levelhead_team_agents_total{did="contributed",protocol="sequential"} 4.0' in page
    assert 'levelhead_team_agents_total{did="budget",protocol="broadcast"} 0.0' in page
    assert 'levelhead_team_distinct_roles_bucket{le="1.0",protocol="sequential"} 1.0' in page
