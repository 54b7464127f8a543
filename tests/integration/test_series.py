"""Series of /metrics: as many after anything that clients send as before it; and overhead that is no vendor's time."""

from __future__ import annotations

import random
import string
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from levelhead.testing import Fault, Refusal

from .conftest import PAIR
from .house import Proxy, Vendors


@pytest.fixture
def fresh(vendors: Vendors, tmp_path: Path) -> Iterator[Proxy]:
    keys, budgets = {"duo": {"models": PAIR}}, [{"scope": "run", "usd": 1}]
    with Proxy(tmp_path, vendors, keys=keys, slots={"critic": {}}, budgets=budgets) as proxy:
        yield proxy


def test_no_client_makes_series_without_end(fresh: Proxy, vendors: Vendors) -> None:
    """Random names wherever a client or a vendor may put one: none of them is a label, and series stay few."""
    lot, sent = random.Random(7), set()

    def word() -> str:
        sent.add(made := "".join(lot.choices(string.ascii_letters + "-_.:/", k=lot.randint(4, 30))))
        return made

    def ask() -> None:
        headers = {f"x-levelhead-{name}": word() for name in ("slot", "run", "session", "task") if lot.random() < 0.5}
        headers |= {"traceparent": word(), "user-agent": word()}
        if lot.random() < 0.1:
            refusal = Refusal(status=lot.randint(400, 599), message=word(), type=word(), code=word())
            vendors.deepseek.script(lot.choice([refusal, Fault("cut")]))
        model = lot.choice(["auto", "auto", "critic", word(), f"auto/{word()}", "claude-sonnet"])
        client = fresh.client(lot.choice(["duo", "duo", "duo", word()]))
        client.chat(word(), model=model, headers=headers, metadata={"slot": word()} if lot.random() < 0.2 else {})

    def samples() -> list[Sample]:
        page = fresh.client(None).get("/metrics").raw.decode()
        return [sample for family in text_string_to_metric_families(page) for sample in family.samples]

    for _ in range(300):
        ask()
    after = samples()
    values = {value for sample in after for name, value in sample.labels.items() if name not in ("le", "version")}
    assert not values & sent
    assert {value for value in values if value.isdigit()} <= {str(code) for code in range(400, 600)}
    assert {sample.labels["slot"] for sample in after if "slot" in sample.labels} == {"none", "other", "critic"}
    counted = {sample.name for sample in after if sample.name.startswith(("levelhead_", "gen_ai_"))}
    assert {"gen_ai_client_token_usage_bucket", "gen_ai_client_operation_duration_seconds_bucket"} <= counted
    most = {name: sum(sample.name == name for sample in after) for name in counted}
    assert max(most.values()) < 1_000, most


def test_waiting_for_a_vendor_is_no_overhead(fresh: Proxy, vendors: Vendors) -> None:
    """Between two tries, and for an answer that the same request of somebody else is getting."""
    duo = fresh.client("duo")
    vendors.deepseek.script(Refusal(status=429, headers=(("retry-after", "1"),)))
    before = fresh.metric("overhead_seconds_sum")
    taken: list[float] = []

    def ask() -> None:
        began = time.monotonic()
        assert duo.chat("the same", model="deepseek-flash", temperature=0).status == 200
        taken.append(time.monotonic() - began)

    both = [threading.Thread(target=ask) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(vendors.deepseek.requests) == 2
    assert min(taken) > 0.5
    assert fresh.metric("overhead_seconds_sum") - before < 0.9  # a second of waiting, had it been counted
