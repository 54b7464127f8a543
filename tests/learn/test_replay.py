"""Outcome tables through the policy. Small tables whose figures can be worked out by hand."""

import numpy as np
import pytest

from levelhead.errors import ConfigError
from levelhead.learn.frontier import cost_to_reach, hull_at, hull_slope, oracle_at
from levelhead.learn.replay import Roles, replay, roles_of
from levelhead.learn.tables import load_table, table_of
from levelhead.types import Assessment, Goal, Level

GOAL = Goal(0.02, 0.95)
COSTS = {"cheap": 0.001, "other": 0.002, "dear": 0.02}


class Even:
    """Says of every task that the strong model has so much more of a chance."""

    def __init__(self, uplift):
        self.uplift = uplift

    def assess(self, chat, models):
        success = {model.name: 0.5 + self.uplift * model.tier_rank for model in models}
        return Assessment(Level.L1, 0.5, 0.5, success)

    def threshold(self, max_quality_loss, models=None):
        return 0.1


def rows(n=1200):
    """Where cheap and other agree they are right; where they don't, cheap is wrong and dear is right."""
    random = np.random.default_rng(1)
    for at in range(n):
        agree = random.random() < 0.6
        for model in COSTS:
            right = agree or model == "dear"
            answer = "42" if right else f"{model}-{at}"
            yield {"prompt_id": at, "prompt": f"Task {at}", "model": model, "score": float(right),
                   "cost_usd": COSTS[model], "answer": answer}  # fmt: skip


def test_roles_are_read_from_the_table():
    table = table_of(list(rows(20)))
    assert roles_of(table, strong=None, efficient=None, second=None) == Roles("dear", "cheap", "other")
    assert roles_of(table, strong="cheap", efficient="dear", second="other") == Roles("cheap", "dear", "other")
    with pytest.raises(ConfigError, match="no model is called 'none'"):
        roles_of(table, strong="none", efficient=None, second=None)


def test_a_perfect_check_closes_the_whole_gap():
    report = replay(table_of(list(rows())), Roles("dear", "cheap", "other"), GOAL, Even(0.5))
    assert report["all_strong"] == {"quality": 1.0, "cost_usd": pytest.approx(0.02)}
    assert report["routing"]["savings"] == pytest.approx(0)  # an uplift of a half goes to the strong model
    cascade = report["cascade"]
    assert cascade["quality"] == 1.0
    assert cascade["accepted"] == pytest.approx(0.6, abs=0.05)
    assert cascade["cost_usd"] == pytest.approx(0.003 + 0.02 * (1 - cascade["accepted"]))
    assert cascade["loss"] == 0
    assert cascade["oracle"] == 1.0 > cascade["static_mix"]
    assert cascade["gap_closed"] == 1.0
    assert cascade["checking_pays"] is True
    assert cascade["certificate"]["certified"] is True
    assert cascade["cost_at_100_percent"] < 1
    assert cascade["certificate"]["savings"] == pytest.approx(cascade["savings"])


def test_routing_by_text_alone():
    report = replay(table_of(list(rows())), Roles("dear", "cheap"), GOAL, Even(0.01))
    assert "cascade" not in report
    assert report["routing"]["quality"] == report["all_efficient"]["quality"]
    assert report["routing"]["loss"] > 0.3
    assert report["routing"]["loss_upper"] > report["routing"]["loss"]
    assert report["routing"]["certificate"]["certified"] is False
    assert "uncertified" in report["routing"]["certificate"]["reason"]


def test_checking_that_tells_nothing_does_not_pay():
    random = np.random.default_rng(2)
    table = []
    for at in range(600):
        for model, right in (("cheap", 0.6), ("other", 0.6), ("dear", 0.8)):
            table.append({"prompt_id": at, "model": model, "score": float(random.random() < right),
                          "cost_usd": COSTS[model], "answer": random.choice(["A", "B"])})  # fmt: skip
    report = replay(table_of(table), Roles("dear", "cheap", "other"), GOAL, Even(0.2))
    assert report["cascade"]["checking_pays"] is False


def test_a_log_is_weighed_by_its_propensities():
    """Logged by difficulty: strong took the hard ones. Its mean there says nothing of what it gives everywhere."""
    random, log = np.random.default_rng(3), []
    for at in range(6000):
        hard = random.random() < 0.5
        chance = 0.8 if hard else 0.2
        model, p = ("dear", chance) if random.random() < chance else ("cheap", 1 - chance)
        right = {"dear": 0.6, "cheap": 0.2}[model] if hard else 0.9
        log.append({"prompt_id": at, "prompt": "x", "model": model, "score": float(random.random() < right),
                    "cost_usd": COSTS[model], "propensity": p})  # fmt: skip
    report = replay(table_of(log), Roles("dear", "cheap"), GOAL, Even(0.01))  # everything to cheap
    for name, truth in (("routing", 0.55), ("all_strong", 0.75)):
        found = report[name]
        assert found["quality_ips"] == pytest.approx(truth, abs=4 * found["standard_error"])
        assert found["quality_dr"] == pytest.approx(truth, abs=4 * found["standard_error"])
        assert found["effective_sample"] < 6000
    assert report["routing"]["savings"] == pytest.approx(0.95, abs=0.01)


def test_a_log_without_propensities_is_refused():
    log = [{"prompt_id": at, "model": m, "score": 1, "cost_usd": 1} for at, m in enumerate(["cheap", "dear"] * 3)]
    with pytest.raises(ConfigError, match="propensity"):
        replay(table_of(log), Roles("dear", "cheap"), GOAL, Even(0.1))


def test_costs_come_from_tokens_and_prices_where_none_was_recorded():
    row = {"prompt_id": 1, "prompt": "x" * 400, "model": "m", "score": 1.0, "completion_chars": 800}
    assert table_of([row], {"m": (1.0, 2.0)}).cost[0, 0] == pytest.approx((100 * 1 + 200 * 2) / 1e6)
    assert table_of([{**row, "prompt_tokens": 10, "completion_tokens": 20}], {"m": (1, 2)}).cost[0, 0] == 50 / 1e6
    assert np.isnan(table_of([row]).cost[0, 0])
    assert table_of([{**row, "model": "gpt-4o-mini"}]).cost[0, 0] > 0  # the price table knows it


def test_trials_become_their_mean():
    two = [{"prompt_id": 1, "model": "m", "score": s, "cost_usd": c} for s, c in ((0, 1.0), (1, 3.0))]
    table = table_of(two)
    assert (table.score[0, 0], table.cost[0, 0]) == (0.5, 2.0)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"model": "m", "score": 1}, "row 1: prompt_id is missing"),
        ({"prompt_id": 1, "model": "m", "score": 7}, "score should be a number from 0 to 1"),
        ({"prompt_id": 1, "model": "m", "score": 1, "cost_usd": -1}, "cost_usd"),
        ({"prompt_id": 1, "model": "m", "score": 1, "propensity": 0}, "propensity"),
        (3, "should be an object"),
    ],
)
def test_bad_rows_are_named(row, said):
    with pytest.raises(ConfigError, match=said):
        table_of([row])


def test_bad_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match="no such file"):
        load_table(tmp_path / "none.jsonl")
    for name, text in (("a.jsonl", "{"), ("b.parquet", "no"), ("c.jsonl", "")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=name):
            load_table(tmp_path / name)


def test_the_hull_and_the_oracle():
    points = [(1.0, 0.4), (2.0, 0.45), (3.0, 0.8)]
    assert hull_at(points, 2.0) == pytest.approx(0.6)
    assert np.isnan(hull_at(points, 0.5))
    assert hull_at(points, 9.0) == 0.8
    assert hull_slope(points, 2.0) == pytest.approx(0.2)
    assert hull_slope(points, 3.0) == 0.0
    assert cost_to_reach(points, 0.6) == pytest.approx(2.0)
    assert cost_to_reach(points, 0.9) is None
    cheap = np.ones(4), np.array([1.0, 0.0, 0.0, 0.0])
    strong = np.full(4, 5.0), np.array([1.0, 1.0, 1.0, 0.0])
    assert oracle_at(cheap, strong, 1.0) == 0.25
    assert oracle_at(cheap, strong, 2.0) == 0.5
    assert oracle_at(cheap, strong, 2.5) == pytest.approx(0.625)
    assert oracle_at(cheap, strong, 99.0) == 0.75
