import numpy as np
import pytest

from levelhead.stats import Logistic, fit_logistic, off_policy

PRIOR = Logistic((1.0, 0.0), -0.5)


def test_without_data_the_fit_is_the_prior():
    assert fit_logistic(np.zeros((0, 2)), np.zeros(0), PRIOR) == PRIOR


def test_with_data_the_fit_is_the_truth():
    random = np.random.default_rng(1)
    features = random.normal(size=(20_000, 2))
    truth = Logistic((-1.5, 0.7), 0.3)
    score = (random.random(20_000) < truth.chances(features)).astype(float)
    found = fit_logistic(features, score, PRIOR)
    assert found.weights == pytest.approx(truth.weights, abs=0.1)
    assert found.intercept == pytest.approx(truth.intercept, abs=0.1)
    assert found.chance(features[0]) == pytest.approx(found.chances(features)[0])


def test_separable_data_stay_finite():
    features = np.array([[-1.0, 0.0], [1.0, 0.0]] * 50)
    found = fit_logistic(features, np.array([0.0, 1.0] * 50), PRIOR)
    assert np.isfinite(found.weights).all()
    assert found.chance((1.0, 0.0)) > 0.9 > 0.1 > found.chance((-1.0, 0.0))


def logged_bandit(random, n):
    """Two actions worth .4 and .7, logged with chances that depend on a context that moves both."""
    context = random.random(n)
    chance = 0.2 + 0.6 * context
    took = random.random(n) < chance
    reward = (random.random(n) < np.where(took, 0.5, 0.2) + 0.4 * context).astype(float)
    return context, np.where(took, chance, 1 - chance), took, reward


def test_the_value_of_another_policy_is_found_in_a_confounded_log():
    context, logged, took, reward = logged_bandit(np.random.default_rng(2), 20_000)
    always = took.astype(float)
    plain = off_policy(reward, logged, always)
    assert (
        reward[took].mean() > 0.72
    )  # what the log shows where the action was taken: it was taken where things go well
    assert plain.estimate == pytest.approx(0.7, abs=3 * plain.standard_error)
    robust = off_policy(
        reward,
        logged,
        always,
        predicted_logged=np.where(took, 0.5, 0.2) + 0.4 * context,
        predicted_target=0.5 + 0.4 * context,
    )
    assert robust.estimate == pytest.approx(0.7, abs=3 * robust.standard_error)
    assert robust.standard_error < plain.standard_error
    assert 0 < plain.effective < plain.n == 20_000


def test_the_effective_sample_falls_where_policies_have_little_in_common():
    logged = np.array([0.01] + [0.99] * 99)
    target = np.array([1.0] + [0.01] * 99)
    assert off_policy(np.ones(100), logged, target).effective < 2


def test_logs_that_say_nothing_are_refused():
    one = np.ones(3)
    with pytest.raises(ValueError, match="logged chances"):
        off_policy(one, one * 0, one)
    with pytest.raises(ValueError, match="never took"):
        off_policy(one, one, one * 0)
