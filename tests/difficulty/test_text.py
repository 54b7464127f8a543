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
    words = text.words()
    assert words[0] == words[2] == words[5]
    assert words[1] == words[4] != words[0]
    assert len(set(words.tolist())) == 3
    grams = {text.data[i : i + 5].tobytes() for i in range(text.size - 4)}
    assert len(set(text.grams(5).tolist())) == len(grams)


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
