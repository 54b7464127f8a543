"""One entry of litellm's price table -> `Price`.

What the table prices but `Price` can't tell apart (reasoning dearer than output, several steps of long context) is
taken at the dearer rate: a bill may come out lower than the ledger says, never higher.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..types import OffPeak, Price

_DAY = 24 * 60
_SPAN = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_STEPS = re.compile(r"input_cost_per_token_above_(\d+)k_tokens$")


def price_of(entry: Mapping[str, Any]) -> Price | None:
    """None where the entry has no price per token."""
    tiers = [tier for tier in entry.get("tiered_pricing") or () if _rate(tier, "input_cost_per_token") is not None]
    base = {**entry, **tiers[0]} if tiers else entry
    per_input = _rate(base, "input_cost_per_token")
    per_output = _rate(base, "output_cost_per_token")
    if per_output is None and entry.get("mode") == "embedding":
        per_output = 0.0
    if per_input is None or per_output is None:
        return None
    # 0 says that there is no premium, not that written tokens are free.
    write = _rate(base, "cache_creation_input_token_cost") or per_input
    cached = _rate(base, "cache_read_input_token_cost")
    cached = per_input if cached is None else cached
    first, input_factor, output_factor = _long_context(entry, tiers, per_input, per_output)
    return Price(
        input=per_input,
        output=max(per_output, _rate(base, "output_cost_per_reasoning_token") or 0.0),
        cached_input=cached,
        cache_write=write,
        cache_write_1h=_rate(base, "cache_creation_input_token_cost_above_1hr") or write,
        long_context_tokens=first,
        long_input_factor=input_factor,
        long_output_factor=output_factor,
        off_peak=_off_peak(entry.get("off_peak_pricing"), per_input, per_output, cached),
    )


def _rate(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        return None
    return float(value)


def _long_context(
    entry: Mapping[str, Any], tiers: list[Mapping[str, Any]], per_input: float, per_output: float
) -> tuple[int | None, float, float]:
    """The first threshold in tokens, and the factors of the dearest step above it."""
    steps: list[tuple[int, Mapping[str, Any], str]] = [
        (int(match[1]) * 1000, entry, match[0].removeprefix("input_cost_per_token"))
        for match in map(_STEPS.match, entry)
        if match
    ]
    steps += [(int(tier["range"][0]), tier, "") for tier in tiers[1:] if isinstance(tier.get("range"), list)]
    if not steps:
        return None, 1.0, 1.0

    def factor(name: str, base: float) -> float:
        rates = [_rate(step, name + ending) or base for _, step, ending in steps]
        return max(1.0, *(round(rate / base, 12) for rate in rates)) if base else 1.0

    return (
        min(at for at, _, _ in steps),
        factor("input_cost_per_token", per_input),
        factor("output_cost_per_token", per_output),
    )


def _off_peak(block: Any, per_input: float, per_output: float, cached: float) -> OffPeak | None:
    if not isinstance(block, Mapping):
        return None
    rules = [*(block.get("windows") or ()), {"hours_utc": block.get("hours_utc")}]
    try:
        ahead = _minutes_ahead(block.get("weekday_timezone"))
    except (ValueError, ZoneInfoNotFoundError):
        return None  # a calendar that isn't known here: the dearer tariff stands
    windows = tuple(window for rule in rules for window in _windows(rule, ahead))
    if not windows:
        return None

    def rate(name: str, usual: float) -> float:
        cheaper = _rate(block, name)
        return usual if cheaper is None else cheaper

    return OffPeak(
        input=rate("input_cost_per_token", per_input),
        output=rate("output_cost_per_token", per_output),
        cached_input=rate("cache_read_input_token_cost", cached),
        windows=windows,
    )


def _windows(rule: Mapping[str, Any], ahead: int) -> list[tuple[frozenset[int], int, int]]:
    """One rule as (ISO weekdays, first minute, last minute) in UTC; its weekdays are of a clock `ahead` minutes."""
    hours = rule.get("hours_utc")
    spans = [hours] if isinstance(hours, str) else hours or []
    days = frozenset(day for day in rule.get("weekdays") or range(1, 8) if isinstance(day, int))
    day_before = frozenset((day - 2) % 7 + 1 for day in days)
    windows = []
    for span in spans:
        match = _SPAN.fullmatch(span)
        if match is None:
            continue  # a tariff that can't be read: the dearer one stands
        from_hour, from_minute, to_hour, to_minute = map(int, match.groups())
        start, end = from_hour * 60 + from_minute, to_hour * 60 + to_minute
        pieces = [(start, end)] if start < end else [(start, _DAY), (0, end)]
        for first, stop in pieces:
            turn = _DAY - ahead if ahead > 0 else _DAY  # from here on, the other clock has the next day already
            windows.append((days, first, min(stop, turn) - 1))
            windows.append((day_before, max(first, turn), stop - 1))
    return [(on, first, last) for on, first, last in windows if first <= last]


def _minutes_ahead(zone: Any) -> int:
    """Of a clock without summer time; a zone west of Greenwich is read as UTC."""
    if not isinstance(zone, str):
        return 0
    offset = ZoneInfo(zone).utcoffset(datetime(2026, 1, 1, tzinfo=UTC)) or timedelta()
    return max(0, int(offset.total_seconds() // 60))
