"""Tools and structured answers by the SDK: parallel calls, assembling, loops that move between the vendors."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from levelhead.testing import Reply, ToolUse, VendorServer

from .house import Vendors
from .sdk import Sdk
from .sdk_driver import WEATHER

ROME, OSLO = '{"city":"Rome"}', '{"city":"Łódź \\"ÿ\\" 東京"}'
BOTH = (ToolUse("get_weather", ROME), ToolUse("get_weather", OSLO))
MODELS = ["deepseek-flash", "gpt-mini", "gpt-thinker", "claude-sonnet"]
MODES = pytest.mark.parametrize("mode", ["sync", "async"])
CITY = '{"name":"Rome","people":2800000}'


def vendor_of(vendors: Vendors, model: str) -> VendorServer:
    return {"deepseek": vendors.deepseek, "claude": vendors.claude, "gpt": vendors.openai}[model.partition("-")[0]]


@MODES
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MODELS)
def test_parallel_calls(sdk: Sdk, vendors: Vendors, model: str, mode: str, stream: bool) -> None:
    vendor = vendor_of(vendors, model)
    vendor.script(Reply(tools=BOTH, text="Looking.", piece_chars=3))
    heard = sdk.create(mode, model=model, stream=stream, tools=[WEATHER], parallel_tool_calls=True).ok
    assert [(name, orjson.loads(arguments)) for _, name, arguments in heard.calls] == [
        ("get_weather", orjson.loads(ROME)),
        ("get_weather", orjson.loads(OSLO)),
    ]
    assert len({call for call, _, _ in heard.calls}) == 2
    assert heard.finish == "tool_calls"
    assert heard.text == "Looking."
    (tool,) = vendor.requests[0].body["tools"]
    assert (tool.get("function") or tool)["name"] == "get_weather"


@MODES
@pytest.mark.parametrize("model", MODELS)
def test_the_stream_helper_assembles(sdk: Sdk, vendors: Vendors, model: str, mode: str) -> None:
    vendor_of(vendors, model).script(Reply(text="Looking it up.", tools=BOTH, piece_chars=3))
    fields = {"model": model, "messages": [{"role": "user", "content": "Weather?"}], "tools": [WEATHER]}
    heard = sdk.ask("helper", mode, fields=fields).ok
    assert [orjson.loads(arguments) for _, _, arguments in heard.calls] == [orjson.loads(ROME), orjson.loads(OSLO)]
    assert heard.text == "Looking it up."
    events = heard.said["events"]
    assert events.count("tool_calls.function.arguments.done") == 2
    assert events.count("content.done") == 1
    assert events.count("content.delta") > 1


TWICE = [
    {"type": "thinking", "thinking": "First.", "signature": "c2lnbmVk"},
    {"type": "text", "text": "One moment."},
    {"type": "thinking", "thinking": "Second.", "signature": "c2lnbmVkIHRvbw"},
    {"type": "text", "text": " Done."},
]


def test_the_stream_helper_takes_several_thoughts(sdk: Sdk, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK merges lists of objects by their `index`, and raises where a second one comes without."""
    monkeypatch.setattr(vendors.claude, "blocks", lambda reply: TWICE)
    fields = {"model": "claude-sonnet", "messages": [{"role": "user", "content": "Think twice"}]}
    heard = sdk.ask("helper", fields=fields).ok
    assert heard.text == "One moment. Done."
    thoughts = heard.body["choices"][0]["message"]["thinking_blocks"]
    assert [(block["thinking"], block["signature"]) for block in thoughts] == [
        ("First.", "c2lnbmVk"),
        ("Second.", "c2lnbmVkIHRvbw"),
    ]


@MODES
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_loop_over_all_vendors(sdk: Sdk, vendors: Vendors, mode: str, stream: bool) -> None:
    """Each vendor checks pairing, ids, and the thoughts it wants back, of turns that others made."""
    call = (ToolUse("get_weather", ROME),)
    vendors.deepseek.script(Reply(reasoning="Ask the tool.", tools=call), Reply(reasoning="Again.", tools=BOTH))
    vendors.claude.script(Reply(reasoning="I check.", tools=call), Reply(reasoning="Enough.", text="It is 21 degrees."))
    vendors.openai.script(Reply(tools=call))
    models = ["deepseek-flash", "claude-sonnet", "gpt-mini", "deepseek-flash", "claude-sonnet"]
    turns = sdk.ask("agent", mode, models=models, fields={"stream": stream}).ok.said["turns"]
    assert [len(turn.get("tool_calls") or ()) for turn in turns] == [1, 1, 1, 2, 0]
    assert turns[-1]["content"] == "It is 21 degrees."
    last = vendors.claude.requests[-1].body["messages"]
    results = [block for m in last for block in m["content"] if block["type"] == "tool_result"]
    assert len(results) == 5
    thoughts = [block for m in last for block in m["content"] if block["type"] == "thinking"]
    assert [thought["thinking"] for thought in thoughts] == ["I check."]
    assert thoughts[0]["signature"]


@pytest.mark.parametrize(
    ("model", "choice", "sent"),
    [
        ("gpt-mini", "required", "required"),
        ("gpt-mini", {"type": "function", "function": {"name": "get_weather"}}, None),
        ("deepseek-flash", "required", "required"),
        ("deepseek-flash", "auto", "auto"),
        ("claude-sonnet", "none", {"type": "none"}),
        ("auto", "required", "required"),
    ],
)
def test_tool_choice(sdk: Sdk, vendors: Vendors, model: str, choice: Any, sent: Any) -> None:
    heard = sdk.create(model=model, tools=[WEATHER], tool_choice=choice).ok
    (request,) = [request for vendor in vendors.all for request in vendor.requests]
    assert request.body["tool_choice"] == (choice if sent is None else sent)
    assert bool(heard.calls) is (choice not in ("auto", "none"))


def test_no_parallel_calls(sdk: Sdk, vendors: Vendors) -> None:
    sdk.create(model="claude-sonnet", tools=[WEATHER], parallel_tool_calls=False).ok  # noqa: B018 - asserts
    assert vendors.claude.requests[0].body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@MODES
@pytest.mark.parametrize("model", ["gpt-mini", "gpt-thinker", "claude-sonnet", "auto"])
def test_parse(sdk: Sdk, vendors: Vendors, model: str, mode: str) -> None:
    for vendor in vendors.all:
        vendor.script(Reply(text=CITY), Reply(text=CITY))
    fields = {"model": model, "messages": [{"role": "user", "content": "Rome"}]}
    heard = sdk.ask("parse", mode, fields=fields).ok
    assert heard.said["kind"] == "City"
    assert heard.said["parsed"] == {"name": "Rome", "people": 2_800_000}
    streamed = sdk.ask("helper", mode, fields=fields, parse=True).ok
    assert streamed.body["choices"][0]["message"]["parsed"] == {"name": "Rome", "people": 2_800_000}
    assert not vendors.deepseek.requests  # it has no structured output


def test_parse_with_a_model_that_cannot(sdk: Sdk, vendors: Vendors) -> None:
    heard = sdk.ask("parse", fields={"model": "deepseek-flash", "messages": [{"role": "user", "content": "Rome"}]})
    assert heard.error["kinds"][0] == "BadRequestError"
    assert (heard.error["code"], heard.error["param"]) == ("unsupported_parameter", "response_format")
    assert vendors.asked == 0
