from __future__ import annotations

import orjson
import pytest

from levelhead.wire.chat import read_request
from levelhead.wire.housekeeping import is_housekeeping
from levelhead.wire.messages_read import read_request as read_messages

OPENCODE = "You are a title generator. You output ONLY a thread title. Nothing else.\n\n<task>\nGenerate a brief title"
CLAUDE_CODE = (
    "Generate a concise, sentence-case title (3-7 words) that captures the main topic or goal of this coding session."
)


def asked(system: str, user: str, **fields: object) -> bool:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    return is_housekeeping(read_request(orjson.dumps({"model": "auto", "messages": messages, **fields})))


@pytest.mark.parametrize(
    ("system", "user"),
    [
        (OPENCODE, "Say hi"),
        (CLAUDE_CODE, "fix the login page"),
        ("Be brief.", "Summarize this coding conversation in under 50 characters."),
        ("Analyze if this message indicates a new conversation topic.", "thanks"),
        ("You name things.", "Write a 5-word title for this conversation, please."),
        ("x" * 30_000, "Suggest a git branch name for this task: fix the tests"),
    ],
)
def test_a_title_or_the_like(system: str, user: str) -> None:
    assert asked(system, user)


@pytest.mark.parametrize(
    ("system", "user"),
    [
        ("You are a helpful assistant.", "Summarize the contract in one page; what is our risk?"),
        ("You are an agent.", "Add a title bar to the window and write its tests"),
        ("You are an agent.", "Your task is to create a detailed summary of the conversation so far."),
        ("", "Translate the topic list"),
    ],
)
def test_work(system: str, user: str) -> None:
    assert not asked(system, user)


def test_whoever_has_tools_works() -> None:
    tool = {"type": "function", "function": {"name": "x"}}
    assert not asked(OPENCODE, "Say hi", tools=[tool])


def test_in_anthropics_dialect() -> None:
    body = {
        "model": "auto",
        "max_tokens": 9,
        "system": [{"type": "text", "text": CLAUDE_CODE}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "fix it"}]}],
    }
    assert is_housekeeping(read_messages(orjson.dumps(body)))
