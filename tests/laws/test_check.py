"""Laws of the comparators: whatever two models say."""

from hypothesis import given
from hypothesis import strategies as st

from levelhead.check import Outcome, acceptance, agreement, read_text
from levelhead.check.compare import same_calls, same_json
from levelhead.check.validity import is_refusal, loops

texts = st.text(max_size=200) | st.from_regex(r"(Answer: |\\boxed\{)?[-\d.,/A-E(){}\[\]\"': ]{0,30}", fullmatch=True)
json = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(texts, texts)
def test_agreement_is_a_share_and_has_no_order(first, second):
    one, other = read_text(first), read_text(second)
    found = agreement(one, other)
    assert found == agreement(other, one)
    assert found is None or 0 <= found <= 1


@given(texts)
def test_what_is_said_twice_agrees_unless_nothing_is_said(text):
    found = agreement(read_text(text), read_text(text))
    assert found in (None, 1.0) or not str(read_text(text).said).strip(" .*`$\"'_")


@given(json)
def test_json_agrees_with_itself(value):
    assert same_json(value, value) in (None, 1.0)


@given(json, json)
def test_json_has_no_order(first, second):
    assert same_json(first, second) == same_json(second, first)


@given(st.lists(st.tuples(st.sampled_from("fg"), json), max_size=4), st.randoms())
def test_calls_have_no_order(calls, random):
    mixed = list(calls)
    random.shuffle(mixed)
    assert same_calls(calls, calls) == (1.0 if calls else 0.0)
    assert same_calls(calls, mixed) == same_calls(calls, calls)


@given(st.text(max_size=3_000))
def test_flaws_are_looked_for_in_anything(text):
    assert loops(text) in (True, False)
    assert is_refusal(text) in (True, False)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["number", "letter", "json"]), st.booleans())
def test_more_agreement_never_makes_a_draft_worse(one, other, kind, sibling):
    low, high = sorted((one, other))
    assert acceptance(Outcome(low, kind, sibling)) <= acceptance(Outcome(high, kind, sibling)) + 1e-12
