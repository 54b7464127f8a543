"""One connection: what it accepts, in which order it answers, what it refuses, and how long it waits."""

from __future__ import annotations

import hashlib

import pytest

from levelhead.serve import limits
from levelhead.serve.limits import (
    BODY_SECONDS,
    HEAD_SECONDS,
    LINGER_BYTES,
    LINGER_SECONDS,
    MOST_AHEAD,
    MOST_BODY_BYTES,
    MOST_HEAD_BYTES,
    REQUEST_SECONDS,
    SLOW_SECONDS,
)
from levelhead.serve.protocol import HttpProtocol

from .peer import HIGH_WATER, KEEP_ALIVE, Clock, Peer, chunked, live, request, settle


def test_a_request_and_its_answer():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request("POST", "/a%20b/%C3%A9?q=1", b"hello", "X-Name: grüße 漢"))
        (answer,) = peer.answers
        assert answer.status == 200
        assert answer.echo["path"] == "/a b/é"
        assert answer.echo["headers"]["x-name"] == "grüße 漢"
        assert answer.echo["hash"] == hashlib.sha256(b"hello").hexdigest()
        assert peer.open

    live(scene)


def test_header_bytes_that_are_no_utf8_are_latin_1():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nX-Name: caf\xe9\r\nContent-Length: 0\r\n\r\n")
        assert peer.answers[0].echo["headers"]["x-name"] == "café"

    live(scene)


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("http://proxy/v1/models?x", "/v1/models"),
        ("http://proxy", "/"),
        ("*", "*"),
        ("/%zz", "/%zz"),
        ("/%ff", "/\N{REPLACEMENT CHARACTER}"),
        ("//x", "//x"),
    ],
)
def test_a_target_in_any_form(target: str, path: str):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request("OPTIONS" if target == "*" else "GET", target, None))
        assert peer.app.served[0][1] == path

    live(scene)


def test_pipelined_requests_are_answered_in_their_order():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/slow") + request(path="/one") + request(path="/two"))
        assert peer.answers == []
        peer.app.gate.set()
        await settle()
        assert [peer.answers[0].echo, *(answer.echo["path"] for answer in peer.answers[1:])] == [
            {"slow": True},
            "/one",
            "/two",
        ]

    live(scene)


def test_requests_far_ahead_are_not_read():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/slow"), *[request(path="/next")] * (MOST_AHEAD + 3))
        assert not peer.pipe.reading
        assert len(peer.app.served) == 1
        peer.app.gate.set()
        await settle()
        assert peer.pipe.reading
        assert peer.statuses == [200] * (MOST_AHEAD + 1)

    live(scene)


@pytest.mark.parametrize(
    ("version", "header", "kept"),
    [
        ("1.1", None, True),
        ("1.1", "Connection: close", False),
        ("1.0", None, False),
        ("1.0", "Connection: keep-alive", False),
    ],
)
def test_keep_alive(version: str, header: str | None, kept: bool):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request("GET", "/", None, *([header] if header else []), version=version))
        await settle()
        assert peer.statuses == [200]
        assert peer.open is kept
        assert ("connection" in peer.answers[0].headers) is not kept
        await peer.send(request("GET", "/", None))
        assert peer.statuses == [200] * (1 + kept)

    live(scene)


def test_an_answer_in_pieces():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request("GET", "/stream", None))
        assert peer.answers[0].headers["transfer-encoding"] == "chunked"
        assert peer.answers[0].body == b"piece\n" * 3
        assert peer.open

    live(scene)


def test_an_answer_in_pieces_for_http_1_0_ends_with_the_connection():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request("GET", "/stream", None, version="1.0"))
        head, _, body = bytes(peer.pipe.out).partition(b"\r\n\r\n")
        assert b"chunked" not in head
        assert b"connection: close" in head
        assert body == b"piece\n" * 3
        assert not peer.open
        assert not peer.pipe.aborted

    live(scene)


def test_head_has_the_headers_of_get_and_no_body():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request("HEAD", "/big", None) + request("GET", "/x", None))
        head, _, rest = bytes(peer.pipe.out).partition(b"\r\n\r\n")
        assert b"content-length: 100000" in head
        assert rest.startswith(b"HTTP/1.1 200 OK\r\n")

    live(scene)


# --- Expect: 100-continue ---


def test_a_client_that_asks_first_is_told_to_go_on():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        whole = request("POST", "/", b"hello", "Expect: 100-continue")
        await peer.send(whole[:-5])
        assert bytes(peer.pipe.out) == b"HTTP/1.1 100 Continue\r\n\r\n"
        await peer.send(b"hello")
        assert peer.answers[0].echo["size"] == 5

    live(scene)


def test_it_is_told_so_when_it_is_its_turn():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/slow"), request("POST", "/", b"hello", "Expect: 100-continue")[:-5])
        assert not peer.pipe.out
        peer.app.gate.set()
        await settle()
        assert peer.pipe.out.endswith(b"}HTTP/1.1 100 Continue\r\n\r\n")
        await peer.send(b"hello")
        assert peer.statuses == [200, 200]

    live(scene)


def test_an_old_client_is_not_told():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request("POST", "/", b"hello", "Expect: 100-continue", version="1.0")[:-5])
        assert not peer.pipe.out

    live(scene)


def test_a_refused_client_is_told_at_once_and_its_body_is_not_taken_for_a_request():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        smuggled = request(path="/smuggled")
        await peer.send(
            request("POST", "/refused", b"", "Expect: 100-continue").replace(b"Length: 0", b"Length: 10000")
        )
        assert peer.statuses == [401]
        await peer.send(smuggled, smuggled)
        assert peer.statuses == [401]
        assert peer.app.served == []
        await clock.pass_(LINGER_SECONDS)
        assert not peer.open

    live(scene)


# --- what is too much ---


def test_headers_without_end():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(b"GET / HTTP/1.1\r\nx: ", *[b"a" * 1000] * (MOST_HEAD_BYTES // 1000 + 2))
        assert peer.statuses == [431]
        assert peer.app.served == []

    live(scene)


@pytest.mark.parametrize("reads", [1, 2, 3, 50])
def test_large_headers_are_refused_however_they_are_cut(reads: int):
    async def scene(clock: Clock) -> None:
        for size, status in ((MOST_HEAD_BYTES // 2, 200), (MOST_HEAD_BYTES, 431)):
            peer = Peer()
            whole = request("GET", "/", None, *(f"X-{n}: {'a' * 93}" for n in range(size // 100)))
            step = len(whole) // reads + 1
            await peer.send(*(whole[at : at + step] for at in range(0, len(whole), step)))
            assert peer.statuses == [status]

    live(scene)


def test_a_large_body_before_a_head_is_no_large_head():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        large = request("POST", "/", b"x" * MOST_HEAD_BYTES)
        await peer.send(large + large[:100], large[100:] + b"GET / HT", b"TP/1.1\r\n\r\n")
        assert peer.statuses == [200, 200, 200]

    live(scene)


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_a_body_above_the_limit(framing: str):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        if framing == "chunked":
            piece = b"%x\r\n%b\r\n" % (1 << 20, b"x" * (1 << 20))
            head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            await peer.send(head, *[piece] * (MOST_BODY_BYTES // (1 << 20) + 1))
        else:
            await peer.send(b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\nx" % (MOST_BODY_BYTES + 1))
        assert peer.statuses == [413]
        assert peer.app.served == []
        assert "connection" in peer.answers[0].headers
        await peer.send(*[b"x" * (1 << 20)] * (LINGER_BYTES // (1 << 20)))
        assert not peer.open

    live(scene)


def test_a_body_at_the_limit():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        body = b"x" * MOST_BODY_BYTES
        await peer.send(request(body=body))
        assert peer.answers[0].echo["size"] == MOST_BODY_BYTES

    live(scene)


@pytest.mark.parametrize(
    ("first", "then"),
    [(b"1;e=", b"e" * 60_000), (b"0\r\nT: ", b"t" * 60_000), (b"", b"1;%b\r\nx\r\n" % (b"e" * 60_000))],
    ids=["one extension", "one trailer", "extensions"],
)
def test_a_body_that_is_padding(first: bytes, then: bytes):
    """Extensions and trailers count for nothing, and would never end."""

    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + first)
        sent = 0
        while not peer.answers and sent < 4_000_000:
            await peer.send(then)
            sent += len(then)
        assert peer.statuses == [400]
        assert sent < 1_000_000

    live(scene)


def test_a_body_in_single_bytes():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        body = b"hello world" * 50
        whole = chunked(body, [1] * len(body))
        await peer.send(*(whole[at : at + 1] for at in range(len(whole))))
        assert peer.answers[0].echo["hash"] == hashlib.sha256(body).hexdigest()

    live(scene)


# --- what is no HTTP, or two requests to somebody else ---

SMUGGLING = {
    "both lengths": b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "both lengths, reversed": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "the same length twice": b"POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": b"POST / HTTP/1.1\r\nContent-Length: 0, 44\r\n\r\n",
    "a signed length": b"POST / HTTP/1.1\r\nContent-Length: +0\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    "a hexadecimal length": b"POST / HTTP/1.1\r\nContent-Length: 0x0\r\n\r\n",
    "an empty length": b"POST / HTTP/1.1\r\nContent-Length: \r\n\r\n",
    "a length beyond 64 bits": b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n",
    "bare line feeds": b"POST / HTTP/1.1\nContent-Length: 0\n\n",
    "a bare line feed in a header": b"POST / HTTP/1.1\r\nX: y\nContent-Length: 0\r\n\r\n",
    "a bare carriage return": b"POST / HTTP/1.1\r\nX: y\rContent-Length: 0\r\n\r\n",
    "a folded header": b"POST / HTTP/1.1\r\nX: y\r\n z\r\nContent-Length: 0\r\n\r\n",
    "a space before the colon": b"POST / HTTP/1.1\r\nContent-Length : 0\r\n\r\n",
    "a NUL": b"POST / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": b"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "chunked, then identity": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "two codings": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a vertical tab": b"POST / HTTP/1.1\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a chunk size with a line feed": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
    "a chunk size with a prefix": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n0\r\n\r\n",
    "a negative chunk size": b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "a chunk beyond 64 bits": b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nx\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version of the future": b"POST / HTTP/1.7\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("cut", ["whole", "in bytes"])
@pytest.mark.parametrize("behind", [b"", request("GET", "/smuggled", None)], ids=["alone", "followed"])
@pytest.mark.parametrize("raw", SMUGGLING.values(), ids=SMUGGLING.keys())
def test_what_two_servers_could_read_differently_is_refused(raw: bytes, behind: bytes, cut: str):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        raw_ = raw + behind
        await peer.send(*([raw_] if cut == "whole" else (raw_[at : at + 1] for at in range(len(raw_)))))
        assert peer.statuses == [400]
        assert peer.app.served == []
        await clock.pass_(LINGER_SECONDS)
        assert not peer.open

    live(scene)


def test_noise_behind_a_request_spares_the_request():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/slow") + b"noise\r\n\r\n")
        peer.app.gate.set()
        await settle()
        assert peer.statuses == [200, 400]

    live(scene)


def test_what_follows_a_last_request_is_not_served():
    async def scene(clock: Clock) -> None:
        for first in (request("GET", "/", None, "Connection: close"), request("GET", "/", None, version="1.0")):
            peer = Peer()
            await peer.send(first + request(path="/next"))
            assert [path for _, path, _ in peer.app.served] == ["/"]

    live(scene)


def test_what_follows_a_refused_body_in_the_same_read_is_not_served():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        refused = request("POST", "/refused", b"x" * 100, "Expect: 100-continue")
        await peer.send(refused + request(path="/next") + request(path="/slow"))
        assert peer.statuses == [401]
        assert peer.app.served == []
        assert not peer.state.tasks

    live(scene)


def test_a_fault_of_our_own_is_named_without_its_message(caplog: pytest.LogCaptureFixture):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/broken"))
        assert not peer.open

    live(scene)
    assert "RuntimeError" in caplog.text
    assert "secret" not in caplog.text


# --- upgrades ---


@pytest.mark.parametrize("read", [1, 7, 10_000])
@pytest.mark.parametrize("framing", ["content-length", "chunked", "none"])
def test_an_upgrade_is_declined_by_answering(framing: str, read: int):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA"
        if framing == "chunked":
            whole = chunked(b"hello", [2]).replace(b"Host: proxy", upgrade.encode())
        else:
            whole = request("POST", "/", b"hello" if framing == "content-length" else None, upgrade)
        whole = whole + whole + request("GET", "/next", None)
        await peer.send(*(whole[at : at + read] for at in range(0, len(whole), read)))
        assert peer.statuses == [200, 200, 200]
        assert [body for _, _, body in peer.app.served] == [b"" if framing == "none" else b"hello"] * 2 + [b""]
        assert peer.open

    live(scene)


def test_a_body_may_speak_of_upgrades():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        body = b'{\r\nupgrade: h2c\r\nUpgrade: websocket\r\n"a": 1}'
        await peer.send(request(body=body) + request(path="/next"))
        assert [served[2] for served in peer.app.served] == [body, b"{}"]

    live(scene)


def test_a_tunnel_is_refused():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(b"CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n" + request(path="/smuggled"))
        await settle()
        assert len(peer.app.served) == 1
        assert not peer.open

    live(scene)


# --- patience ---


@pytest.mark.parametrize(
    ("start", "patience"),
    [
        (b"GET / HT", HEAD_SECONDS),
        (b"GET / HTTP/1.1\r\nX: y\r\n", HEAD_SECONDS),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n", BODY_SECONDS),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n", BODY_SECONDS),
    ],
)
def test_a_request_that_stops_is_refused_in_time(start: bytes, patience: float):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(start)
        await clock.pass_(patience - 1)
        assert peer.open
        assert not peer.pipe.out
        await clock.pass_(2 + LINGER_SECONDS)
        assert peer.statuses == [408]
        assert not peer.open

    live(scene)


def test_headers_that_drip_get_no_more_time_for_it():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(b"GET / HTTP/1.1\r\n")
        for _ in range(int(HEAD_SECONDS)):
            await peer.send(b"X: y\r\n")
            await clock.pass_(1)
        assert peer.statuses == [408]

    live(scene)


def test_a_body_that_drips_gets_ten_minutes():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n")
        waited = 0.0
        while peer.open and waited < 2 * REQUEST_SECONDS:
            await peer.send(b"x")
            await clock.pass_(BODY_SECONDS - 1)
            waited += BODY_SECONDS - 1
        assert peer.statuses == [408]
        assert waited <= REQUEST_SECONDS + BODY_SECONDS

    live(scene)


@pytest.mark.parametrize("asked", [0, 1])
def test_an_idle_connection_is_closed(asked: int):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(*[request("GET", "/", None)] * asked)
        await clock.pass_(KEEP_ALIVE - 1)
        assert peer.open
        await clock.pass_(2)
        assert not peer.open
        assert peer.statuses == [200] * asked

    live(scene)


@pytest.mark.parametrize("ahead", [0, 1, 2])
def test_an_answer_may_take_its_time(ahead: int):
    """Whatever waits behind it."""

    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/slow"), *[request(path="/next")] * ahead)
        await clock.pass_(500)
        assert peer.open
        peer.app.gate.set()
        await settle()
        assert peer.statuses == [200] * (1 + ahead)
        await clock.pass_(KEEP_ALIVE + 1)
        assert not peer.open

    live(scene)


def test_half_a_request_behind_a_slow_answer_is_waited_for_no_longer_than_any():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/slow"), b"POST / HT")
        await clock.pass_(HEAD_SECONDS + 1)
        peer.app.gate.set()
        await settle()
        assert peer.statuses == [200, 408]

    live(scene)


# --- clients that read slowly, or leave ---


def test_answers_that_nobody_reads_do_not_pile_up():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        peer.pipe.taken = False
        await peer.send(*[request("GET", "/big", None)] * (MOST_AHEAD + 5))
        assert len(peer.app.served) == 1
        assert peer.pipe.unread < HIGH_WATER + peer.app.big
        assert not peer.pipe.reading
        peer.pipe.take()
        await settle()
        assert len(peer.app.served) == MOST_AHEAD + 2
        peer.pipe.taken = False
        await peer.send(*[request("GET", "/big", None)] * 3)
        await clock.pass_(SLOW_SECONDS + 1)
        assert peer.pipe.aborted

    live(scene)


def test_one_answer_that_nobody_reads_is_cut_off():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        peer.pipe.taken = False
        await peer.send(request("GET", "/big", None))
        await clock.pass_(SLOW_SECONDS + 1)
        assert peer.pipe.aborted

    live(scene)


def test_a_stream_waits_for_a_slow_client():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        peer.app.piece, peer.app.pieces = b"x" * 40_000, 5
        peer.pipe.taken = False
        await peer.send(request("GET", "/stream", None))
        assert peer.pipe.unread < 2.5 * HIGH_WATER
        await clock.pass_(60)
        assert peer.open
        peer.pipe.take()
        await settle()
        assert peer.answers[0].body == b"x" * 200_000

    live(scene)


def test_a_stream_gives_a_client_up_that_reads_nothing():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        peer.app.piece, peer.app.pieces = b"x" * 100_000, 5
        peer.pipe.taken = False
        await peer.send(request("GET", "/stream", None))
        await clock.pass_(SLOW_SECONDS + 1)
        assert peer.pipe.aborted
        assert peer.app.cancelled == 1
        assert not peer.state.tasks

    live(scene)


@pytest.mark.parametrize("path", ["/slow", "/stream"])
def test_the_work_for_a_client_that_leaves_is_cancelled(path: str):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        peer.app.pieces = 1_000
        await peer.send(request(path=path) + request(path="/next"))
        peer.leave()
        await settle()
        assert peer.app.cancelled == 1
        assert [served for _, served, _ in peer.app.served] == [path]
        assert not peer.state.tasks
        assert not peer.state.connections

    live(scene)


def test_a_client_that_leaves_within_its_request_is_forgotten():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(body=b"hello")[:-1])
        peer.leave()
        await clock.pass_(2 * REQUEST_SECONDS)
        assert peer.app.served == []
        assert not peer.pipe.out

    live(scene)


# --- the drain ---


def test_an_idle_connection_closes_when_the_server_drains():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request())
        peer.protocol.shutdown()
        assert not peer.open

    live(scene)


def test_a_busy_connection_closes_after_its_answer():
    async def scene(clock: Clock) -> None:
        peer = Peer()
        await peer.send(request(path="/slow") + request(path="/next"))
        peer.protocol.shutdown()
        peer.app.gate.set()
        await settle()
        assert peer.answers[0].headers["connection"] == "close"
        assert len(peer.app.served) == 1
        assert not peer.open

    live(scene)


@pytest.mark.parametrize("status", [429, 499, 529, 599])
def test_a_vendors_own_status_is_handed_on(status: int, monkeypatch: pytest.MonkeyPatch):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        monkeypatch.setattr(peer.app, "serve", lambda exchange: exchange.reply(status, b"{}"))
        await peer.send(request())
        assert peer.statuses == [status]

    live(scene)


# --- many connections ---


def test_connections_above_the_limit_are_told_so_and_then_cut():
    async def scene(clock: Clock) -> None:
        first = Peer(most=10)
        others = [Peer(state=first.state, most=10) for _ in range(9)]
        one_more = Peer(state=first.state, most=10)
        assert one_more.statuses == [503]
        assert one_more.answers[0].headers["connection"] == "close"
        assert Peer(state=first.state, most=10).pipe.aborted
        await settle()
        await one_more.send(request())
        await clock.pass_(LINGER_SECONDS + 1)
        assert not one_more.open
        await first.send(request())
        assert first.statuses == [200]
        others[0].leave()
        late = Peer(state=first.state, most=10)
        await late.send(request())
        assert late.statuses == [200]

    live(scene)


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
def test_large_bodies_share_a_bounded_memory(framing: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MOST_STORED_BYTES", 1_000_000)
    body = b"x" * 400_000
    whole = chunked(body, [50_000] * 8) if framing == "chunked" else request(body=body)

    async def scene(clock: Clock) -> None:
        first, second, third = Peer(), Peer(), Peer()
        await first.send(whole[:-10])
        await second.send(whole[:-10])
        for read in range(0, len(whole), 50_000):
            await third.send(whole[read : read + 50_000])
        assert third.statuses == [503]
        second.leave()
        await first.send(whole[-10:])
        assert first.statuses == [200]
        fourth = Peer()
        await fourth.send(whole)
        assert fourth.answers[0].echo["size"] == len(body)
        for peer in (third, fourth):
            peer.leave()
        assert HttpProtocol.stored == 0

    live(scene)
