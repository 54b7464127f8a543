"""How long and how much: the bounds on every upstream exchange."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `first_byte` counts from the request, `idle` between two reads; a call's own `timeout` bounds it all."""

    connect: float = 5.0
    first_byte: float = 120.0
    idle: float = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, connections, seconds. `high_water`: what a streamed answer may pile up before its reader takes it."""

    head_bytes: int = 65_536
    body_bytes: int = 67_108_864
    high_water: int = 262_144
    connections: int = 500  # open to each origin at once: one for each call
    idle_connections: int = 256  # kept for each origin
    idle_seconds: float = 30.0
