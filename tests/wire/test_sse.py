from __future__ import annotations

import pytest

from levelhead.errors import StreamBroken
from levelhead.wire import sse
from levelhead.wire.sse import Decoder, Event, encode


def events(*parts: bytes) -> list[tuple[str, bytes]]:
    decoder = Decoder()
    found = [event for part in parts for event in decoder.feed(part)]
    return [(event.event, event.data) for event in found + decoder.flush()]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: {}\n\n", [("", b"{}")]),
        (b"data:{}\n\n", [("", b"{}")]),
        (b"data:  {}\n\n", [("", b" {}")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", b"a"), ("", b"b")]),
        (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
        (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
        (b"data: a\ndata\ndata: b\n\n", [("", b"a\n\nb")]),
        (b"event: error\ndata: x\n\n", [("error", b"x")]),
        (b"data: x\nevent: ping\nid: 7\nretry: 10\n\n", [("ping", b"x")]),
        (b": keep-alive\n\n: keep-alive\n\ndata: x\n\n", [("", b"x")]),
        (b": why\ndata: x\n\n", [("", b"x")]),
        (b"event: ping\n\ndata: x\n\n", [("", b"x")]),
        (b"\n\n\ndata: x\n\n\n\ndata: y\n\n", [("", b"x"), ("", b"y")]),
        (b"\xef\xbb\xbfdata: x\n\n", [("", b"x")]),
        (b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [("", b"x")]),
        (b"data: [DONE]", [("", b"[DONE]")]),
        (b"data: [DONE]\n", [("", b"[DONE]")]),
        (b"data: a:b\n\n", [("", b"a:b")]),
        (b"data:\n\n", [("", b"")]),
        (b"", []),
    ],
)
def test_framing(stream: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert events(stream) == expected
    assert events(*(stream[at : at + 1] for at in range(len(stream)))) == expected


def test_an_event_is_out_with_its_blank_line() -> None:
    assert Decoder().feed(b"data: x\r\n\r") == [Event("", b"x", b"data: x\n\n")]


def test_raw_is_the_whole_frame() -> None:
    decoder = Decoder()
    assert decoder.feed(b"event: a\r\ndata: 1\r\n\r\n")[0].raw == b"event: a\ndata: 1\n\n"
    assert decoder.feed(b"\n\ndata: 2\n\n")[0].raw == b"data: 2\n\n"


@pytest.mark.parametrize("piece", [b"x" * 40, b"data: " + b"x" * 40, b"x\n" * 20])
def test_an_endless_event_is_refused(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    decoder = Decoder()
    decoder.feed(piece)
    decoder.feed(piece)
    with pytest.raises(StreamBroken):
        decoder.feed(piece)


def test_a_large_event_in_one_read_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(StreamBroken):
        Decoder().feed(b"data: " + b"x" * 100 + b"\n\n")


def test_encode() -> None:
    assert encode(b"{}") == b"data: {}\n\n"
    assert encode(b"{}", "error") == b"event: error\ndata: {}\n\n"
    assert encode(b"a\r\nb\rc\nd") == b"data: a\ndata: b\ndata: c\ndata: d\n\n"
