"""Laws of reading a task: nothing a client sends breaks it, and a more able model never serves worse."""

import re

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from levelhead.difficulty import load_quality_model
from levelhead.difficulty.conversation import head, read_conversation, strip_harness, tail
from levelhead.difficulty.words import words_of
from levelhead.learn.training import own_corpora
from levelhead.types import Chat, Level, Model, Price

MODEL = load_quality_model()
PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)
KNOWN = [
    Model(name, "t", 0, "openai", name, PRICE)
    for name in ("claude-opus-4-8", "claude-3-5-haiku", "deepseek-v4-flash", "llama-3.1-8b-instruct", "acme-1")
]

texts = st.text(max_size=400)
bits = st.sampled_from(
    ["<a>", "</a>", "```", "<system-reminder>", "</system-reminder>", '"', "\n\n", ":", "- x\n", "this "]
)
tangled = st.lists(st.one_of(bits, st.text(max_size=30)), max_size=25).map("".join)
contents = st.one_of(
    st.none(),
    st.integers(),
    texts,
    st.lists(st.one_of(st.none(), texts, st.fixed_dictionaries({"type": st.just("text"), "text": texts})), max_size=4),
)
roles = st.sampled_from(["user", "assistant", "tool", "system", "developer", None])
messages = st.lists(st.fixed_dictionaries({"role": roles, "content": contents}), max_size=6)


@given(messages)
def test_any_conversation_is_read(chat: list) -> None:
    found = MODEL.assess(Chat("chat", {}, "auto", chat), KNOWN)
    assert found.level in Level
    assert found.level == int(found.difficulty * 4) + 1
    assert 0 <= found.confidence <= 1
    assert all(0 < chance < 1 for chance in found.success.values())


@given(messages)
def test_between_equally_certain_models_the_abler_serves_better(chat: list) -> None:
    found = MODEL.assess(Chat("chat", {}, "auto", chat), KNOWN)
    for one in KNOWN:
        for other in KNOWN:
            better, worse = MODEL.ability(one), MODEL.ability(other)
            if better.theta > worse.theta and better.sd == worse.sd:
                assert found.success[one.name] >= found.success[other.name]


@given(tangled)
@settings(max_examples=200)
def test_reading_survives_tangled_marks(text: str) -> None:
    stripped = strip_harness(text)
    assert "<system-reminder>" not in stripped or stripped.count("<") > 20
    read_conversation([{"role": "user", "content": text}])
    assert head(text) in text
    assert tail(text) in text


@given(st.text(alphabet="abcdefghij klmnopqrstuvwxyz", min_size=1, max_size=200))
def test_case_and_blanks_say_nothing(text: str) -> None:
    assert words_of(text) == words_of("  " + text.upper().replace(" ", "\n\t") + "\n")


TEMPLATES = own_corpora() / "levels" / "r.jsonl"
ASKS = re.compile(
    r"(?:Decide where the new|Recommend what to do about the|What should we do about the|Write a position on the|"
    r"Advise us on the|Should we go ahead with the|Plan the opening of the|Which way should we go with the|"
    r"Say what you'd do with the|Set out how the) [^.?]+[.?]"
)


def test_a_quarrel_never_lowers_the_level() -> None:
    """Each of the corpus' templates, with and without the parties who want opposite things."""
    tasks = [row for row in map(orjson.loads, TEMPLATES.read_bytes().splitlines()) if row["level"] == "L4"]
    assert len(tasks) > 100
    for task in tasks:
        ask = ASKS.search(task["text"])
        assert ask is not None, task["text"]
        assert level(task["text"]) >= level(ask[0]), task["text"]


def level(text: str) -> int:
    return MODEL.assess(Chat("chat", {}, "auto", [{"role": "user", "content": text}]), KNOWN).level
