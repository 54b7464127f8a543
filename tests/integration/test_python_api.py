"""`Router`, the Python API, against the same vendors as the proxy: sync, async in several loops, threads."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from levelhead import Router
from levelhead.errors import BudgetExhausted, InvalidRequest, ModelNotFound, StreamBroken, UpstreamUnavailable
from levelhead.testing import Fault, Refusal, Reply, ToolUse
from levelhead.types import Level, Reason, Usage

from .house import VENDOR_KEYS, Vendors, eventually

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def file(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("router")
    models = running_vendors.models()
    config = {
        "models": {name: models[name] for name in ("deepseek-flash", "claude-sonnet")},
        "slots": {"critic": {"floor": "strong"}, "frugal": {"max_quality_loss": 1.0}},
        "budgets": [{"scope": "run", "usd": 10}, {"scope": "run", "name": "tiny", "usd": 0.0001}],
        "cache": {"directory": str(folder)},
    }
    path = folder / "levelhead.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture
def router(file: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> Iterator[Router]:
    for name, value in VENDOR_KEYS.items():
        monkeypatch.setenv(name, value)
    with Router.from_config(file) as made:
        yield made


def test_chat(router: Router, vendors: Vendors) -> None:
    used = Usage(input=1_000, output=100)
    vendors.claude.script(Reply(text="So be it.", usage=used))
    outcome = router.chat(messages=HELLO, slot="critic", run="r1", max_tokens=200)
    assert (outcome.text, outcome.model, outcome.usage, outcome.cache) == ("So be it.", "claude-sonnet", used, "bypass")
    assert outcome.cost_usd == pytest.approx(0.003)
    assert outcome.level in Level
    assert outcome.decision is not None
    assert (outcome.decision.slot, outcome.decision.tier, outcome.decision.reason) == (
        "critic",
        "strong",
        Reason.ONLY_ELIGIBLE,
    )
    assert outcome.decision_id.startswith("dec_")
    assert outcome.response["choices"][0]["message"]["content"] == "So be it."
    assert vendors.claude.requests[0].body["max_tokens"] == 200


def test_the_cache(router: Router, vendors: Vendors) -> None:
    first, again = (router.chat(messages=HELLO, temperature=0, slot="critic", seed=7) for _ in range(2))
    assert (first.cache, again.cache, again.text, again.cost_usd) == ("miss", "hit", first.text, 0)
    assert router.chat(messages=HELLO, temperature=0, slot="critic", seed=7, cache="no-store").cache == "bypass"
    assert vendors.asked == 2


def test_two_loops(router: Router, vendors: Vendors) -> None:
    """Pooled connections outlive the loop that first used them."""
    for _ in range(2):
        outcome = asyncio.run(router.achat(messages=HELLO, slot="critic"))
        assert outcome.text == "echo: hello"
    assert vendors.claude.requests[0].connection == vendors.claude.requests[1].connection


async def test_many_at_once(router: Router) -> None:
    outcomes = await asyncio.gather(
        *(router.achat(messages=[{"role": "user", "content": f"{n}"}], slot="critic", run=f"m{n}") for n in range(20))
    )
    assert [outcome.text for outcome in outcomes] == [f"echo: {n}" for n in range(20)]


def test_threads(router: Router) -> None:
    def ask(number: int) -> str:
        return router.chat(messages=[{"role": "user", "content": f"{number}"}], slot="critic", run=f"t{number}").text

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(48))) == [f"echo: {number}" for number in range(48)]


@pytest.mark.parametrize("slot", ["critic", "frugal"])
async def test_astream(router: Router, slot: str) -> None:
    chunks = [chunk async for chunk in router.astream(messages=HELLO, slot=slot)]
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == "echo: hello"
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["usage"]["cost_usd"] > 0


async def test_a_stream_that_is_left(router: Router, vendors: Vendors) -> None:
    vendors.claude.script(Reply(text="one two three four", fault=Fault("stall", after=5)))
    stream = router.astream(messages=HELLO, slot="critic")
    async for _ in stream:
        break
    await stream.aclose()
    await asyncio.to_thread(eventually, vendors.claude.requests[0].gone.is_set, "the vendor is told")


async def test_a_call_that_is_cancelled(router: Router, vendors: Vendors) -> None:
    vendors.claude.script(Fault("stall"))
    task = asyncio.create_task(router.achat(messages=HELLO, slot="critic"))
    await asyncio.to_thread(eventually, lambda: vendors.claude.requests, "the vendor is asked")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(eventually, vendors.claude.requests[0].gone.is_set, "the vendor is told")


def test_explain(router: Router, vendors: Vendors) -> None:
    decision = router.explain(HELLO, slot="critic")
    assert (decision.model.name, decision.tier, decision.slot) == ("claude-sonnet", "strong", "critic")
    assert {candidate.model.name: candidate.why_not for candidate in decision.candidates} == {
        "deepseek-flash": "floor",
        "claude-sonnet": None,
    }
    assert set(decision.success) == {"deepseek-flash", "claude-sonnet"}
    assert vendors.asked == 0


async def test_errors(router: Router, vendors: Vendors) -> None:
    with pytest.raises(InvalidRequest, match="temperature"):
        router.chat(messages=HELLO, temperature="hot")
    with pytest.raises(ModelNotFound):
        await router.achat(messages=HELLO, model="nobody")
    with pytest.raises(InvalidRequest, match="JSON"):
        router.chat(messages=[{"role": "user", "content": object()}])
    with pytest.raises(BudgetExhausted, match="run local/tiny") as refused:
        router.chat(messages=HELLO, model="claude-sonnet", run="tiny")
    assert refused.value.scope == "run:local/tiny"
    assert vendors.asked == 0
    vendors.claude.script(Refusal(status=529, headers=(("x-should-retry", "false"),)))
    with pytest.raises(UpstreamUnavailable):
        router.chat(messages=HELLO, slot="critic")
    vendors.claude.script(Reply(text="one two three four", fault=Fault("error", after=5)))
    with pytest.raises(StreamBroken):
        async for _ in router.astream(messages=HELLO, slot="critic"):
            pass


def test_an_answer_goes_back_as_it_came(router: Router, vendors: Vendors) -> None:
    """A tool loop in the caller's own code, over both vendors."""
    call = (ToolUse("look", '{"where":"here"}'),)
    vendors.deepseek.script(Reply(reasoning="I look.", tools=call))
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    messages = [*HELLO]
    for model in ("deepseek-flash", "claude-sonnet"):
        message = router.chat(messages=messages, model=model, tools=tools).response["choices"][0]["message"]
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": c["id"], "content": "42"} for c in message.get("tool_calls") or ()
        ]
    assert messages[-1]["content"] == "echo: "
    assert vendors.claude.requests[0].body["messages"][-1]["content"][0]["content"]


def test_nothing_is_left_behind(file: Path, vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VENDOR_KEYS.items():
        monkeypatch.setenv(name, value)
    before = {thread for thread in threading.enumerate() if thread.name.startswith("levelhead")}
    router = Router.from_config(file)
    router.chat(messages=HELLO, slot="critic")
    router.close()
    router.close()
    with pytest.raises(RuntimeError, match="closed"):
        router.chat(messages=HELLO)
    eventually(
        lambda: {t for t in threading.enumerate() if t.name.startswith("levelhead")} <= before, "its threads end"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_is_told_rather_than_left_waiting(router: Router) -> None:
    """The loop's thread stays with the parent."""
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            try:
                router.chat(messages=HELLO)
            except RuntimeError as error:
                router.close()
                code = 0 if "fork" in str(error) else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert router.chat(messages=HELLO).text == "echo: hello"
