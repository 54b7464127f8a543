"""Server-sent events: bytes in any chunking -> events, and back (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import StreamBroken

__all__ = ["MAX_EVENT_BYTES", "Decoder", "Event", "encode"]

MAX_EVENT_BYTES = 8 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """`raw` is the whole frame, blank line included, with line ends normalised to LF."""

    event: str
    data: bytes
    raw: bytes


_new = tuple.__new__  # half the time of the named tuple's own constructor


class Decoder:
    """Incremental framing. Any chunking of the same bytes gives the same events; comments give none."""

    __slots__ = ("_after_cr", "_parts", "_size", "_started")

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # bytes since the last blank line
        self._size = 0
        self._after_cr = False
        self._started = False

    def feed(self, data: bytes) -> list[Event]:
        """Raises `StreamBroken` for an event above `MAX_EVENT_BYTES`."""
        if not self._started:
            data = self._without_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._normalised(data)
        if not data:
            return []
        parts = self._parts
        # what nearly every read brings: one event of one data line
        end = len(data) - 2
        if not parts and data[:6] == b"data: " and data[end:] == b"\n\n" and data.find(b"\n") == end <= MAX_EVENT_BYTES:
            return [_new(Event, ("", data[6:end], data))]
        if b"\n\n" not in data and not (data[0] == 10 and parts and parts[-1][-1] == 10):
            self._keep(data)
            return []
        if parts:
            parts.append(data)
            data = b"".join(parts)
            parts.clear()
            self._size = 0
        *blocks, rest = data.split(b"\n\n")
        if rest:
            self._keep(rest)
        events = []
        for block in blocks:
            # the shape nearly every event has: one data line and nothing else
            if block[:6] == b"data: " and b"\n" not in block and len(block) <= MAX_EVENT_BYTES:
                events.append(_new(Event, ("", block[6:], block + b"\n\n")))
            elif block and (event := _parse(block)) is not None:
                events.append(event)
        return events

    def flush(self) -> list[Event]:
        """At the end of the body: an event whose closing blank line never came (some servers forget it)."""
        block = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        event = _parse(block) if block else None
        return [] if event is None else [event]

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > MAX_EVENT_BYTES:
            raise StreamBroken(f"The upstream sent an event of more than {MAX_EVENT_BYTES} bytes.")

    def _without_bom(self, data: bytes) -> bytes:
        data = b"".join(self._parts) + data
        self._parts.clear()
        self._size = 0
        if len(data) < len(_BOM) and _BOM.startswith(data):
            if data:
                self._keep(data)
            return b""
        self._started = True
        return data.removeprefix(_BOM)

    def _normalised(self, data: bytes) -> bytes:
        """CRLF and CR become LF. A CR at the end is a line end at once; an LF that follows it belongs to it."""
        if self._after_cr and data[:1] == b"\n":
            data = data[1:]
            if not data:
                self._after_cr = False
                return data
        if data:
            self._after_cr = data[-1] == 13
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _parse(block: bytes) -> Event | None:
    if len(block) > MAX_EVENT_BYTES:
        raise StreamBroken(f"The upstream sent an event of more than {MAX_EVENT_BYTES} bytes.")
    event = ""
    lines: list[bytes] = []
    for line in block.split(b"\n"):
        name, _, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"data":
            lines.append(value)
        elif name == b"event":
            event = value.decode("utf-8", "replace")
    if not lines:
        return None
    return Event(event, b"\n".join(lines), block.strip(b"\n") + b"\n\n")


def encode(data: bytes, event: str | None = None) -> bytes:
    """One frame. Data of several lines becomes several data lines."""
    if b"\n" in data or b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\ndata: ")
    if event:
        return b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"
