"""What a conversation is remembered by, over the wire: switches, prompt caches, titles, old images."""

from __future__ import annotations

from typing import Any

from levelhead.testing import Reply
from levelhead.types import Usage

from .house import Proxy, Vendors
from .talk import Client

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def test_a_switch_is_counted_by_its_reason(proxy: Proxy, team: Client) -> None:
    before = proxy.metric("model_switches_total", reason="pinned")
    for model in ("claude-sonnet", "deepseek-flash", "deepseek-flash", "claude-sonnet"):
        assert team.chat(model=model, headers={"x-levelhead-session": "switching"}).status == 200
    assert proxy.metric("model_switches_total", reason="pinned") == before + 2


def test_a_warm_claude_is_cheaper_to_go_on_with(team: Client, vendors: Vendors) -> None:
    """What always-Claude is expected to cost falls when its cache holds the conversation."""
    session = {"x-levelhead-session": "warm"}
    long = [{"role": "user", "content": "words " * 6000}]
    cold = team.send("POST", "/v1/explain", {"model": "auto", "messages": long}, session).body["models"]
    vendors.claude.script(Reply(text="Yes.", usage=Usage(input=3, cache_write=10_000, output=5)))
    assert team.chat(model="claude-sonnet", messages=long, headers=session).status == 200
    warm = team.send("POST", "/v1/explain", {"model": "auto", "messages": long}, session).body["models"]
    saved = cold["claude-sonnet"]["expected_cost_usd"] - warm["claude-sonnet"]["expected_cost_usd"]
    assert saved > 0.9 * 9_000 * (2 - 0.1) / 1e6
    assert warm["deepseek-flash"] == cold["deepseek-flash"]


def test_titles_go_to_the_cheapest_tier(team: Client) -> None:
    task = "Legal and sales disagree about the cut-over; plan the migration of the ledger with both, phase by phase."
    messages = [
        {"role": "system", "content": "You are a title generator. You output ONLY a thread title."},
        {"role": "user", "content": f"Generate a title for this conversation:\n{task * 20}"},
    ]
    said = team.chat(messages=messages)
    assert (said.headers["x-levelhead-tier"], said.headers["x-levelhead-reason"]) == ("efficient", "housekeeping")
    strict = team.chat(messages=messages, model="auto/critic")
    assert strict.headers["x-levelhead-tier"] == "strong"  # the slot's floor holds


def test_an_old_image_binds_no_conversation_for_ever(team: Client, vendors: Vendors) -> None:
    image: dict[str, Any] = {"type": "image_url", "image_url": {"url": PIXEL}}
    turns: list[Any] = [{"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]}]
    assert team.chat(messages=turns, model="deepseek-flash").status == 400
    assert team.chat(messages=turns).headers["x-levelhead-model"] != "deepseek-flash"
    turns += [{"role": "assistant", "content": "A dot."}, {"role": "user", "content": "And its colour?"}]
    assert team.chat(messages=turns).headers["x-levelhead-model"] != "deepseek-flash"  # another may still look at it
    said = team.chat(messages=turns, model="deepseek-flash")  # this one is told that there was one
    assert said.status == 200
    assert "an image was shown here" in vendors.deepseek.requests[-1].body["messages"][0]["content"][0]["text"]
    turns += [{"role": "assistant", "content": "Red."}, {"role": "user", "content": "Thanks!"}]
    names = team.send("POST", "/v1/explain", {"model": "auto", "messages": turns}).body["models"]
    assert names["deepseek-flash"]["eligible"]


def test_repairs_are_counted(proxy: Proxy, team: Client, vendors: Vendors) -> None:
    before = proxy.metric("history_repairs_total", kind="result_added")
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    turns = [
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "user", "content": "never mind"},
    ]
    for model in ("deepseek-flash", "claude-sonnet", "gpt-mini"):
        assert team.chat(messages=turns, model=model).status == 200
    assert proxy.metric("history_repairs_total", kind="result_added") == before + 3


def test_explain_takes_every_dialect(team: Client, vendors: Vendors) -> None:
    bodies: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": "hello"}]},
        {"system": [{"type": "text", "text": "x"}], "messages": [{"role": "user", "content": "hello"}]},
        {"input": "hello"},
    ]
    levels = {team.send("POST", "/v1/explain", body).body["level"] for body in bodies}
    assert levels == {"L1"}
    assert vendors.asked == 0
