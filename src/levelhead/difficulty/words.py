"""Text as sums over its words, at the price of a look-up a word.

A linear model over words, word pairs and the character n-grams inside words is additive over words: what a word's
n-grams add up to is worked out when the word is first met, and looked up ever after. Features are hashed ("hashing
trick", Weinberger et al., ICML 2009) and weighted by inverse document frequency; each kind of them is scaled to unit
length, as if a text's features were distinct.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from threading import Lock
from zlib import crc32

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

FEATURE_VERSION = 3
GRAMS = (3, 4, 5)  # characters, blanks around a word included
GRAM_BITS = 17
WORD_BITS = 16
_WORD_CHARS = 32  # of a word
_MOST_WORDS = 40_000  # remembered; then all are forgotten at once
_GOLDEN = 0x9E3779B1
_PAIR = np.uint64(0x9E3779B97F4A7C15)
_PAIR_SHIFT = np.uint64(64 - WORD_BITS)

# Scripts without blanks between words: Thai, kana, ideographs.
_WIDE = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")
_MARKS = " \t\n.,;:!?\"'()[]{}<>«»„“”‘’—–-…*_`#|/\\。，、！？；：（）「」『』【】《》·・"
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_NOTHING = 0  # the row of no word
_TINY = np.float32(1e-6)
_CUT = "\x01"  # opens what was cut out of a run of wide characters


def words_of(text: str) -> list[str]:
    """Lower case, digits alike, marks kept; of scripts without blanks, each pair of neighbouring characters."""
    text = text.lower().encode("utf-8", "replace").translate(_DIGITS).decode()
    if text.isascii() or _WIDE.search(text) is None:
        return text.split()
    found: list[str] = []
    for word in text.split():
        position = 0
        for run in _WIDE.finditer(word):
            if run.start() > position:
                found.append(word[position : run.start()])
            wide = run[0]
            found += [_CUT + wide[at : at + 2] for at in range(max(1, len(wide) - 1))]
            position = run.end()
        if position < len(word):
            found.append(word[position:])
    return found


def grams_of(word: str) -> list[int]:
    """The buckets of the character n-grams in a word, or of a pair of wide characters."""
    if word[:1] == _CUT:
        wide = word[1:]
        return [_bucket(part, 7, GRAM_BITS) for part in (wide, *wide)]
    padded = f" {word[:_WORD_CHARS]} "
    return [_bucket(padded[at : at + size], size, GRAM_BITS) for size in GRAMS for at in range(len(padded) - size + 1)]


def word_hash(word: str) -> int:
    """64 bits that stand for a word without the marks around it; 0 for what is nothing but marks."""
    bare = word.strip(_MARKS)
    return (crc32(bare.encode("utf-8", "replace")) << 32 | crc32(bare.encode("utf-8", "replace"), 77)) if bare else 0


def word_bucket(hashed: int) -> int:
    return (hashed * 0xD6E8FEB86659FD93 & 0xFFFFFFFFFFFFFFFF) >> (64 - WORD_BITS)


def pair_buckets(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The buckets of neighbouring words, in order."""
    mixed = (hashes[:-1] * _PAIR) ^ hashes[1:]
    return ((mixed * _PAIR) >> _PAIR_SHIFT).view(np.int64)


def _bucket(part: str, salt: int, bits: int) -> int:
    return (crc32(part.encode("utf-8", "replace"), salt) * _GOLDEN & 0xFFFFFFFF) >> (32 - bits)


class WordTable:
    """Sums of weight rows. `grams` (2**17 x d) and `words` (2**16 x d): the last column is the squared length.

    Safe in threads. Nothing is allocated that is larger than the texts' own words.
    """

    def __init__(self, grams: Floats, words: Floats) -> None:
        self._grams = grams
        self._words = words
        self._width = grams.shape[1]
        self._lock = Lock()
        self._memo = _Memo(self._width)

    def sums(self, texts: Sequence[Sequence[str]]) -> Floats:
        """A row of d - 1 numbers for each text, which is given as its words.

        The weights of words and pairs and those of n-grams, each scaled to unit length. One pass for all texts: numpy
        takes longer to be asked than to answer.
        """
        memo = self._memo
        try:
            rows = [[memo.rows[word] for word in words] for words in texts]
        except KeyError:
            memo = self._learned([word for words in texts for word in words])
            rows = [[memo.rows[word] for word in words] for words in texts]
        distinct: list[int] = []
        sequence: list[int] = []
        starts: list[int] = []
        edges: list[int] = []
        for some in rows:
            starts.append(len(distinct))
            distinct += dict.fromkeys(some)  # in order: sums are the same in each process
            distinct.append(_NOTHING)  # no segment is empty
            edges += (len(sequence), len(sequence) + max(0, len(some) - 1))
            sequence += some
            sequence += (_NOTHING, _NOTHING)
        both = np.add.reduceat(memo.vectors.take(distinct, axis=0), starts).reshape(len(rows), 2, self._width)
        pairs = np.add.reduceat(self._words.take(pair_buckets(memo.hashes.take(sequence)), axis=0), edges)[::2]
        for at, some in enumerate(rows):
            if len(some) > 1:
                both[at, 0] += pairs[at]
        lengths = np.sqrt(both[:, :, -1:] + _TINY)
        scaled: Floats = np.add.reduce(both[:, :, :-1] / lengths, axis=1)
        return scaled

    def _learned(self, words: Iterable[str]) -> _Memo:
        with self._lock:
            memo = self._memo
            new = [word for word in dict.fromkeys(words) if word not in memo.rows]
            if len(memo.rows) + len(new) > _MOST_WORDS:
                memo = self._memo = _Memo(self._width)
                new = list(dict.fromkeys(words))
            if not new:  # another thread was quicker
                return memo
            buckets = [grams_of(word) for word in new]
            sizes = np.array([len(some) for some in buckets])
            at = np.concatenate(([0], np.cumsum(sizes)))
            flat = np.array([bucket for some in buckets for bucket in some] + [0])  # so that the last end is an index
            by_gram = np.add.reduceat(self._grams.take(flat, axis=0), at)[:-1]
            by_gram[sizes == 0] = 0.0
            hashes = [word_hash(word) for word in new]
            by_word = self._words.take([word_bucket(hashed) for hashed in hashes], axis=0)
            by_word[[not hashed for hashed in hashes]] = 0.0
            memo.add(new, np.hstack((by_word, by_gram)), hashes)
            return memo


class _Memo:
    """What is known of words already; row 0 is nothing. A word's row is written before the word is."""

    def __init__(self, width: int) -> None:
        self.rows: dict[str, int] = {}
        self.vectors = np.zeros((1_024, 2 * width), dtype=np.float32)
        self.hashes = np.zeros(1_024, dtype=np.uint64)

    def add(self, words: Sequence[str], vectors: Floats, hashes: Sequence[int]) -> None:
        start = len(self.rows) + 1
        end = start + len(words)
        if end > self.hashes.size:
            more = max(end, 2 * self.hashes.size) - start
            self.vectors = np.vstack((self.vectors[:start], np.zeros((more, self.vectors.shape[1]), np.float32)))
            self.hashes = np.concatenate((self.hashes[:start], np.zeros(more, np.uint64)))
        self.vectors[start:end] = vectors
        self.hashes[start:end] = hashes
        self.rows.update(zip(words, range(start, end), strict=True))
