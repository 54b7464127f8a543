"""Answers to exactly this request, from memory, from disk, or from a call that is under way."""

from .conversations import Conversations
from .disk import DiskTier
from .entry import Entry, decode, encode
from .flight import Seat, SingleFlight
from .key import CacheUse, cache_key, cacheable, serving_set
from .memory import MemoryTier
from .tiers import TieredCache

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
