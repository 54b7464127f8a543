"""Draft and check through the real proxy: what is served, what it costs, and that budgets hold."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from levelhead.assemble import policy_of, rooms_of
from levelhead.config import from_mapping
from levelhead.difficulty import load_quality_model
from levelhead.learn.opinions import opinions_of
from levelhead.learn.tables import table_of
from levelhead.policy import FILE, Certificate, save
from levelhead.testing import Fault, Refusal, Reply
from levelhead.types import Usage

from .conftest import PAIR
from .house import VENDOR_KEYS, Proxy, Vendors
from .talk import Client, Said

TRIO = [*PAIR, "gpt-mini"]
PRICES = {"deepseek-flash": (0.3, 1.2), "gpt-mini": (0.4, 1.6), "claude-sonnet": (2.0, 10.0)}  # as in `house.Vendors`
SETTINGS: dict[str, Any] = {
    "keys": {name: {"models": TRIO} for name in ("solver", "replayer", "rushed")} | {"twin": {"models": PAIR}},
    "slots": {
        "checked": {"cascade": "always", "max_output_tokens": 1000},
        "plain": {"cascade": "off"},
        "quick": {"cascade": "always", "latency_ms": 800},
        "frugal": {"cascade": "always", "max_output_tokens": 1000},
    },
    "budgets": [
        {"scope": "key", "name": "solver", "usd": 100},
        {"scope": "key", "name": "rushed", "usd": 0.05},
        {"scope": "slot", "name": "frugal", "usd": 0.005, "per": "run"},
    ],
    "cascade": "off",
}
TOKENS = {"deepseek": Usage(input=20, output=100), "openai": Usage(input=20, output=90)}
COSTS = {"deepseek": Decimal("0.000126"), "openai": Decimal("0.000152"), "claude": Decimal("0.00204")}


@pytest.fixture(scope="module")
def house(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with Proxy(tmp_path_factory.mktemp("cascade"), running_vendors, **SETTINGS) as proxy:
        yield proxy
    assert "Traceback" not in proxy.log, proxy.log


@pytest.fixture
def solver(house: Proxy, vendors: Vendors) -> Client:
    return house.client("solver")


def answers(vendors: Vendors, draft: str, second: str, strong: str = "strong says 7") -> None:
    vendors.deepseek.answer = lambda body: Reply(text=draft, usage=TOKENS["deepseek"])
    vendors.openai.answer = lambda body: Reply(text=second, usage=TOKENS["openai"])
    vendors.claude.answer = lambda body: Reply(text=strong, usage=Usage(input=20, output=200))


def asked(vendors: Vendors) -> tuple[int, int, int]:
    found = tuple(len(v.requests) for v in (vendors.deepseek, vendors.openai, vendors.claude))
    assert len(found) == 3
    return found


def ask(client: Client, slot: str = "checked", **fields: Any) -> Said:
    return client.chat("What is the sum of 3 and 4?", model=f"auto/{slot}", **fields)


def test_two_that_agree(house: Proxy, solver: Client, vendors: Vendors) -> None:
    answers(vendors, "It is 3 + 4. The answer is 7.", "Answer: 7")
    before = {kind: house.metric("cost_usd_total", kind=kind) for kind in ("answer", "draft", "check")}
    said = ask(solver)
    assert said.text == "It is 3 + 4. The answer is 7."
    assert asked(vendors) == (1, 1, 0)
    assert said.headers["x-levelhead-reason"] == "draft_accepted; uncertified"
    assert (said.model, said.headers["x-levelhead-tier"]) == ("deepseek-flash", "efficient")
    assert said.headers["x-levelhead-attempts"] == "2"
    assert said.cost == COSTS["deepseek"] + COSTS["openai"]
    baseline = Decimal(said.headers["x-levelhead-baseline-cost-usd"])
    assert baseline == Decimal("0.00104")  # the draft's tokens at the strong model's price
    grown = {kind: house.metric("cost_usd_total", kind=kind) - was for kind, was in before.items()}
    assert grown == {"answer": COSTS["deepseek"], "draft": 0, "check": COSTS["openai"]}


def test_two_that_differ(house: Proxy, solver: Client, vendors: Vendors) -> None:
    answers(vendors, "The answer is 8.", "Answer: 7")
    before = {kind: house.metric("cost_usd_total", kind=kind) for kind in ("answer", "draft", "check")}
    spent = solver.balance("key:solver").spent
    said = ask(solver)
    assert said.text == "strong says 7"
    assert asked(vendors) == (1, 1, 1)
    assert said.headers["x-levelhead-reason"] == "draft_rejected; uncertified"
    assert (said.model, said.headers["x-levelhead-attempts"]) == ("claude-sonnet", "3")
    assert said.cost == sum(COSTS.values())
    grown = {kind: house.metric("cost_usd_total", kind=kind) - was for kind, was in before.items()}
    assert grown == {"answer": COSTS["claude"], "draft": COSTS["deepseek"], "check": COSTS["openai"]}
    balance = solver.balance("key:solver")
    assert (balance.spent - spent, balance.reserved) == (said.cost, 0)
    row = solver.get(f"/v1/decisions/{said.headers['x-levelhead-decision-id']}").body
    assert row["reserved_usd"] > float(said.cost)
    assert row["decision"]["trust"] < 0.75
    extras = {(kind, model): Decimal(str(usd)) for kind, model, usd in row["extras"]}
    assert extras == {("draft", "deepseek-flash"): COSTS["deepseek"], ("check", "gpt-mini"): COSTS["openai"]}


@pytest.mark.parametrize(("second", "text"), [("7", "The answer is 7."), ("9", "strong says 7")])
def test_streamed_only_once_it_is_known_which(solver: Client, vendors: Vendors, second: str, text: str) -> None:
    answers(vendors, "The answer is 7.", second)
    body = {"model": "auto/checked", "stream_options": {"include_usage": True}}
    with solver.stream("What is the sum of 3 and 4?", **body) as stream:
        events = list(stream)
        assert stream.done
    assert "".join((e.get("choices") or [{"delta": {}}])[0]["delta"].get("content") or "" for e in events) == text
    cost = COSTS["deepseek"] + COSTS["openai"] + (COSTS["claude"] if second == "9" else 0)
    (usage,) = [event["usage"] for event in events if event.get("usage")]
    assert usage["cost_usd"] == pytest.approx(float(cost))
    assert all("stream" not in request.body for request in (*vendors.deepseek.requests, *vendors.openai.requests))


def test_in_anthropic_s_dialect(solver: Client, vendors: Vendors) -> None:
    answers(vendors, "The answer is 7.", "7")
    body = {
        "model": "auto/checked",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "What is the sum of 3 and 4?"}],
    }
    said = solver.send("POST", "/v1/messages", body)
    assert said.status == 200, said.raw
    assert [block["text"] for block in said.body["content"]] == ["The answer is 7."]
    assert said.headers["x-levelhead-reason"].startswith("draft_accepted")


@pytest.mark.parametrize(
    "draft",
    [
        Reply(text="I'm sorry, but I can't help with that.", usage=TOKENS["deepseek"]),
        Reply(text="", usage=TOKENS["deepseek"]),
        Reply(text="The answer is", finish="length", usage=TOKENS["deepseek"]),
        Refusal(status=400, message="no"),
    ],
    ids=["refusal", "empty", "cut", "error"],
)
def test_a_draft_with_a_flaw_is_never_served(solver: Client, vendors: Vendors, draft: Any) -> None:
    answers(vendors, "", "7")
    vendors.deepseek.answer = lambda body: draft
    said = ask(solver)
    assert said.text == "strong says 7"
    assert said.headers["x-levelhead-reason"].startswith("draft_rejected")


def test_a_second_opinion_that_fails_is_no_agreement(solver: Client, vendors: Vendors) -> None:
    answers(vendors, "The answer is 7.", "7")
    vendors.openai.answer = lambda body: Refusal(status=400, message="no")
    assert ask(solver).text == "strong says 7"


def test_who_has_no_second_model_asks_the_first_again(house: Proxy, vendors: Vendors) -> None:
    answers(vendors, "The answer is 7.", "not asked")
    said = ask(house.client("twin"), temperature=0)
    assert said.text == "The answer is 7."
    assert asked(vendors) == (2, 0, 0)
    assert sorted(request.body.get("temperature") for request in vendors.deepseek.requests) == [0, 0.7]


@pytest.mark.parametrize("slot", ["plain", "quick"])
def test_where_drafts_are_off_or_someone_waits(solver: Client, vendors: Vendors, slot: str) -> None:
    answers(vendors, "7", "7")
    said = ask(solver, slot)
    assert sum(asked(vendors)) == 1
    assert not said.headers["x-levelhead-reason"].startswith("draft")


def test_who_names_a_model_gets_it(solver: Client, vendors: Vendors) -> None:
    answers(vendors, "7", "7")
    assert solver.chat("2+2", model="claude-sonnet").text == "strong says 7"
    assert asked(vendors) == (0, 0, 1)


def test_money_for_the_worst_case_or_no_draft(solver: Client, vendors: Vendors) -> None:
    """Half a cent holds no strong answer of a thousand tokens: it goes to the cheap model at once, unchecked."""
    answers(vendors, "8", "7")
    said = ask(solver, "frugal", headers={"x-levelhead-run": "tight"})
    assert said.status == 200
    assert asked(vendors) == (1, 0, 0)
    assert not said.headers["x-levelhead-reason"].startswith("draft")


def test_a_rush_on_one_budget(house: Proxy, vendors: Vendors) -> None:
    answers(vendors, "8", "7")
    client = house.client("rushed")
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda _: ask(client), range(60)))
    balance = client.balance("key:rushed")
    assert balance.spent == sum(one.cost for one in said if one.status == 200)
    assert balance.spent <= balance.limit
    assert balance.reserved == 0
    assert any(one.headers.get("x-levelhead-reason", "").startswith("draft") for one in said)


def test_a_vendor_that_breaks_midway(solver: Client, vendors: Vendors) -> None:
    answers(vendors, "7", "7")
    vendors.deepseek.answer = lambda body: Reply(text="The answer is 7.", fault=Fault("cut"))
    said = ask(solver)
    assert said.text == "strong says 7"
    assert solver.balance("key:solver").reserved == 0


def recorded(n: int) -> list[dict[str, Any]]:
    """Answers as three models might have given them: right or wrong, longer or shorter."""
    rng, rows = random.Random(5), []
    for at in range(n):
        truth = rng.randrange(1000)
        for model, right, base in (("deepseek-flash", 0.7, 80), ("gpt-mini", 0.7, 90), ("claude-sonnet", 0.9, 150)):
            is_right = rng.random() < right
            answer = truth if is_right else 1000 + rng.randrange(1000)
            inputs, outputs = 20 + at, base + rng.randrange(60)
            price = PRICES[model]
            rows.append(
                {"prompt_id": str(at), "prompt": f"How much is item {at}?", "model": model, "score": float(is_right),
                 "answer": str(answer), "prompt_tokens": inputs, "completion_tokens": outputs,
                 "cost_usd": (inputs * price[0] + outputs * price[1]) / 1e6}
            )  # fmt: skip
    return rows


def test_the_proxy_costs_what_the_replay_says(house: Proxy, vendors: Vendors) -> None:
    """Recorded answers, replayed by vendors on real sockets, against `levelhead.learn` on the same table."""
    rows = recorded(60)
    by_prompt = {(row["prompt"], row["model"]): row for row in rows}

    def replayed(model: str) -> Any:
        def answer(body: Any) -> Reply:
            content = body["messages"][-1]["content"]
            prompt = content if isinstance(content, str) else content[0]["text"]
            row = by_prompt[prompt, model]
            usage = Usage(input=row["prompt_tokens"], output=row["completion_tokens"])
            return Reply(text=f"The answer is {row['answer']}.", usage=usage)

        return answer

    for vendor, model in ((vendors.deepseek, TRIO[0]), (vendors.claude, TRIO[1]), (vendors.openai, TRIO[2])):
        vendor.answer = replayed(model)
    client = house.client("replayer")
    before = house.metric("cost_usd_total")
    served = [client.chat(f"How much is item {at}?", model="auto/checked") for at in range(60)]
    known = opinions_of(table_of(rows), draft="deepseek-flash", second="gpt-mini", strong="claude-sonnet")
    agreed = known.features[:, 0] == 1.0
    _, cost = known.served(agreed)
    assert [one.model == "deepseek-flash" for one in served] == agreed.tolist()
    assert float(sum(one.cost for one in served)) == pytest.approx(cost.sum(), abs=1e-7)
    assert float(house.metric("cost_usd_total") - before) == pytest.approx(cost.sum(), abs=1e-7)


def test_a_certificate_is_kept_to(running_vendors: Vendors, tmp_path: Path) -> None:
    """Issued for this policy it sets the threshold and shows in the metrics; for another it binds nothing."""
    answers(running_vendors, "The answer is 8.", "Answer: 7")
    rooms = rooms_of(from_mapping({"models": running_vendors.models()}, env=VENDOR_KEYS))
    own = policy_of(load_quality_model().name, tuple(rooms.models.values()))
    settings = {**SETTINGS, "budgets": []}
    for policy, reason, model, upper in (
        (own, "draft_accepted", "deepseek-flash", Decimal("0.015")),
        ("0" * 16, "draft_rejected; uncertified", "claude-sonnet", 0),
    ):
        folder = tmp_path / policy
        folder.mkdir()
        lax = Certificate(policy, "cascade", "checked", "", 0.05, 0.02, 0.95, 900, 0.004, 0.015, 0.9, "exact")
        save([lax], folder / FILE)
        with Proxy(folder, running_vendors, **settings) as proxy:
            said = ask(proxy.client("solver"))
            assert (said.headers["x-levelhead-reason"], said.model) == (reason, model)
            assert proxy.metric("quality_loss", slot="checked", bound="upper") == upper
