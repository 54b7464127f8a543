"""Gradient boosted trees of depth three (Friedman, Annals of Statistics 29(5), 2001), evaluated all at once.

Every inner node of every tree is answered; a tree's seven answers are one byte, and a table says which leaf that is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

DEPTH = 3
LEAVES = 1 << DEPTH
INNER = LEAVES - 1


class Trees:
    """`feature`, `threshold` (trees x 7, heap order), `leaf` (trees x 8); tree i adds to score i modulo `scores`."""

    def __init__(
        self,
        feature: npt.NDArray[np.int64],
        threshold: npt.NDArray[np.float32],
        leaf: npt.NDArray[np.float32],
        scores: int,
    ) -> None:
        trees = feature.shape[0]
        order = np.arange(trees).reshape(-1, scores).T.ravel()  # the trees of one score side by side
        self._feature = np.zeros((trees, 8), dtype=np.int64)
        self._feature[:, :INNER] = feature[order]
        self._threshold = np.full((trees, 8), np.inf, dtype=np.float32)
        self._threshold[:, :INNER] = threshold[order]
        self._leaf = leaf[order].astype(np.float32).ravel()
        self._start = np.arange(trees) * LEAVES
        self._scores = scores

    def scores(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The sum of each score's trees for one row of features."""
        answers = (x.take(self._feature) > self._threshold).view(np.uint64).ravel()
        leaves = self._start + _LEAF_OF.take(answers * _GATHER >> _TOP)
        total: npt.NDArray[np.float32] = np.add.reduce(self._leaf.take(leaves).reshape(self._scores, -1), axis=1)
        return total


# Multiplying eight bytes of 0 or 1 by this gathers them as the bits of the topmost byte, the first byte lowest.
_GATHER = np.uint64(0x0102040810204080)
_TOP = np.uint64(56)


def _leaf_of(answers: int) -> int:
    """The leaf that a byte of answers leads to: a bit for each inner node in heap order, the root's lowest."""
    node = 0
    for _ in range(DEPTH):
        node = 2 * node + 1 + (answers >> node & 1)
    return node - INNER


_LEAF_OF = np.array([_leaf_of(answers) for answers in range(256)])
