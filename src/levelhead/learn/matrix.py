"""Tasks as a sparse design matrix, scaled exactly as `difficulty.model.heads` does at run time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..difficulty.features import BUCKETS, Reader
from ..difficulty.model import _CLIP
from ..difficulty.task import read_task
from ..types import Json

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Design:
    """Dense features (n x d, raw) and hashed ones (n x BUCKETS, rows of unit length)."""

    dense: npt.NDArray[np.float32]
    hashed: sparse.csr_matrix

    def rows(self, index: npt.NDArray[np.int64] | npt.NDArray[np.bool_]) -> Design:
        return Design(self.dense[index], self.hashed[index])


def design(reader: Reader, conversations: Sequence[Sequence[Json]]) -> Design:
    """One row per conversation."""
    read = [reader.read(read_task(messages)) for messages in conversations]
    sizes = np.array([item.buckets.size for item in read])
    values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
    columns = np.concatenate([item.buckets for item in read]) if read else np.empty(0, dtype=np.int64)
    pointer = np.concatenate(([0], np.cumsum(sizes)))
    hashed = sparse.csr_matrix((values, columns, pointer), shape=(len(read), BUCKETS))
    return Design(np.stack([item.dense for item in read]), hashed)


def scale_of(dense: npt.NDArray[np.float32], weight: Floats) -> tuple[Floats, Floats]:
    """Weighted mean and spread of the dense features; a constant feature gets spread 1."""
    share = weight / weight.sum()
    mean = share @ dense
    spread = np.sqrt(share @ (dense - mean) ** 2)
    return mean, np.where(spread > 1e-3, np.maximum(spread, 0.05), 1.0)


def standardise(dense: npt.NDArray[np.float32], mean: Floats, spread: Floats) -> Floats:
    scaled: Floats = np.clip((dense - mean) / spread, -_CLIP, _CLIP)
    return scaled


def stack(dense: Floats, hashed: sparse.csr_matrix, hash_scale: float) -> sparse.csr_matrix:
    """[dense, hashed * hash_scale, 1]: a small `hash_scale` is a strong prior that single words say little."""
    ones = np.ones((dense.shape[0], 1))
    return sparse.hstack([sparse.csr_matrix(dense), hashed * hash_scale, sparse.csr_matrix(ones)]).tocsr()
