"""Prices and capabilities out of the table, the vendors' truths over it, the operator's word over both."""

import subprocess
import sys
from math import inf, nan

import pytest

from levelhead.errors import ConfigError
from levelhead.spend import listing_for, lookup, with_overrides
from levelhead.spend.capabilities import capabilities_of
from levelhead.spend.tariffs import price_of
from levelhead.types import Need

DEEPSEEK = "https://api.deepseek.com/v1"
OPENAI = "https://api.openai.com/v1"
CLAUDE = "https://api.anthropic.com"
SELF_HOSTED = "http://gpu-box:8000/v1"


def per_million(price):
    return tuple(
        round(rate * 1e6, 9)
        for rate in (price.input, price.output, price.cached_input, price.cache_write, price.cache_write_1h)
    )


@pytest.mark.parametrize(
    ("model", "wire", "url", "rates"),
    [
        ("deepseek-v4-flash", "openai", DEEPSEEK, (0.3, 1.2, 0.006, 0.3, 0.3)),
        ("deepseek/deepseek-v4-pro", "litellm", None, (1.32, 3.96, 0.044, 1.32, 1.32)),
        ("claude-opus-5-5", "anthropic", CLAUDE, (4, 20, 0.2, 5, 8)),
        ("anthropic/claude-sonnet-5-5", "anthropic", None, (2, 10, 0.1, 2.5, 4)),
        ("claude-fable-5-1", "anthropic", "http://127.0.0.1:9", (10, 50, 0.25, 12.5, 20)),
        ("claude-opus-4-5-20991231", "anthropic", CLAUDE, (5, 25, 0.5, 6.25, 10)),  # an unknown date
        ("gpt-4o-2031-01-01", "openai", OPENAI, (2.5, 10, 1.25, 2.5, 2.5)),
        ("openai/gpt-4o-mini", "openai", None, (0.15, 0.6, 0.075, 0.15, 0.15)),
        ("bedrock/us.anthropic.claude-opus-5-5", "litellm", None, (4.4, 22, 0.22, 5.5, 8.8)),
        ("bedrock/anthropic.claude-opus-4-1", "litellm", None, (15, 75, 1.5, 18.75, 18.75)),  # dated in the table
        ("bedrock/us-east-1/anthropic.claude-opus-5-5", "litellm", None, (4, 20, 0.2, 5, 8)),
        ("llama3.1-8b", "openai", "https://api.cerebras.ai/v1", (0.1, 0.1, 0.1, 0.1, 0.1)),  # <provider>/<model>
        ("text-embedding-3-small", "openai", OPENAI, (0.02, 0, 0.02, 0.02, 0.02)),
    ],
)
def test_finds_the_price(model, wire, url, rates):
    listing = lookup(model, wire, url)
    assert listing is not None
    assert per_million(listing.price) == rates


@pytest.mark.parametrize(
    ("model", "wire", "url"),
    [
        ("our-own-finetune", "openai", SELF_HOSTED),
        ("claude-", "anthropic", CLAUDE),
        ("", "openai", OPENAI),
        ("sample_spec", "litellm", None),
        ("dall-e-3", "openai", OPENAI),  # priced by the image
        ("bedrock/anthropic.claude-opus", "litellm", None),
    ],
)
def test_knows_nothing_of(model, wire, url):
    assert lookup(model, wire, url) is None


def test_long_context_and_off_peak():
    long = lookup("gpt-5.6", "openai", OPENAI).price
    assert (long.long_context_tokens, long.long_input_factor, long.long_output_factor) == (272_000, 2.0, 1.5)
    off_peak = lookup("deepseek-flash", "openai", DEEPSEEK).price.off_peak
    assert [round(rate * 1e6, 9) for rate in (off_peak.input, off_peak.output, off_peak.cached_input)] == [
        0.15,
        0.6,
        0.003,
    ]
    workdays, weekend = frozenset({1, 2, 3, 4, 5}), frozenset({6, 7})
    assert off_peak.windows == ((workdays, 0, 59), (workdays, 240, 359), (workdays, 600, 1439), (weekend, 0, 1439))


def test_tariffs_that_one_price_cannot_tell_apart_take_the_dearer():
    price = price_of(
        {
            "tiered_pricing": [
                {"range": [0, 32_000.0], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
                {"range": [32_000.0, 128_000.0], "input_cost_per_token": 2e-6, "output_cost_per_token": 5e-6},
                {"range": [128_000.0, 1e6], "input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6},
            ],
            "output_cost_per_reasoning_token": 4e-6,
        }
    )
    assert (price.input, price.output) == (1e-6, 4e-6)
    assert (price.long_context_tokens, price.long_input_factor, price.long_output_factor) == (32_000, 3.0, 2.5)


@pytest.mark.parametrize(
    ("zone", "weekdays", "hours", "windows"),
    [
        # 16:00 UTC on a Sunday is Monday in Shanghai.
        ("Asia/Shanghai", [1], "10:00-00:00", (({1}, 600, 959), ({7}, 960, 1439))),
        (None, [6], "22:30-02:00", (({6}, 1350, 1439), ({6}, 0, 119))),
        ("Mars/Olympus", [1], "10:00-11:00", None),
        (None, ["caturday"], "10:00-11:00", (((), 600, 659),)),
        (None, [1], "whenever", None),
    ],
)
def test_off_peak_windows(zone, weekdays, hours, windows):
    block = {"weekday_timezone": zone, "windows": [{"weekdays": weekdays, "hours_utc": hours}]}
    entry = {"input_cost_per_token": 2e-6, "output_cost_per_token": 2e-6, "off_peak_pricing": block}
    off_peak = price_of(entry).off_peak
    assert (off_peak and off_peak.windows) == (windows and tuple((frozenset(d), a, b) for d, a, b in windows))


def offers(model, wire, url):
    return {need.value for need in lookup(model, wire, url).capabilities.offers}


OPENAI_WIRE = {"tools", "forced_tool", "json_schema", "choices", "logprobs", "logit_bias"}


@pytest.mark.parametrize(
    ("model", "wire", "url", "expected"),
    [
        ("deepseek-v4-flash", "openai", DEEPSEEK, {"tools", "forced_tool", "logprobs"}),
        ("deepseek-v4-flash", "openai", "http://127.0.0.1:9/v1", {"tools", "forced_tool", "logprobs"}),
        ("deepseek-v4-flash-vision-exp", "openai", DEEPSEEK, {"tools", "forced_tool", "logprobs", "vision"}),
        ("claude-opus-5-5", "anthropic", CLAUDE, {"tools", "json_schema", "vision", "documents", "anthropic_features"}),
        (
            "claude-sonnet-5-5",
            "anthropic",
            CLAUDE,
            {"tools", "json_schema", "vision", "documents", "anthropic_features"},
        ),
        (
            "claude-fable-5-1",
            "anthropic",
            CLAUDE,
            {"tools", "json_schema", "vision", "documents", "anthropic_features"},
        ),
        (
            "claude-opus-5",
            "anthropic",
            CLAUDE,
            {"tools", "forced_tool", "json_schema", "vision", "documents", "anthropic_features"},
        ),
        (
            "claude-haiku-5-5",
            "anthropic",
            CLAUDE,
            {"tools", "forced_tool", "json_schema", "vision", "documents", "anthropic_features"},
        ),
        # no structured output of its own, and no forced tool to get it by
        ("bedrock/us.anthropic.claude-opus-5-5", "litellm", None, {"tools", "vision", "documents"}),
        ("gpt-4o", "openai", OPENAI, OPENAI_WIRE | {"vision", "documents"}),
        (
            "gpt-5.6",
            "openai",
            OPENAI,
            OPENAI_WIRE - {"logprobs", "logit_bias"} | {"vision", "documents", "custom_tools"},
        ),
        ("gpt-3.5-turbo", "openai", OPENAI, OPENAI_WIRE - {"json_schema"}),
    ],
)
def test_offers(model, wire, url, expected):
    assert offers(model, wire, url) == expected


def test_audio_only_where_its_tokens_cost_what_text_costs():
    flags = {"supports_audio_input": True, "input_cost_per_token": 1e-6}
    assert Need.AUDIO in capabilities_of(flags, "", "m", "openai").offers
    assert Need.AUDIO not in capabilities_of({**flags, "input_cost_per_audio_token": 1e-4}, "", "m", "openai").offers


def test_limits_and_settings():
    flash = lookup("deepseek-v4-flash", "openai", DEEPSEEK).capabilities
    assert (flash.context_tokens, flash.max_output_tokens) == (1_000_000, 393_216)
    assert (flash.sampling, flash.thinking, flash.prompt_cache_min_tokens) == (True, "optional", 64)
    opus = lookup("claude-opus-5-5", "anthropic", CLAUDE).capabilities
    assert (opus.sampling, opus.thinking, opus.prefill, opus.prompt_cache_min_tokens) == (False, "always", False, 512)
    haiku = lookup("claude-haiku-4-5", "anthropic", CLAUDE).capabilities
    assert (haiku.sampling, haiku.thinking, haiku.prefill, haiku.prompt_cache_min_tokens) == (
        True,
        "optional",
        True,
        4096,
    )
    assert lookup("o3", "openai", OPENAI).capabilities.thinking == "always"
    assert lookup("gpt-4o", "openai", OPENAI).capabilities.thinking == "none"


class TestTheOperatorsWord:
    def test_prices_what_the_table_does_not_know(self):
        listing = listing_for(
            "ours", "finetune", "openai", SELF_HOSTED, price={"input": 2, "output": 8, "cached_input": None}
        )
        assert per_million(listing.price) == (2, 8, 2, 2, 2)
        assert {need.value for need in listing.capabilities.offers} == OPENAI_WIRE

    def test_a_claude_that_the_table_does_not_know_pays_for_cache_writes(self):
        price = {"input": 4, "output": 20, "cached_input": 0.4}
        listing = listing_for("opus", "bedrock/anthropic.claude-opus", "litellm", None, price=price)
        assert per_million(listing.price) == (4, 20, 0.4, 5, 8)
        newer = listing_for("next", "claude-opus-9", "anthropic", CLAUDE, price=price).capabilities
        assert not newer.sampling
        assert not newer.prefill
        assert Need.FORCED_TOOL not in newer.offers

    def test_a_deepseek_that_the_table_does_not_know_keeps_its_vendors_limits(self):
        listing = listing_for("next", "deepseek-v9", "openai", DEEPSEEK, price={"input": 1, "output": 2})
        assert {need.value for need in listing.capabilities.offers} == {"tools", "forced_tool", "logprobs"}

    def test_the_simulated_pair_takes_nearly_everything(self):
        sim = listing_for("sim-strong", "sim-strong", "simulated", None, price={"input": 1, "output": 2})
        assert frozenset(Need) - sim.capabilities.offers == {Need.LOGPROBS, Need.CUSTOM_TOOLS, Need.EMBEDDINGS}

    @pytest.mark.parametrize(
        ("said", "field"),
        [(None, "price"), ({}, "price"), ({"input": 1}, "price.output"), ({"output": 1, "input": None}, "price.input")],
    )
    def test_is_asked_for_by_name_where_nothing_is_known(self, said, field):
        with pytest.raises(ConfigError, match=rf"^models\.ours\.{field}: required") as caught:
            listing_for("ours", "finetune", "openai", SELF_HOSTED, price=said)
        assert caught.value.param == f"models.ours.{field}"

    def test_a_discount_on_input_holds_for_cached_input(self):
        known = lookup("claude-opus-5-5", "anthropic", CLAUDE)
        half = with_overrides(known, {"input": 2.0})
        assert per_million(half.price) == (2, 20, 0.1, 2.5, 4)
        assert half.capabilities == known.capabilities

    def test_a_price_by_hand_knows_no_tariff_by_the_clock_but_keeps_long_context(self):
        assert with_overrides(lookup("deepseek-flash", "openai", DEEPSEEK), {"output": 1}).price.off_peak is None
        assert with_overrides(lookup("gpt-5.6", "openai", OPENAI), {"output": 1}).price.long_input_factor == 2.0

    def test_nothing_said_changes_nothing(self):
        known = lookup("deepseek-flash", "openai", DEEPSEEK)
        assert with_overrides(known, {"input": None}, {}) == known

    def test_a_dearer_cache_write_is_the_least_for_an_hour(self):
        price = with_overrides(lookup("gpt-4o", "openai", OPENAI), {"cache_write": 9}).price
        assert per_million(price)[3:] == (9, 9)

    @pytest.mark.parametrize("rate", [-1, nan, inf, True, "4"])
    def test_is_refused_when_it_is_no_price(self, rate):
        with pytest.raises(ConfigError, match=r"^models\.x\.price\.input: "):
            listing_for("x", "gpt-4o", "openai", OPENAI, price={"input": rate})

    def test_capabilities(self):
        known = lookup("deepseek-v4-flash", "openai", DEEPSEEK)
        said = {"vision": True, "logprobs": False, "tools": None, "max_output_tokens": 4096, "thinking": "none"}
        changed = with_overrides(known, capabilities=said).capabilities
        assert changed.offers == known.capabilities.offers - {Need.LOGPROBS} | {Need.VISION}
        assert (changed.max_output_tokens, changed.thinking) == (4096, "none")


def test_litellm_itself_stays_unimported():
    code = (
        "import sys; from levelhead.spend import lookup; assert lookup('claude-opus-5-5', 'anthropic', None);"
        "assert 'litellm' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
