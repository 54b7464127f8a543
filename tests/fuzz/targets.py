"""What is fuzzed: all that reads what a stranger wrote. A target takes its chance and may raise levelhead's errors."""

from __future__ import annotations

import base64
import random
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from levelhead.assemble import rooms_of
from levelhead.cache import DiskTier, decode, encode
from levelhead.cache.entry import Entry
from levelhead.config import Config, from_mapping, load
from levelhead.errors import LevelheadError
from levelhead.passage import Ask
from levelhead.router import Pipeline
from levelhead.testing import FakeAnthropic, FakeDeepSeek, FakeOpenAI, Reply, ToolUse
from levelhead.types import Call, Dialect, Key, Level, Model, Usage
from levelhead.wire import chat, messages
from levelhead.wire.dialects import DIALECTS, render, write
from levelhead.wire.responses_items import sealed

from .mutate import JUNK, cut, damaged, scarred

Target = Callable[[random.Random], None]

FILE: dict[str, Any] = {
    "models": {
        "flash": {"tier": "efficient", "wire": "openai", "model": "deepseek-v4-flash", "api_key_env": "K"},
        "gpt": {"tier": "strong", "wire": "openai", "model": "gpt-5.6", "api_key_env": "K"},
        "claude": {"tier": "strong", "wire": "anthropic", "model": "claude-sonnet-5-5", "api_key_env": "K",
                   "price": {"input": 2, "output": 10}, "capabilities": {"vision": True},
                   "extra_headers": {"x-a": "b"}},
        "embed": {"tier": "efficient", "wire": "openai", "model": "text-embedding-3-small", "api_key_env": "K"},
    },
    "tiers": ["efficient", "strong"],
    "keys": [{"name": "team", "key_env": "TEAM", "slots": ["critic"], "requests_per_minute": 10}],
    "slots": {"critic": {"floor": "strong", "max_output_tokens": 100, "min_output_tokens": 10}},
    "budgets": [{"scope": "key", "name": "team", "usd": 2, "per": "day"}, {"scope": "run", "usd": 0.5}],
    "aliases": {"gpt-*": "auto", "claude-*": "auto/critic"},
    "cache": {"ttl_seconds": 10, "when": "always"},
    "limits": {"in_flight": 3},
    "timeouts": {"connect": 1},
    "goal": {"max_quality_loss": 0.1},
    "charter": {"bounds": {"pacing": [0, 1]}},
    "state": {"url": "sqlite:///tmp/x.db"},
}  # fmt: skip
ENVIRONMENT = {"K": "sk-0123456789", "TEAM": "sk-team-0123456789"}
TOOL = {
    "name": "look",
    "description": "Looks.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
}
IMAGE = "data:image/png;base64,iVBORw0KGgo="

REQUESTS: dict[Dialect, dict[str, Any]] = {
    "chat": {
        "model": "auto",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"},
                                         {"type": "image_url", "image_url": {"url": IMAGE}}]},
            {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "user", "content": "Really?"},
        ],
        "tools": [{"type": "function", "function": TOOL}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
        "stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5, "stop": ["a", "b"], "n": 1,
        "max_tokens": 100, "metadata": {"run": "r", "slot": "critic"}, "seed": 5,
        "reasoning_effort": "low",
    },
    "messages": {
        "model": "claude-sonnet-4-5", "max_tokens": 2000, "system": [{"type": "text", "text": "Be brief.",
                                                                      "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image", "source": {
                "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}, {
                "type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [
                {"type": "text", "text": "a cat"}]}]},
        ],
        "tools": [{"name": "look", "input_schema": {"type": "object"}}], "tool_choice": {"type": "auto"},
        "thinking": {"type": "enabled", "budget_tokens": 1024}, "stop_sequences": ["a"], "metadata": {"user_id": "u"},
        "output_config": {"effort": "low"}, "top_k": 5,
    },
    "responses": {
        "model": "auto", "instructions": "Be brief.", "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "What is it?"},
                                         {"type": "input_image", "image_url": IMAGE}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}],
             "encrypted_content": "abc"},
            {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "A cat."}]},
        ],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}},
                  {"type": "custom", "name": "c"}],
        "tool_choice": "auto", "reasoning": {"effort": "low", "summary": "auto"}, "stream": True, "store": False,
        "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "object"}}}, "max_output_tokens": 10,
        "include": ["reasoning.encrypted_content"], "metadata": {"run": "r"},
    },
    "completions": {
        "model": "auto", "prompt": "Once upon", "max_tokens": 10, "stream": True, "stop": ["\n"], "temperature": 0,
        "metadata": {"session": "s"},
    },
    "embeddings": {"model": "embed", "input": ["One.", "Two."], "encoding_format": "float", "dimensions": 8},
}  # fmt: skip
HEADERS = {
    "x-levelhead-run": "run-1", "x-levelhead-slot": "critic", "x-levelhead-session": "s", "x-levelhead-task": "t",
    "x-levelhead-cache": "no-cache", "baggage": "levelhead.run=r,b=c;d", "x-claude-code-session-id": "s",
    "session-id": "a", "thread-id": "b", "x-codex-turn-metadata": '{"turn_id": "x"}', "anthropic-version": "2023-06-01",
    "x-session-id": "o", "traceparent": "00-a-b-01",
}  # fmt: skip


@cache
def house() -> tuple[Pipeline, tuple[Model, ...]]:
    rooms = rooms_of(from_mapping(FILE, env=ENVIRONMENT))
    return Pipeline(rooms), tuple(rooms.models.values())


def request(dialect: Dialect) -> Target:
    """From the bytes of a request to a decision, and to what each vendor would be sent."""

    def target(rng: random.Random) -> None:
        pipeline, models = house()
        tree = damaged(REQUESTS[dialect], rng)
        if dialect == "responses" and rng.random() < 0.2:
            tree = {**REQUESTS[dialect], "input": [{"type": "reasoning", "encrypted_content": _forged(rng)}, _SAID]}
        raw = _json(tree)
        if rng.random() < 0.1:
            raw = scarred(raw, rng)
        pipeline.explain(Ask(raw, {}, Key("team"), dialect))
        call = DIALECTS[dialect].read_request(raw)
        for model in models:
            try:
                written = messages if model.wire == "anthropic" else chat
                written.write_request(Call(call, model, 500, 30.0))  # type: ignore[attr-defined]
            except LevelheadError:
                continue

    return target


def identity(rng: random.Random) -> None:
    pipeline, _ = house()
    headers = {name: value for name, value in HEADERS.items() if rng.random() < 0.5}
    for name in headers:
        if rng.random() < 0.6:
            headers[name] = scarred(headers[name].encode(), rng).decode("latin-1")
    body = {"model": "auto", "messages": [{"role": "user", "content": "x"}], "metadata": {"run": "r", "user_id": "u"}}
    pipeline.explain(Ask(_json(damaged(body, rng)), headers, Key("team"), rng.choice(("chat", "messages"))))


def stream(rng: random.Random) -> None:
    """A vendor's stream, damaged, through its reader and a dialect's writer. What can't be told is `StreamBroken`."""
    vendor, model_name = rng.choice(((FakeOpenAI(), "gpt-5.6"), (FakeDeepSeek(), "deepseek-v4-flash"),
                                     (FakeAnthropic(), "claude-sonnet-5-5")))  # fmt: skip
    _, models = house()
    model = next(known for known in models if known.upstream_model == model_name)
    body = {"model": model_name, "messages": [], "max_tokens": 500, "stream_options": {"include_usage": True}}
    reply = Reply(text="Well, é漢. " * 3, reasoning="hm", tools=(ToolUse("look", '{"at": 1}'),), piece_chars=5)
    frames = vendor.events(reply, body)
    if rng.random() < 0.7:  # whole events with damaged JSON
        at = rng.randrange(len(frames))
        head, _, data = frames[at].rpartition(b"data: ")
        if data.startswith(b"{"):
            frames[at] = head + b"data: " + _json(damaged(orjson.loads(data), rng)) + b"\n\n"
    raw = b"".join(frames) if rng.random() < 0.5 else scarred(b"".join(frames), rng)
    dialect = rng.choice(tuple(DIALECTS))
    asked = DIALECTS[dialect].read_request(_json(REQUESTS[dialect]))
    call = Call(asked, model, 500, 30.0)
    reader = messages.open_reader(call) if model.wire == "anthropic" else chat.StreamReader(asked, call)
    writer = DIALECTS[dialect].writer(asked)
    for piece in cut(raw, rng):
        write(writer, reader.feed(piece), None)
    write(writer, reader.finish(), 0.1)
    writer.end()


def answer(rng: random.Random) -> None:
    """A vendor's whole answer, damaged."""
    vendor, model_name = rng.choice(((FakeOpenAI(), "gpt-5.6"), (FakeAnthropic(), "claude-sonnet-5-5")))
    _, models = house()
    model = next(known for known in models if known.upstream_model == model_name)
    body = {"model": model_name, "messages": [], "max_tokens": 100}
    raw = vendor.render(Reply(text="Well.", tools=(ToolUse("look", '{"at": 1}'),)), body)
    raw = _json(damaged(orjson.loads(raw), rng)) if rng.random() < 0.8 else scarred(raw, rng)
    dialect = rng.choice(tuple(DIALECTS))
    asked = DIALECTS[dialect].read_request(_json({**REQUESTS[dialect], "stream": False}))
    call = Call(asked, model, 500, 30.0)
    read = messages.read_answer(raw, call) if model.wire == "anthropic" else chat.read_answer(raw, call)
    render(read, asked)


def config(rng: random.Random) -> None:
    tree = damaged(FILE, rng)
    if rng.random() < 0.7 and isinstance(tree, dict):
        from_mapping(tree, env=ENVIRONMENT, lenient=rng.random() < 0.3)
        return
    raw = scarred(yaml.safe_dump(tree, allow_unicode=True).encode(), rng)
    with tempfile.NamedTemporaryFile(suffix=".yaml") as file:
        file.write(raw)
        file.flush()
        found: Config = load(file.name, env=ENVIRONMENT)
        assert found.models


def cache_row(rng: random.Random) -> None:
    entry = Entry(body=b'{"choices":[]}', finish="stop", model="m", tier="t", reason="cache", level=Level.L1,
                  confidence=0.5, cost_usd=0.1, baseline_usd=0.2, usage=Usage(1, 2))  # fmt: skip
    decode(scarred(encode(entry), rng))
    tree = orjson.loads(encode(entry).partition(b"\n")[0]) if b"\n" in encode(entry) else None
    if tree is not None:
        decode(_json(damaged(tree, rng)) + b"\n{}")


def cache_file(rng: random.Random) -> None:
    """A damaged database, or rows that nobody here wrote: at worst a miss."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "responses"
        tier = DiskTier(directory, ttl_seconds=60, max_bytes=10_000_000)
        for number in range(20):
            tier.put(b"key %d" % number, b"value %d" % number * 50)
        tier.flush()
        tier.close()
        if rng.random() < 0.5:
            file = directory / "cache.db"
            raw = bytearray(file.read_bytes())
            for _ in range(rng.choice((1, 10, 1000))):
                raw[rng.randrange(len(raw))] = rng.randrange(256)
            file.write_bytes(raw)
        else:
            _plant(directory / "cache.db", rng)
        tier = DiskTier(directory, ttl_seconds=60, max_bytes=10_000_000)
        for number in range(20):
            found = tier.get(b"key %d" % number)
            assert found is None or type(found[0]) is bytes
        tier.put(b"new", b"value")
        tier.flush()
        tier.close()


def _plant(file: Path, rng: random.Random) -> None:
    values: tuple[Any, ...] = (
        None,
        0,
        1,
        2,
        3,
        4,
        -1,
        1e300,
        "text",
        b"bytes",
        b"\x80\x04N.",
        "x" * 2000,
        "/etc/passwd",
    )
    with sqlite3.connect(file) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(Cache)")]
        for _ in range(10):
            column = rng.choice(columns)
            with suppress(sqlite3.IntegrityError):
                change = (rng.choice(values), rng.randrange(20))
                db.execute(f'UPDATE OR IGNORE Cache SET "{column}" = ? WHERE rowid = ?', change)
    db.close()


_SAID = {"role": "user", "content": "So?"}


def _forged(rng: random.Random) -> str:
    """Thoughts in a seal that anybody can make."""
    honest = sealed([{"type": "thinking", "thinking": "x", "signature": "s"}], "")
    mark = honest[: -len(honest.rpartition(".")[2])] if "." in honest else honest[:4]
    kept = {"blocks": damaged({"x": [{"type": "thinking", "thinking": "x"}]}, rng), "text": rng.choice(JUNK)}
    return mark + base64.b64encode(_json(rng.choice([kept, {"blocks": rng.choice(JUNK)}, {"text": 5}]))).decode()


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str) if _fits(value) else repr(value).encode()


def _fits(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except (TypeError, orjson.JSONEncodeError):  # an integer beyond 64 bits
        return False
    return True


TARGETS: dict[str, Target] = {
    "chat": request("chat"),
    "messages": request("messages"),
    "responses": request("responses"),
    "completions": request("completions"),
    "embeddings": request("embeddings"),
    "identity": identity,
    "stream": stream,
    "answer": answer,
    "config": config,
    "cache_row": cache_row,
    "cache_file": cache_file,
}
