"""Two proxies over one Redis, which is killed and comes back: one budget, nothing overspent, nothing counted twice."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from levelhead.testing import RedisServer, Reply
from levelhead.types import Usage

from .conftest import PAIR
from .house import Proxy, Vendors, day_begun, eventually
from .talk import PATIENCE

LIMIT = Decimal("0.05")
PRICE = Decimal("0.00102")  # 10 tokens in, 100 out
KEYS = {"ours": {"models": PAIR, "team": "red"}, "theirs": {"models": PAIR, "team": "red"}, "alone": {"models": PAIR}}
BUDGETS = [{"scope": "team", "name": "red", "usd": float(LIMIT), "per": "month"}, {"scope": "run", "usd": 1}]


@pytest.mark.skipif(not RedisServer.installed(), reason="needs redis-server")
def test_one_budget_over_two_machines(vendors: Vendors, tmp_path: Path) -> None:
    """64 requests at once by two keys of one team, on both proxies, while Redis is away for a moment."""
    day_begun()  # and the month
    vendors.claude.answer = lambda body: Reply(text="So be it.", usage=Usage(input=10, output=100))
    halfway = threading.Event()
    with RedisServer(tmp_path, durable=True) as server, ExitStack() as stack:
        state = {"url": server.url}
        proxies = [
            stack.enter_context(Proxy(tmp_path / name, vendors, keys=KEYS, budgets=BUDGETS, state=state))
            for name in ("one", "two")
        ]

        def ask(number: int) -> Decimal | None:
            if number == 20:
                halfway.set()
            client = proxies[number % 2].client("ours" if number % 4 < 2 else "theirs")
            headers = {"x-levelhead-run": f"r{number % 3}"}
            said = client.chat(f"{number}", model="claude-sonnet", max_tokens=100, headers=headers)
            assert said.status == 200 or said.error["code"] == "insufficient_quota"
            return said.cost if said.status == 200 else None

        with ThreadPoolExecutor(16) as pool:
            answers = [pool.submit(ask, number) for number in range(64)]
            assert halfway.wait(PATIENCE)
            server.kill()
            server.start()
            costs = [cost for cost in (answer.result() for answer in answers) if cost is not None]
        spent = len(costs) * PRICE
        assert sum(costs) == spent
        assert LIMIT * 9 / 10 < spent <= LIMIT
        assert len(vendors.claude.requests) == len(costs)
        for proxy in proxies:
            client = proxy.client("theirs")
            eventually(lambda c=client: c.balance("team:red").spent == spent, "both know")  # type: ignore[misc]
            assert proxy.client("alone").chat("?", model="claude-sonnet", max_tokens=100).status == 200
            shown = {row["scope"] for row in proxy.client("alone").get("/v1/budgets").body["budgets"]}
            assert not shown & {"team:red"}
            assert proxy.metric("budget_usd", scope="team:red", kind="limit") == LIMIT
