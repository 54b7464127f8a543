"""Answers to exactly this request, from memory, from disk, or from a call that is under way."""

from typing import TYPE_CHECKING, Any

from .conversations import Conversations
from .entry import Entry, decode, encode
from .flight import Seat, SingleFlight
from .key import CacheUse, cache_key, cacheable, serving_set
from .memory import MemoryTier
from .tiers import TieredCache

if TYPE_CHECKING:
    from .disk import DiskTier as DiskTier

__all__ = [
    "CacheUse",
    "Conversations",
    "DiskTier",
    "Entry",
    "MemoryTier",
    "Seat",
    "SingleFlight",
    "TieredCache",
    "cache_key",
    "cacheable",
    "decode",
    "encode",
    "serving_set",
]


def __getattr__(name: str) -> Any:
    """`DiskTier` loads when it is asked for: diskcache takes a twentieth of a cold start, and `explain` needs none."""
    if name != "DiskTier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .disk import DiskTier

    return DiskTier
