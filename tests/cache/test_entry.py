import zlib

import orjson
import pytest

from levelhead.cache import Entry, decode, encode
from levelhead.cache.entry import _FRAME
from levelhead.types import Level, Usage

ENTRY = Entry(
    body=orjson.dumps({"object": "chat.completion", "choices": [{"message": {"content": "vier 四"}}]}),
    finish="stop",
    model="deepseek-flash",
    tier="efficient",
    reason="quality_met",
    level=Level.L2,
    confidence=0.72,
    cost_usd=0.00021,
    baseline_usd=0.0041,
    usage=Usage(input=10, cached_input=20, cache_write=3, cache_write_1h=4, output=5, reasoning=2),
)
DATA = encode(ENTRY)


def test_round_trip():
    assert decode(DATA) == ENTRY
    assert decode(DATA).level is Level.L2
    assert decode(DATA).completion()["choices"][0]["message"]["content"] == "vier 四"
    assert len(DATA) < len(ENTRY.body) + 140


def test_any_flipped_bit_and_any_cut_is_a_miss():
    for i in range(len(DATA)):
        assert decode(DATA[:i] + bytes([DATA[i] ^ (1 << i % 8)]) + DATA[i + 1 :]) is None, i
        assert decode(DATA[:i]) is None
    assert decode(DATA + b" ") is None


def forged(head: object, body: bytes = b"{}") -> bytes:
    raw = orjson.dumps(head)
    return _FRAME.pack(b"LHE1", zlib.crc32(raw + body), len(raw)) + raw + body


GOOD = ["stop", "m", "t", "r", 2, 0.5, 0.1, 0.2, [1, 0, 0, 0, 1, 0]]


@pytest.mark.parametrize(
    "data",
    [
        forged(GOOD[:-1]),
        forged([*GOOD, 1]),
        forged([*GOOD[:4], 9, *GOOD[5:]]),
        forged([*GOOD[:5], "x", *GOOD[6:]]),
        forged([*GOOD[:5], None, *GOOD[6:]]),
        forged([*GOOD[:8], {"input": 1}]),
        forged([*GOOD[:8], [1] * 7]),
        forged({"a": 1}),
        forged(None),
        forged(GOOD, b"[]"),
        forged(GOOD, b""),
    ],
)
def test_a_right_checksum_over_wrong_contents_is_a_miss(data):
    assert decode(forged(GOOD)) is not None
    assert decode(data) is None
