"""Text as numbers, without a Python loop over characters.

A text is folded (lower case, accents and punctuation gone, digits alike, blanks collapsed) and hashed once with a
polynomial prefix hash modulo 2**64, from which the hash of any substring is two look-ups and a product
(Karp and Rabin, 1987). Words, word pairs, byte n-grams and lexicon entries are all read from that one prefix array.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

MAX_BYTES = 4096  # of folded text; what is longer keeps its head and its tail
_HEAD_BYTES = 2816
_BASE = 0x9E3779B97F4A7C15 | 1
_MIX = np.uint64(0xD6E8FEB86659FD93)
_SPACE = 32
_OVERHANG = 32  # bytes; no lexicon entry is longer
_NONE = np.empty(0, dtype=np.int64)
_NOISE = np.array([pow(0xC2B2AE3D27D4EB4F, i + 2, 1 << 64) for i in range(_OVERHANG)], dtype=np.uint64)
_LENGTHS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16)  # bytes, of lexicon entries


def _table() -> bytes:
    table = bytearray(range(256))
    for code in range(128):
        char = chr(code)
        if not char.isalnum():
            table[code] = _SPACE
        elif char.isdigit():
            table[code] = ord("0")
    for keep in "+#$^=<>\\%":  # C++, C#, maths
        table[ord(keep)] = ord(keep)
    return bytes(table)


_FOLD = _table()


@lru_cache(maxsize=1)
def _powers() -> tuple[U64, U64]:
    size = MAX_BYTES + 64
    inverse = pow(_BASE, -1, 1 << 64)
    up = np.full(size, _BASE, dtype=np.uint64)
    down = np.full(size, inverse, dtype=np.uint64)
    up[0] = down[0] = 1
    return np.multiply.accumulate(up), np.multiply.accumulate(down)


def fold(text: str) -> bytes:
    """The folded text in UTF-8, one blank at each end, at most `MAX_BYTES` long."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).lower()
        raw = np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8)
        lead = (raw == 0xCC) | ((raw == 0xCD) & (np.append(raw[1:], 0) < 0xB0))  # combining marks U+0300..U+036F
        if lead.any():
            follow = np.empty_like(lead)
            follow[0] = False
            follow[1:] = lead[:-1]
            raw = raw[~(lead | follow)]
        data = raw.tobytes()
    else:
        data = text.lower().encode()
    data = b" ".join(data.translate(_FOLD).split())
    if len(data) > MAX_BYTES - 2:
        data = data[:_HEAD_BYTES] + b" " + data[len(data) - (MAX_BYTES - 3 - _HEAD_BYTES) :]
    return b" " + data + b" "


class Hashed:
    """A folded text with its prefix hashes. `starts` are the byte offsets where words (or CJK characters) begin."""

    __slots__ = ("_down", "_prefix", "folded", "size", "spaces", "starts", "wide")

    def __init__(self, folded: bytes) -> None:
        up, self._down = _powers()
        data = np.frombuffer(folded, dtype=np.uint8)
        self.folded = folded
        size = self.size = len(folded)
        # Behind the end the prefix goes on with noise, so that a look-up there needs no check and matches nothing.
        self._prefix = np.empty(size + 1 + _OVERHANG, dtype=np.uint64)
        self._prefix[0] = 0
        np.cumsum((data + np.uint64(1)) * up[:size], out=self._prefix[1 : size + 1])
        np.add(_NOISE, self._prefix[size], out=self._prefix[size + 1 :])
        self.spaces = (data == _SPACE).nonzero()[0]
        self.starts = self.spaces[:-1] + 1 if size > 2 else self.spaces[:0]
        self.wide = _NONE
        if not folded.isascii():  # kana and CJK ideographs: 3 bytes each
            self.wide = ((data >= 0xE3) & (data <= 0xE9)).nonzero()[0]
            if self.wide.size:
                self.starts = np.union1d(self.starts, self.wide)

    def hashes(self, starts: Ints, ends: Ints) -> U64:
        """64-bit hashes of the substrings [start, end), equal for equal bytes wherever they stand."""
        return (self._prefix[ends] - self._prefix[starts]) * self._down[starts] * _MIX

    def hashes_of(self, starts: Ints, lengths: Ints) -> U64:
        """One row a start, one column a length (up to 32); what reaches beyond the text equals nothing."""
        begun, down = self._prefix[starts], self._down[starts] * _MIX
        found: U64 = (self._prefix[starts[:, None] + lengths] - begun[:, None]) * down[:, None]
        return found

    def shingles(self, size: int) -> U64:
        """Hashes of the words, of neighbouring words, of all byte n-grams and of CJK character pairs."""
        prefix, spaces = self._prefix, self.spaces
        if self.size <= 2:
            return np.empty(0, dtype=np.uint64)
        starts = spaces[:-1] + 1
        begun, down, ends = prefix[starts], self._down[starts], prefix[spaces[1:]]
        grams = max(0, self.size - size + 1)
        parts = [
            (ends - begun) * down,
            (ends[1:] - begun[:-1]) * down[:-1],
            (prefix[size : size + grams] - prefix[:grams]) * self._down[:grams],
        ]
        if self.wide.size:
            pairs = self.wide[self.wide + 6 <= self.size]
            parts.append((prefix[pairs + 6] - prefix[pairs]) * self._down[pairs])
        return np.concatenate(parts) * _MIX


class Lexicon:
    """Words and short phrases, each in one concept; matched at word starts only.

    `keys` are sorted 64-bit hashes, `concepts` their concept, `lengths` the distinct entry lengths in bytes (up to 32).
    """

    MAX_STARTS = 600

    __slots__ = ("_bits", "_lengths", "concepts", "keys", "size")

    def __init__(self, keys: U64, concepts: npt.NDArray[np.uint8], lengths: Ints, size: int) -> None:
        self.keys, self.concepts, self.size = keys, concepts.astype(np.int64), size
        self._lengths, self._bits = lengths, _bitmap(keys)

    def match(self, text: Hashed) -> tuple[list[int], list[int]]:
        """(concept, byte offset) of every match."""
        starts = text.starts[: self.MAX_STARTS]
        hashes = text.hashes_of(starts, self._lengths).ravel()
        maybe = self._bits[_slot(hashes)].nonzero()[0]
        hashes = hashes[maybe]
        at = np.minimum(self.keys.searchsorted(hashes), self.keys.size - 1)
        hit = self.keys[at] == hashes
        return self.concepts[at[hit]].tolist(), starts[maybe[hit] // self._lengths.size].tolist()


def _cut(entry: bytes) -> bytes:
    """Long entries are prefixes: few distinct lengths keep the look-up short."""
    return entry[: max(size for size in _LENGTHS if size <= len(entry))] if len(entry) > _LENGTHS[0] else entry


def _slot(hashes: U64) -> Ints:
    return (hashes >> np.uint64(48)).view(np.int64)


def _bitmap(hashes: U64) -> npt.NDArray[np.bool_]:
    bits = np.zeros(1 << 16, dtype=bool)
    bits[_slot(hashes)] = True
    return bits


def compile_lexicon(entries: dict[str, list[str]]) -> tuple[U64, npt.NDArray[np.uint8], Ints]:
    """Concept -> entries, as sorted arrays. `word*` matches as a prefix, `word` (not CJK) as a whole word."""
    found: dict[bytes, int] = {}
    for concept, words in enumerate(entries.values()):
        for word in words:
            folded = fold(word.rstrip("*"))[1:-1]
            whole = not word.endswith("*") and not any(byte >= 0xE3 for byte in folded)
            found.setdefault(_cut(folded + b" " if whole else folded), concept)
    keys: list[tuple[int, int]] = []
    for folded, concept in found.items():
        text = Hashed(folded)
        key = text.hashes(np.array([0]), np.array([len(folded)]))[0]
        keys.append((int(key), concept))
    keys.sort()
    lengths = np.array(sorted({len(folded) for folded in found}), dtype=np.int64)
    return (
        np.array([key for key, _ in keys], dtype=np.uint64),
        np.array([concept for _, concept in keys], dtype=np.uint8),
        lengths,
    )
