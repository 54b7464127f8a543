"""What a conversation says about the task."""

import pytest

from levelhead.difficulty.conversation import (
    ASK_CHARS,
    BEFORE_CHARS,
    EARLIER_CHARS,
    cap,
    head,
    read_conversation,
    strip_harness,
    tail,
)


def user(content: object) -> dict:
    return {"role": "user", "content": content}


def said(text: str | None, *calls: tuple[str, str]) -> dict:
    message: dict = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [
            {"id": name, "type": "function", "function": {"name": name, "arguments": arguments}}
            for name, arguments in calls
        ]
    return message


def test_system_prompts_are_not_read_and_tool_results_are_counted() -> None:
    read = read_conversation(
        [
            {"role": "system", "content": "You plan multi-phase programmes for conflicting stakeholders."},
            user("rename x to y"),
            said(None, ("grep", '{"pattern": "x"}')),
            {"role": "tool", "tool_call_id": "grep", "content": "Traceback: file not found"},
        ]
    )
    assert (read.ask, read.before, read.tool_results, read.tool_errors) == ("rename x to y", "", 1, 1)


def test_the_last_words_what_they_answer_and_what_was_said_earlier() -> None:
    read = read_conversation([user("one"), said("two"), user("three"), said("four", ("go", "{}")), user("five")])
    assert (read.ask, read.before, read.earlier, read.turns) == ("five", "four\ngo {}", "one\nthree", 3)


def test_harness_blocks_are_not_the_task() -> None:
    text = "<system-reminder>Union dispute.\nmerger</system-reminder>\n\nchange the favicon <b>now</b>"
    assert strip_harness(text) == "change the favicon <b>now</b>"
    assert strip_harness("<env>never closed") == ""
    only = user("<system-reminder>todo list is empty</system-reminder>")
    assert read_conversation([user("add a test"), only]).ask == "add a test"
    parts = [
        {"type": "text", "text": "<system-reminder>x</system-reminder>"},
        {"type": "text", "text": "fix it in b.py"},
    ]
    assert read_conversation([user(parts)]).ask == "fix it in b.py"


@pytest.mark.parametrize(
    "content", [None, 7, [], [None, 3], [{"type": "text", "text": 5}], [{"type": "image_url"}], {"a": 1}, ""]
)
def test_odd_content_is_nothing(content: object) -> None:
    assert (
        read_conversation([user(content), {"role": "assistant", "content": content, "tool_calls": content}]).ask == ""
    )
    assert read_conversation([{"content": content}]).turns == 0


def test_everything_is_capped() -> None:
    long = "word " * 20_000
    read = read_conversation([user(long), said(long), user(long), said(long, ("f", long)), user(long)])
    assert len(read.ask) <= ASK_CHARS + 1
    assert len(read.before) <= BEFORE_CHARS + 1
    assert len(read.earlier) <= EARLIER_CHARS
    assert cap("abcdefghij", 6) == "abcd\nij"


def test_a_thousand_messages_are_read_from_the_end() -> None:
    read = read_conversation([user("old"), said("x")] * 500 + [user("new")])
    assert read.ask == "new"
    assert read.turns <= 201


ASK = "Wie viele Parteien unterschreiben diesen Vertrag? Nur die Zahl bitte."
PASTE = "This agreement is made between A and B. The parties differ on everything. " * 20


def test_edges_are_whole_sentences() -> None:
    assert head(f"{ASK}\n\n{PASTE}") == "Wie viele Parteien unterschreiben diesen Vertrag?"
    assert tail(f"{PASTE}\n\n{ASK}") == ASK
    assert tail(f"{PASTE}\n\nTranslate it.").endswith("The parties differ on everything. \n\nTranslate it.")
    assert head("short") == tail("short") == "short"
    assert len(head("x" * 5_000)) == len(tail("x" * 5_000)) == 200
