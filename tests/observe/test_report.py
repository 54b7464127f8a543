"""A report's estimates: do their intervals hold what they say?"""

import numpy as np
import pytest

from levelhead.observe.report import Figures, page
from levelhead.observe.report.estimates import Quality, Shadowed, student
from levelhead.observe.report.page import usd
from levelhead.types import Audited, Level, Verdict


def shadowed(session, cost, routed):
    return {
        "id": session, "key": "k", "session": session, "model": "best", "outcome": "ok", "cost_usd": cost,
        "shadow": {"model": "fast", "success": 0.9, "cost_usd": routed, "cost_usd_if_twice_as_long": 2 * routed},
        "decision": {"candidates": [{"model": "best", "success": 0.92}]},
    }  # fmt: skip


@pytest.mark.parametrize(("freedom", "table"), [(4, 2.776), (9, 2.262), (29, 2.045), (1000, 1.962)])
def test_the_quantile_is_student_s(freedom, table):
    assert student(0.95, freedom) == pytest.approx(table, rel=0.01)


def test_the_share_saved_is_inside_its_interval_as_often_as_it_says():
    rng, inside, runs = np.random.default_rng(8), 0, 500
    for _ in range(runs):
        known = Shadowed()
        costs = rng.gamma(2.0, 0.01, 60)
        for at, cost in enumerate(costs):  # on average a third stays where it is, whatever it costs
            known.add(shadowed(f"s{at}", cost, cost if rng.random() < 1 / 3 else 0.1 * cost))
        low, high = known.told(0.95)["interval"]
        inside += low <= 0.6 <= high
    assert inside / runs >= 0.925  # 0.95 less two and a half standard errors


def test_too_few_conversations_have_no_interval():
    known = Shadowed()
    for _ in range(50):
        known.add(shadowed("one", 0.02, 0.002))
    told = known.told(0.95)
    assert (told["interval"], told["bounds"], told["conversations"]) == (None, None, 1)
    assert told["would_save_share"] == pytest.approx(0.9)
    assert told["predicted_loss"] == pytest.approx(0.02)


def test_verdicts_on_one_answer_count_once():
    known = Quality()
    for score in (0.0, 1.0, 1.0, 1.0):
        known.add("dec_1", score)
    told = known.told(0.95)
    assert (told["verdicts"], told["answers"], told["score"]) == (4, 1, 0.75)
    assert (told["lower"], told["upper"]) == (0.0, 1.0)


def test_the_true_quality_is_inside_its_interval():
    rng = np.random.default_rng(9)
    inside = 0
    for _ in range(40):
        known = Quality()
        for at in range(150):
            known.add(f"dec_{at}", float(rng.random() < 0.8))
        told = known.told(0.95)
        inside += told["lower"] <= 0.8 <= told["upper"]
        assert told["upper"] - told["lower"] < 0.3
    assert inside >= 38


def test_names_are_escaped():
    figures = Figures({"<b>"}, {}, 0.95)
    row = {
        "at": 0.0, "outcome": "ok", "slot": "<b>", "level": "L1", "tier": "<i>&", "cost_usd": 2.0, "baseline_usd": 1.0
    }  # fmt: skip
    figures.add(row)
    text = page(figures.told())
    assert "&lt;b&gt;" in text
    assert "&lt;i&gt;&amp;" in text
    assert "<b>,<i>" not in text
    assert figures.told()["excess_usd"] == 1.0
    assert "above the baseline" in text


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "$0.00"),
        (3.2, "$3.20"),
        (-12345.678, "-$12,345.68"),
        (0.14, "$0.14"),
        (0.08528, "$0.0853"),
        (1e-9, "$0.000000001"),
    ],
)
def test_money_has_cents_at_least(amount, said):
    assert usd(amount) == said


def audited(at, path, efficient, strong, certifies=True, slot="critic"):
    audit = Audited(
        path, "direct", 0.5, 0.02, efficient, strong, "m", 1.0, 0.9, "j", certifies, served_first=True, policy="p",
        cost_usd=0.01,
    )  # fmt: skip
    score = efficient if path == "efficient" else strong
    return Verdict(f"dec_{at}", "k", slot, "fast", Level.L2, -1.0, 0.7, (), score, "audit", 1.0, audit)


def test_what_audits_found_stands_with_its_interval():
    figures = Figures(["critic"], {"fast": "efficient"}, 0.95)
    assert figures.told()["loss"] is None
    outcomes = [("efficient", 1.0, 1.0)] * 70 + [("efficient", 0.0, 1.0)] * 10 + [("strong", 0.0, 1.0)] * 20
    for at, (path, efficient, strong) in enumerate(outcomes):
        figures.judged(audited(at, path, efficient, strong, slot="critic" if at % 2 else "unheard-of"))
    figures.judged(audited(1_000, "efficient", 0.0, 1.0, certifies=False))
    told = figures.told()
    loss = told["loss"]
    assert (loss["served"]["audits"], loss["served"]["loss"]) == (100, pytest.approx(0.1))
    assert 0 < loss["served"]["lower"] < 0.1 < loss["served"]["upper"] < 0.3
    assert loss["all_efficient"]["loss"] == pytest.approx(0.3)
    assert [(one["slot"], one["level"], one["audits"]) for one in loss["by"]] == [
        ("critic", "L2", 50), ("critic", "all", 50), ("other", "L2", 50), ("other", "all", 50),
    ]  # fmt: skip
    assert (loss["by_relatives"], loss["cost_usd"]) == (1, pytest.approx(1.01))
    assert told["quality"]["efficient"]["answers"] == 100
    shown = page(told)
    assert "<b>+10.0%</b>" in shown
    assert "1 more were graded by a judge of the family" in shown
