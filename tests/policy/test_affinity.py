from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from levelhead.policy import Affinity, Offer, choose
from levelhead.testing import FakeClock
from levelhead.types import Capabilities, Chat, Model, Price, Usage

PRICE = Price(2e-6, 10e-6, 1e-7, 2.5e-6, 4e-6)
CLAUDE = Model("claude", "strong", 1, "anthropic", "claude-x", PRICE, Capabilities(prompt_cache_min_tokens=1024))
DEEPSEEK = Model("deepseek", "efficient", 0, "openai", "deepseek-x", PRICE, Capabilities(prompt_cache_min_tokens=64))
PLAIN = Model("plain", "efficient", 0, "openai", "qwen", PRICE, Capabilities())
MODELS = (CLAUDE, DEEPSEEK, PLAIN)
KEY = ("team", "session")


def chat(*messages: dict[str, Any]) -> Chat:
    return Chat("chat", {}, "auto", list(messages) or [{"role": "user", "content": "hi"}])


def test_what_was_cached_is_warm_until_it_expires() -> None:
    clock = FakeClock(1_000.0)
    affinity = Affinity(clock)
    assert not affinity.warm(KEY, chat(), MODELS, 10_000)
    assert not affinity.noted(KEY, CLAUDE, Usage(input=50, cached_input=6_000, cache_write=2_000, output=300))
    assert affinity.warm(KEY, chat(), MODELS, 10_000) == {"claude": 8_000}
    assert affinity.warm(KEY, chat(), MODELS, 5_000) == {"claude": 5_000}
    assert not affinity.warm(("other", "session"), chat(), MODELS, 10_000)
    clock.advance(301)
    assert not affinity.warm(KEY, chat(), MODELS, 10_000)


def test_each_vendor_in_its_own_way() -> None:
    clock = FakeClock(1_000.0)
    affinity = Affinity(clock)
    affinity.noted(KEY, CLAUDE, Usage(input=9_000, output=300))  # nothing was marked
    affinity.noted(KEY, PLAIN, Usage(input=9_000, output=300))  # has no cache
    affinity.noted(KEY, DEEPSEEK, Usage(input=9_000, output=300))
    assert affinity.warm(KEY, chat(), MODELS, 20_000) == {"deepseek": 9_300}
    affinity.noted(KEY, CLAUDE, Usage(input=9, cache_write_1h=9_000, output=300))
    clock.advance(3_000)
    assert affinity.warm(KEY, chat(), MODELS, 20_000) == {"deepseek": 9_300, "claude": 9_000}
    affinity.noted(KEY, CLAUDE, Usage(input=9, cache_write=900))  # below the least that is cached
    assert affinity.warm(KEY, chat(), MODELS, 20_000)["claude"] == 9_000


def test_a_switch_is_noticed_once() -> None:
    affinity = Affinity(FakeClock(1_000.0))
    said = [affinity.noted(KEY, model, Usage(input=1)) for model in (CLAUDE, CLAUDE, DEEPSEEK, DEEPSEEK, CLAUDE)]
    assert said == [False, False, True, False, True]


def test_it_is_bounded() -> None:
    affinity = Affinity(FakeClock(1_000.0), most=2)
    for name in "abc":
        affinity.noted(("team", name), DEEPSEEK, Usage(input=9_000))
    assert not affinity.warm(("team", "a"), chat(), MODELS, 9_000)
    assert affinity.warm(("team", "c"), chat(), MODELS, 9_000)


@pytest.mark.parametrize(
    ("turn", "warm"),
    [
        ({"tool_calls": [{"id": "toolu_01"}]}, {"claude"}),
        ({"tool_calls": [{"id": "call_00_x"}]}, {"deepseek"}),
        ({"thinking_blocks": [{"type": "thinking", "thinking": "", "signature": "A" * 300}]}, {"claude"}),
        ({"content": "hi"}, set()),
    ],
)
def test_a_conversation_of_another_worker_bears_marks(turn: dict[str, Any], warm: set[str]) -> None:
    asked = chat({"role": "user", "content": "a"}, {"role": "assistant", **turn}, {"role": "user", "content": "b"})
    assert set(Affinity(FakeClock(1_000.0)).warm(KEY, asked, MODELS, 10_000)) == warm


def test_a_warm_prefix_must_be_outbid() -> None:
    """An uplift below the threshold stays cheap, unless what is cached makes the strong model as cheap."""
    strong = Offer(CLAUDE, 0.91, 0.040, 10)
    cheap = Offer(DEEPSEEK, 0.90, 0.010, 10)
    choice = choose([cheap, strong], threshold=0.02)
    assert choice is not None
    assert choice.offer is cheap
    warm = replace(strong, expected_cost_usd=0.018, cold_cost_usd=0.040)
    choice = choose([replace(cheap, cold_cost_usd=0.010), warm], threshold=0.02)
    assert choice is not None
    assert choice.offer is warm
