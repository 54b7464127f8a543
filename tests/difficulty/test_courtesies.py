"""What is put around a task goes; what is asked stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from levelhead.difficulty.courtesies import peel

ASK = "Compare the two contracts and tell me which one is safer."


@pytest.mark.parametrize(
    "before",
    [
        "Hi there! Hope you're doing well. ",
        "Could you please help me with the following? ",
        "Dear assistant, thank you in advance for your help. ",
        "Good morning,\n",
        "Guten Tag, ",
        "Buenos días. ",
        "Bonjour, ",
        "[2026-11-20 09:14:22] ticket #48213 (queue: general)\n---\n",
        "Ticket: OPS-77\nPriority: 2\n\n",
    ],
)
def test_what_stands_before_a_task_goes(before: str) -> None:
    assert peel(before + ASK) == ASK


@pytest.mark.parametrize(
    "after",
    [
        " Thanks a lot!",
        " Thank you very much in advance.",
        " Best regards, Kim",
        " Vielen Dank im Voraus!",
        "\n\nKind regards\nDr. A. Miller",
        "\n---\nSent from my phone",
    ],
)
def test_what_stands_after_a_task_goes(after: str) -> None:
    assert peel(ASK + after) == ASK


@pytest.mark.parametrize("text", ["thanks!", "hi", "Please help", "---", "", "\n\n", "help me", "你好"])
def test_something_is_always_left(text: str) -> None:
    assert peel(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Please fix the bug.",
        "Help the tenants who refuse to move, and the owner who needs the money.",
        "Request: there is a dispute about whose it is",
        "Translate this: thanks for the fish",
        "2031-03-04 02:11:07 ERROR payment-core: circuit OPEN, 4812 requests rejected, what now?",
    ],
)
def test_a_task_that_looks_polite_stays(text: str) -> None:
    assert peel(text) == text


def test_scripts_without_blanks() -> None:
    assert peel("你好，请翻译成英语，谢谢！") == "请翻译成英语"
    assert (
        peel("お世話になっております。この文を要約してください。よろしくお願いします。") == "この文を要約してください"
    )


@given(st.text(max_size=300))
def test_any_text_keeps_something_and_peels_once(text: str) -> None:
    found = peel(text)
    assert bool(found.strip()) == bool(text.strip())
    assert len(found) <= len(text)
