"""Thinking, family by family: what is asked for, and what is replayed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from claude_calls import (
    DEEPSEEK,
    DEEPSEEK_SIGNED,
    FABLE,
    HAIKU,
    HAIKU_55,
    OPUS_5,
    OPUS_45,
    OPUS_48,
    OPUS_55,
    SIGNED,
    SONNET_46,
    SONNET_55,
    bot,
    make_call,
    result,
    sent,
    text,
    tool,
    turns,
    user,
)

from levelhead.wire.messages import headers, write_request


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "output"),
    [
        (HAIKU, "low", {"type": "enabled", "budget_tokens": 2048}, None),
        (HAIKU, "max", {"type": "enabled", "budget_tokens": 4096}, None),
        (OPUS_45, "high", {"type": "enabled", "budget_tokens": 4096}, None),
        (SONNET_46, "medium", {"type": "adaptive", "display": "summarized"}, "medium"),
        (SONNET_46, "xhigh", {"type": "adaptive", "display": "summarized"}, "high"),
        (OPUS_48, "minimal", {"type": "adaptive", "display": "summarized"}, "low"),
        (OPUS_5, "xhigh", {"type": "adaptive", "display": "summarized"}, "xhigh"),
        (FABLE, "max", {"type": "adaptive", "display": "summarized"}, "max"),
        (HAIKU, "none", None, None),
        (OPUS_48, "none", None, None),
        (OPUS_5, "none", {"type": "disabled"}, None),
        (HAIKU_55, "none", {"type": "disabled"}, None),
        (SONNET_55, "none", {"type": "between_tools"}, None),
        (OPUS_55, "none", None, "low"),
        (FABLE, "none", None, "low"),
        ("claude-3-5-haiku-latest", "high", None, None),
    ],
)
def test_effort_by_family(model: str, effort: str, thinking: Any, output: str | None) -> None:
    written = sent({"reasoning_effort": effort}, model)
    assert written.get("thinking") == thinking
    assert written.get("output_config") == (None if output is None else {"effort": output})


def test_a_budget_needs_room_beside_it() -> None:
    assert sent({"reasoning_effort": "high"}, HAIKU, cap=3000)["thinking"]["budget_tokens"] == 1500
    assert "thinking" not in sent({"reasoning_effort": "high"}, HAIKU, cap=2000)


def test_a_small_cap_leaves_no_room_for_much_thinking() -> None:
    assert sent({}, SONNET_55, cap=100)["output_config"] == {"effort": "low"}
    assert sent({"reasoning_effort": "high"}, SONNET_55, cap=100)["output_config"] == {"effort": "high"}
    assert "output_config" not in sent({}, SONNET_55, cap=2000)
    assert "output_config" not in sent({}, OPUS_48, cap=100)


@pytest.mark.parametrize(
    ("model", "asked", "thinking", "effort"),
    [
        (HAIKU, {"type": "enabled", "budget_tokens": 5000}, {"type": "enabled", "budget_tokens": 5000}, None),
        (HAIKU, {"type": "enabled", "budget_tokens": 50_000}, {"type": "enabled", "budget_tokens": 8191}, None),
        (HAIKU, {"type": "adaptive"}, {"type": "enabled", "budget_tokens": 4096}, None),
        (SONNET_46, {"type": "enabled", "budget_tokens": 2000}, {"type": "enabled", "budget_tokens": 2000}, None),
        (OPUS_48, {"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive"}, "low"),
        (OPUS_5, {"type": "disabled"}, {"type": "disabled"}, None),
        (SONNET_55, {"type": "disabled"}, {"type": "between_tools"}, None),
        (OPUS_55, {"type": "disabled"}, None, "low"),
        (OPUS_5, {"type": "between_tools"}, {"type": "disabled"}, None),
        (OPUS_48, {"type": "disabled"}, None, None),
        (OPUS_55, {"type": "adaptive", "display": "omitted"}, {"type": "adaptive", "display": "omitted"}, None),
    ],
)
def test_the_vendors_own_field_fits_the_family(
    model: str, asked: dict[str, Any], thinking: Any, effort: str | None
) -> None:
    written = sent({"thinking": asked}, model)
    assert written.get("thinking") == thinking
    assert (written.get("output_config") or {}).get("effort") == effort


def test_an_effort_too_high_for_no_thinking_is_lowered() -> None:
    written = sent({"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, OPUS_5)
    assert written["output_config"] == {"effort": "high"}


def test_signed_thinking_is_replayed_first() -> None:
    message = bot("So:", "c1", thinking_blocks=[SIGNED, {"type": "redacted_thinking", "data": "AbC"}])
    body = {"messages": [user("A"), message, result("c1")], "tools": [tool()], "reasoning_effort": "low"}
    blocks = sent(body, HAIKU)["messages"][1]["content"]
    assert [block["type"] for block in blocks] == ["thinking", "redacted_thinking", "text", "tool_use"]
    assert blocks[0] == SIGNED


def test_hidden_thinking_has_no_text_and_is_kept() -> None:
    hidden = {**SIGNED, "thinking": ""}
    written = turns([user("A"), bot("B", thinking_blocks=[hidden]), user("C")], OPUS_5)
    assert written[1]["content"][0] == hidden


@pytest.mark.parametrize(
    "foreign",
    [
        {"reasoning_content": "Because."},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Because."}]},
        {"thinking_blocks": [{"type": "thinking", "thinking": "Because.", "signature": ""}]},
        {"thinking_blocks": [DEEPSEEK_SIGNED]},
    ],
)
def test_foreign_reasoning_is_dropped(foreign: dict[str, Any]) -> None:
    written = turns([user("A"), bot("B", **foreign), user("C")])
    assert written[1]["content"] == [text("B")]


@pytest.mark.parametrize("foreign", [{}, {"reasoning_content": "x"}, {"thinking_blocks": [DEEPSEEK_SIGNED]}])
def test_a_loop_that_began_without_thinking_goes_on_without(foreign: dict[str, Any]) -> None:
    messages = [user("A"), bot(None, "c1", **foreign), result("c1")]
    body = {"messages": messages, "tools": [tool()], "reasoning_effort": "high"}
    assert "thinking" not in sent(body, HAIKU)
    assert sent({**body, "messages": [*messages, bot("B"), user("C")]}, HAIKU)["thinking"]["type"] == "enabled"
    assert sent(body, SONNET_46)["thinking"]["type"] == "adaptive"


def test_without_thinking_none_is_replayed() -> None:
    messages = [user("A"), bot("B", thinking_blocks=[SIGNED]), user("C")]
    assert turns(messages, HAIKU)[1]["content"] == [text("B")]
    assert turns(messages, OPUS_5, reasoning_effort="none")[1]["content"] == [text("B")]


def test_a_history_that_may_have_changed_asks_for_leniency() -> None:
    call = make_call({"messages": [user("A"), bot("B", thinking_blocks=[SIGNED]), user("C")]}, OPUS_55)
    written = orjson.loads(write_request(call))
    assert written["thinking"] == {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "drop_block"}}
    assert dict(headers(call))["anthropic-beta"] == "thinking-binding-controls-2026-08-01"
    assert "anthropic-beta" not in dict(headers(make_call({}, OPUS_55)))


def test_another_vendor_gets_its_reasoning_back() -> None:
    messages = [
        user("A"),
        bot(None, "c1", reasoning_content="Because."),
        result("c1"),
        bot(None, "c2"),
        result("c2"),
    ]
    messages += [bot("B", thinking_blocks=[DEEPSEEK_SIGNED]), bot("C", thinking_blocks=[SIGNED]), user("D")]
    written = sent({"messages": messages}, DEEPSEEK, thinking="optional")["messages"]
    thoughts = [block for turn in written for block in turn["content"] if block["type"] == "thinking"]
    assert [block["thinking"] for block in thoughts] == ["Because.", "", "Hm.", "Hm."]
    assert [block["signature"] for block in thoughts] == ["", "", DEEPSEEK_SIGNED["signature"], ""]
