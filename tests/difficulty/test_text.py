"""Folding, hashing, the lexicon: against the obvious slow way."""

import numpy as np
import pytest

from levelhead.difficulty.text import MAX_BYTES, Hashed, Lexicon, compile_lexicon, fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Résumé,  PLEASE!", b" resume please "),
        ("C++ & 1984", b" c++ 0000 "),
        ("", b"  "),
        ("ＦＵＬＬ", b" full "),
        ("Й", " и ".encode()),
    ],
)
def test_folding(text: str, folded: bytes) -> None:
    assert fold(text) == folded


def test_a_long_text_keeps_head_and_tail() -> None:
    folded = fold("first " + "middle " * 5_000 + "last")
    assert len(folded) <= MAX_BYTES
    assert folded.startswith(b" first ")
    assert folded.endswith(b" last ")


def test_equal_substrings_hash_alike_wherever_they_stand() -> None:
    text = Hashed(fold("plan the plan of the plan"))
    hashes = text.shingles(5).tolist()
    words, pairs, grams = hashes[:6], hashes[6:11], hashes[11:]
    assert words[0] == words[2] == words[5]
    assert words[1] == words[4] != words[0]
    assert len(set(words)) == 3
    assert len(set(pairs)) == 4  # "the plan" stands twice
    assert len(set(grams)) == len({text.folded[i : i + 5] for i in range(text.size - 4)})


def test_a_look_up_beyond_the_end_matches_nothing() -> None:
    text = Hashed(fold("plan"))
    inside = text.hashes_of(np.array([1]), np.array([4, 5]))[0].tolist()
    beyond = text.hashes_of(np.array([1]), np.arange(6, 32))[0].tolist()
    assert len(set(inside + beyond)) == 28


ENTRIES = {
    "act": ["translat*", "fix", "go on"],
    "domain_law": ["contract*", "договор*", "合同", "법률*"],
    "short": ["up*"],
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Translate the contracts", ["act", "domain_law"]),
        ("prefix fixed fixes", []),
        ("fix", ["act"]),
        ("please, go on", ["act"]),
        ("Проверь ДОГОВОРЫ", ["domain_law"]),
        ("审查这份合同的条款", ["domain_law"]),
        ("법률을 검토", ["domain_law"]),
        ("subcontract", []),
        ("up", ["short"]),
        ("", []),
    ],
)
def test_the_lexicon_matches_stems_at_word_starts(text: str, found: list[str]) -> None:
    lexicon = Lexicon(*compile_lexicon(ENTRIES), len(ENTRIES))
    concepts, offsets = lexicon.match(Hashed(fold(text)))
    assert sorted(np.array(list(ENTRIES))[concepts].tolist()) == sorted(found)
    assert len(offsets) == len(found)
