"""Pure arithmetic: tokens x prices, exact to the nanodollar and rounded up; and bounds on tokens before a call."""

from __future__ import annotations

from functools import lru_cache
from math import ceil, inf
from typing import NamedTuple

from ..types import Chat, Nanos, Need, OffPeak, Price, Usage

# A price is USD per token with at most 15 decimals, so that a femtodollar (1e-15 USD) counts it exactly.
_FEMTOS_PER_USD = 10**15
_FEMTOS_PER_NANO = 10**6
_MINUTES_PER_DAY = 24 * 60
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday, the third day after Monday

# Bounds on what templates add to the text itself. Every vendor wraps a message in a handful of tokens and renders a
# tool in fewer than its JSON has bytes; Claude adds up to 804 tokens of instructions when there are tools, and some for
# a response format.
_PER_REQUEST = 64
_PER_MESSAGE = 16
_PER_TOOL = 32
_TOOL_INSTRUCTIONS = 1_024
# An image: Claude scales to 1,568 tokens, from Opus 4.7 on to 4,784; OpenAI's tiles reach 1,445, its patches 1,536
# times up to 2.46, and 2,500 times 1.2 for the larger budget. (gpt-4o-mini bills up to 48,169, its price being low.)
IMAGE_TOKENS = 4_784

_BYTES_PER_TOKEN = 3.6  # English, code and JSON mixed; CJK text has about as many bytes per token
_TYPICAL_IMAGE_TOKENS = 1_300


def cost(usage: Usage, price: Price, at: float) -> Nanos:
    """What `usage` costs under the tariff in force at `at` (Unix seconds), rounded up to a whole nanodollar."""
    tariff: Price | OffPeak = price
    if price.off_peak is not None and _is_off_peak(price.off_peak, at):
        tariff = price.off_peak
    inputs = (
        usage.input * _femtos(tariff.input)
        + usage.cached_input * _femtos(tariff.cached_input)
        + usage.cache_write * _femtos(price.cache_write)
        + usage.cache_write_1h * _femtos(price.cache_write_1h)
    )
    outputs = usage.output * _femtos(tariff.output)
    if price.long_context_tokens is not None and usage.prompt > price.long_context_tokens:
        inputs = _times(inputs, price.long_input_factor)
        outputs = _times(outputs, price.long_output_factor)
    return -(-(inputs + outputs) // _FEMTOS_PER_NANO)


class WorstRates(NamedTuple):
    """The dearest that tokens can be under one price, in femtodollars: peak tariff, one-hour cache write.

    `long_tokens`: above so much input the `long_` rates apply to all of it.
    """

    input: int
    output: int
    long_tokens: float
    long_input: int
    long_output: int


def worst_rates(price: Price) -> WorstRates:
    per_input = max(price.input, price.cached_input, price.cache_write, price.cache_write_1h)
    per_output = price.output
    if price.off_peak is not None:
        per_input = max(per_input, price.off_peak.input, price.off_peak.cached_input)
        per_output = max(per_output, price.off_peak.output)
    rates = _femtos(per_input), _femtos(per_output)
    if price.long_context_tokens is None:
        return WorstRates(*rates, inf, *rates)
    factors = max(1.0, price.long_input_factor), max(1.0, price.long_output_factor)
    return WorstRates(*rates, price.long_context_tokens, *map(_times, rates, factors))


def worst_case(input_tokens: int, output_cap: int, n: int, rates: WorstRates) -> Nanos:
    """The most that a call can cost: every input token at the dearest input rate, every choice as long as allowed."""
    if input_tokens > rates.long_tokens:
        femtos = input_tokens * rates.long_input + output_cap * max(n, 1) * rates.long_output
    else:
        femtos = input_tokens * rates.input + output_cap * max(n, 1) * rates.output
    return -(-femtos // _FEMTOS_PER_NANO)


def expected_cost(
    input_tokens: float, output_tokens: float, price: Price, *, warm_tokens: float = 0.0, at: float | None = None
) -> float:
    """USD. `warm_tokens` of the input are expected to be read from the provider's prompt cache; `at` None: peak."""
    tariff: Price | OffPeak = price
    if at is not None and price.off_peak is not None and _is_off_peak(price.off_peak, at):
        tariff = price.off_peak
    warm = min(warm_tokens, input_tokens)
    inputs = (input_tokens - warm) * tariff.input + warm * tariff.cached_input
    outputs = output_tokens * tariff.output
    if price.long_context_tokens is not None and input_tokens > price.long_context_tokens:
        return inputs * price.long_input_factor + outputs * price.long_output_factor
    return inputs + outputs


def input_bound(chat: Chat) -> int:
    """At most so many input tokens, for any model: a token covers at least one byte, templates and images apart.

    `chat.text_bytes` holds documents and audio at what they can come to as tokens.
    """
    tokens = chat.text_bytes + _PER_REQUEST + _PER_MESSAGE * len(chat.messages) + IMAGE_TOKENS * chat.images
    if chat.tools:
        tokens += _TOOL_INSTRUCTIONS + _PER_TOOL * len(chat.tools)
    if Need.JSON_SCHEMA in chat.needs:
        tokens += _TOOL_INSTRUCTIONS
    return tokens


def estimate_input(chat: Chat) -> int:
    """About how many input tokens: for expectations, never for bounds."""
    return ceil(chat.text_bytes / _BYTES_PER_TOKEN) + 4 * len(chat.messages) + _TYPICAL_IMAGE_TOKENS * chat.images


@lru_cache(1024)  # rates come from the configuration
def _femtos(rate: float) -> int:
    return round(rate * _FEMTOS_PER_USD)


def _times(femtos: int, factor: float) -> int:
    """A factor is a ratio of two listed prices: twelve decimals make it the short number that it was meant to be."""
    return -(-femtos * round(factor * 10**12) // 10**12)


def _is_off_peak(off_peak: OffPeak, at: float) -> bool:
    minutes = int(at // 60)
    weekday = (minutes // _MINUTES_PER_DAY + _EPOCH_WEEKDAY) % 7 + 1
    minute = minutes % _MINUTES_PER_DAY
    return any(weekday in days and first <= minute <= last for days, first, last in off_peak.windows)
