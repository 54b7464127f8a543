"""Laws of the bounds."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from levelhead.stats import MeanSequence, betting_upper, log_wealth, loss_below, score_z, shown_below

losses = st.lists(st.floats(-1, 1, allow_nan=False), min_size=1, max_size=80).map(np.array)


@given(losses, st.floats(-0.9, 0.9), st.floats(0, 0.5))
def test_what_is_below_a_bound_is_below_a_larger_one_by_the_upper_bound(values, bound, more):
    upper = betting_upper(values, 0.05)
    assert upper >= values.mean() - 1e-9
    assert upper <= 1


@given(losses, st.floats(-0.9, 0.99))
def test_wealth_never_falls_below_nothing(values, bound):
    assert np.isfinite(log_wealth(values, bound, 0.05)).all()


@given(st.integers(1, 200), st.data(), st.floats(0.005, 0.5))
def test_another_loss_never_helps_and_another_win_never_hurts(n, data, bound):
    lost = data.draw(st.integers(0, n - 1))
    won = data.draw(st.integers(0, n - 1 - lost))
    z = score_z(lost, won, n, bound)
    assert score_z(lost + 1, won, n, bound) <= z + 1e-9
    assert score_z(lost, won + 1, n, bound) >= z - 1e-9


@given(losses)
def test_a_mean_above_the_bound_is_never_shown_by_all_its_values(values):
    """Whoever loses at every value can't grow rich."""
    assert not shown_below(np.abs(values) + 0.0, -0.01, 0.05)


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_order_doesn_t_matter_to_the_exact_test(values):
    forward, back = np.array(values), np.array(values[::-1])
    if forward.any():
        assert loss_below(forward, 0.1, 0.05) == loss_below(back, 0.1, 0.05)


@given(st.lists(st.floats(-1, 1, allow_nan=False), max_size=40))
def test_a_sequence_never_widens(values):
    sequence = MeanSequence(0.1, grid=21)
    bounds = [(-1.0, 1.0)]
    for value in values:
        sequence.add(value)
        bounds.append((sequence.lower, sequence.upper))
    assert all(a[0] <= b[0] and b[1] <= a[1] for a, b in pairwise(bounds))
