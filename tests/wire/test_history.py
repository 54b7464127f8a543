"""What breaks when a conversation moves from one vendor to another, row by row, judged by the vendors' own rules."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from levelhead.errors import StreamBroken
from levelhead.testing import anthropic_rules, deepseek_rules, openai_rules
from levelhead.types import Call, Capabilities, Chat, Model, Need, Price
from levelhead.wire import chat, messages
from levelhead.wire.dialects import DIALECTS
from levelhead.wire.messages_thinking import UNSIGNED

PRICE = Price(1, 1, 1, 1, 1)
TEXT_ONLY = frozenset({Need.TOOLS, Need.FORCED_TOOL})
EVERYTHING = frozenset(Need)
SIGNED = {"type": "thinking", "thinking": "I should look.", "signature": "EuYBCkQYAiJA" * 12}
CALL = {"id": "toolu_01A", "type": "function", "function": {"name": "look", "arguments": '{"at":"it"}'}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
USER = {"role": "user", "content": "look at it"}
RESULT = {"role": "tool", "tool_call_id": "toolu_01A", "content": "seen"}


def model(name: str, wire: Any = "openai", offers: frozenset[Need] = EVERYTHING, **capable: Any) -> Model:
    return Model(name, "t", 0, wire, name, PRICE, Capabilities(max_output_tokens=8192, offers=offers, **capable))


DEEPSEEK = model("deepseek-v4-flash", offers=TEXT_ONLY, thinking="optional")
OPENAI = model("gpt-4.1")
SONNET = model("claude-sonnet-5-5", "anthropic", prefill=False, sampling=False, thinking="always")
HAIKU = model("claude-haiku-4-5", "anthropic", thinking="optional")  # thinks with a budget
DEEPSEEK_BY_ANTHROPIC = model("deepseek-v4-pro", "anthropic", offers=TEXT_ONLY, thinking="optional")


def written(to: Model, turns: list[dict[str, Any]], **fields: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """The body that `to` is sent, and what was mended for it. Its vendor has no complaint."""
    return sent(to, chat.read_request(orjson.dumps({"model": "auto", "messages": turns, **fields})))


def sent(to: Model, asked: Chat, cap: int = 4096) -> tuple[dict[str, Any], dict[str, int]]:
    call = Call(asked, to, cap, 10.0)
    body = orjson.loads((messages if to.wire == "anthropic" else chat).write_request(call))
    if to.wire == "anthropic":
        assert "deepseek" in to.name or anthropic_rules.check(body) is None
    elif to is DEEPSEEK:
        assert deepseek_rules.check(body, models=(to.name,)) is None
    else:
        assert openai_rules.check(body) is None
    return body, call.repairs


@pytest.mark.parametrize(
    ("turn", "thoughts"),
    [
        ({"thinking_blocks": [SIGNED]}, "I should look."),
        ({"reasoning_content": "its own"}, "its own"),
        ({}, ""),
    ],
)
def test_any_to_deepseek_thinking(turn: dict[str, Any], thoughts: str) -> None:
    """Thoughts are lifted into `reasoning_content`; a turn that had none gets an empty one."""
    body, _ = written(DEEPSEEK, [USER, {"role": "assistant", "content": None, "tool_calls": [CALL], **turn}, RESULT])
    assert body["messages"][1]["reasoning_content"] == thoughts
    assert "thinking_blocks" not in body["messages"][1]


def test_to_deepseek_by_anthropics_wire() -> None:
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm"}
    body, _ = written(DEEPSEEK_BY_ANTHROPIC, [USER, turn, RESULT], tools=[TOOL])
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": ""}


@pytest.mark.parametrize("signature", ["", UNSIGNED, "0d2a3c1e-75a5-4c65-b3cf-2b1e2cbeb7a5"])
def test_deepseek_to_claude(signature: str) -> None:
    """A thought that Claude didn't sign is left out, in either dialect; one that it signed goes back."""
    foreign = {"type": "thinking", "thinking": "mine", "signature": signature}
    for block, kept in ((foreign, 0), (SIGNED, 1)):
        turn = {"role": "assistant", "content": "ok", "thinking_blocks": [block], "tool_calls": [CALL]}
        body, repairs = written(SONNET, [USER, turn, RESULT], tools=[TOOL])
        assert sum(b["type"] == "thinking" for b in body["messages"][1]["content"]) == kept
        assert ("thinking_dropped" in repairs) == (not kept)
        body, repairs = through(SONNET, block)
        assert sum(b["type"] == "thinking" for b in body["messages"][1]["content"]) == kept
        assert ("thinking_dropped" in repairs) == (not kept)


def through(to: Model, block: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], dict[str, int]]:
    """The same conversation from a client of Anthropic's dialect."""
    use = {"type": "tool_use", "id": "toolu_01A", "name": "look", "input": {"at": "it"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_01A", "content": "seen"}
    body = {
        "model": "auto",
        "max_tokens": 4096,
        "tools": [{"name": "look", "input_schema": {"type": "object", "properties": {}}}],
        "messages": [USER, {"role": "assistant", "content": [block, use]}, {"role": "user", "content": [result]}],
        **fields,
    }
    return sent(to, DIALECTS["messages"].read_request(orjson.dumps(body)))


def test_openai_to_claude() -> None:
    """Thoughts are no text: left out, not said aloud."""
    items: list[dict[str, Any]] = [
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA-foreign"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
        {"role": "user", "content": "go on"},
    ]
    asked = DIALECTS["responses"].read_request(orjson.dumps({"model": "auto", "input": items}))
    body, _ = sent(SONNET, asked)
    assert b"foreign" not in orjson.dumps(body)
    turn = {"role": "assistant", "content": "ok", "reasoning_content": "secret thoughts"}
    body, repairs = written(SONNET, [USER, turn, USER])
    assert b"secret" not in orjson.dumps(body)
    assert repairs["thinking_dropped"] == 1


def test_any_to_a_claude_with_a_budget_in_an_open_tool_loop() -> None:
    """The loop began without its thinking: this turn is answered without, and the next user turn thinks again."""
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    body, repairs = written(HAIKU, [USER, turn, RESULT], tools=[TOOL], reasoning_effort="high")
    assert "thinking" not in body
    assert repairs["thinking_off"] == 1
    body, repairs = through(HAIKU, {"type": "text", "text": "."}, thinking={"type": "enabled", "budget_tokens": 2000})
    assert "thinking" not in body
    body, _ = written(
        HAIKU, [USER, {**turn, "thinking_blocks": [SIGNED]}, RESULT], tools=[TOOL], reasoning_effort="high"
    )
    assert body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize(
    "said",
    [
        b"messages.1.content.0: Invalid `signature` in `thinking` block",
        b"`thinking` blocks in the latest assistant message cannot be modified",
        b"this thinking is bound to a different conversation",
    ],
)
def test_a_signature_of_another_account(said: bytes) -> None:
    """Only the vendor can tell: the same call once more, without the thoughts."""
    assert messages.blames_thinking(said)
    assert not messages.blames_thinking(b"max_tokens: 1 > 0")
    turns = [USER, {"role": "assistant", "content": "ok", "thinking_blocks": [SIGNED], "tool_calls": [CALL]}, RESULT]
    asked = chat.read_request(orjson.dumps({"model": "auto", "messages": turns, "tools": [TOOL]}))
    mended = messages.without_thinking(Call(asked, SONNET, 100, 1.0))
    assert mended is not None
    assert b"I should look" not in messages.write_request(mended)
    assert messages.without_thinking(mended) is None


def test_an_edited_history() -> None:
    """Thinking is bound to what came before it: what no longer fits shall be dropped, not refused."""
    turn = {"role": "assistant", "content": "ok", "thinking_blocks": [SIGNED]}
    body, _ = written(SONNET, [USER, turn, USER])
    assert body["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}
    asked = chat.read_request(orjson.dumps({"model": "auto", "messages": [USER, turn, USER]}))
    headers = dict(messages.headers(Call(asked, SONNET, 10, 1.0)))
    assert "thinking-binding-controls-2026-08-01" in headers["anthropic-beta"]
    body, _ = through(SONNET, SIGNED)
    assert body["thinking"]["block_binding"] == {"prefix_mismatch_behavior": "drop_block"}


def test_ids_that_claude_refuses() -> None:
    call = {**CALL, "id": "functions.look:0 ä"}
    turns = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}, {**RESULT, "tool_call_id": call["id"]}]
    body, repairs = written(SONNET, turns, tools=[TOOL])
    use, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert use["id"] == result["tool_use_id"]
    assert repairs["id_rewritten"] == 1


def test_ids_that_openai_refuses() -> None:
    call = {**CALL, "id": "toolu_" + "x" * 60}
    turns = [USER, {"role": "assistant", "content": None, "tool_calls": [call]}, {**RESULT, "tool_call_id": call["id"]}]
    body, repairs = written(OPENAI, turns, tools=[TOOL])
    assert body["messages"][1]["tool_calls"][0]["id"] == body["messages"][2]["tool_call_id"]
    assert len(body["messages"][2]["tool_call_id"]) <= 40
    assert repairs["id_rewritten"] == 2
    body, repairs = written(DEEPSEEK, turns, tools=[TOOL])
    assert body["messages"][2]["tool_call_id"] == call["id"]  # takes any


def test_names_that_openai_refuses() -> None:
    """Anthropic's may have 128 characters; an answer gives the client its own back."""
    name = "mcp__" + "long_" * 20
    tool = {"name": name, "input_schema": {"type": "object", "properties": {}}}
    use = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
    turns = [USER, {"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}]
    raw = orjson.dumps({"model": "auto", "max_tokens": 9, "tools": [tool], "messages": turns})
    asked = DIALECTS["messages"].read_request(raw)
    for to in (OPENAI, DEEPSEEK):
        body, _ = sent(to, asked)
        short = body["tools"][0]["function"]["name"]
        assert body["messages"][1]["tool_calls"][0]["function"]["name"] == short
        call = {"id": "call_1", "type": "function", "function": {"name": short, "arguments": "{}"}}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        answer = {"id": "a", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
        read = chat.read_answer(orjson.dumps(answer), Call(asked, to, 9, 1.0))
        assert read.body["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == name
        event = {"id": "a", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, **call}]}}]}
        reader = chat.StreamReader(asked, Call(asked, to, 9, 1.0))
        (chunk,) = reader.feed(b"data: " + orjson.dumps(event) + b"\n\n")
        assert chunk.data["choices"][0]["delta"]["tool_calls"][0]["function"]["name"] == name


def test_another_providers_blob() -> None:
    """OpenAI's sealed reasoning and its ids stay behind; what levelhead sealed is opened."""
    own = DIALECTS["responses"].render_answer(
        chat.read_answer(
            orjson.dumps(
                {
                    "id": "a",
                    "choices": [
                        {
                            "index": 0,
                            "message": {"role": "assistant", "content": "ok", "reasoning_content": "kept"},
                            "finish_reason": "stop",
                        }
                    ],
                }
            )
        ),
        DIALECTS["responses"].read_request(orjson.dumps({"model": "auto", "input": "x", "store": False})),
    )
    items = [{"role": "user", "content": "x"}, *orjson.loads(own)["output"], {"role": "user", "content": "y"}]
    assert items[1]["encrypted_content"].startswith("levelhead1.")
    items[1]["summary"] = []
    asked = DIALECTS["responses"].read_request(orjson.dumps({"model": "auto", "input": items}))
    assert asked.messages[1]["reasoning_content"] == "kept"
    items[1]["encrypted_content"] = "gAAAAABforeign"
    asked = DIALECTS["responses"].read_request(orjson.dumps({"model": "auto", "input": items}))
    assert "reasoning_content" not in asked.messages[1]
    sent(OPENAI, asked)


def test_openai_to_deepseek() -> None:
    turns = [{"role": "developer", "content": "Be brief."}, USER]
    body, repairs = written(DEEPSEEK, turns)
    assert body["messages"][0]["role"] == "system"
    assert repairs["message_mended"] == 1
    custom = chat.read_request(
        orjson.dumps({"model": "auto", "messages": [USER], "tools": [{"type": "custom", "custom": {"name": "x"}}]})
    )
    assert custom.needs > DEEPSEEK.capabilities.offers & custom.needs  # another model is chosen


def test_a_forced_tool() -> None:
    choice = {"type": "function", "function": {"name": "look"}}
    body, _ = written(DEEPSEEK, [USER], tools=[TOOL], tool_choice=choice)
    assert body["thinking"] == {"type": "disabled"}
    body, repairs = written(SONNET, [USER], tools=[TOOL], tool_choice=choice)
    assert "tool_choice" not in body
    assert "`look`" in body["messages"][-1]["content"][-1]["text"]
    assert repairs["choice_softened"] == 1


def test_the_range_of_max_tokens() -> None:
    asked = chat.read_request(orjson.dumps({"model": "auto", "messages": [USER], "max_tokens": 900_000}))
    body, _ = sent(DEEPSEEK, asked, cap=900_000)
    assert body["max_tokens"] == 8192


def test_a_conversation_that_ends_on_the_assistant() -> None:
    turns = [USER, {"role": "assistant", "content": "It is"}]
    body, repairs = written(SONNET, turns)
    assert body["messages"][-1]["role"] == "user"
    assert repairs["turns_rewritten"] == 1
    body, _ = written(HAIKU, turns)
    assert body["messages"][-1]["role"] == "assistant"


def test_old_images_for_a_model_that_reads_only() -> None:
    url = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
    image = {"type": "image_url", "image_url": {"url": url}}
    turns = [{"role": "user", "content": [image, {"type": "text", "text": "What is it?"}]},
             {"role": "assistant", "content": "A dot."}, USER]  # fmt: skip
    body, repairs = written(DEEPSEEK, turns)
    assert "an image was shown here" in body["messages"][0]["content"][0]["text"]
    assert repairs["media_described"] == 1
    body, repairs = written(OPENAI, turns)
    assert body["messages"][0]["content"][0] == image
    assert not repairs


@pytest.mark.parametrize("to", [DEEPSEEK, OPENAI, SONNET, HAIKU])
def test_a_tool_loop_that_was_cut(to: Model) -> None:
    calls = [CALL, {**CALL, "id": "toolu_02"}, {**CALL, "id": "toolu_03"}]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    late = {"role": "tool", "tool_call_id": "toolu_02", "content": "late"}
    stray = {"role": "tool", "tool_call_id": "toolu_99", "content": "stray"}
    turns = [USER, turn, RESULT, {"role": "user", "content": "stop"}, late, {"role": "assistant", "content": "ok"}]
    body, repairs = written(to, [*turns, stray, USER], tools=[TOOL])
    assert repairs["result_added"] == 1
    assert repairs["orphan_told"] == 1
    raw = orjson.dumps(body)
    for said in (b"seen", b"late", b"stray", b"stop"):
        assert raw.count(b'"' + said) + raw.count(b"\\n" + said) == 1


def test_an_answer_that_ran_out_of_resources() -> None:
    """Asked for again, or said to the client as an error: never told as an answer that ended well."""
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "insufficient_system_resource"}
    reader = chat.StreamReader(chat.read_request(orjson.dumps({"model": "auto", "messages": [USER]})))
    with pytest.raises(StreamBroken) as raised:
        reader.feed(b"data: " + orjson.dumps({"id": "a", "choices": [choice]}) + b"\n\n")
    assert raised.value.code == "insufficient_system_resource"
