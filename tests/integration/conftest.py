from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .house import VENDOR_KEYS, Proxy, Vendors
from .sdk import Sdk
from .talk import Client

SDK_PYTHON = Path(__file__).parents[2] / ".venv-sdk/bin/python"

# `duo` knows one model of each tier, so that a fallback has but one way to go.
PAIR = ["deepseek-flash", "claude-sonnet"]
KEYS = {
    "team": {"models": [*PAIR, "gpt-mini", "gpt-thinker", "embedder"]},
    "pioneer": {"models": ["gpt-unlisted"]},
    "duo": {"models": PAIR},
    "drafters": {"slots": ["drafter"]},
    "hasty": {"requests_per_minute": 2},
    "broke": {},
}
SLOTS = {
    "drafter": {"ceiling": "efficient", "max_output_tokens": 2000},
    "critic": {"floor": "strong"},
    "frugal": {"max_quality_loss": 1.0},  # the cheapest that can do it, and all the others behind it
}
BUDGETS = [{"scope": "key", "name": name, "usd": 0.0001 if name == "broke" else 100} for name in KEYS]


@pytest.fixture(scope="session")
def running_vendors() -> Iterator[Vendors]:
    with Vendors() as vendors:
        yield vendors


@pytest.fixture(autouse=True)
def without_a_past(request: pytest.FixtureRequest) -> None:
    """No test finds what an earlier one made the vendors say, or what it asked of them."""
    if "running_vendors" in request.fixturenames:
        request.getfixturevalue("running_vendors").fresh()


@pytest.fixture
def vendors(running_vendors: Vendors) -> Vendors:
    return running_vendors


@pytest.fixture(scope="session")
def proxy(running_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One proxy for every test that leaves it as it was."""
    folder = tmp_path_factory.mktemp("proxy")
    with Proxy(folder, running_vendors, keys=KEYS, slots=SLOTS, budgets=BUDGETS) as running:
        yield running
        assert running.process.poll() is None, running.log
        shown = running.client(None).get("/metrics").raw.decode()
    assert "internal error" not in running.log, running.log
    assert "Traceback" not in running.log, running.log
    for secret in (*VENDOR_KEYS.values(), *(f"sk-{name}" for name in KEYS), "hello"):  # after all that was asked of it
        assert secret not in running.log, running.log
        assert secret not in shown


@pytest.fixture
def team(proxy: Proxy, vendors: Vendors) -> Client:
    return proxy.client("team")


@pytest.fixture
def duo(proxy: Proxy, vendors: Vendors) -> Client:
    return proxy.client("duo")


@pytest.fixture(scope="session")
def running_sdk() -> Iterator[Sdk]:
    """The vendor's own client of the current major, in the environment that `make test` builds for it."""
    if not SDK_PYTHON.exists():
        pytest.skip("no .venv-sdk: `make test` builds it from sdk.lock")
    with Sdk(SDK_PYTHON) as sdk:
        assert sdk.version.split(".")[0] == "3"
        yield sdk


@pytest.fixture
def sdk(running_sdk: Sdk, proxy: Proxy, vendors: Vendors) -> Sdk:
    return running_sdk.at(proxy.url, "sk-team")


@pytest.fixture(scope="session")
def running_anthropic() -> Iterator[Sdk]:
    if not SDK_PYTHON.exists():
        pytest.skip("no .venv-sdk: `make test` builds it from sdk.lock")
    with Sdk(SDK_PYTHON, Path(__file__).with_name("anthropic_driver.py")) as sdk:
        assert sdk.version.split(".")[0] == "2"
        yield sdk


@pytest.fixture
def anthropic(running_anthropic: Sdk, proxy: Proxy, vendors: Vendors) -> Sdk:
    """Anthropic's own SDK."""
    return running_anthropic.at(proxy.url, "sk-team")


@pytest.fixture(scope="session")
def running_older_sdk() -> Iterator[Sdk]:
    """The one that litellm pins, in this environment."""
    with Sdk(Path(sys.executable)) as sdk:
        assert sdk.version.split(".")[0] == "2"
        yield sdk


@pytest.fixture
def older_sdk(running_older_sdk: Sdk, proxy: Proxy, vendors: Vendors) -> Sdk:
    return running_older_sdk.at(proxy.url, "sk-team")


@pytest.fixture
def healed(proxy: Proxy, vendors: Vendors) -> Iterator[None]:
    """For tests that make models fail: an answer of each closes its breaker again."""
    yield
    vendors.fresh()
    for model in ("deepseek-flash", "gpt-mini", "claude-sonnet"):
        assert proxy.client("team").chat(model=model).status == 200
