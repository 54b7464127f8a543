"""Usage blocks as vendors send them, against prices worked out by hand."""

from datetime import UTC, datetime

import pytest

from levelhead.spend import cost, estimate_input, expected_cost, input_bound, lookup, worst_case, worst_rates
from levelhead.spend.costs import IMAGE_TOKENS
from levelhead.types import Chat, Need, Price, Usage
from levelhead.wire.usage import from_openai


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


PEAK = at("2026-11-24T02:00")  # a Tuesday
CHEAP = at("2026-11-24T12:00")
FLASH = lookup("deepseek-flash", "openai", "https://api.deepseek.com/v1").price
PRO = lookup("deepseek-v4-pro", "openai", "https://api.deepseek.com/v1").price
GPT = lookup("gpt-5.6", "openai", "https://api.openai.com/v1").price
OPUS = lookup("claude-opus-5-5", "anthropic", None).price
FABLE = lookup("claude-fable-5-1", "anthropic", None).price
HAIKU = lookup("claude-haiku-5-5", "anthropic", None).price

DEEPSEEK_USAGE = from_openai(
    {
        "prompt_tokens": 7_400,
        "completion_tokens": 500,
        "total_tokens": 7_900,
        "prompt_cache_hit_tokens": 6_400,
        "prompt_cache_miss_tokens": 1_000,
        "completion_tokens_details": {"reasoning_tokens": 300},
    }
)


def openai_usage(prompt, cached=0, written=0, output=0, reasoning=0):
    return from_openai(
        {
            "prompt_tokens": prompt,
            "completion_tokens": output,
            "total_tokens": prompt + output,
            "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
            "completion_tokens_details": {"reasoning_tokens": reasoning},
        }
    )


@pytest.mark.parametrize(
    ("usage", "price", "when", "nanos"),
    [
        # 6,400 hits at $0.006 per million, 1,000 misses at $0.30, 500 out (reasoning within) at $1.20
        (DEEPSEEK_USAGE, FLASH, PEAK, 38_400 + 300_000 + 600_000),
        (DEEPSEEK_USAGE, FLASH, CHEAP, 19_200 + 150_000 + 300_000),
        # $0.044, $1.32, $3.96
        (DEEPSEEK_USAGE, PRO, PEAK, 281_600 + 1_320_000 + 1_980_000),
        # 12 new at $4, 2,000 written for 5 minutes at $5, 1,000 for an hour at $8, 50,000 read at $0.20, 800 out at $20
        (
            Usage(input=12, cached_input=50_000, cache_write=2_000, cache_write_1h=1_000, output=800, reasoning=700),
            OPUS,
            PEAK,
            48_000 + 10_000_000 + 8_000_000 + 10_000_000 + 16_000_000,
        ),
        (Usage(cached_input=1_000), FABLE, PEAK, 250_000),  # read at a fortieth
        # 50,000 new at $4, 200,000 cached at $0.40, 50,000 written at $5, doubled; 1,000 out at $20, half as much again
        (openai_usage(300_000, 200_000, 50_000, 1_000, 900), GPT, PEAK, 2 * (200 + 80 + 250) * 10**6 + 30 * 10**6),
        (openai_usage(272_000, 0, 0, 1_000), GPT, PEAK, 1_088_000_000 + 20_000_000),  # not above the threshold yet
        # beyond 100,000 tokens of prompt everything is five times as dear, an hour's write as well
        (Usage(cached_input=100_000, cache_write_1h=1, output=100), HAIKU, PEAK, 5 * (1_000_000 + 200 + 50_000)),
        (Usage(), OPUS, PEAK, 0),
    ],
)
def test_worked_out_by_hand(usage, price, when, nanos):
    assert cost(usage, price, when) == nanos


@pytest.mark.parametrize(
    ("when", "peak"),
    [
        ("2026-11-24T00:59:59.999", False),
        ("2026-11-24T01:00:00", True),
        ("2026-11-24T03:59:59.999", True),
        ("2026-11-24T04:00:00", False),
        ("2026-11-24T05:59:59", False),
        ("2026-11-24T06:00:00", True),
        ("2026-11-24T09:59:59", True),
        ("2026-11-24T10:00:00", False),
        ("2026-11-27T02:00:00", True),  # Friday
        ("2026-11-28T02:00:00", False),  # Saturday
        ("2026-11-29T07:00:00", False),  # Sunday
        ("2026-11-30T07:00:00", True),
    ],
)
def test_the_tariff_of_the_hour(when, peak):
    assert cost(Usage(input=10**6), FLASH, at(when)) == (300_000_000 if peak else 150_000_000)


def test_rounds_up_and_never_drifts():
    tiny = Price(input=1e-13, output=3.125e-7, cached_input=0, cache_write=0, cache_write_1h=0)
    assert cost(Usage(input=1), tiny, 0) == 1
    assert cost(Usage(output=1), tiny, 0) == 313  # 312.5
    assert cost(Usage(output=2), tiny, 0) == 625
    third = Price(input=3e-7, output=1e-7, cached_input=0, cache_write=0, cache_write_1h=0)  # 0.1 + 0.2 of floats
    assert cost(Usage(input=1, output=3), third, 0) == 600


@pytest.mark.parametrize(
    ("price", "tokens", "cap", "n", "nanos"),
    [
        (FLASH, 1_000, 8_192, 1, 300_000 + 8_192 * 1_200),  # peak, whatever the clock says
        (OPUS, 1_000, 100, 1, 8_000_000 + 2_000_000),  # all of it written for an hour
        (OPUS, 1_000, 100, 4, 8_000_000 + 8_000_000),  # the prompt once, each choice in full
        (GPT, 272_000, 0, 1, 1_360_000_000),
        (GPT, 272_001, 0, 1, 2 * 1_360_005_000),
        (OPUS, 0, 0, 1, 0),
    ],
)
def test_worst_case(price, tokens, cap, n, nanos):
    assert worst_case(tokens, cap, n, worst_rates(price)) == nanos


def test_expected_cost_counts_the_warm_prefix_and_the_tariff():
    assert expected_cost(1_000, 100, FLASH) == pytest.approx(1_000 * 3e-7 + 100 * 1.2e-6)
    assert expected_cost(1_000, 100, FLASH, warm_tokens=900, at=PEAK) == pytest.approx(3e-5 + 5.4e-6 + 1.2e-4)
    assert expected_cost(1_000, 100, FLASH, at=CHEAP) == pytest.approx(1_000 * 1.5e-7 + 100 * 6e-7)
    assert expected_cost(10, 0, FLASH, warm_tokens=99) == pytest.approx(10 * 6e-9)
    assert expected_cost(300_000, 100, GPT) == pytest.approx(2 * 300_000 * 4e-6 + 1.5 * 100 * 2e-5)


def chat(messages=(), **more):
    return Chat(dialect="chat", body={}, model="auto", messages=messages, **more)


class TestInput:
    def test_bound_covers_text_templates_images_and_tools(self):
        turns = [{"role": "user", "content": "hi"}] * 3
        plain = input_bound(chat(turns, text_bytes=6))
        assert plain >= 6 + 3 * 4
        assert input_bound(chat(turns, text_bytes=1_006)) == plain + 1_000
        assert input_bound(chat(turns, text_bytes=6, images=2)) == plain + 2 * IMAGE_TOKENS
        assert input_bound(chat(turns, text_bytes=6, tools=[{}])) >= plain + 804  # Claude's instructions for tools
        assert input_bound(chat(turns, text_bytes=6, needs=frozenset({Need.JSON_SCHEMA}))) > plain

    def test_estimate_is_what_is_likely(self):
        turns = [{"role": "user", "content": "x" * 3_600}]
        assert estimate_input(chat(turns, text_bytes=3_600)) == 1_004
        assert estimate_input(chat(turns, text_bytes=3_600, images=1)) < input_bound(
            chat(turns, text_bytes=3_600, images=1)
        )
