"""Texts as sparse rows, scaled exactly as `difficulty.words.WordTable` does at run time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..difficulty.words import GRAM_BITS, WORD_BITS, grams_of, pair_buckets, word_bucket, word_hash, words_of

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64] | npt.NDArray[np.bool_]
WORDS, GRAMS = 1 << WORD_BITS, 1 << GRAM_BITS


@dataclass(frozen=True, slots=True)
class Bags:
    """One row a text: counts of words and pairs, and of distinct words with an n-gram."""

    words: sparse.csr_matrix
    grams: sparse.csr_matrix

    @staticmethod
    def of(texts: Sequence[str]) -> Bags:
        counted = [_counts(text) for text in texts]
        return Bags(_matrix([w for w, _ in counted], WORDS), _matrix([g for _, g in counted], GRAMS))

    def __getitem__(self, index: Index) -> Bags:
        return Bags(self.words[index], self.grams[index])

    @staticmethod
    def stacked(bags: Sequence[Bags]) -> Bags:
        return Bags(
            sparse.vstack([bag.words for bag in bags]).tocsr(), sparse.vstack([bag.grams for bag in bags]).tocsr()
        )


@dataclass(frozen=True, slots=True)
class Idf:
    """Inverse document frequencies of the buckets, smoothed as scikit-learn does."""

    words: Floats
    grams: Floats

    @staticmethod
    def of(bags: Bags) -> Idf:
        return Idf(_idf(bags.words), _idf(bags.grams))

    def scaled(self, bags: Bags) -> sparse.csr_matrix:
        """[words and pairs, n-grams], each of unit length as if its features were distinct."""
        return sparse.hstack([_scaled(bags.words, self.words), _scaled(bags.grams, self.grams)]).tocsr()


def _counts(text: str) -> tuple[Mapping[int, int], Mapping[int, int]]:
    words = words_of(text)
    by_word: Counter[int] = Counter()
    by_gram: Counter[int] = Counter()
    for word in set(words):
        grams, hashed = _read(word)
        by_gram.update(grams)
        if hashed:
            by_word[word_bucket(hashed)] += 1
    if len(words) > 1:
        hashes = np.array([_read(word)[1] for word in words], dtype=np.uint64)
        by_word.update(pair_buckets(hashes).tolist())
    return by_word, by_gram


@lru_cache(300_000)
def _read(word: str) -> tuple[list[int], int]:
    return grams_of(word), word_hash(word)


def _matrix(rows: Sequence[Mapping[int, int]], width: int) -> sparse.csr_matrix:
    columns = np.array([column for row in rows for column in sorted(row)], dtype=np.int64)
    values = np.array([row[column] for row in rows for column in sorted(row)], dtype=np.float64)
    pointer = np.concatenate(([0], np.cumsum([len(row) for row in rows])))
    return sparse.csr_matrix((values, columns, pointer), shape=(len(rows), width))


def _idf(counts: sparse.csr_matrix) -> Floats:
    seen = np.bincount(counts.indices, minlength=counts.shape[1])
    found: Floats = np.log((1 + counts.shape[0]) / (1 + seen)) + 1
    return found


def _scaled(counts: sparse.csr_matrix, idf: Floats) -> sparse.csr_matrix:
    length = np.sqrt(counts @ idf**2 + 1e-6)
    return sparse.diags(1 / length) @ counts @ sparse.diags(idf)
