"""Sums over words, against the same sums done one by one."""

import threading
from collections import Counter

import numpy as np
import pytest

from levelhead.difficulty import words as module
from levelhead.difficulty.words import (
    GRAM_BITS,
    WORD_BITS,
    WordTable,
    grams_of,
    pair_buckets,
    word_bucket,
    word_hash,
    words_of,
)

RANDOM = np.random.default_rng(5)
GRAMS = np.abs(RANDOM.normal(size=(1 << GRAM_BITS, 4))).astype(np.float32)
WORDS = np.abs(RANDOM.normal(size=(1 << WORD_BITS, 4))).astype(np.float32)


@pytest.fixture
def table() -> WordTable:
    return WordTable(GRAMS, WORDS)


def by_hand(text: str) -> np.ndarray:
    words = words_of(text)
    by_gram = sum((GRAMS[bucket].astype(float) for word in set(words) for bucket in grams_of(word)), np.zeros(4))
    by_word = sum((WORDS[word_bucket(word_hash(w))].astype(float) for w in set(words) if word_hash(w)), np.zeros(4))
    hashes = np.array([word_hash(word) for word in words], dtype=np.uint64)
    for bucket in pair_buckets(hashes).tolist() if len(words) > 1 else ():
        by_word += WORDS[bucket]
    return by_word[:3] / np.sqrt(by_word[3] + 1e-6) + by_gram[:3] / np.sqrt(by_gram[3] + 1e-6)


TEXTS = [
    "",
    "hi",
    "the cat sat on the mat, the cat sat",
    "!!! ?",
    "Größe: 42 €",
    "请帮我把这句话翻译成英语 please",
    "สวัสดี",
    "a " * 400,
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_sum_is_the_sum_of_its_words(table: WordTable, text: str) -> None:
    np.testing.assert_allclose(table.sums([words_of(text)])[0], by_hand(text), rtol=2e-4, atol=1e-5)


def test_texts_asked_together_don_t_mix(table: WordTable) -> None:
    together = table.sums([words_of(text) for text in TEXTS])
    for row, text in zip(together, TEXTS, strict=True):
        np.testing.assert_allclose(row, by_hand(text), rtol=2e-4, atol=1e-5)


def test_words_are_lower_case_with_digits_alike_and_wide_scripts_in_pairs() -> None:
    assert words_of("Fix BUG-17, now") == ["fix", "bug-00,", "now"]
    assert words_of("请翻译") == ["\x01请翻", "\x01翻译"]
    assert words_of("用Python写") == ["\x01用", "python", "\x01写"]
    assert words_of("lone \ud800 surrogate") == ["lone", "?", "surrogate"]
    assert word_hash("(bug-00),") == word_hash("bug-00")
    assert word_hash("...") == 0


def test_a_typo_keeps_most_grams() -> None:
    one, other = Counter(grams_of("translation")), Counter(grams_of("transaltion"))
    assert sum((one & other).values()) >= 0.4 * sum(one.values())


def test_what_is_remembered_is_bounded(table: WordTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WORDS", 50)
    for number in range(40):
        text = " ".join(f"w{'abcdefghij'[int(d)]}" * 2 + str(number) for d in str(number))
        unique = f"{text} {'x' * (number % 30 + 1)}y"
        np.testing.assert_allclose(table.sums([words_of(unique)])[0], by_hand(unique), rtol=2e-4)
    assert len(table._memo.rows) <= 50
    many = " ".join("z" * (number + 1) for number in range(30)) + " " + " ".join("q" * (n + 1) for n in range(30))
    np.testing.assert_allclose(table.sums([words_of(many)])[0], by_hand(many), rtol=2e-4)


def test_threads_see_whole_rows(table: WordTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WORDS", 300)
    texts = [" ".join(f"{chr(97 + (i * j) % 26)}{'bcd'[j % 3] * (i % 9 + 1)}" for j in range(20)) for i in range(60)]
    wanted = [by_hand(text) for text in texts]
    wrong: list[int] = []

    def work() -> None:
        for _ in range(5):
            for at, text in enumerate(texts):
                if not np.allclose(table.sums([words_of(text)])[0], wanted[at], rtol=1e-3):
                    wrong.append(at)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
