"""What recorded outcomes say about a task's difficulty, as far as it carries over to sources that were never seen.

Free regressions on text don't: what makes an item hard in one benchmark makes it easy in the next. What does carry over
is an unweighted sum of signed features, each known from item-writing research to make questions harder ("improper"
linear models, Dawes, American Psychologist 34(7), 1979): `difficulty.surface.LOAD`. A ridge regression over words adds
a little: it learns, inside sources, what that sum leaves unexplained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from ..difficulty.surface import LOAD, surface
from ..difficulty.words import words_of
from .bags import Bags, Idf

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

RESIDUE_SHARE = 0.15  # of the words' part, in spreads of the sum; the smallest of five that were tried
RESIDUE_RIDGE = 30.0
GATE_STRENGTH = 0.3


@dataclass(frozen=True, slots=True)
class Items:
    """Prompts with outcomes. `source`, `stem` by index; `missed`: the share of models that got an item wrong."""

    prompts: list[str]
    bags: Bags
    loads: Floats
    source: Ints
    stem: Ints
    missed: Floats

    @staticmethod
    def of(prompts: Sequence[str], source: Ints, stems: Sequence[str], missed: Floats) -> Items:
        loads = np.array([surface(prompt, words_of(prompt))[1] for prompt in prompts])
        _, stem = np.unique(np.array(stems), return_inverse=True)
        return Items(list(prompts), Bags.of(prompts), loads, source, stem, missed)


@dataclass(frozen=True, slots=True)
class Difficulty:
    """`mean` and `spread` of the load's parts; `residue`: weights over [words, grams] under `idf`."""

    mean: Floats
    spread: Floats
    idf: Idf
    residue: Floats

    @staticmethod
    def fit(items: Items, keep: Mask, idf: Idf) -> Difficulty:
        """Learns from the items in `keep`; sources weigh alike."""
        weight = balanced(items.source, keep)
        mean = weight @ items.loads
        spread = np.maximum(np.sqrt(weight @ (items.loads - mean) ** 2) + 1e-6, 1e-3)
        summed = ((items.loads - mean) / spread).mean(axis=1)
        target = np.zeros(items.source.size)
        for source in np.unique(items.source[keep]):
            mine = keep & (items.source == source)
            missed, total = _standard(items.missed[mine]), _standard(summed[mine])
            target[mine] = missed - (missed @ total / mine.sum()) * total
        rows = np.flatnonzero(keep)
        matrix = sparse.hstack([idf.scaled(items.bags[rows]), _dummies(items.source[rows])]).tocsr()
        fit = Ridge(alpha=RESIDUE_RIDGE, fit_intercept=False, solver="sparse_cg", tol=1e-4)
        fit.fit(matrix, target[rows], sample_weight=weight[rows] * 2_000)
        residue = fit.coef_[: matrix.shape[1] - items.source.max() - 1]
        words = idf.scaled(items.bags[rows]) @ residue
        scale = RESIDUE_SHARE * _spread(summed[rows], weight[rows]) / max(1e-9, _spread(words, weight[rows]))
        return Difficulty(mean, spread, idf, residue * scale)

    def of(self, items: Items, rows: Ints) -> Floats:
        """Standing of items against those it was fitted on: about 0 on average, larger is harder."""
        summed = ((items.loads[rows] - self.mean) / self.spread).mean(axis=1)
        found: Floats = summed + self.idf.scaled(items.bags[rows]) @ self.residue
        return found


def fit_gate(recorded: Bags, other: Bags, weight: Floats, idf: Idf) -> tuple[Floats, float]:
    """Logit weights and constant of "like a recorded benchmark item"; both sides weigh alike."""
    matrix = idf.scaled(Bags.stacked([recorded, other]))
    truth = np.arange(matrix.shape[0]) < recorded.words.shape[0]
    shares = np.concatenate([weight / weight.sum(), np.full(other.words.shape[0], 1 / other.words.shape[0])])
    fit = LogisticRegression(C=GATE_STRENGTH, max_iter=200)
    fit.fit(matrix, truth, sample_weight=shares * 2_000)
    return fit.coef_[0], float(fit.intercept_[0])


def balanced(source: Ints, keep: Mask) -> Floats:
    """Weights that sum to one over `keep`: sources alike, items alike in them."""
    weight = np.zeros(source.size)
    kept = np.unique(source[keep])
    for one in kept:
        mine = keep & (source == one)
        weight[mine] = 1 / (mine.sum() * kept.size)
    return weight


def _standard(values: Floats) -> Floats:
    found: Floats = (values - values.mean()) / (values.std() + 1e-9)
    return found


def _spread(values: Floats, weight: Floats) -> float:
    share = weight / weight.sum()
    return float(np.sqrt(share @ (values - share @ values) ** 2))


def _dummies(source: Ints) -> sparse.csr_matrix:
    """A column a source: what the sources differ by on average must not be read off the words."""
    ones = np.full(source.size, 3.0)
    return sparse.csr_matrix((ones, (np.arange(source.size), source)), shape=(source.size, source.max() + 1))


assert len(LOAD) == 11
