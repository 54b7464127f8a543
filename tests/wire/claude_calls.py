"""Calls of Claude, and what is sent for them."""

from __future__ import annotations

from typing import Any

import orjson

from levelhead.testing.anthropic_rules import check
from levelhead.types import Call, Capabilities, Model, Price
from levelhead.wire.chat import read_request
from levelhead.wire.messages import write_request

HAIKU, SONNET_46, OPUS_45, OPUS_48 = "claude-haiku-4-5", "claude-sonnet-4-6", "claude-opus-4-5", "claude-opus-4-8"
OPUS_5, OPUS_55, SONNET_55, HAIKU_55, FABLE = (
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-fable-5-1",
)
DEEPSEEK = "deepseek-v4-pro"
SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "EqoBCkgIARABGAIiQL8X"}
DEEPSEEK_SIGNED = {**SIGNED, "signature": "91cfbb94-554b-4136-8e21-fa02280d56ed"}
MARK = {"type": "ephemeral"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def make_call(body: dict[str, Any], model: str = SONNET_55, cap: int = 8192, **capabilities: Any) -> Call:
    chat = read_request(orjson.dumps({"model": "auto", "messages": [user("Hi.")], **body}))
    price = Price(2e-6, 1e-5, 2e-7, 2.5e-6, 4e-6)
    return Call(chat, Model("m", "strong", 1, "anthropic", model, price, Capabilities(**capabilities)), cap, timeout=60)


def sent(body: dict[str, Any], model: str = SONNET_55, cap: int = 8192, **capabilities: Any) -> dict[str, Any]:
    written: dict[str, Any] = orjson.loads(write_request(make_call(body, model, cap, **capabilities)))
    assert model == DEEPSEEK or check(written) is None
    return written


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def bot(content: Any = None, *ids: str, **more: Any) -> dict[str, Any]:
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    return {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {}), **more}


def result(id: str, content: Any = "ok") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content}


def tool(name: str = "f", **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": SCHEMA, **more}}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


LOOP = [user("Go."), bot(None, "c1"), result("c1")]


def turns(messages: list[Any], model: str = SONNET_55, **more: Any) -> list[Any]:
    written: list[Any] = sent({"messages": messages, **more}, model)["messages"]
    return written
