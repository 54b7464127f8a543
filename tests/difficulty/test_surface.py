"""Counts, against values that can be worked out by hand."""

from math import log1p

import pytest

from levelhead.difficulty.surface import LOAD, SHAPE, surface
from levelhead.difficulty.words import words_of

QUESTION = "Which metals were not used in 1900?\nA. iron\nB. tin and lead"


def test_a_question_with_options() -> None:
    words = words_of(QUESTION)
    shape, load = (
        dict(zip(names, found, strict=True))
        for names, found in zip((SHAPE, LOAD), surface(QUESTION, words), strict=True)
    )
    assert len(words) == 13
    assert shape["words"] == log1p(13)
    assert shape["lines"] == log1p(2)
    assert (shape["questions"], shape["ends_question"]) == (1.0, 0.0)
    assert shape["digits"] == log1p(4)
    assert load["options"] == log1p(6)
    assert load["stem"] == log1p(7)
    assert load["negations"] == load["digits"] == log1p(1)
    assert load["past"] == log1p(2)
    assert load["repetition"] == 0.0


@pytest.mark.parametrize("text", ["", "？", "「引用」は何ですか？", "\ud800", "{}();" * 100, "\n" * 50])
def test_any_text_has_finite_counts(text: str) -> None:
    shape, load = surface(text, words_of(text))
    assert len(shape) == len(SHAPE)
    assert len(load) == len(LOAD)
    assert all(abs(value) < 100 for value in shape + load)


def test_wide_marks_count() -> None:
    text = "「引用」は何ですか？"
    shape = dict(zip(SHAPE, surface(text, words_of(text))[0], strict=True))
    assert (shape["questions"], shape["ends_question"], shape["quotes"]) == (1.0, 1.0, log1p(2))
