"""Two answers that say the same in other words, and two that don't."""

import pytest

from levelhead.check import Reading, agreement, read, read_text
from levelhead.types import Answer, Usage

SAME = [
    (r"So we get $\boxed{\frac{1}{2}}$.", "After some algebra the answer is 0.5"),
    (r"\boxed{\dfrac{3}{4}}", r"\boxed{0.75}"),
    ("Step 1: ...\nStep 2: ...\nTherefore the final answer is: 1,234", "1234.0"),
    ("The cost is $1,200", "Answer: $1200"),
    ('{"reasoning": "first I add, then I carry", "answer": "42"}', '{"reasoning": "by hand", "answer": 42}'),
    ("Answer: (B) because the others are wrong", "B"),
    ("The correct option is C.", "**C**"),
    ("(D)", "d)"),
    ("Paris.", "paris"),
    ("It is the Eiffel Tower.", "it is Eiffel Tower"),
    ("- pears\n- apples", "1. Apples\n2. Pears"),
    ('{"a": 1, "b": ["x"]}', '```json\n{"b": ["X"], "a": 1.0}\n```'),
    ("[(4, 1), (2, 3)]", "[[4, 1], [2, 3]]"),
    ("('a', 1)", "('a',1)"),
    ("<think>maybe 3? no, 4</think>4", "4"),
    ("The answer is 7 apples.", "7"),
    ("50%", "50"),
    ("```python\ndef f(x):\n    # twice\n    y = x * 2\n    return y\n```", "```py\ndef f(n):\n    out = n * 2\n    return out\n```"),  # noqa: E501 - one line, one pair
    ("```js\nlet a = 1; // one\n```", "```js\nlet a = 1;\n```"),
]  # fmt: skip
OTHER = [
    (r"\boxed{7}", r"\boxed{-7}"),
    ("The answer is 10", "The answer is 100"),
    ("A", "B"),
    ("x < 1", "x > 1"),
    ("yes", "no"),
    ('{"a": 1}', '{"a": 2}'),
    ("[1, 2]", "[2, 1]"),
    ("the left lung", "the right lung"),
    ("The answer is 3", "```python\nprint(4)\n```"),
    ("12", "A"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_the_same(first, second):
    assert agreement(read_text(first), read_text(second)) == 1.0
    assert agreement(read_text(second), read_text(first)) == 1.0


@pytest.mark.parametrize(("first", "second"), OTHER)
def test_something_else(first, second):
    assert agreement(read_text(first), read_text(second)) == 0.0


def test_free_text_takes_a_reader():
    one = "The board met on Tuesday and decided, after a long debate, to postpone the merger until the audit is done."
    assert agreement(read_text(one), read_text(one + " Nobody objected.")) is None


def test_json_agrees_by_field():
    one = read_text('{"name": "Ada", "age": 36, "tags": ["a", "b"], "bio": "' + "word " * 20 + '"}')
    two = read_text('{"name": "ada", "age": 37, "tags": ["a", "b"], "bio": "' + "other " * 20 + '"}')
    assert agreement(one, two) == 0.75  # name, two tags; a long text is no evidence
    assert agreement(read_text('{"a": true}'), read_text('{"a": 1}')) == 0.0
    assert agreement(read_text('{"a": null}'), read_text("{}")) < 1


def test_tool_calls_agree_by_name_and_arguments():
    def calling(*calls):
        listed = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
        message = {"role": "assistant", "content": None, "tool_calls": listed}
        return read(Answer({"choices": [{"message": message}]}, Usage(), "tool_calls"))

    first = calling(("find", '{"q": "x", "n": 3}'), ("stop", "{}"))
    assert agreement(first, calling(("stop", ""), ("find", '{"n": 3, "q": "X"}'))) == 1.0
    assert agreement(first, calling(("find", '{"q": "x", "n": 4}'), ("stop", "{}"))) == 0.75
    assert agreement(first, calling(("find", '{"q": "x", "n": 3}'))) == 0.5
    assert agreement(calling(("find", '{"q": "x"}')), calling(("seek", '{"q": "x"}'))) == 0.0
    assert agreement(first, read_text("I called find.")) == 0.0


def test_code_that_does_something_else():
    one = "```python\ndef f(x, y):\n    return x - y\n```"
    other = "```python\ndef f(x, y):\n    return y - x\n```"
    assert agreement(read_text(one), read_text(other)) <= 0.5
    renamed = one.replace("def f", "def g")  # who calls it calls f
    assert agreement(read_text(one), read_text(renamed)) <= 0.5


def test_what_is_no_answer_is_read_all_the_same():
    assert read_text("") == Reading("short", "")
    assert agreement(read_text(""), read_text("")) == 0.0
    assert read(Answer({}, Usage(), "stop")) == Reading("short", "")
    assert read_text(r"\boxed{unclosed").kind == "short"
    assert read_text("[" * 5_000).kind == "short"
