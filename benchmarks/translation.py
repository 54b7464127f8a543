"""What translating a request costs: each dialect to each wire, for a body of 30 kB and one of 300 kB.

    .venv/bin/python benchmarks/translation.py

CPU time of reading the client's bytes and writing the vendor's, in one process, medians of 200 runs; no network, no
routing. Results go to benchmarks/results/translation.json.
"""

from __future__ import annotations

import json
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import orjson

from levelhead.types import Call, Capabilities, Model, Need, Price
from levelhead.wire import chat, messages
from levelhead.wire.dialects import DIALECTS

RUNS = 200
GOAL_MS = 0.3  # for 30 kB
PRICE = Price(1, 1, 1, 1, 1)
OFFERS = frozenset(Need)
MODELS = [
    Model("claude", "t", 0, "anthropic", "claude-sonnet-5-5", PRICE, Capabilities(offers=OFFERS, thinking="always")),
    Model("deepseek", "t", 0, "openai", "deepseek-v4-flash", PRICE, Capabilities(offers=OFFERS, thinking="optional")),
    Model("openai", "t", 0, "openai", "gpt-4.1", PRICE, Capabilities(offers=OFFERS)),
]
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}, "text": {"type": "string"}}}
WORDS = "The quick brown fox reads a file, edits two lines of it, and runs the tests again. "


def body(dialect: str, size: int) -> bytes:
    """An agent's conversation: rules, 12 tools, and turns of call and result up to `size` bytes."""
    turns = max(1, (size - 8_000) // 1_500)
    rules, result = WORDS * 50, WORDS * 14
    tools = [{"name": f"tool_{i}", "description": WORDS, "schema": SCHEMA} for i in range(12)]
    if dialect == "messages":
        talk: list[Any] = [{"role": "user", "content": "Fix the tests."}]
        for i in range(turns):
            use = {"type": "tool_use", "id": f"toolu_{i}", "name": "tool_1", "input": {"path": "a.py"}}
            talk.append({"role": "assistant", "content": [{"type": "text", "text": WORDS}, use]})
            talk.append(
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"toolu_{i}", "content": result}]}
            )
        listed = [{"name": t["name"], "description": t["description"], "input_schema": t["schema"]} for t in tools]
        whole = {"model": "auto", "max_tokens": 4000, "system": rules, "tools": listed, "messages": talk}
    elif dialect == "responses":
        talk = [{"role": "user", "content": "Fix the tests."}]
        for i in range(turns):
            talk.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": WORDS}]})
            talk.append(
                {"type": "function_call", "call_id": f"call_{i}", "name": "tool_1", "arguments": '{"path":"a.py"}'}
            )
            talk.append({"type": "function_call_output", "call_id": f"call_{i}", "output": result})
        listed = [{"type": "function", "name": t["name"], "parameters": t["schema"]} for t in tools]
        whole = {"model": "auto", "instructions": rules, "tools": listed, "input": talk}
    else:
        talk = [{"role": "system", "content": rules}, {"role": "user", "content": "Fix the tests."}]
        for i in range(turns):
            call = {
                "id": f"call_{i}",
                "type": "function",
                "function": {"name": "tool_1", "arguments": '{"path":"a.py"}'},
            }
            talk.append({"role": "assistant", "content": WORDS, "tool_calls": [call], "reasoning_content": ""})
            talk.append({"role": "tool", "tool_call_id": f"call_{i}", "content": result})
        listed = [{"type": "function", "function": {"name": t["name"], "parameters": t["schema"]}} for t in tools]
        whole = {"model": "auto", "tools": listed, "messages": talk}
    return orjson.dumps(whole)


def median_ms(raw: bytes, dialect: Any, model: Model) -> float:
    times = []
    wire = messages if model.wire == "anthropic" else chat
    read = DIALECTS[dialect].read_request
    for _ in range(RUNS):
        began = time.process_time_ns()
        wire.write_request(Call(read(raw), model, 4000, 1.0))
        times.append(time.process_time_ns() - began)
    return statistics.median(times) / 1e6


def main() -> None:
    rows = []
    for size in (30_000, 300_000):
        for dialect in ("chat", "messages", "responses"):
            raw = body(dialect, size)
            for model in MODELS:
                row = {"dialect": dialect, "wire": model.name, "bytes": len(raw)}
                rows.append({**row, "ms": round(median_ms(raw, dialect, model), 3)})
                print(rows[-1])
    worst = max(row["ms"] for row in rows if row["bytes"] < 100_000)
    print(f"30 kB: at most {worst} ms; the goal is {GOAL_MS}")
    found = {"machine": platform.platform(), "python": platform.python_version(), "goal_ms": GOAL_MS, "rows": rows}
    Path(__file__).with_name("results").joinpath("translation.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
