"""What agents say, well-formed and otherwise."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelhead.team.answers import NO_ROLE, read_answer, read_plan
from levelhead.team.judge import quality, read_rating

GOOD = {"role": "planner", "contribute": True, "why": "first", "used": [0, 2], "contribution": "do it"}


def test_a_good_answer() -> None:
    said = read_answer(json.dumps(GOOD))
    assert (said.role, said.contribute, said.why, said.text, said.used) == ("planner", True, "first", "do it", (0, 2))
    assert not said.malformed


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{json.dumps(GOOD)}\n```",
        f"Here it is:\n\n{json.dumps(GOOD, indent=2)}\n\nGood luck!",
        json.dumps(GOOD)[:-1] + ",}",
        'I think {this} is it: {"role": "planner", "contribute": "yes", "why": "first",'
        ' "used": ["agent 0", "2"], "contribution": "do it"}',
    ],
)
def test_what_is_mended(text: str) -> None:
    said = read_answer(text)
    assert (said.role, said.contribute, said.text, said.used) == ("planner", True, "do it", (0, 2))
    assert said.malformed


def test_raw_line_breaks() -> None:
    said = read_answer('{"role": "poet", "contribute": true, "contribution": "one\ntwo"}')
    assert (said.text, said.malformed) == ("one\ntwo", True)


@pytest.mark.parametrize("cut", range(60, 130, 7))
def test_an_answer_that_the_cap_cut_off(cut: int) -> None:
    whole = {"role": "writer", "contribute": True, "contribution": 'she said "é\\n" and ' + "more " * 20}
    said = read_answer(json.dumps(whole)[:cut])
    assert said.role == "writer"
    assert said.text
    assert whole["contribution"].startswith(said.text.removesuffix("\\u00"))
    assert said.malformed


def test_prose_counts_as_a_contribution_without_a_role() -> None:
    said = read_answer("  Just do it.  ")
    assert (said.role, said.contribute, said.text, said.malformed) == (NO_ROLE, True, "Just do it.", True)


def test_contributions_that_are_not_text_are_shown_as_json() -> None:
    said = read_answer('{"role": "r", "contribute": true, "contribution": {"plan": [1, 2]}}')
    assert (json.loads(said.text), said.malformed) == ({"plan": [1, 2]}, True)


@pytest.mark.parametrize("word", ["false", '"no"', "0", '"abstain"'])
def test_abstention(word: str) -> None:
    said = read_answer(f'{{"role": "r", "contribute": {word}, "why": "others did it", "contribution": "x"}}')
    assert (said.contribute, said.text, said.why) == (False, "", "others did it")


def test_to_contribute_nothing_is_no_contribution() -> None:
    said = read_answer('{"role": "r", "contribute": true, "contribution": "  "}')
    assert (said.contribute, said.malformed) == (False, True)


@given(st.text(max_size=200) | st.recursive(st.none() | st.booleans() | st.floats(), st.lists).map(json.dumps))
def test_nothing_makes_it_raise(text: str) -> None:
    for said in (read_answer(text), read_answer('{"contribution":' + text), read_answer(text + '{"role":')):
        assert said.contribute == bool(said.text)
    read_plan(text, 4)
    read_rating(text)


def test_deep_nesting_is_no_answer() -> None:
    assert read_answer("[" * 100_000).malformed
    assert read_answer('{"role":' * 5_000).malformed


def test_a_plan() -> None:
    rows = [
        {"agent": 1, "role": "researcher", "phase": 2},
        {"agent": 2, "contribute": False},
        {"agent": 1, "role": "again"},
        {"agent": 9, "role": "nobody"},
        {"agent": 0, "role": "itself"},
        "noise",
    ]
    plan, readable = read_plan(json.dumps({"assignments": rows}), 4)
    assert (plan, readable) == ({1: ("researcher", 2), 2: ("", 0), 3: ("", 1)}, True)


def test_a_plan_that_cannot_be_read_leaves_everybody_free() -> None:
    assert read_plan("I would rather not", 3) == ({1: ("", 1), 2: ("", 1)}, False)


def test_a_rating() -> None:
    grades = {"accuracy": 4, "completeness": 3, "coherence": 4, "actionability": 2, "mission_relevance": 3}
    found = read_rating(f"Sure! {json.dumps(grades)}")
    assert found is not None
    rated = quality(found, judge="j", independent=True, cost_usd=0.1)
    assert rated.q == 13 / 16
    assert rated.mission_relevance == 0.75


@pytest.mark.parametrize("wrong", [0, 5, True, "four", None, 2.5])
def test_half_a_rating_is_none(wrong: object) -> None:
    grades = {"accuracy": wrong, "completeness": 3, "coherence": 4, "actionability": 2, "mission_relevance": 3}
    assert read_rating(json.dumps(grades)) is None
