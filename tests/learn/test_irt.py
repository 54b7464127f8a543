"""The joint fit finds what data were simulated from."""

import numpy as np
from scipy import sparse

from levelhead.learn import irt


def simulate(items: int = 600, models: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray, irt.Rows]:
    random = np.random.default_rng(3)
    dense = random.normal(size=(items, 3))
    b, theta = dense @ np.array([1.0, -0.5, 0.0]), np.linspace(-1.5, 1.5, models)
    item, model = np.repeat(np.arange(items), models), np.tile(np.arange(models), items)
    chance = 1 / (1 + np.exp(-(theta[model] - b[item])))
    score = (random.random(item.size) < chance).astype(float)
    weight = irt.source_weights(np.zeros(item.size, dtype=np.int64), item)
    return dense, b, theta, irt.Rows(item, model, model, score, weight)


def matrix_of(dense: np.ndarray) -> sparse.csr_matrix:
    return sparse.csr_matrix(np.hstack([dense, np.ones((len(dense), 1))]))


def test_difficulties_and_abilities_are_recovered() -> None:
    dense, b, theta, rows = simulate()
    fit = irt.fit(matrix_of(dense), dense, rows, 8, 8)
    assert np.corrcoef(matrix_of(dense) @ fit.b, b)[0, 1] > 0.99
    ability = fit.ability + fit.residual
    assert np.corrcoef(ability, theta)[0, 1] > 0.99
    assert np.all(np.diff(ability) > 0)
    assert np.all(fit.ability_sd < 1)


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    """A fit that starts at its own optimum stays there: a wrong gradient would walk away or stop short."""
    dense, _, _, rows = simulate(items=80)
    first = irt.fit(matrix_of(dense), dense, rows, 8, 8)
    again = irt.fit(matrix_of(dense), dense, rows, 8, 8, start=first)
    assert np.allclose(first.b, again.b, atol=1e-3)
    assert np.allclose(first.ability, again.ability, atol=1e-3)


def test_sources_weigh_alike_whatever_their_size() -> None:
    source = np.array([0] * 6 + [1])
    item = np.array([0, 0, 1, 1, 2, 2, 3])
    weight = irt.source_weights(source, item)
    assert np.isclose(weight[:6].sum(), weight[6:].sum())
    assert np.isclose(weight[:2].sum(), weight[2:4].sum())
