"""Chat requests, and Anthropic answers and streams, that both levelhead and litellm translate."""

from __future__ import annotations

import json
from typing import Any

HAIKU, SONNET, OPUS = "claude-haiku-4-5", "claude-sonnet-5-5", "claude-opus-4-8"
OPUS_45, SONNET_46, OPUS_5, OPUS_55, FABLE = (
    "claude-opus-4-5-20251101",
    "claude-sonnet-4-6",
    "claude-opus-5",
    "claude-opus-5-5",
    "claude-fable-5-1",
)
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJcOkw7zDtsOfCg=="
SIGNATURE = "EqoBCkgIARABGAIiQL8Xb0vP8mJ3dWkzqk0lqXW1w7Yw0XH0mT3k9kQ5Yb0Q=="
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


def system(text: Any) -> dict[str, Any]:
    return {"role": "system", "content": text}


def user(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "user", "content": content, **more}


def bot(content: Any = None, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **({"tool_calls": list(calls)} if calls else {}), **more}


def call(id: str, name: str = "forecast", arguments: Any = None) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return {"id": id, "type": "function", "function": {"name": name, "arguments": text}}


def result(id: str, content: Any = "12 degrees", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **more}


def tool(name: str = "forecast", **more: Any) -> dict[str, Any]:
    function = {"name": name, "description": f"What {name} says.", "parameters": SCHEMA}
    return {"type": "function", "function": {**function, **more}}


def text(value: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": value, **more}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(data: str, name: str = "paper.pdf") -> dict[str, Any]:
    return {"type": "file", "file": {"filename": name, "file_data": data}}


def thought(text: str = "Let me look.", signature: str = SIGNATURE) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text, "signature": signature}


EPHEMERAL = {"type": "ephemeral"}
HI = [user("Hi.")]
LOOP = [user("Rain?"), bot(None, call("call_1", arguments={"city": "Oslo", "days": 1})), result("call_1")]
THOUGHT_LOOP = [user("Rain?"), bot(None, call("call_1"), thinking_blocks=[thought()]), result("call_1")]
TOOLS = {"tools": [tool()]}


def schema_format(schema: dict[str, Any], strict: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": schema}}


# name -> (model, body)
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    # texts and roles
    "one question": (SONNET, {"messages": HI}),
    "system text": (SONNET, {"messages": [system("Be brief."), *HI]}),
    "system parts": (SONNET, {"messages": [system([text("A."), text("B.", cache_control=EPHEMERAL)]), *HI]}),
    "system mark on message": (SONNET, {"messages": [{**system("A."), "cache_control": EPHEMERAL}, *HI]}),
    "two systems": (SONNET, {"messages": [system("A."), system("B."), *HI]}),
    "blank system": (SONNET, {"messages": [system(""), *HI]}),
    "three turns": (SONNET, {"messages": [user("A"), bot("B"), user("C")]}),
    "users in a row": (SONNET, {"messages": [user("A"), user("B")]}),
    "assistants in a row": (SONNET, {"messages": [user("A"), bot("B"), bot("C"), user("D")]}),
    "text parts": (SONNET, {"messages": [user([text("A"), text("B", cache_control=EPHEMERAL)])]}),
    "blank part": (SONNET, {"messages": [user([text("A"), text("")])]}),
    "blank user": (SONNET, {"messages": [user("A"), bot("B"), user("")]}),
    "mark on message": (SONNET, {"messages": [user("A", cache_control=EPHEMERAL)]}),
    "assistant parts": (SONNET, {"messages": [user("A"), bot([text("B"), text("C")]), user("D")]}),
    "late system, taken": (OPUS, {"messages": [user("A"), bot("B"), user("C"), system("In French.")]}),
    "late system before user": (OPUS, {"messages": [user("A"), bot("B"), system("In French."), user("C")]}),
    "late system, not taken": (HAIKU, {"messages": [user("A"), bot("B"), user("C"), system("In French.")]}),
    "late system in a tool loop": (HAIKU, {"messages": [*LOOP[:2], system("Hurry."), LOOP[2]], **TOOLS}),
    "names": (SONNET, {"messages": [user("A", name="ann")]}),
    "starts with assistant": (SONNET, {"messages": [bot("Hello!"), user("Hi.")]}),
    "prefill": (HAIKU, {"messages": [user("A"), bot("The answer is ")]}),
    "ends on assistant": (SONNET, {"messages": [user("A"), bot("B")]}),
    # media
    "image data": (SONNET, {"messages": [user([text("What?"), image(f"data:image/png;base64,{PNG}")])]}),
    "image url": (SONNET, {"messages": [user([image("https://example.com/cat.png")])]}),
    "image detail": (SONNET, {"messages": [user([image(f"data:image/png;base64,{PNG}", detail="low")])]}),
    "image marked": (SONNET, {"messages": [user([{**image("https://a.io/b.png"), "cache_control": EPHEMERAL}])]}),
    "pdf": (SONNET, {"messages": [user([file(f"data:application/pdf;base64,{PDF}")])]}),
    "image in a result": (
        SONNET,
        {"messages": [*LOOP[:2], result("call_1", [text("a map"), image(f"data:image/png;base64,{PNG}")])], **TOOLS},
    ),
    # tools
    "one tool": (SONNET, {"messages": HI, **TOOLS}),
    "tool without parameters": (SONNET, {"messages": HI, "tools": [{"type": "function", "function": {"name": "now"}}]}),
    "tool with a mark": (SONNET, {"messages": HI, "tools": [{**tool(), "cache_control": EPHEMERAL}]}),
    "tool of another type": (
        SONNET,
        {"messages": HI, "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
    ),
    "strict tool": (SONNET, {"messages": HI, "tools": [tool(strict=True)]}),
    "tool with a combinator": (SONNET, {"messages": HI, "tools": [tool(parameters={"anyOf": [SCHEMA]})]}),
    "illegal tool names": (SONNET, {"messages": HI, "tools": [tool("a/b"), tool("a.b"), tool("a_b")]}),
    "choice auto": (SONNET, {"messages": HI, **TOOLS, "tool_choice": "auto"}),
    "choice none": (SONNET, {"messages": HI, **TOOLS, "tool_choice": "none"}),
    "choice required": (OPUS, {"messages": HI, **TOOLS, "tool_choice": "required"}),
    "choice named": (
        OPUS,
        {"messages": HI, **TOOLS, "tool_choice": {"type": "function", "function": {"name": "forecast"}}},
    ),
    "choice required, refused": (OPUS_55, {"messages": HI, **TOOLS, "tool_choice": "required"}),
    "one at a time": (SONNET, {"messages": HI, **TOOLS, "parallel_tool_calls": False}),
    "many at a time": (SONNET, {"messages": HI, **TOOLS, "parallel_tool_calls": True}),
    "tool loop": (SONNET, {"messages": LOOP, **TOOLS}),
    "tool loop with text": (
        SONNET,
        {"messages": [user("Rain?"), bot("I look.", call("call_1")), result("call_1")], **TOOLS},
    ),
    "parallel calls": (
        SONNET,
        {"messages": [user("A"), bot(None, call("c1"), call("c2")), result("c2", "2"), result("c1", "1")], **TOOLS},
    ),
    "question after a result": (SONNET, {"messages": [*LOOP, user("And tomorrow?")], **TOOLS}),
    "empty arguments": (SONNET, {"messages": [user("A"), bot(None, call("c1", arguments="")), result("c1")], **TOOLS}),
    "odd ids": (SONNET, {"messages": [user("A"), bot(None, call("call:1.x")), result("call:1.x")], **TOOLS}),
    "lost result": (SONNET, {"messages": [*LOOP[:2], user("Never mind.")], **TOOLS}),
    "empty result": (SONNET, {"messages": [*LOOP[:2], result("call_1", "")], **TOOLS}),
    "loop without tools": (SONNET, {"messages": LOOP}),
    # settings
    "output cap": (SONNET, {"messages": HI, "max_tokens": 77}),
    "newer output cap": (SONNET, {"messages": HI, "max_completion_tokens": 77}),
    "one stop": (SONNET, {"messages": HI, "stop": "END"}),
    "stops": (SONNET, {"messages": HI, "stop": ["END", "\n", "STOP"]}),
    "temperature": (HAIKU, {"messages": HI, "temperature": 0.2}),
    "temperature above one": (HAIKU, {"messages": HI, "temperature": 1.7}),
    "top_p": (HAIKU, {"messages": HI, "top_p": 0.5}),
    "both samplings": (HAIKU, {"messages": HI, "temperature": 0.2, "top_p": 0.5}),
    "no sampling": (SONNET, {"messages": HI, "temperature": 0.2, "top_p": 0.5}),
    "user": (SONNET, {"messages": HI, "user": "u-123"}),
    "user by mail": (SONNET, {"messages": HI, "user": "ann@example.com"}),
    "hints": (SONNET, {"messages": HI, "seed": 1, "presence_penalty": 0.5, "frequency_penalty": 0.5, "store": True}),
    "stream": (SONNET, {"messages": HI, "stream": True, "stream_options": {"include_usage": True}}),
    # thinking
    "effort, budget": (HAIKU, {"messages": HI, "reasoning_effort": "low", "max_tokens": 16_000}),
    "effort, half way": (SONNET_46, {"messages": HI, "reasoning_effort": "medium"}),
    "effort, adaptive": (SONNET, {"messages": HI, "reasoning_effort": "high"}),
    "effort minimal": (OPUS, {"messages": HI, "reasoning_effort": "minimal"}),
    "effort xhigh": (OPUS, {"messages": HI, "reasoning_effort": "xhigh"}),
    "effort none": (OPUS, {"messages": HI, "reasoning_effort": "none"}),
    "effort none, thinks by default": (OPUS_5, {"messages": HI, "reasoning_effort": "none"}),
    "thinking enabled": (
        HAIKU,
        {"messages": HI, "max_tokens": 4000, "thinking": {"type": "enabled", "budget_tokens": 2000}},
    ),
    "thinking enabled, adaptive model": (
        OPUS,
        {"messages": HI, "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 4096}},
    ),
    "thinking disabled": (OPUS_5, {"messages": HI, "thinking": {"type": "disabled"}}),
    "thinking disabled, always on": (FABLE, {"messages": HI, "thinking": {"type": "disabled"}}),
    "signed thinking": (OPUS_5, {"messages": THOUGHT_LOOP, **TOOLS}),
    "signed thinking, bound": (SONNET, {"messages": THOUGHT_LOOP, **TOOLS}),
    "foreign reasoning": (
        SONNET,
        {"messages": [user("A"), bot("B", reasoning_content="Because."), user("C")]},
    ),
    "loop without thinking": (HAIKU, {"messages": LOOP, **TOOLS, "reasoning_effort": "low", "max_tokens": 9000}),
    # formats
    "json object": (SONNET, {"messages": HI, "response_format": {"type": "json_object"}}),
    "json schema": (SONNET, {"messages": HI, "response_format": schema_format(SCHEMA)}),
    "json schema with bounds": (
        OPUS_45,
        {
            "messages": HI,
            "response_format": schema_format(
                {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
            ),
        },
    ),
    "json schema and effort": (
        SONNET,
        {"messages": HI, "response_format": schema_format(SCHEMA), "reasoning_effort": "low"},
    ),
    # the vendor's own
    "top-level mark": (SONNET, {"messages": HI, "cache_control": EPHEMERAL}),
    "service tier": (SONNET, {"messages": HI, "service_tier": "auto"}),
}


def usage(output: int = 5, **more: Any) -> dict[str, Any]:
    return {"input_tokens": 11, "output_tokens": output, **more}


def message(*content: dict[str, Any], stop: str = "end_turn", **more: Any) -> dict[str, Any]:
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-5-5",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage(),
        **more,
    }


def tool_use(id: str = "toolu_01", name: str = "forecast", input: Any = None) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": name, "input": input if input is not None else {"city": "Oslo"}}


ANSWERS: dict[str, dict[str, Any]] = {
    "text": message(text("Hello.")),
    "two texts": message(text("Hello, "), text("world.")),
    "no content": message(),
    "cut": message(text("Hel"), stop="max_tokens"),
    "stop sequence": message(text("Hel"), stop="stop_sequence", stop_sequence="END"),
    "context full": message(text("Hel"), stop="model_context_window_exceeded"),
    "pause": message(text("Wait."), stop="pause_turn"),
    "refusal": message(stop="refusal", stop_details={"type": "refusal", "category": "bio", "explanation": "No."}),
    "refusal without details": message(text("I"), stop="refusal"),
    "one call": message(tool_use(), stop="tool_use"),
    "text and call": message(text("I look."), tool_use(), stop="tool_use"),
    "two calls": message(tool_use("t1"), tool_use("t2", input={"a": [1, 2.5, None, "ü"]}), stop="tool_use"),
    "call without input": message(tool_use(input={}), stop="tool_use"),
    "thinking": message(thought(), text("Yes.")),
    "hidden thinking": message(thought(""), text("Yes.")),
    "redacted thinking": message({"type": "redacted_thinking", "data": "AbC"}, text("Yes.")),
    "two thoughts": message(thought("A"), thought("B"), tool_use(), stop="tool_use"),
    "cache read": message(text("Hi."), usage=usage(cache_read_input_tokens=500, cache_creation_input_tokens=0)),
    "cache write": message(
        text("Hi."),
        usage=usage(
            cache_read_input_tokens=500,
            cache_creation_input_tokens=90,
            cache_creation={"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 50},
        ),
    ),
    "thinking tokens": message(thought(), text("Yes."), usage=usage(60, output_tokens_details={"thinking_tokens": 44})),
    "null counts": message(
        text("Hi."), usage=usage(cache_read_input_tokens=None, cache_creation_input_tokens=None, cache_creation=None)
    ),
    "server tool": message(
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "rain"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        text("Dry."),
    ),
    "iterations": message(
        text("Hi."),
        usage=usage(iterations=[{"input_tokens": 7, "output_tokens": 2}, {"input_tokens": 11, "output_tokens": 5}]),
    ),
}


def start(**more: Any) -> dict[str, Any]:
    return {"type": "message_start", "message": message(**more) | {"stop_reason": None, "usage": usage(1)}}


def block(index: int, opening: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": opening},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def end(stop: str = "end_turn", output: int = 15, **more: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": stop, "stop_sequence": None, **more.pop("delta", {})}
    return [
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output, **more}},
        {"type": "message_stop"},
    ]


def words(*pieces: str) -> list[dict[str, Any]]:
    return [{"type": "text_delta", "text": piece} for piece in pieces]


def jsons(*pieces: str) -> list[dict[str, Any]]:
    return [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def thoughts(*pieces: str, signature: str = SIGNATURE) -> list[dict[str, Any]]:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    return [*deltas, {"type": "signature_delta", "signature": signature}]


PING = {"type": "ping"}
_TEXT = {"type": "text", "text": ""}
_THINKING = {"type": "thinking", "thinking": "", "signature": ""}

STREAMS: dict[str, list[dict[str, Any]]] = {
    "text": [start(), PING, *block(0, _TEXT, *words("Hel", "lo.")), *end()],
    "two blocks": [start(), *block(0, _TEXT, *words("A")), *block(1, _TEXT, *words("B")), *end()],
    "call": [start(), *block(0, tool_use(input={}), *jsons("", '{"city"', ': "Oslo"}')), *end("tool_use")],
    "call without input": [start(), *block(0, tool_use(input={}), *jsons("")), *end("tool_use")],
    "text and two calls": [
        start(),
        *block(0, _TEXT, *words("I look.")),
        *block(1, tool_use("t1", input={}), *jsons('{"a":', "1}")),
        PING,
        *block(2, tool_use("t2", input={}), *jsons("{}")),
        *end("tool_use"),
    ],
    "thinking": [start(), *block(0, _THINKING, *thoughts("Hm", "m.")), *block(1, _TEXT, *words("Yes.")), *end()],
    "hidden thinking": [start(), *block(0, _THINKING, *thoughts()), *block(1, _TEXT, *words("Yes.")), *end()],
    "redacted thinking": [
        start(),
        *block(0, {"type": "redacted_thinking", "data": "AbC"}),
        *block(1, _TEXT, *words("Yes.")),
        *end(),
    ],
    "cut": [start(), *block(0, _TEXT, *words("Hel")), *end("max_tokens")],
    "refusal": [start(), *end("refusal", delta={"stop_details": {"type": "refusal", "explanation": "No."}})],
    "cache": [
        start(),
        *block(0, _TEXT, *words("Hi.")),
        *end(input_tokens=11, cache_read_input_tokens=500, cache_creation_input_tokens=90),
    ],
    "thinking tokens": [
        start(),
        *block(0, _THINKING, *thoughts("Hm.")),
        *block(1, _TEXT, *words("Yes.")),
        *end(output=60, output_tokens_details={"thinking_tokens": 44}),
    ],
    "empty": [start(), *end()],
}
