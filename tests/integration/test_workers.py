"""Two worker processes and no keys: one budget and one page of metrics over both, open to this machine alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import pytest

from levelhead.testing import Reply
from levelhead.types import Usage

from .house import Proxy, Vendors, eventually
from .talk import CHAT, Client, Said, chat_body

COST = Decimal("0.00102")
LIMIT = Decimal("0.05")


@pytest.fixture(scope="module")
def crew(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    budgets = [{"scope": "key", "usd": float(LIMIT)}]
    with Proxy(tmp_path_factory.mktemp("crew"), running_vendors, keys={}, workers=2, budgets=budgets) as proxy:
        yield proxy
        assert proxy.stop() in (0, -signal.SIGTERM)
        assert "Traceback" not in proxy.log


@pytest.fixture
def client(crew: Proxy, vendors: Vendors) -> Client:
    vendors.claude.answer = lambda body: Reply(text="So be it.", usage=Usage(input=10, output=100))
    return crew.client(None)


def test_metrics_and_budget_over_both(crew: Proxy, client: Client) -> None:
    """A rush on one small budget, from 32 connections that the kernel deals out to the workers."""

    def ask(number: int) -> Said:
        return client.chat(f"{number}", model="claude-sonnet", max_tokens=100)

    refused = crew.metric("requests_total", outcome="refused")
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(ask, range(96)))
    assert {answer.status for answer in answers} == {200, 429}
    served = [answer for answer in answers if answer.status == 200]
    spent = sum(answer.cost for answer in served)
    assert LIMIT / 2 < spent == len(served) * COST <= LIMIT
    for _ in range(8):  # whichever worker answers
        assert crew.metric("requests_total", outcome="ok") == len(served)
        assert crew.metric("requests_total", outcome="refused") - refused == 96 - len(served)
        assert crew.metric("cost_usd_total") == spent
    assert crew.metric("budget_overrun_usd_total") == 0
    eventually(lambda: client.balance("key:local").spent == spent, "the workers' postings meet")


@pytest.mark.parametrize(
    ("headers", "status", "param"),
    [
        ({"host": "evil.example"}, 403, "host"),
        ({"host": "127.0.0.1.evil.example:8100"}, 403, "host"),
        ({"origin": "https://evil.example"}, 403, "origin"),
        ({"origin": "null"}, 403, "origin"),
        ({"content-type": "text/plain"}, 400, "content-type"),
        ({"content-type": "application/x-www-form-urlencoded"}, 400, "content-type"),
        ({"content-type": ""}, 400, "content-type"),
    ],
)
def test_no_web_page_may_spend(
    client: Client, vendors: Vendors, headers: dict[str, str], status: int, param: str
) -> None:
    said = client.chat(headers=headers)
    assert (said.status, said.error["param"]) == (status, param)
    assert vendors.asked == 0


def test_a_page_of_this_machine_may(client: Client) -> None:
    headers = {"origin": f"http://localhost:{client.port}", "content-type": "application/json; charset=utf-8"}
    said = client.send("POST", "/v1/explain", chat_body("hello", {}), headers)
    assert said.status == 200
    assert client.send("POST", CHAT, chat_body("hello", {"n": 0}), headers).error["param"] == "n"


def workers(proxy: Proxy) -> list[int]:
    """Their process ids."""
    found = []
    for pid in Path(f"/proc/{proxy.process.pid}/task/{proxy.process.pid}/children").read_text().split():
        with suppress(OSError):  # it has ended meanwhile
            if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
    return found


def counted_in(pid: int) -> Path:
    """Where a worker keeps its part of the metrics."""
    variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return Path(next(v for v in variables if v.startswith(b"PROMETHEUS_MULTIPROC_DIR=")).decode().partition("=")[2])


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at processes as Linux shows them")
def test_a_worker_that_dies(crew: Proxy, client: Client) -> None:
    """Its counts stay and its gauges go; the other serves until there are two again."""
    refused = crew.metric("requests_total", outcome="refused")
    dead, other = eventually(lambda: two if len(two := workers(crew)) == 2 else None, "both are started")
    folder = counted_in(dead)
    # The first worker that is ready makes the server ready.
    eventually(lambda: list(folder.glob(f"gauge_live*_{dead}.db")), "it says something about now")
    os.kill(dead, signal.SIGKILL)
    eventually(lambda: dead not in (now := workers(crew)) and other in now and len(now) == 2, "another takes its place")
    eventually(lambda: not list(folder.glob(f"gauge_live*_{dead}.db")), "what it said about now is gone")
    assert crew.metric("requests_total", outcome="refused") == refused
    assert client.send("POST", "/v1/explain", chat_body("hello", {})).status == 200


def test_a_conversation_goes_on_with_whichever_worker(
    running_vendors: Vendors, vendors: Vendors, tmp_path: Path
) -> None:
    """`previous_response_id`, each turn over a connection of its own."""
    vendors.openai.answer = lambda body: Reply(text=f"{len(body['messages'])} so far", usage=Usage(input=1, output=1))
    last: dict[str, str] = {}
    with Proxy(tmp_path, running_vendors, keys={}, workers=2) as proxy:
        for turn in range(12):
            asked = {"model": "gpt-mini", "input": f"and {turn}?", **last}
            said = proxy.client(None).send("POST", "/v1/responses", asked)
            assert said.status == 200, said.raw
            assert said.body["output"][-1]["content"][0]["text"] == f"{2 * turn + 1} so far"
            last = {"previous_response_id": said.body["id"]}
