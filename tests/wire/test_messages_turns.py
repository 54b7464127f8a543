"""Chat messages -> turns that Anthropic takes: roles, tool loops, ids."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from claude_calls import (
    FABLE,
    HAIKU,
    LOOP,
    MARK,
    OPUS_5,
    OPUS_48,
    SCHEMA,
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

from levelhead.wire.messages import write_request


def test_roles_alternate_and_blank_texts_vanish() -> None:
    assert turns([user("A"), user([text(" "), text("B")]), bot(""), bot("C"), bot("D"), user("E")]) == [
        user([text("A"), text("B")]),
        {"role": "assistant", "content": [text("C"), text("D")]},
        user([text("E")]),
    ]


def test_the_first_turn_is_a_users() -> None:
    written = turns([bot("Hello!"), user("Hi.")])
    assert [turn["role"] for turn in written] == ["user", "assistant", "user"]


def test_instructions_alone_are_what_is_answered() -> None:
    written = sent({"messages": [{"role": "system", "content": "Write a haiku."}]})
    assert "system" not in written
    assert written["messages"] == [user([text("Write a haiku.")])]


def test_leading_instructions_keep_their_cache_marks() -> None:
    marked = {"role": "developer", "content": [{**text("B"), "cache_control": {**MARK, "ttl": "1h", "x": 1}}]}
    written = sent({"messages": [{"role": "system", "content": "A"}, marked, user("Hi.")]})
    assert written["system"] == [text("A"), {**text("B"), "cache_control": {**MARK, "ttl": "1h"}}]


@pytest.mark.parametrize("model", [OPUS_48, OPUS_5, FABLE])
def test_later_instructions_are_turns_where_the_model_takes_them(model: str) -> None:
    written = turns([user("A"), bot("B"), {"role": "system", "content": "In French."}, user("C")], model)
    assert written[2:] == [user([text("C")]), {"role": "system", "content": [text("In French.")]}]


@pytest.mark.parametrize("model", [HAIKU, SONNET_46, "claude-opus-4-7"])
def test_later_instructions_are_folded_in_where_it_does_not(model: str) -> None:
    written = turns([user("A"), bot("B"), {"role": "system", "content": "In French."}, user("C")], model)
    assert written[2] == user([text("<system>\nIn French.\n</system>"), text("C")])


def test_an_instruction_after_an_assistant_has_no_user_to_follow() -> None:
    written = turns([user("A"), bot("B"), {"role": "system", "content": "Go on."}], OPUS_5)
    assert written[-1] == user([text("<system>\nGo on.\n</system>")])


def test_a_prefill_stays_where_it_is_taken() -> None:
    assert turns([user("A"), bot("The answer is ")], HAIKU)[-1]["content"] == [text("The answer is")]


@pytest.mark.parametrize("model", [SONNET_46, OPUS_5, SONNET_55])
def test_elsewhere_the_conversation_ends_on_a_user(model: str) -> None:
    assert turns([user("A"), bot("The answer is ")], model)[-1]["role"] == "user"


def test_a_deployment_may_refuse_what_its_name_allows() -> None:
    written = sent({"messages": [user("A"), bot("B")], "temperature": 0}, HAIKU, prefill=False, sampling=False)
    assert written["messages"][-1]["role"] == "user"
    assert "temperature" not in written


def test_the_clients_objects_are_left_alone() -> None:
    call = make_call({"messages": [user([text("x")]), *LOOP], "tools": [tool()]}, prompt_cache_min_tokens=1)
    before = orjson.dumps(call.chat.body)
    write_request(call)
    assert orjson.dumps(call.chat.body) == before


def test_results_come_first_and_in_the_order_of_their_calls() -> None:
    last = turns([user("A"), bot("B", "c1", "c2"), result("c2", "2"), user("And?"), result("c1", "1")])[-1]
    assert [block.get("tool_use_id") for block in last["content"]] == ["c1", "c2", None]


def test_a_missing_result_is_said_to_be_missing() -> None:
    last = turns([user("A"), bot(None, "c1", "c2"), result("c1")])[-1]
    assert [block.get("is_error") for block in last["content"]] == [None, True]


def test_an_orphan_result_is_told_as_text() -> None:
    written = turns([user("A"), result("lost", "42")])
    assert [block["type"] for block in written[0]["content"]] == ["text"] * 3
    assert written[0]["content"][-1] == text("42")


def test_calls_in_several_messages_are_one_turn() -> None:
    written = turns([user("A"), bot(None, "c1"), bot(None, "c2"), result("c1"), result("c2")])
    assert [block["id"] for block in written[1]["content"]] == ["c1", "c2"]
    assert "is_error" not in orjson.dumps(written).decode()


@pytest.mark.parametrize("id", ["call:1", "functions.f:0", "ö", "x" * 129, "a b"])
def test_ids_are_cleaned_alike_on_call_and_result(id: str) -> None:
    written = turns([user("A"), bot(None, id), result(id)])
    assert written[2]["content"][0]["tool_use_id"] == written[1]["content"][0]["id"]
    assert written[2]["content"][0]["content"] == "ok"


def test_different_ids_stay_different() -> None:
    written = turns([user("A"), bot(None, "a:b", "a.b", "a_b"), result("a:b"), result("a.b"), result("a_b")])
    assert len({block["id"] for block in written[1]["content"]}) == 3


def test_an_id_used_again_in_a_later_turn_is_told_apart() -> None:
    written = turns([*LOOP, bot(None, "c1"), result("c1", "again")])
    ids = [written[1]["content"][0]["id"], written[3]["content"][0]["id"]]
    assert len(set(ids)) == 2
    assert written[4]["content"][0] == {"type": "tool_result", "tool_use_id": ids[1], "content": "again"}


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ("", {}),
        (" ", {}),
        ('{"a": 1', {"raw_arguments": '{"a": 1'}),
        ("[1, 2]", {"arguments": [1, 2]}),
        ('"x"', {"arguments": "x"}),
    ],
)
def test_arguments_become_an_object_and_lose_nothing(arguments: str, written: dict[str, Any]) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert turns([user("A"), message, result("c")])[1]["content"][0]["input"] == written


def test_arguments_are_kept_to_the_letter() -> None:
    exact = '{"n":123456789012345678901234567890,"x":1.10}'
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": exact}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert exact.encode() in write_request(make_call({"messages": [user("A"), message, result("c")]}))


def test_legacy_functions() -> None:
    said = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}
    body = {
        "messages": [user("A"), said, {"role": "function", "name": "f", "content": "ok"}],
        "functions": [{"name": "f", "parameters": SCHEMA}],
        "function_call": {"name": "f"},
    }
    written = sent(body, HAIKU)
    call, answer = written["messages"][1]["content"][0], written["messages"][2]["content"][0]
    assert answer == {"type": "tool_result", "tool_use_id": call["id"], "content": "ok"}
    assert written["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}


def test_results_may_hold_images_and_stay_marked_as_errors() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://a.io/b.png"}}
    last = turns([*LOOP[:2], {**result("c1", [text("a map"), picture]), "is_error": True}])[-1]["content"][0]
    assert [part["type"] for part in last["content"]] == ["text", "image"]
    assert last["is_error"] is True


def test_a_loop_whose_tools_are_gone_brings_them_back_out_of_reach() -> None:
    written = sent({"messages": LOOP})
    assert [one["name"] for one in written["tools"]] == ["f"]
    assert written["tool_choice"] == {"type": "none"}
