"""What rules a draft out by itself."""

import pytest

from levelhead.check import flaw
from levelhead.check.validity import fits, is_refusal, loops
from levelhead.types import Answer, Chat, Usage

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS = [{"type": "function", "function": {"name": "count", "parameters": SCHEMA}}]


def said(text=None, *, finish="stop", calls=None, **message):
    body = {"role": "assistant", "content": text, **message}
    if calls is not None:
        body["tool_calls"] = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    return Answer({"choices": [{"message": body}]}, Usage(), finish)


def asked(**body):
    return Chat("chat", body, "auto", [{"role": "user", "content": "?"}], tools=body.get("tools", ()))


JSON = asked(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}})
OBJECT = asked(response_format={"type": "json_object"})


@pytest.mark.parametrize(
    ("answer", "chat", "found"),
    [
        (said("Fine."), asked(), None),
        (said("Fi", finish="length"), asked(), "truncated"),
        (said("  \n"), asked(), "empty"),
        (said(None), asked(), "empty"),
        (said("x", finish="content_filter"), asked(), "filtered"),
        (said(None, refusal="no"), asked(), "filtered"),
        (said("I'm sorry, but I can't help with that."), asked(), "refusal"),
        (said("As an AI language model, I cannot access files."), asked(), "refusal"),
        (said("go on " * 40), asked(), "loop"),
        (said('{"n": 1}'), JSON, None),
        (said('{"n": "one"}'), JSON, "schema"),
        (said("n is 1"), JSON, "schema"),
        (said("[]"), OBJECT, "schema"),
        (said("{}"), OBJECT, None),
        (said(calls=[("count", '{"n": 1}')]), asked(tools=TOOLS), None),
        (said(calls=[("count", '{"n": "x"}')]), asked(tools=TOOLS), "tool_call"),
        (said(calls=[("count", "{")]), asked(tools=TOOLS), "tool_call"),
        (said(calls=[("other", "{}")]), asked(tools=TOOLS), "tool_call"),
        (said("Done."), asked(tools=TOOLS), None),
        (said("Done."), asked(tools=TOOLS, tool_choice="required"), "tool_call"),
    ],
)
def test_flaws(answer, chat, found):
    assert flaw(answer, chat) == found


def test_a_client_that_asks_for_one_token_gets_it():
    chat = Chat("chat", {}, "auto", [], output_cap=1)
    assert flaw(said("B", finish="length"), chat) is None


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry to hear that. Here is what to do: first, call your bank.",
        "I can explain that. You cannot divide by zero.",
        "Unfortunately the film ends badly.",
        "Sorry, my mistake: the sum is 12.",
    ],
)
def test_an_answer_that_only_sounds_like_a_refusal(text):
    assert not is_refusal(text)


@pytest.mark.parametrize("text", ["-" * 200, "| --- | --- |" * 1, "ha ha ha", "1 2 3 4 5 6 7 8 9", "", "abc" * 3])
def test_what_only_looks_like_a_loop(text):
    assert not loops(text)


def test_loops_are_found_at_the_end():
    assert loops("A fine start. " + "and then and then again " * 5)
    assert loops("The total is 5." * 4)


def test_a_broken_schema_says_nothing():
    assert fits({}, {"type": 7})
    assert fits({}, {"$ref": "https://example.invalid/schema"})
    assert not fits(1, {"type": "string"})
