"""Laws of streams in every dialect: however a vendor's bytes are cut, a client hears the same, all of it, in order."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from levelhead.testing import FakeAnthropic, FakeDeepSeek, FakeOpenAI, Reply, ToolUse
from levelhead.types import Call, Capabilities, Chat, Model, Price
from levelhead.wire import chat, messages
from levelhead.wire.dialects import DIALECTS

PRICE = Price(1, 1, 1, 1, 1)
MODELS: dict[str, tuple[Model, Any]] = {
    name: (Model(name, "t", 0, wire, name, PRICE, Capabilities()), vendor)  # type: ignore[arg-type]
    for name, wire, vendor in (
        ("claude-sonnet-5-5", "anthropic", FakeAnthropic),
        ("deepseek-v4-flash", "openai", FakeDeepSeek),
        ("gpt-4.1", "openai", FakeOpenAI),
    )
}
TOOL = {"type": "object", "properties": {}}
BODIES: dict[str, dict[str, Any]] = {
    "chat": {
        "messages": [{"role": "user", "content": "hi"}],
        "stream_options": {"include_usage": True},
        "tools": [{"type": "function", "function": {"name": "look", "parameters": TOOL}}],
    },
    "messages": {
        "messages": [{"role": "user", "content": "hi"}],
        "max_tokens": 999,
        "tools": [{"name": "look", "input_schema": TOOL}],
    },
    "responses": {"input": "hi", "tools": [{"type": "function", "name": "look", "parameters": TOOL}]},
}
replies = st.builds(
    lambda text, reasoning, calls, chars: Reply(text=text, reasoning=reasoning, tools=calls, piece_chars=chars),
    st.text(max_size=30),
    st.sampled_from(["", "Hm.\n"]),
    st.lists(st.builds(ToolUse, st.just("look"), st.sampled_from(["{}", '{"at":"ä\\n"}']), st.just(None)), max_size=2)
    .map(tuple),
    st.integers(1, 9),
)  # fmt: skip


def asked(dialect: str) -> Chat:
    raw = orjson.dumps({"model": "auto", "stream": True, **BODIES[dialect]})
    return DIALECTS[dialect].read_request(raw)  # type: ignore[index]


def told(dialect: str, model: str, pieces: list[bytes]) -> bytes:
    """What the client is sent for these reads."""
    request, (to, _) = asked(dialect), MODELS[model]
    call = Call(request, to, 999, 1.0)
    reader: Any = messages.open_reader(call) if to.wire == "anthropic" else chat.StreamReader(request, call)
    writer = DIALECTS[request.dialect].writer(request)
    out = [writer.write(reader.feed(piece), 0.5) for piece in pieces]
    if not reader.finished:
        out.append(writer.write(reader.finish(), 0.5))
    return b"".join([*out, writer.end()])


def events(raw: bytes) -> list[Any]:
    """The JSON of each event, without what is new in every answer."""
    found = [orjson.loads(line[6:]) for line in raw.split(b"\n") if line.startswith(b"data: {")]
    for event in found:
        for holder in (event, event.get("response") or {}):
            for name in ("created", "created_at", "completed_at"):
                holder.pop(name, None)
    return found


@given(st.sampled_from(list(BODIES)), st.sampled_from(list(MODELS)), replies, st.data())
def test_any_cutting_of_a_stream_is_heard_alike(dialect: str, model: str, reply: Reply, data: st.DataObject) -> None:
    vendor = MODELS[model][1]()
    frames = vendor.events(reply, {"model": model, "messages": BODIES["chat"]["messages"], "max_tokens": 999})
    whole = b"".join(frames)
    at_once = told(dialect, model, [whole])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if a < b]
    assert events(told(dialect, model, pieces)) == events(at_once)
    assert events(told(dialect, model, frames)) == events(at_once)


@given(replies)
def test_claudes_own_frames_are_relayed_as_they_came(reply: Reply) -> None:
    """All but the count, which says what the answer costs."""
    vendor = FakeAnthropic()
    frames = vendor.events(reply, {"model": "claude-sonnet-5-5", "messages": [], "max_tokens": 999})
    sent = told("messages", "claude-sonnet-5-5", frames)
    *before, _, stop = frames
    assert sent.startswith(b"".join(before))
    assert sent.endswith(stop)
    (count,) = events(sent[len(b"".join(before)) : -len(stop)])
    assert count["usage"].pop("cost_usd") == 0.5
    assert [count] == events(frames[-2])
