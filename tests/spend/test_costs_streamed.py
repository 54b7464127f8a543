"""Bills of streamed answers, whose usage comes in pieces: the vendors' own events, against sums worked out by hand."""

import json
from datetime import UTC, datetime

import pytest

from levelhead.spend import cost, lookup
from levelhead.types import Chat
from levelhead.wire import chat as openai_wire
from levelhead.wire.messages_stream import StreamReader as ClaudeReader

PEAK = datetime(2026, 11, 24, 2, tzinfo=UTC).timestamp()
CHAT = Chat("chat", {}, "auto", [{"role": "user", "content": "hi"}], stream=True)


def claude(first, *later):
    """message_start with its counts, a text, a message_delta for each of `later`: what there is so far."""
    events = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "m", "role": "assistant", "usage": first}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "So be it."}},
        {"type": "content_block_stop", "index": 0},
        *({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage} for usage in later),
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def openai(*chunks):
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b"data: [DONE]\n\n"


def piece(usage=None, *, content=None, finish=None, choices=True):
    choice = {"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}
    return {"id": "x", "object": "chat.completion.chunk", "choices": [choice] if choices else [], "usage": usage}


WRITES = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 3_000,
    "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 1_000},
    "cache_read_input_tokens": 50_000,
    "output_tokens": 4,
}
GPT_USAGE = {
    "prompt_tokens": 300_000,
    "completion_tokens": 1_000,
    "total_tokens": 301_000,
    "prompt_tokens_details": {"cached_tokens": 200_000, "cache_write_tokens": 50_000},
    "completion_tokens_details": {"reasoning_tokens": 900},
}
DEEPSEEK_USAGE = {
    "prompt_tokens": 7_400,
    "completion_tokens": 500,
    "total_tokens": 7_900,
    "prompt_cache_hit_tokens": 6_400,
    "prompt_cache_miss_tokens": 1_000,
    "completion_tokens_details": {"reasoning_tokens": 300},
}
# By hand, in nanodollars. Opus 5.5: $4 new, $5 written for 5 minutes, $8 for an hour, $0.20 read, $20 out.
OPUS = 12 * 4_000 + 2_000 * 5_000 + 1_000 * 8_000 + 50_000 * 200 + 800 * 20_000
# GPT-5.6 above 272,000 tokens: twice $4 new, $0.40 cached, $5 written; one and a half times $20 out.
GPT = 2 * (50_000 * 4_000 + 200_000 * 400 + 50_000 * 5_000) + 1_000 * 30_000
# DeepSeek Flash at peak: $0.006 hit, $0.30 missed, $1.20 out.
FLASH = 6_400 * 6 + 1_000 * 300 + 500 * 1_200


@pytest.mark.parametrize("size", [1, 7, 100_000], ids=["bytes", "pieces", "whole"])
@pytest.mark.parametrize(
    ("model", "wire", "stream", "nanos"),
    [
        ("claude-opus-5-5", "anthropic", claude(WRITES, {"output_tokens": 800}), OPUS),
        # what is counted so far, twice, and the input again
        (
            "claude-opus-5-5",
            "anthropic",
            claude(WRITES, {"output_tokens": 300}, {**WRITES, "output_tokens": 800}),
            OPUS,
        ),
        (
            "gpt-5.6",
            "openai",
            openai(piece(content="So be it."), piece(finish="stop"), piece(GPT_USAGE, choices=False)),
            GPT,
        ),
        # on the last chunk that has a choice, and no chunk of its own
        ("deepseek-flash", "openai", openai(piece(content="So be it."), piece(DEEPSEEK_USAGE, finish="stop")), FLASH),
    ],
)
def test_a_stream_costs_what_the_vendor_bills(model, wire, stream, nanos, size):
    reader = (ClaudeReader if wire == "anthropic" else openai_wire.StreamReader)(CHAT)
    for start in range(0, len(stream), size):
        reader.feed(stream[start : start + size])
    reader.finish()
    base_url = "https://api.deepseek.com" if model.startswith("deepseek") else None
    assert cost(reader.usage, lookup(model, wire, base_url).price, PEAK) == nanos


@pytest.mark.parametrize(
    ("model", "wire", "base_url", "share"),
    [
        ("claude-opus-5-5", "anthropic", None, 0.05),
        ("claude-sonnet-5-5", "anthropic", None, 0.05),
        ("claude-fable-5-1", "anthropic", None, 0.025),
        ("claude-haiku-4-5", "anthropic", None, 0.1),
        ("gpt-5.6", "openai", None, 0.1),
        ("deepseek-flash", "openai", "https://api.deepseek.com/v1", 0.02),
        ("deepseek-v4-pro", "openai", "https://api.deepseek.com/v1", 0.022 / 0.66),
    ],
)
def test_what_a_cached_token_costs_of_a_new_one(model, wire, base_url, share):
    price = lookup(model, wire, base_url).price
    assert price.cached_input / price.input == pytest.approx(share)
    if "claude" in model:
        assert price.cache_write / price.input == pytest.approx(1.25)
        assert price.cache_write_1h / price.input == pytest.approx(2)
