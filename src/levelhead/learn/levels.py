"""Levels in two stages: linear models over words, then boosted trees over what they say of each part of a chat.

The first stage scores the user's last words (whole, opening and closing sentences) and what came before them. The
second weighs these scores by size, shape and place in the conversation; it learns from scores of texts that the first
stage had not seen (stacked generalisation, Wolpert, Neural Networks 5, 1992).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.svm import LinearSVC

from ..difficulty.conversation import Conversation, head, read_conversation, tail
from ..difficulty.levels import INPUTS, PARTS, layout, parts, structure
from ..difficulty.surface import surface
from ..difficulty.trees import DEPTH, INNER, LEAVES
from ..difficulty.words import words_of
from .bags import Bags, Idf
from .datasets import LevelTask

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STRENGTH = 0.4  # inverse of the L2 penalty
EDGE_SCALE = 0.5  # of the opening and closing sentences' features
SHORT_WORDS = 25  # a shorter turn in a conversation may take its level from what came before
FOLDS = 5
TREES = 240
_BOOSTING = {
    "n_estimators": TREES, "learning_rate": 0.05, "max_depth": DEPTH, "subsample": 0.6, "min_samples_leaf": 10,
    "max_features": 0.5, "random_state": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Readings:
    """Labelled conversations, cut into the parts that are scored, and counted."""

    level: Ints  # 0..3
    conversations: list[Conversation]
    bags: dict[str, Bags]
    shapes: Floats
    structures: Floats
    group: Ints  # tasks of one group are held out together
    alone: npt.NDArray[np.bool_]  # the ask tells its level by itself

    @staticmethod
    def of(tasks: Sequence[LevelTask]) -> Readings:
        read = [read_conversation(task.messages) for task in tasks]
        texts = {"ask": [c.ask for c in read], "head": [head(c.ask) for c in read], "tail": [tail(c.ask) for c in read]}
        for name in PARTS:
            texts[name] = [parts(c)[name] for c in read]
        words = [words_of(c.ask) for c in read]
        return Readings(
            np.array([task.level for task in tasks]),
            read,
            {name: Bags.of(some) for name, some in texts.items()},
            np.array([surface(c.ask, some)[0] for c, some in zip(read, words, strict=True)]),
            np.array([structure(c) for c in read]),
            np.unique([task.group for task in tasks], return_inverse=True)[1],
            np.array([not (c.before or c.earlier) or len(w) > SHORT_WORDS for c, w in zip(read, words, strict=True)]),
        )


@dataclass(frozen=True, slots=True)
class Linear:
    """The first stage. Weights over [words, grams] by level: the ask's with its edges, and for any text alone."""

    idf: Idf
    ask: Floats
    head: Floats
    tail: Floats
    ask_constant: Floats
    text: Floats
    text_constant: Floats

    @staticmethod
    def fit(readings: Readings, rows: Ints) -> Linear:
        rows = rows[readings.alone[rows]]
        level = readings.level[rows]
        idf = Idf.of(readings.bags["ask"][rows])
        whole, opening, closing = (idf.scaled(readings.bags[name][rows]) for name in ("ask", "head", "tail"))
        both = sparse.hstack([whole, opening * EDGE_SCALE, closing * EDGE_SCALE]).tocsr()
        full, alone = _svm(both, level), _svm(whole, level)
        ask, head_, tail_ = np.split(full.coef_.T, 3)
        return Linear(
            idf, ask, head_ * EDGE_SCALE, tail_ * EDGE_SCALE, full.intercept_, alone.coef_.T, alone.intercept_
        )  # fmt: skip

    def inputs(self, readings: Readings, rows: Ints) -> Floats:
        """What the trees see, in the order of `difficulty.levels.INPUTS`."""
        bags = {name: self.idf.scaled(some[rows]) for name, some in readings.bags.items()}
        full = bags["ask"] @ self.ask + bags["head"] @ self.head + bags["tail"] @ self.tail + self.ask_constant
        seen = [_centred(full), _centred(bags["ask"] @ self.text + self.text_constant), readings.shapes[rows]]
        context = readings.structures[rows][:, -1:] > 0
        parts_ = [_centred(bags[name] @ self.text + self.text_constant) for name in PARTS]
        seen += [np.where(context, scores, 0.0) for scores in parts_]
        found = np.hstack([*seen, readings.structures[rows]])
        assert found.shape[1] == len(INPUTS) == layout()
        return found


def held_out_inputs(readings: Readings, rows: Ints, seed: int = 0) -> Floats:
    """Inputs of each row from a first stage that never saw it."""
    found = np.zeros((rows.size, len(INPUTS)))
    for kept, held in _folds(readings.group[rows], seed):
        found[held] = Linear.fit(readings, rows[kept]).inputs(readings, rows[held])
    return found


def boost(inputs: Floats, level: Ints) -> GradientBoostingClassifier:
    return GradientBoostingClassifier(**_BOOSTING).fit(inputs.astype(np.float32), level)


def held_out_levels(inputs: Floats, readings: Readings) -> Ints:
    """The level that trees give each row which never saw it, nor one of its group."""
    level = readings.level
    found = np.zeros(level.size, dtype=np.int64)
    for kept, held in _folds(readings.group, 3):
        found[held] = boost(inputs[kept], level[kept]).predict(inputs[held].astype(np.float32))
    return found


def tree_arrays(model: GradientBoostingClassifier) -> dict[str, npt.NDArray[np.generic]]:
    """Complete trees in heap order, as `difficulty.trees.Trees` wants them; the start is a leaf of the first ones."""
    trees = [tree.tree_ for stage in model.estimators_ for tree in stage]
    feature = np.zeros((len(trees), INNER), dtype=np.int16)
    threshold = np.full((len(trees), INNER), np.inf, dtype=np.float32)
    leaf = np.zeros((len(trees), LEAVES), dtype=np.float32)
    for at, tree in enumerate(trees):
        where = {0: 0}  # heap position -> node; a leaf above the last row stands for all below it
        for spot in range(INNER):
            node = where[spot]
            if tree.children_left[node] < 0:
                where[2 * spot + 1] = where[2 * spot + 2] = node
            else:
                feature[at, spot], threshold[at, spot] = tree.feature[node], tree.threshold[node]
                where[2 * spot + 1], where[2 * spot + 2] = tree.children_left[node], tree.children_right[node]
        leaf[at] = [model.learning_rate * tree.value[where[INNER + spot], 0, 0] for spot in range(LEAVES)]
    shares = model.init_.class_prior_
    leaf[: shares.size] += np.log(shares)[:, None]
    return {"tree_feature": feature, "tree_threshold": threshold, "tree_leaf": np.round(leaf, 5)}


def _folds(group: Ints, seed: int) -> Iterator[tuple[Ints, Ints]]:
    fold = np.random.default_rng(seed).integers(0, FOLDS, group.max() + 1)[group]
    for held in range(FOLDS):
        yield np.flatnonzero(fold != held), np.flatnonzero(fold == held)


def _svm(matrix: object, level: Ints) -> LinearSVC:
    return LinearSVC(C=STRENGTH, random_state=0).fit(matrix, level)


def _centred(scores: Floats) -> Floats:
    centred: Floats = scores - scores.mean(axis=1, keepdims=True)
    return centred
