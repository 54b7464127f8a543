"""The joint fit: item parameters from features, an ability per model, a residual per model and source.

Two-parameter logistic item response theory with item parameters explained by covariates (the linear logistic test
model, Fischer 1973, with discriminations), fitted by penalised likelihood. Sources weigh alike, prompts alike in them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOG_A_MAX = 1.0
WEIGHT_PER_SOURCE = 2_000.0
PENALTY_DENSE = 2.0
PENALTY_HASH = 1.0
PENALTY_A = 1e5  # features that move discrimination did not carry over to unseen sources
SCALE_FIXED = 1e6  # the mean of log a is zero: abilities and difficulties are in logits
PENALTY_ABILITY = 0.5
PENALTY_RESIDUAL = 8.0
_ITERATIONS = 250
_WARM_ITERATIONS = 80


@dataclass(frozen=True, slots=True)
class Rows:
    """Observations: item, model, residual cell (model x source) by index; score 0..1; weight."""

    item: Ints
    model: Ints
    cell: Ints
    score: Floats
    weight: Floats

    def keep(self, mask: npt.NDArray[np.bool_]) -> Rows:
        """The rows where `mask` is true."""
        return Rows(self.item[mask], self.model[mask], self.cell[mask], self.score[mask], self.weight[mask])


@dataclass(frozen=True, slots=True)
class Fit:
    """Weights of `b` over the matrix and of log `a` over [dense, 1]; abilities, residuals, sds of the abilities."""

    b: Floats
    a: Floats
    ability: Floats
    residual: Floats
    ability_sd: Floats


def fit(
    matrix: sparse.csr_matrix,
    dense: Floats,
    rows: Rows,
    models: int,
    cells: int,
    start: Fit | None = None,
) -> Fit:
    """Penalised maximum likelihood by L-BFGS. `start`: where to begin."""
    wide, narrow = matrix.shape[1], dense.shape[1] + 1
    cuts = np.cumsum([wide, narrow, models])
    slim = np.hstack([dense, np.ones((dense.shape[0], 1))])
    penalty = _penalties(wide, narrow, models, cells, dense.shape[1])
    begin, steps = np.zeros(cuts[-1] + cells), _ITERATIONS
    if start is not None:
        steps = _WARM_ITERATIONS
        begin = np.concatenate([start.b, start.a, start.ability, start.residual])
    total = rows.weight.sum()

    def loss(point: Floats) -> tuple[float, Floats]:
        w_b, w_a, theta, residual = np.split(point, cuts)
        b = (matrix @ w_b)[rows.item]
        log_a = slim @ w_a
        inside = np.abs(log_a) < LOG_A_MAX
        a = np.exp(np.clip(log_a, -LOG_A_MAX, LOG_A_MAX))[rows.item]
        gap = theta[rows.model] + residual[rows.cell] - b
        logit = a * gap
        chance = 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
        value = rows.weight @ (np.logaddexp(0, logit) - rows.score * logit) + 0.5 * (penalty @ point**2)
        slope = rows.weight * (chance - rows.score)
        by_gap = slope * a
        gradient = np.concatenate([
            -(matrix.T @ np.bincount(rows.item, by_gap, matrix.shape[0])),
            slim.T @ (inside * np.bincount(rows.item, slope * logit, matrix.shape[0])),
            np.bincount(rows.model, by_gap, models),
            np.bincount(rows.cell, by_gap, cells),
        ])  # fmt: skip
        return float(value) / total, (gradient + penalty * point) / total

    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options={"maxiter": steps, "maxcor": 20, "gtol": 1e-7})
    w_b, w_a, theta, residual = np.split(found.x, cuts)
    return Fit(w_b, w_a, theta, residual, _ability_sd(rows, matrix, slim, w_b, w_a, theta, residual))


def logits(fit: Fit, matrix: sparse.csr_matrix, dense: Floats, item: Ints, ability: Floats) -> Floats:
    """a(x) (theta - b(x)) for pairs of item and ability."""
    slim = np.hstack([dense, np.ones((dense.shape[0], 1))])
    b, a = matrix @ fit.b, np.exp(np.clip(slim @ fit.a, -LOG_A_MAX, LOG_A_MAX))
    placed: Floats = a[item] * (ability - b[item])
    return placed


def source_weights(source: Ints, item: Ints) -> Floats:
    """Weights of rows: every source the same sum, every prompt in it the same, every row of a prompt the same."""
    rows_of_item = np.bincount(item)
    items_of_source = np.array([np.unique(item[source == one]).size for one in range(source.max() + 1)])
    weights: Floats = WEIGHT_PER_SOURCE / (rows_of_item[item] * np.maximum(1, items_of_source[source]))
    return weights


def _penalties(wide: int, narrow: int, models: int, cells: int, dense: int) -> Floats:
    return np.concatenate([
        np.full(dense, PENALTY_DENSE), np.full(wide - dense - 1, PENALTY_HASH), [1e-3],
        np.full(narrow - 1, PENALTY_A), [SCALE_FIXED],
        np.full(models, PENALTY_ABILITY), np.full(cells, PENALTY_RESIDUAL),
    ])  # fmt: skip


def _ability_sd(
    rows: Rows, matrix: sparse.csr_matrix, slim: Floats, w_b: Floats, w_a: Floats, theta: Floats, residual: Floats
) -> Floats:
    """From the observed information of each model's own rows, counted once each, and the spread of the residuals."""
    b, a = matrix @ w_b, np.exp(np.clip(slim @ w_a, -LOG_A_MAX, LOG_A_MAX))
    logit = a[rows.item] * (theta[rows.model] + residual[rows.cell] - b[rows.item])
    chance = 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
    information = np.bincount(rows.model, a[rows.item] ** 2 * chance * (1 - chance), theta.size)
    between = float(np.sqrt(np.mean(residual**2))) if residual.size else 0.3
    spread: Floats = np.sqrt(1 / (information + 1.0) + max(0.15, between) ** 2)
    return spread
