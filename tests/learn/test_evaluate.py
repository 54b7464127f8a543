"""Measures, against values that can be worked out by hand."""

import numpy as np
import pytest

from levelhead.learn.evaluate import apgr, auc, bootstrap, ece

STRONG = np.array([1.0, 1.0, 1.0, 0.0])
EFFICIENT = np.array([0.0, 1.0, 0.0, 0.0])


def test_apgr_of_oracle_random_and_reverse() -> None:
    gain = STRONG - EFFICIENT
    assert apgr(gain, STRONG, EFFICIENT) == pytest.approx(0.75)
    assert apgr(np.zeros(4), STRONG, EFFICIENT) == pytest.approx(0.5)
    assert apgr(-gain, STRONG, EFFICIENT) == pytest.approx(0.25)


def test_apgr_is_undefined_without_a_gap() -> None:
    assert np.isnan(apgr(np.arange(4.0), STRONG, STRONG))


def test_auc_counts_ties_half() -> None:
    positive = np.array([True, False, True, False])
    assert auc(np.array([4.0, 1, 3, 2]), positive) == 1.0
    assert auc(np.array([1.0, 1, 1, 1]), positive) == 0.5
    assert auc(np.array([1.0, 2, 3, 3]), positive) == pytest.approx(0.375)
    assert np.isnan(auc(np.arange(4.0), np.ones(4, dtype=bool)))


def test_ece() -> None:
    predicted = np.repeat([0.2, 0.8], 50)
    score = np.concatenate([np.repeat([1.0, 0.0], [10, 40]), np.repeat([1.0, 0.0], [40, 10])])
    assert ece(predicted, score, bins=2) == pytest.approx(0.0)
    assert ece(np.full(100, 0.9), score, bins=1) == pytest.approx(0.4)


def test_the_interval_holds_the_estimate_and_repeats() -> None:
    random = np.random.default_rng(0)
    signal = random.random(400)
    strong, efficient = np.ones(400), (random.random(400) > signal).astype(float)
    low, high = bootstrap(signal, strong, efficient, draws=100)
    assert low < apgr(signal, strong, efficient) < high
    assert (low, high) == bootstrap(signal, strong, efficient, draws=100)
