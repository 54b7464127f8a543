"""A stored answer as bytes: a checksum, a small head for the headers, then the body as it goes out."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from typing import Any

import orjson

from ..types import Level, Usage

_FRAME = struct.Struct(">4sII")  # magic with version, CRC-32 of all that follows, length of the head
_MAGIC = b"LHE1"
_REMEMBERED_BYTES = 16_384
_counts = attrgetter(*(field.name for field in fields(Usage)))


@dataclass(frozen=True, slots=True)
class Entry:
    """What a hit needs. `body` is a chat.completion object as JSON; costs are what the answer cost when it was made.

    `reason` is the decision's then, so that a person who asks for the decision sees why that model had been chosen.
    """

    body: bytes
    finish: str
    model: str
    tier: str
    reason: str
    level: Level | None
    confidence: float
    cost_usd: float
    baseline_usd: float
    usage: Usage

    def completion(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.body)
        return body


def encode(entry: Entry) -> bytes:
    """Raises nothing for an `Entry` whose numbers are finite."""
    head = orjson.dumps(
        (
            entry.finish,
            entry.model,
            entry.tier,
            entry.reason,
            entry.level,
            entry.confidence,
            entry.cost_usd,
            entry.baseline_usd,
            _counts(entry.usage),
        )
    )
    checksum = zlib.crc32(entry.body, zlib.crc32(head))
    return b"".join((_FRAME.pack(_MAGIC, checksum, len(head)), head, entry.body))


def decode(data: bytes | None) -> Entry | None:
    """None (a miss) for anything damaged, foreign or of another version."""
    if data is None:
        return None
    return _remembered(data) if len(data) <= _REMEMBERED_BYTES else _decoded(data)


def _decoded(data: bytes) -> Entry | None:
    if len(data) < _FRAME.size:
        return None
    magic, checksum, length = _FRAME.unpack_from(data)
    start = _FRAME.size + length
    if magic != _MAGIC or zlib.crc32(memoryview(data)[_FRAME.size :]) != checksum or data[start : start + 1] != b"{":
        return None
    try:
        finish, model, tier, reason, level, *numbers, usage = orjson.loads(data[_FRAME.size : start])
        confidence, cost_usd, baseline_usd = map(float, numbers)
        return Entry(
            body=data[start:],
            finish=str(finish),
            model=str(model),
            tier=str(tier),
            reason=str(reason),
            level=None if level is None else Level(level),
            confidence=confidence,
            cost_usd=cost_usd,
            baseline_usd=baseline_usd,
            usage=Usage(*map(int, usage)),
        )
    except (TypeError, ValueError):  # the checksum holds, so somebody else wrote it
        return None


# The memory tier gives the same bytes for each hit. At most 256 x 2 x 16 KB are kept.
_remembered = lru_cache(256)(_decoded)
