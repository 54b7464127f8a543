"""The embedded pair `sim-strong` and `sim-efficient`: a proxy that runs without keys, network or money.

Nothing here thinks. Every answer says that it is simulated, in its text, its model and its fingerprint; the same
request gets the same answer, its tokens counted (four bytes each), so that budgets, caches and metrics can be tried.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from ..types import Answer, Call, Chat, Chunk, Usage, Wire
from ..wire import chat as codec

LABEL = "[simulated]"
BYTES_PER_TOKEN = 4
_OPENINGS = (
    "No model has read this request.",
    "This text stands where a model's answer would stand.",
    "Nothing was computed here.",
)
_DEPTHS = {
    "sim-efficient": ("A short answer from an efficient model would follow.", 2),
    "sim-strong": ("A thorough answer from a strong model would follow.", 6),
}
_FILLERS = (
    "Here the model would restate what is asked.",
    "Here it would name what it takes as given.",
    "Here it would work through the first step.",
    "Here it would compare the options that are left.",
    "Here it would check its result against the request.",
    "Here it would say what remains uncertain.",
)


class SimulatedUpstream:
    """An `Upstream` without a network. It never fails and never waits."""

    async def complete(self, call: Call) -> Answer:
        return simulate(call)

    async def stream(self, call: Call) -> SimulatedStream:
        return SimulatedStream(simulate(call), call.chat)

    async def aclose(self) -> None:
        """Nothing is open."""


class SimulatedStream:
    """The answer word by word."""

    wire: Wire = "simulated"

    def __init__(self, answer: Answer, chat: Chat) -> None:
        self.usage: Usage | None = None
        self.output_bytes = 0
        self._answer = answer
        self._chunks = iter(_by_word(codec.answer_chunks(answer, chat)))

    @property
    def counted(self) -> Usage | None:
        return self.usage

    def __aiter__(self) -> SimulatedStream:
        return self

    async def __anext__(self) -> list[Chunk]:
        chunk = next(self._chunks, None)
        if chunk is None:
            raise StopAsyncIteration
        for choice in chunk.data["choices"]:
            self.output_bytes += len((choice["delta"].get("content") or "").encode())
        if not chunk.data["choices"]:
            self.usage = self._answer.usage
        return [chunk]

    async def aclose(self) -> None:
        self._chunks = iter(())


def simulate(call: Call) -> Answer:
    """The simulated answer, within the call's output cap."""
    chat = call.chat
    seed = hashlib.sha256(orjson.dumps([call.model.name, chat.messages, chat.body.get("seed")], default=str)).digest()
    rng = random.Random(seed)  # noqa: S311 - chooses phrases, guards nothing
    message, finish = _message(chat, call.model.name, call.output_cap, rng)
    said = message["content"] or message["tool_calls"][0]["function"]["arguments"]
    prompt = len(orjson.dumps([*chat.messages, *chat.tools], default=str))
    output = -(-len(said.encode()) // BYTES_PER_TOKEN) * chat.n
    usage = Usage(input=-(-prompt // BYTES_PER_TOKEN), output=output)
    body = {
        "id": f"chatcmpl-sim-{seed.hex()[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": call.model.name if call.model.name.startswith("sim-") else f"sim-{call.model.name}",
        "system_fingerprint": "simulated",
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish} for index in range(chat.n)
        ],
        "usage": {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
        },
    }
    return Answer(body, usage, finish)


def _message(chat: Chat, name: str, cap: int, rng: random.Random) -> tuple[dict[str, Any], str]:
    tool = _forced_tool(chat)
    if tool is not None:
        function = {"name": tool["name"], "arguments": orjson.dumps(_example(tool.get("parameters") or {})).decode()}
        call = {"id": f"call_sim{rng.getrandbits(64):016x}", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    wanted = chat.body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        text = orjson.dumps(_example((wanted.get("json_schema") or {}).get("schema") or {})).decode()
    elif wanted.get("type") == "json_object":
        text = orjson.dumps({"simulated": True, "note": rng.choice(_OPENINGS)}).decode()
    else:
        depth, sentences = _DEPTHS.get(name, _DEPTHS["sim-efficient"])
        text = " ".join((LABEL, rng.choice(_OPENINGS), depth, *_FILLERS[:sentences]))
    cut = text.encode()[: cap * BYTES_PER_TOKEN].decode("utf-8", "ignore")
    return {"role": "assistant", "content": cut}, "stop" if cut == text else "length"


def _forced_tool(chat: Chat) -> Mapping[str, Any] | None:
    """The function that `tool_choice` asks for."""
    choice = chat.body.get("tool_choice")
    functions = [tool["function"] for tool in chat.tools if tool.get("type") == "function"]
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name")
        return next((function for function in functions if function["name"] == name), None)
    return functions[0] if choice == "required" and functions else None


def _example(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """The plainest value that a JSON schema accepts; texts say that they are simulated."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf", "allOf"):
        if schema.get(several) and depth < 16:
            return _example(schema[several][0], depth + 1)
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties") or {} if depth < 16 else {}
        return {name: _example(properties.get(name) or {}, depth + 1) for name in schema.get("required") or properties}
    if kind == "array":
        least = min(int(schema.get("minItems") or 0), 8)
        return [_example(schema.get("items") or {}, depth + 1) for _ in range(least)]
    plain = {"integer": schema.get("minimum", 0), "number": schema.get("minimum", 0), "boolean": False, "null": None}
    return plain.get(kind, LABEL)


def _by_word(chunks: list[Chunk]) -> list[Chunk]:
    """Each chunk with text becomes one for each of its words."""
    found = []
    for chunk in chunks:
        choices = chunk.data["choices"]
        text = choices[0]["delta"].get("content") if choices else None
        if not text:
            found.append(chunk)
            continue
        for word in text.replace(" ", " \0").split("\0"):
            piece = {**choices[0], "delta": {**choices[0]["delta"], "content": word}}
            found.append(replace(chunk, data={**chunk.data, "choices": [piece]}, raw=None))
    return found
