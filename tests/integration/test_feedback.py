"""Verdicts and the decision log, seen from outside: two keys, several workers, restarts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from levelhead.testing import Reply

from .conftest import PAIR
from .house import Proxy, Vendors, eventually
from .talk import Client, Said

SETTINGS: dict[str, Any] = {
    "keys": {"team-a": {"models": PAIR}, "team-b": {"models": PAIR}},
    "slots": {"drafter": {"ceiling": "efficient"}},
    "cache": {"ttl_seconds": 0},
}
EASY = "Translate 'cat' into French"


@pytest.fixture(scope="module")
def bureau(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("bureau"), running_vendors, workers=2, **SETTINGS) as proxy:
        yield proxy
    assert EASY not in proxy.log


def judge(client: Client, id: str, score: Any, **more: Any) -> Said:
    return client.send("POST", "/v1/feedback", {"decision_id": id, "score": score, **more})


def decided(client: Client, said: str = EASY, **fields: Any) -> str:
    return client.chat(said, **fields).headers["x-levelhead-decision-id"]


def test_a_decision_can_be_looked_up_by_its_key_alone(bureau: Proxy, vendors: Vendors) -> None:
    client = bureau.client("team-a")
    id = decided(client, model="auto/drafter")
    found = client.get(f"/v1/decisions/{id}")
    assert found.status == 200, found.raw
    row = found.body
    assert (row["id"], row["key"], row["slot"], row["outcome"]) == (id, "team-a", "drafter", "ok")
    assert (row["model"], row["tier"], row["level"]) == ("deepseek-flash", "efficient", "L1")
    assert row["cost_usd"] > 0
    assert row["attempts"][0][:2] == ["deepseek-flash", "ok"]
    gates = {c["model"]: c["why_not"] for c in row["decision"]["candidates"]}
    assert gates["claude-sonnet"] == "slot_ceiling" or gates["claude-sonnet"] is not None
    prices = {c["model"]: c["price"] for c in row["decision"]["candidates"]}
    assert prices["deepseek-flash"]["output"] > prices["deepseek-flash"]["cached_input"] > 0
    assert row["extras"] == []
    assert EASY.encode() not in found.raw
    assert bureau.client("team-b").get(f"/v1/decisions/{id}").status == 404
    assert bureau.client("team-b").send("POST", "/v1/feedback", {"decision_id": id, "score": 0}).status == 404
    assert bureau.client(None).get(f"/v1/decisions/{id}").status == 401


def test_a_verdict_counts_once_for_each_source(bureau: Proxy, vendors: Vendors) -> None:
    client = bureau.client("team-a")
    id = decided(client)
    said = judge(client, id, 0.25)
    assert said.status == 200, said.raw
    assert said.body == {"object": "feedback", "decision_id": id, "score": 0.25, "source": "client", "recorded": True}
    assert judge(client, id, 1).body["recorded"] is False
    assert judge(client, id, 1, source="unit-tests").body["recorded"] is True
    verdicts = client.get(f"/v1/decisions/{id}").body["verdicts"]
    assert [(v["source"], v["score"]) for v in verdicts] == [("client", 0.25), ("unit-tests", 1.0)]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"score": 1}, "decision_id"),
        ({"decision_id": 7, "score": 1}, "decision_id"),
        ({"decision_id": "dec_1"}, "score"),
        ({"decision_id": "dec_1", "score": 1.01}, "score"),
        ({"decision_id": "dec_1", "score": True}, "score"),
        ({"decision_id": "dec_1", "score": "1"}, "score"),
        ({"decision_id": "dec_1", "score": 1, "source": "a b"}, "source"),
        ({"decision_id": "dec_1", "score": 1, "source": "x" * 65}, "source"),
        ([], None),
    ],
)
def test_a_verdict_that_can_t_be_read_is_named(bureau: Proxy, body: Any, param: str | None) -> None:
    said = bureau.client("team-a").send("POST", "/v1/feedback", body)
    assert said.status == 400
    assert said.error["param"] == param


def test_an_unknown_decision_is_a_404(bureau: Proxy) -> None:
    said = judge(bureau.client("team-a"), "dec_nope", 1)
    assert said.status == 404
    assert said.error["code"] == "decision_not_found"


def test_verdicts_teach_every_worker_and_whoever_starts_later(
    running_vendors: Vendors, vendors: Vendors, tmp_path: Path
) -> None:
    def served(client: Client) -> tuple[float, float]:
        told = client.send("POST", "/v1/explain", {"messages": [{"role": "user", "content": EASY}]}).body["models"]
        return told["deepseek-flash"]["success"], told["claude-sonnet"]["success"]

    vendors.deepseek.answer = lambda body: Reply(text="le chien")
    with Proxy(tmp_path, running_vendors, workers=2, **SETTINGS) as proxy:
        client, other = proxy.client("team-a"), proxy.client("team-b")
        before = served(client)
        assert before == served(other)
        for _ in range(25):
            assert judge(client, decided(client, model="deepseek-flash"), 0).body["recorded"]
        with Proxy(tmp_path, running_vendors, workers=1, **SETTINGS) as late:
            taught = served(late.client("team-a"))
        assert taught[0] < before[0] - 0.3
        # twenty answers, which any of the two workers gives
        eventually(lambda: {served(client) for _ in range(20)} == {taught}, "all workers have learnt the same")
        assert served(other) == before
        metrics = proxy.client(None).get("/metrics").raw.decode()
        assert 'levelhead_verdicts_total{level="L1",slot="none",tier="efficient",verdict="bad"} 25.0' in metrics
