"""Each bound by simulation: how often it is wrong, and that it isn't idle. Seeds are fixed."""

import numpy as np
import pytest

from levelhead.stats import betting_upper, critical_z, loss_below, loss_upper, paired_upper, score_z, shown_below

GOAL, DELTA = 0.02, 0.05


def drawn(random, lost, won, n, runs):
    u = random.random((runs, n))
    return np.where(u < lost, 1.0, np.where(u < lost + won, -1.0, 0.0))


@pytest.mark.parametrize(("lost", "won"), [(0.02, 0.0), (0.04, 0.02), (0.12, 0.10), (0.3, 0.28)])
@pytest.mark.parametrize("n", [60, 500, 2000])
def test_a_loss_at_the_goal_is_certified_in_at_most_one_run_of_twenty(lost, won, n):
    runs = 20_000
    counts = np.random.default_rng(n + 1).multinomial(n, [lost, won, 1 - lost - won], runs)
    wrong = (score_z(counts[:, 0], counts[:, 1], n, GOAL) >= critical_z(n, GOAL, DELTA)).mean()
    assert wrong <= DELTA + 2 * np.sqrt(DELTA * (1 - DELTA) / runs)


def test_betting_keeps_its_level_where_scores_are_graded():
    random = np.random.default_rng(3)
    losses = np.clip(random.normal(0, 0.3, (400, 300)), -0.98, 0.98) + GOAL
    assert np.mean([shown_below(row, GOAL, DELTA) for row in losses]) <= DELTA + 2 * np.sqrt(DELTA / 400)


def test_both_find_a_loss_that_is_well_below_the_goal():
    random = np.random.default_rng(4)
    rows = drawn(random, 0.03, 0.04, 2000, 60)
    assert np.mean([loss_below(row, GOAL, DELTA).passed for row in rows]) > 0.95
    assert np.mean([shown_below(row, GOAL, DELTA) for row in rows]) > 0.9


def test_the_exact_test_needs_fewer_verdicts_than_betting():
    rows = drawn(np.random.default_rng(5), 0.02, 0.03, 600, 80)
    exact = np.mean([loss_below(row, GOAL, DELTA).passed for row in rows])
    assert exact > np.mean([shown_below(row, GOAL, DELTA) for row in rows]) + 0.05


def test_upper_bounds_cover_and_shrink():
    random = np.random.default_rng(6)
    rows = drawn(random, 0.06, 0.03, 400, 60)
    exact = np.array([paired_upper(int((r > 0).sum()), int((r < 0).sum()), 400, DELTA) for r in rows[:5]])
    betting = np.array([betting_upper(r, DELTA) for r in rows])
    assert (exact < 0.03).sum() <= 2
    assert (betting < 0.03).mean() <= 0.12
    assert 0.03 < exact.mean() < betting.mean() < 0.12
    assert loss_upper(np.array([]), DELTA) == 1.0


def test_what_differs_nowhere_needs_some_verdicts_all_the_same():
    assert not loss_below(np.zeros(50), GOAL, DELTA).passed
    assert loss_below(np.zeros(400), GOAL, DELTA).passed


def test_the_method_follows_the_verdicts():
    whole = np.array([1.0, 0.0, -1.0] * 20)
    assert loss_below(whole, GOAL, DELTA).method == "exact"
    assert loss_below(whole / 2, GOAL, DELTA).method == "betting"
    assert loss_below(np.array([]), GOAL, DELTA).passed is False
    with pytest.raises(ValueError, match="a loss lies in"):
        loss_below(np.array([1.5]), GOAL, DELTA)
