"""The probe: tasks with right answers, intervals that cover, a gate that errs as seldom as it claims."""

from __future__ import annotations

import asyncio
import contextlib
import io
import math
import random
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from cast import AGENT, answer

from levelhead import Router, Team
from levelhead.assemble import rooms_of
from levelhead.cli import main
from levelhead.difficulty import probed
from levelhead.difficulty.abilities import Ability, blended
from levelhead.errors import ModelNotFound, UpstreamUnavailable
from levelhead.team.office import gate_of
from levelhead.team.probe import Gate, Item, Measuring, bank, probe, team_tasks
from levelhead.team.probe.items import plain
from levelhead.team.state import TeamState
from levelhead.types import Outcome, Usage

BANK = {item.id: item for item in bank()}


def test_the_bank() -> None:
    assert len(BANK) == 96 <= 100
    assert len({item.prompt for item in BANK.values()}) == 96
    assert bank() == tuple(BANK.values())
    assert min(item.b for item in BANK.values()) < -3 < 3 < max(item.b for item in BANK.values())
    assert all(len(item.prompt) < 1_500 for item in BANK.values())


def solve(item: Item) -> str:
    """Another way to each answer: by running, counting or walking what the text says."""
    family, prompt = item.id.rsplit("-", 1)[0], item.prompt
    numbers = [int(n) for n in re.findall(r"\d+", prompt)]
    if family == "arithmetic":
        return str(eval(re.search(r"What is ([\d *+]+)\?", prompt)[1]))  # type: ignore[index]
    if family == "tracing":
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(prompt[prompt.index("x = ") : prompt.index("print(x)") + 8], {})
        return out.getvalue().strip()
    if family == "remainder":
        base, power, modulus = numbers
        value = 1
        for _ in range(power):
            value = value * base % modulus
        return str(value)
    if family == "base":
        return next(d for d in [item.answer] if int(d, numbers[1]) == numbers[0])
    if family == "counting":
        letter = prompt.split("letter ")[1][0]
        return str(sum(c == letter for c in prompt[prompt.index("in: ") + 4 : prompt.index("?")]))
    if family == "ordering":
        pairs = re.findall(r"(\w+) is taller than (\w+)\.", prompt)
        below = {a: {b for x, b in pairs if x == a} for a, _ in pairs}

        def under(name: str) -> set[str]:
            return {deep for b in below.get(name, ()) for deep in {b} | under(b)}

        people = {name for pair in pairs for name in pair}
        return sorted(people, key=lambda name: -len(under(name)))[int(re.search(r"number (\d+)", prompt)[1]) - 1]  # type: ignore[index]
    if family == "calendar":
        names = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        at = names.index(re.search(r"Today is (\w+)", prompt)[1])  # type: ignore[index]
        for days, way in re.findall(r"(\d+) days (forward|back)", prompt):
            for _ in range(int(days)):
                at = (at + (1 if way == "forward" else 6)) % 7
        return names[at]
    letters = list(re.search(r"the word (\w+)", prompt)[1])  # type: ignore[index]
    for edit in re.search(r"order: (.*?)\. What", prompt)[1].split("; "):  # type: ignore[index]
        if edit.startswith("reverse"):
            letters.reverse()
        elif edit.startswith("move"):
            letters.append(letters.pop(0))
        elif edit.startswith("swap"):
            letters[0], letters[-1] = letters[-1], letters[0]
        else:
            letters.insert(0, letters.pop(1))
    return "".join(letters)


@pytest.mark.parametrize("item", BANK.values(), ids=BANK.keys())
def test_every_answer_is_right(item: Item) -> None:
    assert solve(item) == item.answer


@pytest.mark.parametrize(
    ("text", "is_right"),
    [
        ("ANSWER: 1234", True),
        ("I think...\n**Answer:** 1,234.", True),
        ("ANSWER: 12\nNo, wait.\nANSWER: `1234`", True),
        ("It is\n1234", True),
        ("ANSWER: 12345", False),
        ("1234\nANSWER: 5", False),
        ("", False),
    ],
)
def test_how_answers_are_read(text: str, is_right: bool) -> None:
    assert Item("i", "p", "1234", 1, 0).right(text) == is_right


def test_team_tasks_add_up() -> None:
    tasks = team_tasks(0.0, 40)
    assert len({task.prompt for task in tasks}) == 40
    for task in tasks[:10]:
        assert task.prompt.count("Part ") == 3
        assert int(task.answer) > 0
    assert team_tasks(-9, 1)[0].prompt != team_tasks(9, 1)[0].prompt


def test_intervals_cover_the_truth() -> None:
    """300 simulated models of known ability; at least 93 % within, in at most 100 tasks each."""
    rng, items, covered, most = random.Random(11), bank(), 0, 0
    for _ in range(300):
        theta = rng.uniform(-3, 3)
        measuring = Measuring(items)
        while (item := measuring.next()) is not None:
            measuring.record(item, rng.random() < 1 / (1 + math.exp(-item.a * (theta - item.b))))
        found = measuring.estimate()
        covered += found.low <= theta <= found.high
        most = max(most, found.tasks)
    assert covered >= 0.93 * 300
    assert most <= 100


def test_all_right_and_all_wrong_stay_finite() -> None:
    for right in (True, False):
        measuring = Measuring(bank())
        while (item := measuring.next()) is not None:
            measuring.record(item, right)
        found = measuring.estimate()
        assert (found.theta > 3) == right
        assert found.tasks <= 96


def verdicts(free: float, given: float, together: float, runs: int = 400) -> dict[str, float]:
    rng, found = random.Random(3), {"free": 0, "fixed": 0, "undecided": 0}
    for _ in range(runs):
        gate = Gate()
        while (verdict := gate.verdict) is None:
            one = rng.random()
            gate.add(one < free, (one if rng.random() < together else rng.random()) < given)
        found[verdict] += 1
    return {verdict: count / runs for verdict, count in found.items()}


@pytest.mark.parametrize(("free", "given"), [(0.7, 0.8), (0.45, 0.55), (0.85, 0.95), (0.5, 0.7)])
@pytest.mark.parametrize("together", [0.0, 0.7, 1.0])
def test_the_gate_seldom_lets_a_model_that_freedom_hurts(free: float, given: float, together: float) -> None:
    assert verdicts(free, given, together)["free"] <= 0.05 + 0.02  # and twice the noise of 400 runs


def test_the_gate_opens_for_models_that_freedom_does_not_hurt() -> None:
    assert verdicts(0.9, 0.88, 0.9)["free"] > 0.8
    assert verdicts(0.85, 0.8, 0.0)["free"] > 0.3
    assert verdicts(0.9, 0.9, 0.5)["fixed"] < 0.05
    assert verdicts(0.5, 0.75, 0.3)["fixed"] > 0.6


def test_tasks_that_nobody_solves_open_nothing() -> None:
    assert verdicts(0.0, 0.0, 1.0) == {"free": 0, "fixed": 0, "undecided": 1}


class Modelled:
    """A router whose one model has an ability, and in teams one chance when free and one when given its role."""

    def __init__(self, theta: float, free: float, given: float) -> None:
        self.theta, self.chances, self.rng, self.asked = theta, (free, given), random.Random(1), 0
        self.prompts = {item.prompt: item for item in bank()}
        self.team = {task.prompt: task for b in range(-70, 71) for task in team_tasks(b / 10, 60)}

    async def achat(self, messages: Any, **fields: Any) -> Outcome:
        self.asked += 1
        text = messages[-1]["content"]
        if AGENT.search(text):
            task = self.team[text[: text.index("\n\n<")]]
            right = self.rng.random() < self.chances["Your role:" in text]
            said = answer("r", f"ANSWER: {task.answer if right else 'unknown'}")
        else:
            item = self.prompts[text]
            right = self.rng.random() < 1 / (1 + math.exp(-item.a * (self.theta - item.b)))
            said = f"So.\nANSWER: {item.answer if right else 'unknown'}"
        return Outcome(said, {}, None, "d", "m", None, 0.0001, Usage(), "bypass")


@pytest.mark.parametrize(
    ("theta", "free", "given", "verdict"),
    [(1.0, 1.0, 0.98, "free"), (-1.0, 0.3, 0.8, "fixed"), (0, 0.1, 0.1, "undecided")],
)
def test_a_probe(theta: float, free: float, given: float, verdict: str) -> None:
    router = Modelled(theta, free, given)
    report = asyncio.run(probe(router, "m"))
    assert report.ability.low <= theta <= report.ability.high
    assert report.ability.tasks <= 100
    assert (report.verdict, report.may_self_organise) == (verdict, verdict == "free")
    assert report.calls == router.asked == report.ability.tasks + 6 * report.pairs
    assert report.cost_usd == pytest.approx(router.asked * 0.0001)
    assert orjson.loads(orjson.dumps(report.as_json()))["model"] == "m"


def test_a_probe_keeps_to_its_money() -> None:
    router = Modelled(0.0, 0.9, 0.9)
    report = asyncio.run(probe(router, "m", budget_usd=0.002))
    assert (report.stopped, report.verdict, report.may_self_organise) == ("budget", "undecided", False)
    assert report.cost_usd == pytest.approx(0.002)


def test_a_model_that_always_fails() -> None:
    class Dead(Modelled):
        async def achat(self, messages: Any, **fields: Any) -> Outcome:
            self.asked += 1
            raise UpstreamUnavailable("down")

    router = Dead(0, 0, 0)
    with pytest.raises(UpstreamUnavailable):
        asyncio.run(probe(router, "m"))
    assert router.asked == 5


def test_the_verb_writes_what_teams_go_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The embedded simulated model solves nothing: it gets its roles given from then on."""
    monkeypatch.setenv("LEVELHEAD_HOME", str(tmp_path))
    sim = {"wire": "simulated", "price": {"input": 1, "output": 1}}
    file = tmp_path / "levelhead.yaml"
    file.write_text(yaml.safe_dump({"models": {"a": {**sim, "tier": "efficient", "model": "a"}}}))
    with pytest.raises(SystemExit) as ended:
        main(["probe", "a", "--config", str(file), "--json"])
    assert ended.value.code == 0
    report = orjson.loads(capsys.readouterr().out)
    assert (report["verdict"], report["may_self_organise"]) == ("undecided", False)
    assert report["ability"]["high"] < -2
    assert report["upstream"] == "a"
    with Router.from_config(file) as router:
        assert gate_of(TeamState(router.config.teams_store)) == {"a": False}
        run = Team("m", agents=2, router=router).run("Say hello.")
        assert not any(turn.free_role for turn in run.turns)
        with pytest.raises(ModelNotFound):
            asyncio.run(probe(router, "nobody"))


ABLE = {"model": "new", "upstream": "acme-9", "link_sd": 0.5, "may_self_organise": True}


def test_routing_heeds_what_a_probe_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model that no name tells anything of: its chances move to what was measured, others' stay."""
    monkeypatch.setenv("LEVELHEAD_HOME", str(tmp_path))
    sim = {"wire": "simulated", "price": {"input": 1, "output": 1}}
    models = {
        "new": {**sim, "tier": "efficient", "model": "acme-9"},
        "claude": {**sim, "tier": "strong", "model": "claude-sonnet-4-5"},
    }
    file = tmp_path / "levelhead.yaml"
    file.write_text(yaml.safe_dump({"models": models}))
    task = [{"role": "user", "content": "Prove that the sum of two odd numbers is even, then generalise it."}]

    def told() -> tuple[dict[str, float], str]:
        with Router.from_config(file) as router:
            decision = router.explain(task)
            return {c.model.name: c.success for c in decision.candidates}, rooms_of(router.config).drafting.policy

    before, policy = told()
    with Router.from_config(file) as router:
        state = TeamState(router.config.teams_store)
    known = []
    for theta in (-3.0, 3.0):
        ability = {"theta": theta, "low": theta - 0.6, "high": theta + 0.6, "tasks": 60}
        state.add_probe("new", 0.0, {**ABLE, "ability": ability})
        known.append(told())
    (weak, weak_policy), (able, able_policy) = known
    assert weak["new"] < before["new"] - 0.1
    assert able["new"] > before["new"] + 0.05
    assert weak["claude"] == able["claude"] == before["claude"]
    assert len({policy, weak_policy, able_policy}) == 3  # no certificate of one holds for another
    state.add_probe("new", 0.0, {**ABLE, "ability": {"theta": 0, "low": -7, "high": 7, "tasks": 0}})
    assert told()[0]["new"] == able["new"]  # a probe that ended before its first task says nothing
    models["new"]["model"] = "acme-10"  # another model under the name: the probe wasn't of it
    file.write_text(yaml.safe_dump({"models": models}))
    assert told()[0]["new"] == before["new"]


def test_the_more_tasks_a_probe_took_the_more_it_counts(tmp_path: Path) -> None:
    state = TeamState(tmp_path / "teams.db")
    named = Ability(0.0, 0.5, "published")
    found = []
    for reach in (2.0, 0.6):
        ability = {"theta": 2.0, "low": 2 - reach, "high": 2 + reach, "tasks": 9}
        state.add_probe("m", 0.0, {**ABLE, "ability": ability})
        found.append(blended(named, probed(state.path)["m", "acme-9"]))
    assert 0 < found[0].theta < found[1].theta < 2
    assert found[1].sd < found[0].sd < named.sd
    assert blended(named, None) is named
    (tmp_path / "other.db").write_text("no database")
    assert probed(tmp_path / "other.db") == probed(tmp_path / "none.db") == {}


def test_plain() -> None:
    assert plain(' **"1,234."** ') == "1234"
    assert plain("1,2") == "1,2"
