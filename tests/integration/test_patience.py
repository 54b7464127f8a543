"""Timeouts, breakers, an upstream that isn't there, and a drain: proxies that may be stopped and kept waiting."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from levelhead.testing import Fault, Refusal, Reply

from .conftest import PAIR
from .house import Proxy, Vendors, eventually
from .talk import Client, text_of

KEY = "key:duo"


@pytest.fixture(scope="module")
def unheard() -> Iterator[socket.socket]:
    """Bound and never listening: nobody else is given its port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture(scope="module")
def hasty(
    running_vendors: Vendors, unheard: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """Waits three seconds for a vendor. `dead` is where nobody listens, and cheap."""
    models = running_vendors.models()
    dead = {
        **models["deepseek-flash"],
        "base_url": f"http://127.0.0.1:{unheard.getsockname()[1]}/v1",
        "price": {"input": 0.1, "output": 0.1},
    }
    with Proxy(
        tmp_path_factory.mktemp("hasty"),
        running_vendors,
        keys={"duo": {"models": PAIR}, "thin": {"models": PAIR}, "optimist": {"models": ["dead", "deepseek-flash"]}},
        models={**models, "dead": dead},
        slots={"frugal": {"max_quality_loss": 1.0}},
        budgets=[{"scope": "key", "usd": 10}, {"scope": "key", "name": "thin", "usd": 0.02}],
        timeouts={"connect": 3, "first_byte": 3, "idle": 2, "total": 30},
    ) as proxy:
        yield proxy


@pytest.fixture
def duo(hasty: Proxy, vendors: Vendors) -> Client:
    return hasty.client("duo")


def test_nothing_comes(duo: Client, vendors: Vendors) -> None:
    """Another model answers; what a vendor may bill of the call that it never finished is charged."""
    vendors.deepseek.script(Fault("stall"))
    before = duo.balance(KEY).spent
    said = duo.chat(model="frugal")
    assert said.text == "echo: hello"
    assert (said.model, said.headers["x-levelhead-reason"]) == ("claude-sonnet", "fallback")
    (request,) = vendors.deepseek.requests
    eventually(request.gone.is_set, "the vendor is told")
    assert said.headers["x-levelhead-attempts"] == "2"  # not the same vendor again, which may bill both
    assert said.cost > Decimal("0.00006") + Decimal("0.008")  # DeepSeek's 8,192 tokens are set aside for a call
    assert duo.balance(KEY).spent - before == said.cost
    assert duo.balance(KEY).reserved == 0


def test_no_more_comes(duo: Client, vendors: Vendors) -> None:
    vendors.claude.script(Reply(text="one two three four", fault=Fault("stall", after=5)))
    with duo.stream(model="claude-sonnet") as stream:
        *events, last = stream
    assert not stream.done
    assert last["error"]["code"] == "stream_broken"
    assert "one two".startswith("".join(map(text_of, events))[:7])
    eventually(vendors.claude.requests[0].gone.is_set, "the vendor is told")
    assert duo.balance(KEY).reserved == 0


def test_no_money_for_the_fallback(hasty: Proxy, vendors: Vendors) -> None:
    """The failure is told, not the budget: the client did ask for something that it could pay."""
    client = hasty.client("thin")
    down = Refusal(status=503, headers=(("x-should-retry", "false"),))
    vendors.deepseek.script(down)
    said = client.chat(model="frugal")
    assert (said.status, said.error["code"]) == (503, "upstream_unavailable")
    assert not vendors.claude.requests
    balance = client.balance("key:thin")
    assert (balance.spent, balance.reserved) == (0, 0)
    assert client.chat(model="frugal").model == "deepseek-flash"


def test_nobody_listens_until_the_breaker_opens(hasty: Proxy, vendors: Vendors) -> None:
    client = hasty.client("optimist")
    refused = client.chat(model="dead")
    assert (refused.status, refused.error["code"]) == (503, "upstream_unreachable")
    for _ in range(2):
        said = client.chat(model="frugal")
        assert (said.model, said.headers["x-levelhead-reason"]) == ("deepseek-flash", "fallback")
        assert said.headers["x-levelhead-attempts"] == "3"
    assert hasty.metric("breaker_state", model="dead") == 2
    said = client.chat(model="frugal")
    assert (said.model, said.headers["x-levelhead-attempts"]) == ("deepseek-flash", "1")
    assert client.balance("key:optimist").reserved == 0


def test_a_drain(vendors: Vendors, tmp_path: Path) -> None:
    """SIGTERM turns new work away, not the stream that is under way; a load balancer sees it."""
    budgets = [{"scope": "key", "usd": 10}]
    with Vendors() as own, Proxy(tmp_path, own, keys={"team": {}}, budgets=budgets) as proxy:
        own.claude.script(Reply(text="one two three four", fault=Fault("stall", after=5)))
        client = proxy.client("team")
        assert client.get("/readyz").status == 200
        with client.stream(model="claude-sonnet") as stream:
            first = text_of(next(event for event in iter(stream) if text_of(event)))
            proxy.process.send_signal(signal.SIGTERM)
            eventually(lambda: client.get("/readyz").status == 503, "it is no longer ready")
            assert client.get("/healthz").status == 200
            turned_away = client.chat(model="claude-sonnet")
            assert (turned_away.status, turned_away.error["code"]) == (503, "overloaded")
            assert turned_away.headers["retry-after"] == "1"
            assert turned_away.headers["connection"] == "close"
            own.release()
            rest = stream.text()
        assert stream.done
        assert first + rest == "one two three four"
        assert proxy.wait() in (0, -signal.SIGTERM)
        assert refuses(client)
        assert len(own.claude.requests) == 1
        assert "Traceback" not in proxy.log


def test_a_second_signal_ends_the_drain(vendors: Vendors, tmp_path: Path) -> None:
    """The stream that was under way ends with an error event; what was produced is paid."""
    budgets = [{"scope": "key", "usd": 10}]
    with Vendors() as own, Proxy(tmp_path, own, keys={"team": {}}, budgets=budgets) as proxy:
        own.claude.script(Reply(text="one two three four", fault=Fault("stall", after=5)))
        client = proxy.client("team")
        with client.stream(model="claude-sonnet") as stream:
            events = iter(stream)
            next(event for event in events if text_of(event))
            proxy.process.send_signal(signal.SIGTERM)
            eventually(lambda: client.get("/readyz").status == 503, "it is no longer ready")
            proxy.process.send_signal(signal.SIGTERM)
            *_, last = events
        assert last["error"]["code"] == "stream_broken"
        assert not stream.done
        assert proxy.wait() in (0, -signal.SIGTERM)
        eventually(own.claude.requests[0].gone.is_set, "the vendor is told")
        assert "Traceback" not in proxy.log
    with Vendors() as own, Proxy(tmp_path, own, keys={"team": {}}, budgets=budgets) as proxy:
        client = proxy.client("team")
        said = client.chat()
        balance = client.balance("key:team")
        assert balance.reserved == 0
        assert balance.spent > said.cost


def refuses(client: Client) -> bool:
    try:
        socket.create_connection((client.host, client.port), 1).close()
    except ConnectionError:
        return True
    return False
