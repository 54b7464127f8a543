"""`client.responses` of the `openai` SDK's current major against every upstream wire."""

from __future__ import annotations

from typing import Any

import pytest

from levelhead.testing import Fault, Refusal, Reply, ToolUse

from .house import Vendors
from .sdk import Sdk

MODES = pytest.mark.parametrize("mode", ["sync", "async"])
STREAMED = pytest.mark.parametrize("op", ["response", "response_helper"], ids=["whole", "streamed"])
EVERY_WIRE = pytest.mark.parametrize("model", ["claude-sonnet", "deepseek-flash", "gpt-mini", "gpt-thinker"])
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city now.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": False,
}
PATCH = {"type": "custom", "name": "apply_patch", "description": "Edits files.", "format": {"type": "text"}}
CALENDAR = {
    "type": "namespace",
    "name": "mcp__calendar",
    "description": "A calendar.",
    "tools": [{"type": "function", "name": "create_event", "parameters": {"type": "object", "properties": {}}}],
}

SEALED = {"store": False, "include": ["reasoning.encrypted_content"]}
CLOSED = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "additionalProperties": False}


def ask(sdk: Sdk, op: str = "response", mode: str = "sync", **fields: Any) -> dict[str, Any]:
    said = sdk.said(op, mode, fields={"model": "auto", "input": "hello", **fields})
    assert "bug" not in said, said["bug"]
    return said


def good(sdk: Sdk, op: str = "response", mode: str = "sync", **fields: Any) -> dict[str, Any]:
    said = ask(sdk, op, mode, **fields)
    assert "error" not in said, said["error"]
    return said


def upstream(vendors: Vendors, model: str) -> Any:
    return {"claude-sonnet": vendors.claude, "deepseek-flash": vendors.deepseek}.get(model, vendors.openai)


@MODES
@STREAMED
@EVERY_WIRE
def test_a_response(sdk: Sdk, mode: str, op: str, model: str) -> None:
    said = good(sdk, op, mode, model=model, instructions="Be brief.", metadata={"slot": "critic", "x": "y"})
    assert said["text"] == "echo: hello"
    body = said["body"]
    assert (body["object"], body["status"], body["error"]) == ("response", "completed", None)
    assert body["id"].startswith("resp_")
    assert body["instructions"] == "Be brief."
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"] > 0
    if op == "response":
        assert said["headers"]["x-levelhead-model"] == model
        assert said["headers"]["x-levelhead-slot"] == "critic"


@EVERY_WIRE
def test_the_events(sdk: Sdk, vendors: Vendors, model: str) -> None:
    """In the vendor's order, numbered without a gap, each delta in the item that is open."""
    call = ToolUse("get_weather", '{"city":"Rome"}')
    upstream(vendors, model).script(Reply(reasoning="Hm.", text="Let me look.", tools=(call, call)))
    events = good(sdk, model=model, stream=True, tools=[WEATHER], reasoning={"effort": "low"})["events"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:2] == ["created", "in_progress"]
    assert kinds[-1] == "completed"
    open_item: dict[str, Any] | None = None
    done = []
    for event in events[2:-1]:
        if event["type"] == "response.output_item.added":
            assert open_item is None
            assert event["output_index"] == len(done)
            open_item = event["item"]
        elif event["type"] == "response.output_item.done":
            assert open_item is not None
            assert event["item"]["id"] == open_item["id"]
            done.append(event["item"])
            open_item = None
        else:
            assert open_item is not None
            assert (event["item_id"], event["output_index"]) == (open_item["id"], len(done))
    assert events[-1]["response"]["output"] == done
    assert events[-1]["response"]["usage"]["cost_usd"] > 0
    kinds_of = [item["type"] for item in done]
    assert kinds_of[-3:] == ["message", "function_call", "function_call"]
    assert ("reasoning" in kinds_of) == (model in ("claude-sonnet", "deepseek-flash"))
    for item in done[-2:]:
        deltas = [e["delta"] for e in events if e["type"].endswith("arguments.delta") and e["item_id"] == item["id"]]
        assert "".join(deltas) == item["arguments"] == '{"city":"Rome"}'


@pytest.mark.parametrize("by_id", [False, True], ids=["items", "by id"])
@pytest.mark.parametrize(
    "fields", [{}, {"store": False, "include": ["reasoning.encrypted_content"]}], ids=["", "sealed"]
)
def test_a_conversation_over_every_vendor(sdk: Sdk, vendors: Vendors, by_id: bool, fields: dict[str, Any]) -> None:
    if by_id and fields:
        pytest.skip("what isn't stored can't be gone on from")
    for vendor in vendors.all:
        vendor.answer = lambda body: Reply(
            text="Looking.", reasoning="I should look.", tools=(ToolUse("get_weather", '{"city":"Rome"}'),)
        )
    order = ["claude-sonnet", "deepseek-flash", "gpt-mini", "claude-sonnet", "gpt-thinker", "deepseek-flash"]
    asked = {"tools": [WEATHER], "reasoning": {"effort": "medium", "summary": "auto"}, **fields}
    said = sdk.said("response_agent", models=order, by_id=by_id, fields=asked)
    assert "error" not in said, said
    assert "bug" not in said, said
    assert len(said["turns"]) == 6
    last = vendors.deepseek.requests[-1].body["messages"]
    assert sum(message["role"] == "tool" for message in last) == 5
    thoughts = [message.get("reasoning_content") for message in last if message.get("tool_calls")]
    assert thoughts[0] == "I should look."  # Claude's
    assert thoughts[1] == "I should look."  # its own
    claude = vendors.claude.requests[-1].body["messages"]
    assert claude[1]["content"][0]["type"] == "thinking"  # signed, and back where it was


def test_what_is_not_kept(sdk: Sdk, vendors: Vendors) -> None:
    stored = good(sdk)["body"]["id"]
    good(sdk, previous_response_id=stored, input="go on")
    asked = vendors.asked
    for wanted in ("resp_nobody", good(sdk, store=False)["body"]["id"]):
        error = ask(sdk, previous_response_id=wanted)["error"]
        assert (error["status"], error["code"], error["param"]) == (
            400,
            "previous_response_not_found",
            "previous_response_id",
        )
    assert vendors.asked == asked + 1


@STREAMED
@EVERY_WIRE
def test_items_that_are_named_instead_of_sent(sdk: Sdk, vendors: Vendors, op: str, model: str) -> None:
    """As the AI SDK does with every item that has an id."""
    call = ToolUse("get_weather", '{"city":"Rome"}', id="call_1")
    script = (Reply(reasoning="I should look.", tools=(call,)), Reply(text="Warm."), Reply(text="Bye."))
    upstream(vendors, model).script(*script)
    turn: list[dict[str, Any]] = [{"role": "user", "content": "How warm is it?"}]
    for news in (
        {"type": "function_call_output", "call_id": "call_1", "output": "21"},
        {"role": "user", "content": "Ta"},
    ):
        output = good(sdk, op, model=model, input=turn, tools=[WEATHER])["body"]["output"]
        turn += [*({"type": "item_reference", "id": item["id"]} for item in output), news]
    good(sdk, op, model=model, input=turn, tools=[WEATHER])
    sent = upstream(vendors, model).requests[-1].raw
    for words in (b"How warm is it?", b"Rome", b"21", b"Warm.", b"Ta"):
        assert sent.count(words) == 1, sent


@STREAMED
@EVERY_WIRE
def test_freeform_tools_and_namespaces(sdk: Sdk, vendors: Vendors, op: str, model: str) -> None:
    patch = "*** Begin Patch\n*** End Patch"
    calls = (
        ToolUse("apply_patch", '{"input":"*** Begin Patch\\n*** End Patch"}', id="call_1"),
        ToolUse("mcp__calendar__create_event", "{}", id="call_2"),
    )
    upstream(vendors, model).script(Reply(tools=calls))
    said = good(sdk, op, model=model, tools=[PATCH, CALENDAR, WEATHER])
    items = said["body"]["output"][-2:]
    assert [(item["type"], item["name"]) for item in items] == [
        ("custom_tool_call", "apply_patch"),
        ("function_call", "create_event"),
    ]
    assert items[0]["input"] == patch
    assert items[1]["namespace"] == "mcp__calendar"
    names = [
        tool.get("name") or tool["function"]["name"] for tool in upstream(vendors, model).requests[-1].body["tools"]
    ]
    assert names == ["apply_patch", "mcp__calendar__create_event", "get_weather"]
    results = [
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "patched"},
        {"type": "function_call_output", "call_id": "call_2", "output": "made"},
    ]
    again = [{"role": "user", "content": "go"}, *items, *results]
    good(sdk, op, model=model, input=again, tools=[PATCH, CALENDAR])
    sent = upstream(vendors, model).requests[-1].raw
    assert b"patched" in sent
    assert b"mcp__calendar__create_event" in sent


def test_what_no_model_here_can_do_is_refused_by_its_name(sdk: Sdk, vendors: Vendors) -> None:
    refused: list[tuple[dict[str, Any], str]] = [
        ({"tools": [WEATHER, {"type": "file_search", "vector_store_ids": ["v"]}]}, "tools[1].type"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"),
        ({"input": []}, "input"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"temperature": 3}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
    ]
    for fields, param in refused:
        error = ask(sdk, **fields)["error"]
        assert (error["kinds"][0], error["status"]) == ("BadRequestError", 400)
        assert error["param"].startswith(param), error
    assert vendors.asked == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@EVERY_WIRE
def test_why_it_stopped(sdk: Sdk, vendors: Vendors, stream: bool, model: str) -> None:
    native = "max_tokens" if model == "claude-sonnet" else "length"
    upstream(vendors, model).script(Reply(text="Well,", finish=native))
    said = good(sdk, model=model, stream=stream)  # the SDK's helper insists on `response.completed`
    body = said["events"][-1]["response"] if stream else said["body"]
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


@STREAMED
def test_a_schema(sdk: Sdk, vendors: Vendors, op: str) -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string"}},
        "required": ["x"],
        "additionalProperties": False,
    }
    text = {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}}
    good(sdk, op, model="gpt-mini", text=text)
    assert vendors.openai.requests[-1].body["response_format"]["json_schema"]["schema"] == CLOSED
    good(sdk, op, model="claude-sonnet", text=text)
    assert vendors.claude.requests[-1].body["output_config"]["format"]["schema"] == CLOSED
    assert ask(sdk, op, model="deepseek-flash", text=text)["error"]["status"] == 400


@EVERY_WIRE
@pytest.mark.usefixtures("healed")
def test_an_upstream_that_fails(sdk: Sdk, vendors: Vendors, model: str) -> None:
    upstream(vendors, model).script(Refusal(message="that won't do"))
    error = ask(sdk, model=model)["error"]
    assert (error["kinds"][0], error["status"]) == ("BadRequestError", 400)
    upstream(vendors, model).script(Reply(text="Some words before it breaks.", fault=Fault("error", after=4)))
    events = ask(sdk, model=model, stream=True)["events"]
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["error"]["message"]


@STREAMED
def test_the_cache(sdk: Sdk, vendors: Vendors, op: str) -> None:
    fields = {"model": "deepseek-flash", "temperature": 0, "input": f"cache {op}"}
    first = good(sdk, op, **fields)
    second = good(sdk, op, **fields)
    assert vendors.asked == 1
    assert first["text"] == second["text"]
    good(sdk, op, model="deepseek-flash", previous_response_id=second["body"]["id"], input="more")
