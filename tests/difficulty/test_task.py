"""What is the task in a conversation?"""

import pytest

from levelhead.difficulty.task import read_task, split_ask, strip_harness


def user(content: object) -> dict:
    return {"role": "user", "content": content}


def said(text: str) -> dict:
    return {"role": "assistant", "content": text}


PLAN = user("Plan the move of our 14 clinics to one patient record.")


def test_system_prompts_and_tool_results_are_not_the_task() -> None:
    task = read_task(
        [
            {"role": "system", "content": "You plan multi-phase programmes for conflicting stakeholders."},
            user("rename x to y"),
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "tool_call_id": "1", "content": "Traceback: file not found"},
        ]
    )
    assert (task.ask, task.tool_results, task.tool_errors) == ("rename x to y", 1, 1)


def test_harness_blocks_are_not_the_task() -> None:
    text = "<system-reminder>Union dispute.\nmerger</system-reminder>\n\nchange the favicon <b>now</b>"
    assert strip_harness(text) == "change the favicon <b>now</b>"
    assert strip_harness("<env>never closed") == ""
    assert (
        read_task([user("add a test"), user("<system-reminder>todo list is empty</system-reminder>")]).ask
        == "add a test"
    )
    parts = [
        {"type": "text", "text": "<system-reminder>x</system-reminder>"},
        {"type": "text", "text": "fix it in b.py"},
    ]
    assert read_task([user(parts)]).ask == "fix it in b.py"


@pytest.mark.parametrize(
    "go_on",
    [
        "commit it",
        "yes, go on",
        "Yes please",
        "ok",
        "ja, mach weiter",
        "oui, vas-y",
        "sí, continúa",
        "继续",
        "続けて",
        "да, продолжай",
        "LGTM!",
    ],
)
def test_go_on_inherits_what_it_continues(go_on: str) -> None:
    task = read_task([PLAN, said("Phase 1 …"), user(go_on)])
    assert task.ask == PLAN["content"]
    assert task.inherited


def test_going_on_with_more_words_adds_to_what_it_inherits() -> None:
    assert read_task([PLAN, said("…"), user("Great, thanks"), said("…"), user("go on with phase 2")]).ask.endswith(
        "phase 2"
    )
    assert PLAN["content"] in read_task([PLAN, said("…"), user("continue with the pharmacy")]).ask
    assert PLAN["content"] in read_task([PLAN, said("…"), user("do the same for the labs")]).ask


@pytest.mark.parametrize(
    "bye",
    [
        "thanks!",
        "Thank you so much, that's all",
        "Vielen Dank, das ist super",
        "merci beaucoup",
        "谢谢！",
        "ありがとうございます",
        "спасибо",
    ],
)
def test_thanks_asks_for_nothing(bye: str) -> None:
    task = read_task([PLAN, said("…"), user(bye)])
    assert task.closing
    assert not task.ask


@pytest.mark.parametrize(
    "ask", ["Translate it into French", "What does SKU mean?", "make it shorter", "Merci de corriger les fautes"]
)
def test_a_new_ask_is_its_own_task(ask: str) -> None:
    task = read_task([PLAN, said("…"), user(ask)])
    assert task.ask == ask
    assert not task.inherited


LONG = "The union refuses the plan and the board insists on it while the regulator is silent. " * 12


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        (f"Summarise the following text:\n\n{LONG}", "Summarise the following text"),
        (f"What is the notice period in this contract?\n\n{LONG}", "What is the notice period in this contract?"),
        (f"Fix typos in this:\n{LONG}\n\nHow many were there?", "Fix typos in this\nHow many were there?"),
        (f"Translate to German: {LONG}", "Translate to German"),
        (f"<document>{LONG}</document>\nGive it a title.", "Give it a title."),
        (f"Explain this function.\n```python\n{LONG}\n```", "Explain this function."),
        ('How do you spell "stakeholder conflict"?', "How do you spell  ?"),
    ],
)
def test_the_ask_is_told_apart_from_what_was_pasted(text: str, ask: str) -> None:
    found, material = split_ask(text)
    assert found == ask
    assert material


@pytest.mark.parametrize(
    "text",
    [
        "Build a shop with:\n- payments\n- stock\n- refunds in four currencies and reports",
        "<task>Design the API</task>",
        "Plan the launch: certification, hosting, pricing, recruiting, support, and the order in which they happen.",
        "Write a service.\n\nIt must accept uploads, scan them, and store the clean ones. Failures are retried.",
    ],
)
def test_a_specification_is_the_ask(text: str) -> None:
    found, material = split_ask(text)
    assert "".join(found.split()) == "".join(text.split())
    assert not material


def test_odd_content_is_survived() -> None:
    assert read_task([]).ask == ""
    assert read_task([user(None), user(7), user([None, {"type": "image_url"}, {"type": "text", "text": 3}])]).ask == ""
    assert read_task([user("ok")]).ask == "ok"
    assert read_task([{"content": "no role"}]).ask == ""


def test_what_is_scanned_is_capped() -> None:
    task = read_task([user("Explain. " + "x " * 200_000)])
    assert len(task.ask) <= 6_001
    assert len(task.material) <= 1_000
    assert task.ask_chars + task.material_chars > 300_000


@pytest.mark.parametrize(
    "text",
    [
        "Hi there, could you please help me with this? Rename x to y in utils.py",
        "Please rename x to y in utils.py",
        "Good morning! Can you please rename x to y in utils.py",
        "Hallo, kannst du bitte rename x to y in utils.py",
        "Rename x to y in utils.py",
    ],
)
def test_courtesy_is_not_the_task(text: str) -> None:
    assert read_task([user(text)]).ask.lower() == "rename x to y in utils.py"


def test_thanks_in_advance_is_not_the_task() -> None:
    ask = "Rename x to y in every file of the package and run the tests afterwards."
    assert read_task([user(ask + " Thanks in advance!")]).ask == ask
    assert read_task([user("Can you help me?")]).ask == "Can you help me?"
