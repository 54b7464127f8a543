"""Fifty keys that ask the same and nearly the same: nothing of one is within another's reach."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from .house import Proxy, Vendors
from .talk import Client, Said

NAMES = [f"team-{number:02}" for number in range(50)]
RUN = {"x-levelhead-run": "nightly", "x-levelhead-session": "shared", "x-levelhead-slot": "critic"}


@pytest.fixture(scope="module")
def town(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(
        tmp_path_factory.mktemp("town"),
        running_vendors,
        keys={name: {} for name in NAMES},
        slots={"critic": {}},
        budgets=[{"scope": "key", "usd": 1}, {"scope": "run", "usd": 0.006}, {"scope": "slot", "usd": 1, "per": "run"}],
        cache={"when": "always"},
    ) as proxy:
        yield proxy


def at_once(town: Proxy, ask: Any) -> list[Any]:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda name: ask(town.client(name)), NAMES))


def test_no_answer_comes_from_anothers_cache(town: Proxy, vendors: Vendors) -> None:
    """Nor from its call in flight."""

    def ask(client: Client) -> list[Said]:
        return [client.chat("the same", model="gpt-mini", max_tokens=50, headers=RUN) for _ in range(2)]

    answers = at_once(town, ask)
    assert [[said.headers["x-levelhead-cache"] for said in two] for two in answers] == [["miss", "hit"]] * 50
    assert len(vendors.openai.requests) == 50
    nearly = at_once(town, lambda client: client.chat("the  same", model="gpt-mini", max_tokens=50, headers=RUN))
    assert {said.headers["x-levelhead-cache"] for said in nearly} == {"miss"}
    assert len({said.headers["x-levelhead-decision-id"] for two in answers for said in two}) == 100


def test_no_run_pays_for_anothers_of_the_same_name(town: Proxy, vendors: Vendors) -> None:
    """A run's budget is one key's; the first key spends its own to the end."""
    spender, other = town.client(NAMES[0]), town.client(NAMES[1])
    run = {"x-levelhead-run": "the one"}
    for number in range(100):
        said = spender.chat(f"spend {number}", model="claude-sonnet", max_tokens=500, headers=run)
        if said.status == 429:
            break
    assert said.error["code"] == "insufficient_quota"
    assert other.chat("spend", model="claude-sonnet", max_tokens=500, headers=run).status == 200


def test_no_budget_is_shown_to_another(town: Proxy, vendors: Vendors) -> None:
    at_once(town, lambda client: client.chat("x", model="gpt-mini", headers=RUN))
    for name, shown in zip(NAMES, at_once(town, lambda client: client.get("/v1/budgets").raw), strict=True):
        scopes = [balance["scope"] for balance in orjson.loads(shown)["budgets"]]
        assert f"key:{name}" in scopes
        assert {scope.partition(":")[2].partition("/")[0] for scope in scopes} == {name}


def test_no_response_is_gone_on_from_by_another(town: Proxy, vendors: Vendors) -> None:
    first = town.client(NAMES[0]).send("POST", "/v1/responses", {"model": "gpt-mini", "input": "a secret of team-00"})
    assert first.status == 200, first.raw
    follow = {"model": "gpt-mini", "input": "and?", "previous_response_id": first.body["id"]}
    answers = at_once(town, lambda client: client.send("POST", "/v1/responses", follow))
    assert [said.status for said in answers] == [200] + [400] * 49
    assert all(said.error["code"] == "previous_response_not_found" for said in answers[1:])
    assert all(b"secret" not in said.raw for said in answers[1:])


def test_no_id_is_forged_by_a_name(town: Proxy, vendors: Vendors) -> None:
    """A run named like another key's scope is still one's own."""
    victim, thief = town.client(NAMES[2]), town.client(NAMES[3])
    victim.chat("x", model="gpt-mini", headers={"x-levelhead-run": "r"})
    before = victim.get("/v1/budgets").body["budgets"]
    for run in (f"{NAMES[2]}/r", f"../{NAMES[2]}/r", f"run:{NAMES[2]}/r", "r", f"%2F{NAMES[2]}"):
        assert thief.chat("x", model="gpt-mini", headers={"x-levelhead-run": run}).status == 200
    after = victim.get("/v1/budgets").body["budgets"]
    assert f"run:{NAMES[2]}/r" in {balance["scope"] for balance in after}
    assert [balance for balance in after if balance not in before] == []  # some may be forgotten, unused for a minute
