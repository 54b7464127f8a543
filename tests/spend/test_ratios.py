"""The bound on long inputs: hard at first, tighter with what calls were billed for, never for another kind of text."""

import base64
import random

import pytest

from levelhead.spend import InputRatios, input_bound
from levelhead.spend.ratios import LONG_BYTES, kind_of
from levelhead.types import Chat, Usage

PROSE = "The quick brown fox jumps over the lazy dog, and then it rests for a while. " * 400
DATA = base64.b64encode(random.Random(0).randbytes(24_000)).decode()
CHINESE = "敏捷的棕色狐狸跳过了懒狗。 " * 1_000


def chat(text, **more):
    return Chat("chat", {}, "auto", [{"role": "user", "content": text}], text_bytes=len(text.encode()) + 80, **more)


def taught(text=PROSE, ratio=0.25, calls=20, model="m", **more):
    ratios = InputRatios()
    one = chat(text, **more)
    for _ in range(calls):
        ratios.observe(one, model, Usage(input=int(ratio * one.text_bytes)))
    return ratios


def test_tightens_to_half_as_much_again_as_the_most_seen():
    one = chat(PROSE)
    assert taught().bound(one, "m") == pytest.approx(0.375 * one.text_bytes + 80, rel=0.01)
    assert taught(ratio=0.9).bound(one, "m") == input_bound(one)  # never above what holds for any text


@pytest.mark.parametrize(
    ("ratios", "asked", "model"),
    [
        (InputRatios(), chat(PROSE), "m"),
        (taught(calls=19), chat(PROSE), "m"),
        (taught(), chat(PROSE), "another"),
        (taught(), chat(DATA), "m"),
        (taught(), chat(CHINESE), "m"),
        (taught(), chat(PROSE[: LONG_BYTES // 2]), "m"),
        (taught(PROSE[: LONG_BYTES // 2]), chat(PROSE), "m"),
        (taught(images=1), chat(PROSE), "m"),  # what images came to says nothing of text
    ],
    ids=["nothing", "too few", "model", "data", "script", "short", "short ones", "images"],
)
def test_is_the_hard_bound_where_nothing_is_known(ratios, asked, model):
    assert ratios.bound(asked, model) == input_bound(asked)


def test_a_dearer_text_counts_at_once():
    ratios, one = taught(), chat(PROSE)
    before = ratios.bound(one, "m")
    ratios.observe(one, "m", Usage(input=100, cached_input=int(0.4 * one.text_bytes)))
    assert ratios.bound(one, "m") > 1.5 * before


def test_images_and_tools_keep_their_own_bounds():
    plain, more = chat(PROSE), chat(PROSE, images=2, tools=[{}])
    spared = input_bound(plain) - taught().bound(plain, "m")
    assert input_bound(more) - taught().bound(more, "m") == spared


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PROSE, "ascii prose"),
        (DATA, "ascii dense"),
        (CHINESE, "three prose"),
        ("Übermäßig große Bäume säumen die Straße. ", "latin prose"),
        ("Быстрая лиса прыгает через ленивую собаку. ", "two prose"),
        ([{"type": "text", "text": PROSE}, {"type": "image_url", "image_url": {"url": "x"}}], "ascii prose"),
        ("\ud800 alone among the words", "latin prose"),
        (None, "none"),
        ([{"type": "text", "text": None}], "none"),
    ],
)
def test_kinds_of_text(content, kind):
    assert kind_of(Chat("chat", {}, "auto", [{"role": "user", "content": content}])) == kind
