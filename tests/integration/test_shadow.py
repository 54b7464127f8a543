"""Shadow mode, seen from outside: clients get what they would get without levelhead, the log what routing would do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from levelhead.testing import Reply

from .house import Proxy, Vendors
from .talk import Client, Said

SETTINGS: dict[str, Any] = {
    "mode": "shadow",
    "keys": {"team": {}, "thrifty": {"models": ["deepseek-flash"]}, "broke": {}},
    "slots": {"drafter": {"ceiling": "efficient"}},
    "budgets": [{"scope": "key", "name": "broke", "usd": 0.000001}],
}
EASY = "Translate 'cat' into French"


@pytest.fixture(scope="module")
def unset(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """`shadow.serve` isn't set: as the client asks."""
    with Proxy(tmp_path_factory.mktemp("shadow"), running_vendors, **SETTINGS) as proxy:
        yield proxy
    assert "Traceback" not in proxy.log


@pytest.fixture
def client(unset: Proxy, vendors: Vendors) -> Client:
    return unset.client("team")


def row_of(client: Client, said: Said) -> Any:
    return client.get(f"/v1/decisions/{said.headers['x-levelhead-decision-id']}").body


def test_the_strong_model_answers_and_the_log_knows_the_cheaper_one(client: Client) -> None:
    said = client.chat(EASY)
    assert (said.status, said.model, said.headers["x-levelhead-reason"]) == (200, "claude-sonnet", "shadow")
    row = row_of(client, said)
    assert (row["model"], row["decision"]["reason"], row["cache"]) == ("claude-sonnet", "shadow", "bypass")
    assert row["baseline_usd"] == row["cost_usd"] > 0
    would = row["shadow"]
    assert (would["model"], would["tier"], would["reason"]) == ("deepseek-flash", "efficient", "quality_met")
    usage = row["usage"]
    once = (usage["input"] * 0.3 + usage["output"] * 1.2) / 1e6
    assert would["cost_usd"] == pytest.approx(once, abs=1e-9)
    assert would["cost_usd_if_twice_as_long"] == pytest.approx(once + usage["output"] * 1.2 / 1e6, abs=1e-9)


def test_a_stream_is_recorded_too(client: Client) -> None:
    with client.stream(EASY) as stream:
        assert stream.text()
        assert stream.headers["x-levelhead-model"] == "claude-sonnet"
    row = client.get(f"/v1/decisions/{stream.headers['x-levelhead-decision-id']}").body
    assert 0 < row["shadow"]["cost_usd"] < row["cost_usd"]


def test_the_vendor_s_own_name_is_what_the_client_asked_for(client: Client) -> None:
    said = client.chat(EASY, model="gpt-4.1-mini")
    assert (said.model, row_of(client, said)["shadow"]["model"]) == ("gpt-mini", "deepseek-flash")


@pytest.mark.parametrize("name", ["gpt-mini", "efficient"])
def test_who_names_a_model_or_a_tier_gets_it(client: Client, name: str) -> None:
    row = row_of(client, client.chat(EASY, model=name))
    assert name in (row["model"], row["tier"])
    assert row["decision"]["reason"] == "pinned"
    assert "shadow" not in row


def test_nothing_comes_from_the_cache(client: Client, vendors: Vendors) -> None:
    for text in ("un", "deux"):
        vendors.claude.answer = lambda body, text=text: Reply(text=text)  # type: ignore[misc]
        assert client.chat(EASY, temperature=0).text == text


def test_a_slot_s_ceiling_would_have_bound_routing_only(client: Client) -> None:
    said = client.chat("Prove that there are infinitely many primes of the form 4k+3", model="auto/drafter")
    assert (said.model, row_of(client, said)["shadow"]["tier"]) == ("claude-sonnet", "efficient")


def test_what_can_t_be_served_as_asked_is_routed(unset: Proxy, vendors: Vendors) -> None:
    said = unset.client("thrifty").chat(EASY)
    assert (said.status, said.model) == (200, "deepseek-flash")


def test_budgets_hold(unset: Proxy, vendors: Vendors) -> None:
    assert unset.client("broke").chat(EASY).status == 429
    assert vendors.asked == 0


def test_explain_tells_both(client: Client, vendors: Vendors) -> None:
    told = client.send("POST", "/v1/explain", {"messages": [{"role": "user", "content": EASY}]}).body
    assert (told["decision"]["model"], told["decision"]["reason"]) == ("claude-sonnet", "shadow")
    assert (told["shadow"]["model"], told["shadow"]["reason"].split(";")[0]) == ("deepseek-flash", "quality_met")
    assert vendors.asked == 0


def test_the_operator_may_name_the_model_that_answers(
    running_vendors: Vendors, vendors: Vendors, tmp_path: Path
) -> None:
    with Proxy(tmp_path, running_vendors, keys={"team": {}}, mode="shadow", shadow={"serve": "gpt-mini"}) as proxy:
        client = proxy.client("team")
        for asked in ("auto", "claude-sonnet-5-5"):
            row = row_of(client, client.chat(EASY, model=asked))
            assert (row["model"], row["shadow"]["model"]) == ("gpt-mini", "deepseek-flash")
        assert client.chat(EASY, model="claude-sonnet").model == "claude-sonnet"
        assert client.send("POST", "/v1/embeddings", {"model": "embedder", "input": "cat"}).status == 200
