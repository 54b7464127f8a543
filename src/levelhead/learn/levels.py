"""The level head: multinomial logistic regression over labelled tasks, foreign labels as weak, soft evidence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from .datasets import LevelTask

Floats = npt.NDArray[np.float64]

HASH_SCALE = 3.0
STRENGTH = 0.5  # inverse of the L2 penalty
FOREIGN_SHARE = 0.25  # of the total weight
_FOLDS = 8


def weights_of(tasks: Sequence[LevelTask]) -> Floats:
    """Own tasks weigh 1 each; all foreign ones together a quarter of the whole, corpora alike."""
    own = [not _foreign(task) for task in tasks]
    total = max(1.0, float(sum(own))) * FOREIGN_SHARE / (1 - FOREIGN_SHARE)
    foreign = sorted({task.origin for task in tasks if _foreign(task)})
    count = {origin: sum(task.origin == origin for task in tasks) for origin in foreign}
    share = {"math500": 0.1}
    rest = (1 - sum(share.get(origin, 0.0) for origin in foreign)) / max(1, sum(o not in share for o in foreign))
    return np.array([
        total * share.get(task.origin, rest) / count[task.origin] if _foreign(task) else 1.0 for task in tasks
    ])  # fmt: skip


def fit_levels(matrix: sparse.csr_matrix, tasks: Sequence[LevelTask], rows: Sequence[int]) -> Floats:
    """Columns of logits for L1..L4 over the matrix' features (its last column is the constant)."""
    chances = np.array([tasks[row].chances for row in rows])
    weight = weights_of([tasks[row] for row in rows])
    task, level = np.nonzero(chances > 0)
    fit = LogisticRegression(C=STRENGTH, max_iter=400, tol=1e-5, fit_intercept=False)
    fit.fit(matrix[np.asarray(rows)][task], level, sample_weight=chances[task, level] * weight[task])
    logits = np.zeros((matrix.shape[1], 4))
    logits[:, fit.classes_] = fit.coef_.T
    return logits


def out_of_fold(matrix: sparse.csr_matrix, tasks: Sequence[LevelTask]) -> Floats:
    """Logits of every task from models that never saw it (n x 4)."""
    order = np.random.default_rng(7).permutation(len(tasks))
    logits = np.zeros((len(tasks), 4))
    for fold in range(_FOLDS):
        held = np.sort(order[fold::_FOLDS])
        kept = np.setdiff1d(np.arange(len(tasks)), held)
        logits[held] = matrix[held] @ fit_levels(matrix, tasks, [int(row) for row in kept])
    return logits


def expected_of(logits: Floats) -> Floats:
    """0..1: the expected level, as `difficulty.model.place` has it."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    placed: Floats = (odds / odds.sum(axis=1, keepdims=True)) @ (np.arange(4) / 3)
    return placed


def _foreign(task: LevelTask) -> bool:
    return task.origin in ("uncommon_route", "math500")
