"""Laws of a connection, over any requests and any cuts of their bytes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from serve.peer import Clock, Peer, chunked, live, request, settle

TOKEN = "abcdefghijklmnopqrstuvwxyz-"
names = st.text(TOKEN, min_size=1, max_size=12).map(lambda name: "x-" + name)
values = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20).map(str.strip)
headers = st.dictionaries(names, values, max_size=3)
bodies = st.binary(max_size=60)
paths = st.sampled_from(["/", "/slow", "/stream", "/big", "/refused", "/x"])
UPGRADE = ["Connection: upgrade", "Upgrade: h2c"]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    body, path = draw(bodies), draw(paths)
    lines = [f"{name}: {value}" for name, value in draw(headers).items()]
    lines += draw(st.sampled_from([[], [], UPGRADE]))
    if not draw(st.booleans()):
        return request(draw(st.sampled_from(["POST", "GET", "PUT"])), path, body, *lines)
    whole = chunked(body, draw(st.lists(st.integers(1, 20), max_size=4)), path)
    return whole.replace(b"Host: proxy", "\r\n".join(["Host: proxy", *lines]).encode(), 1)


def pieces(whole: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    return [whole[a:b] for a, b in pairwise(at)]


def outcome(reads: list[bytes]) -> tuple[list[tuple[str, str, bytes]], bytes]:
    """What the application was asked, and every byte of the answers."""

    async def scene(clock: Clock) -> tuple[list[tuple[str, str, bytes]], bytes]:
        peer = Peer()
        peer.app.big = 10
        peer.app.gate.set()
        await peer.send(*reads)
        await settle()
        assert not peer.state.tasks
        return peer.app.served, bytes(peer.pipe.out)

    return live(scene)


@given(st.lists(requests(), min_size=1, max_size=4), st.lists(st.integers(0, 10_000), max_size=12))
def test_requests_mean_the_same_however_their_bytes_are_cut(sent: list[bytes], cuts: list[int]):
    whole = b"".join(sent)
    alone = [outcome([one]) for one in sent]
    expected = [served for each, _ in alone for served in each], b"".join(out for _, out in alone)
    assert outcome([whole]) == expected
    assert outcome(pieces(whole, cuts)) == expected


@given(st.lists(requests(), max_size=2), st.binary(max_size=80), st.lists(st.integers(0, 10_000), max_size=8))
def test_noise_gets_an_answer_or_a_closed_connection(sent: list[bytes], noise: bytes, cuts: list[int]):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        peer.app.gate.set()
        await peer.send(*pieces(b"".join(sent) + noise, cuts))
        await clock.pass_(200)
        assert not peer.open
        assert not peer.state.tasks
        assert all(answer.status in (200, 400, 401, 408) for answer in peer.answers)

    live(scene)


@given(st.lists(requests(), min_size=1, max_size=3), st.data())
def test_damage_never_makes_two_requests_of_one(sent: list[bytes], data: st.DataObject):
    """One byte changed, added or taken: whatever is served is no more than was sent."""
    whole = b"".join(sent)
    at = data.draw(st.integers(0, len(whole) - 1))
    put = data.draw(st.binary(max_size=2))
    served, _ = outcome([whole[:at] + put + whole[at + 1 :]])
    assert len(served) <= len(sent)


@given(requests(), st.integers(0, 10_000))
def test_a_client_that_leaves_anywhere_leaves_nothing_behind(sent: bytes, at: int):
    async def scene(clock: Clock) -> None:
        peer = Peer()
        peer.app.pieces = 50
        await peer.send(sent[: at % (len(sent) + 1)])
        peer.leave()
        await settle()
        assert not peer.state.tasks
        assert not peer.state.connections
        written = len(peer.pipe.out)
        await clock.pass_(5)
        assert len(peer.pipe.out) == written

    live(scene)
