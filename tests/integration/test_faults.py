"""Vendors that fail before and after the first byte, and clients that leave: who answers, who pays, what is counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from levelhead.testing import Fault, Refusal, Reply, VendorServer
from levelhead.testing.replies import Scripted
from levelhead.types import Usage

from .house import Proxy, Vendors, eventually
from .talk import Client, text_of

pytestmark = pytest.mark.usefixtures("healed")

STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
LONG = "".join(f"word {number:03} " for number in range(100))
KEY = "key:duo"
# USD per token
PRICES = {
    "deepseek-flash": (Decimal("0.3e-6"), Decimal("1.2e-6")),
    "claude-sonnet": (Decimal("2e-6"), Decimal("10e-6")),
}


def ask(client: Client, stream: bool = False, **fields: Any) -> tuple[int, str, dict[str, str]]:
    """(status, text, headers) of an answer, in either form."""
    fields = {"model": "frugal", **fields}
    if stream:
        with client.stream(**fields) as answer:
            return answer.status, answer.text(), answer.headers
    said = client.chat(**fields)
    return said.status, said.text if said.status == 200 else "", dict(said.headers)


def busy(status: int, message: str = "", **headers: str) -> Refusal:
    return Refusal(status=status, message=message, headers=tuple((n.replace("_", "-"), v) for n, v in headers.items()))


@STREAMED
@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (busy(500), 3),
        (busy(503, x_should_retry="false"), 2),
        (busy(429, retry_after="30"), 2),
        (busy(402, "Insufficient Balance"), 2),
        (busy(401, "Authentication Fails"), 2),
        (busy(400, "Model Not Exist"), 2),
        (busy(413, "Request too large"), 2),
        (busy(400, "This model's maximum context length is 8 tokens. However, you requested 9 tokens"), 2),
        (Refusal(status=502, body=b"<html>Bad Gateway</html>", content_type="text/html"), 3),
        (Fault("reset"), 3),
        (Fault("cut"), 3),
    ],
    ids=[
        "500",
        "503, don't retry",
        "429 for long",
        "no credit",
        "our key",
        "our model",
        "413",
        "overflow",
        "HTML",
        "reset",
        "cut",
    ],
)
def test_another_model_answers(
    duo: Client, proxy: Proxy, vendors: Vendors, fault: Scripted, attempts: int, stream: bool
) -> None:
    vendors.deepseek.answer = lambda body: fault
    before, failed = duo.balance(KEY), proxy.metric("upstream_attempts_total", model="deepseek-flash")
    status, text, headers = ask(duo, stream)
    assert (status, text) == (200, "echo: hello")
    assert headers["x-levelhead-model"] == "claude-sonnet"
    assert headers["x-levelhead-tier"] == "strong"
    assert headers["x-levelhead-reason"] == "fallback"
    assert headers["x-levelhead-attempts"] == str(attempts)
    after = duo.balance(KEY)
    assert after.reserved == 0
    assert after.spent - before.spent == Decimal("0.00006")  # Claude's answer alone
    assert proxy.metric("upstream_attempts_total", model="deepseek-flash") - failed == attempts - 1


@STREAMED
def test_the_same_model_again(duo: Client, vendors: Vendors, stream: bool) -> None:
    vendors.deepseek.script(busy(500))
    status, _, headers = ask(duo, stream)
    assert (status, headers["x-levelhead-model"], headers["x-levelhead-attempts"]) == (200, "deepseek-flash", "2")
    assert headers["x-levelhead-reason"] == "quality_met; uncertified"
    assert not vendors.claude.requests


@pytest.mark.parametrize("kind", ["error", "cut", "reset"])
def test_a_stream_that_fails_before_its_first_word(duo: Client, vendors: Vendors, kind: Any) -> None:
    """200 and a role are no answer yet: nothing has gone out, so that another model may still answer."""
    broken = Reply(text=LONG, fault=Fault(kind, after=2))
    vendors.deepseek.script(broken, broken)
    status, text, headers = ask(duo, stream=True)
    assert (status, text, headers["x-levelhead-model"]) == (200, "echo: hello", "claude-sonnet")


@STREAMED
def test_all_fail(duo: Client, vendors: Vendors, stream: bool) -> None:
    vendors.deepseek.script(busy(500), busy(500))
    vendors.claude.script(busy(529), busy(529))
    before = duo.balance(KEY)
    said = duo.chat(model="frugal", stream=stream)
    assert (said.status, said.error["code"]) == (503, "upstream_unavailable")
    assert duo.balance(KEY) == before


@STREAMED
def test_a_refusal_is_no_reason_to_ask_elsewhere(duo: Client, vendors: Vendors, stream: bool) -> None:
    vendors.deepseek.script(busy(400, "Invalid stop value, at most 16 stop sequences are supported"))
    before = duo.balance(KEY)
    said = duo.chat(model="frugal", stream=stream)
    assert said.status == 400
    assert "at most 16 stop sequences" in said.error["message"]
    assert len(vendors.deepseek.requests) == 1
    assert not vendors.claude.requests
    assert duo.balance(KEY) == before


def vendor_of(vendors: Vendors, model: str) -> VendorServer:
    return vendors.claude if model == "claude-sonnet" else vendors.deepseek


@pytest.mark.parametrize("model", ["deepseek-flash", "claude-sonnet"])
@pytest.mark.parametrize("kind", ["error", "cut", "reset"])
def test_a_stream_that_breaks(duo: Client, proxy: Proxy, vendors: Vendors, model: str, kind: Any) -> None:
    """Said as an error event, without [DONE]; paid for as far as it came; not served from the cache afterwards."""
    vendor = vendor_of(vendors, model)
    vendor.script(Reply(text=LONG, fault=Fault(kind, after=20)))
    before, errors = duo.balance(KEY), proxy.metric("requests_total", model=model, outcome="error")
    fields = {"model": model, "temperature": 0, "said": f"break {kind}"}
    with duo.stream(**fields) as stream:
        *events, last = stream
    assert not stream.done
    assert set(last) == {"error"}
    assert last["error"]["message"]
    text = "".join(map(text_of, events))
    assert LONG.startswith(text)
    assert len(text) > 50
    after = duo.balance(KEY)
    assert after.reserved == 0
    price_in, price_out = PRICES[model]
    assert after.spent - before.spent >= (len(text) // 4) * price_out
    assert after.spent - before.spent <= len(text) * price_out + 300 * price_in
    assert proxy.metric("requests_total", model=model, outcome="error") - errors == 1
    again = duo.chat(**fields)
    assert again.headers["x-levelhead-cache"] == "miss"
    assert again.text == f"echo: break {kind}"


@pytest.mark.parametrize("model", ["deepseek-flash", "claude-sonnet"])
def test_a_client_that_leaves_in_mid_stream(duo: Client, proxy: Proxy, vendors: Vendors, model: str) -> None:
    vendor = vendor_of(vendors, model)
    vendor.script(Reply(text=LONG, fault=Fault("stall", after=20)))
    before, left = duo.balance(KEY), proxy.metric("requests_total", model=model, outcome="cancelled")
    with duo.stream(model=model) as stream:
        text = ""
        for event in stream:
            text += text_of(event)
            if len(text) > 50:
                break
        assert duo.balance(KEY).reserved > 0
        stream.leave()
    eventually(vendor.requests[0].gone.is_set, "the vendor is told")
    after = eventually(lambda: (b := duo.balance(KEY)).reserved == 0 and b, "the reservation is settled")
    price_in, price_out = PRICES[model]
    paid = after.spent - before.spent
    assert (len(text) // 4) * price_out <= paid <= len(LONG) * price_out / 2 + 300 * price_in
    assert proxy.metric("requests_total", model=model, outcome="cancelled") - left == 1


def test_the_input_that_claude_counted_is_paid(duo: Client, vendors: Vendors) -> None:
    """Its first event says what the input cost; a client that leaves afterwards owes it."""
    counted = Usage(input=3_000, output=500)
    vendors.claude.script(Reply(text=LONG, usage=counted, fault=Fault("stall", after=20)))
    before = duo.balance(KEY)
    parts = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    with duo.stream(model="claude-sonnet", messages=[{"role": "user", "content": parts}]) as stream:
        next(event for event in iter(stream) if text_of(event))
    after = eventually(lambda: (b := duo.balance(KEY)).reserved == 0 and b, "the reservation is settled")
    assert after.spent - before.spent >= 3_000 * PRICES["claude-sonnet"][0]


@pytest.mark.parametrize("model", ["deepseek-flash", "claude-sonnet"])
def test_an_estimate_stays_within_the_reservation(duo: Client, proxy: Proxy, vendors: Vendors, model: str) -> None:
    """Ten tokens of nine hundred bytes each: counted by bytes they would be two thousand."""
    vendor = vendor_of(vendors, model)
    stalled = Fault("stall", after=100)
    vendor.script(Reply(text=LONG * 10, piece_chars=90, usage=Usage(input=10, output=10), fault=stalled))
    before, saved = duo.balance(KEY), proxy.metric("saved_usd_total")
    with duo.stream(model=model, max_tokens=10) as stream:
        events, heard = iter(stream), 0
        while heard < 8_000:
            heard += len(text_of(next(events)))
        reserved = duo.balance(KEY).reserved
    after = eventually(lambda: (b := duo.balance(KEY)).reserved == 0 and b, "the reservation is settled")
    assert after.spent - before.spent == reserved
    assert proxy.metric("saved_usd_total") == saved  # a model that the client named saves nothing


@pytest.mark.parametrize("model", ["deepseek-flash", "claude-sonnet"])
def test_a_client_that_leaves_before_the_answer(duo: Client, vendors: Vendors, model: str) -> None:
    """The vendor may bill what it did: the whole reservation is charged."""
    vendor = vendor_of(vendors, model)
    vendor.script(Fault("stall"))
    before = duo.balance(KEY)
    connection = duo.begin(model=model)
    eventually(lambda: vendor.requests, "the vendor is asked")
    reserved = duo.balance(KEY).reserved
    assert reserved > 0
    connection.close()
    eventually(vendor.requests[0].gone.is_set, "the vendor is told")
    after = eventually(lambda: (b := duo.balance(KEY)).reserved == 0 and b, "the reservation is settled")
    assert after.spent - before.spent == reserved


def test_identical_requests_share_a_call(duo: Client, vendors: Vendors) -> None:
    """Until its leader leaves: then the next one asks."""
    vendors.deepseek.script(Fault("stall"))
    fields = {"model": "deepseek-flash", "temperature": 0, "said": "all together"}
    leader = duo.begin(**fields)
    eventually(lambda: len(vendors.deepseek.requests) == 1, "the leader asks")
    with ThreadPoolExecutor(8) as pool:
        followers = [pool.submit(duo.chat, **fields) for _ in range(8)]
        leader.close()
        answers = [follower.result() for follower in followers]
    assert {answer.text for answer in answers} == {"echo: all together"}
    assert len(vendors.deepseek.requests) == 2
    assert sorted(answer.headers["x-levelhead-cache"] for answer in answers) == ["hit"] * 7 + ["miss"]
    assert sum(answer.cost for answer in answers) == max(answer.cost for answer in answers) > 0


def test_answers_do_not_mix(duo: Client, vendors: Vendors) -> None:
    """Streams that end, streams that are left and whole answers, all over the same pooled connections."""

    def one(number: int) -> bool:
        said = f"<{number}> " * 60
        model = ("deepseek-flash", "claude-sonnet")[number % 2]
        if number % 3 == 0:
            return duo.chat(said, model=model).text == f"echo: {said}"
        with duo.stream(said, model=model) as stream:
            if number % 3 == 1:
                return stream.text() == f"echo: {said}"
            events = iter(stream)
            heard = "".join(text_of(next(events)) for _ in range(5 + number % 30))
            return f"echo: {said}".startswith(heard)

    opened = sum(vendor.connections for vendor in vendors.all)
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(one, range(192)))
    opened = sum(vendor.connections for vendor in vendors.all) - opened
    assert opened < 3 * vendors.asked // 4  # reused, but for streams that were left
    eventually(lambda: duo.balance(KEY).reserved == 0, "what was left is settled")
