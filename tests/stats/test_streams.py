"""What may be looked at after every verdict: confidence sequences and the alarm."""

import numpy as np
import pytest

from levelhead.stats import Alarm, MeanSequence


def signs(random, lost, won, n):
    u = random.random(n)
    return np.where(u < lost, 1.0, np.where(u < lost + won, -1.0, 0.0))


def test_a_sequence_holds_at_every_moment_at_once():
    random, missed = np.random.default_rng(1), 0
    for _ in range(40):
        sequence = MeanSequence(0.05, grid=81)
        for loss in signs(random, 0.1, 0.05, 250):
            sequence.add(float(loss))
        missed += sequence.upper < 0.05 or sequence.lower > 0.05  # bounds only tighten: the last tells of all
    assert missed <= 40 * 0.1 + 4


def test_a_sequence_closes_in_on_the_mean():
    sequence = MeanSequence(0.05)
    for loss in signs(np.random.default_rng(2), 0.05, 0.05, 4000):
        sequence.add(float(loss))
    assert -0.04 < sequence.lower <= 0 <= sequence.upper < 0.04
    assert sequence.estimate == pytest.approx(0, abs=0.02)


def test_an_alarm_rings_after_a_change_and_seldom_before():
    random = np.random.default_rng(3)
    false, waits = 0, []
    for _ in range(100):
        alarm = Alarm(0.02, patience=2_000)
        false += any(alarm.add(float(x)) for x in signs(random, 0.05, 0.05, 400))
        alarm = Alarm(0.02, patience=2_000)
        for x in signs(random, 0.05, 0.05, 200):
            alarm.add(float(x))
        after = signs(random, 0.35, 0.05, 300)
        waits.append(next((at for at, x in enumerate(after) if alarm.add(float(x))), 300))
    assert false <= 10
    assert np.median(waits) < 80
    assert np.mean(np.array(waits) < 300) >= 0.95


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="is not in"):
        MeanSequence(0.05).add(2.0)
    with pytest.raises(ValueError, match="is not in"):
        Alarm(0.02, 100).add(-2.0)
    with pytest.raises(ValueError, match="the limit"):
        Alarm(1.0, 100)
