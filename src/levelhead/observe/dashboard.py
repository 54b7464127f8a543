"""What the dashboard page shows: sums over what `/metrics` says, and logged decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Cell = tuple[str, ...]
Json = dict[str, Any]

BINS = 40
# Of each sample the labels that its sum keeps.
_KEPT: dict[str, tuple[str, ...]] = {
    "cost_usd_total": ("slot", "level", "model", "kind"),
    "baseline_cost_usd_total": ("slot", "level"),
    "saved_usd_total": ("by",),
    "excess_usd_total": (),
    "shadow_cost_usd_total": ("path",),
    "requests_total": ("outcome",),
    "decisions_total": ("slot", "level", "tier"),
    "verdicts_total": ("tier", "verdict"),
    "cache_requests_total": ("result",),
    "quality_loss": ("slot", "level", "bound"),
    "breaker_state": ("model",),
    "overhead_seconds_bucket": ("le",),
}


class Sampled(Protocol):
    """A metric as Prometheus' client collects it."""

    @property
    def samples(self) -> Iterable[Any]: ...


class Collected(Protocol):
    def collect(self) -> Iterable[Sampled]: ...


class Sums:
    """Samples added up by the labels that matter here."""

    def __init__(self, page: Collected) -> None:
        self._sums: dict[str, dict[Cell, float]] = {name: defaultdict(float) for name in _KEPT}
        for metric in page.collect():
            for sample in metric.samples:
                name = sample.name.removeprefix("levelhead_")
                if (kept := _KEPT.get(name)) is not None:
                    self._sums[name][tuple([sample.labels[label] for label in kept])] += sample.value

    def of(self, name: str, *wanted: str | None) -> float:
        """The sum of all that has these label values; None stands for any."""
        return sum(
            value
            for cell, value in self._sums[name].items()
            if all(want is None or want == have for want, have in zip(wanted, cell, strict=False))
        )

    def by(self, name: str, *places: int) -> dict[Cell, float]:
        """Sums by the labels at these places."""
        found: dict[Cell, float] = defaultdict(float)
        for cell, value in self._sums[name].items():
            found[tuple([cell[at] for at in places])] += value
        return dict(found)


def figures(page: Collected) -> Json:
    """Everything that `/metrics` knows and the page shows; money in USD, times in seconds."""
    sums = Sums(page)
    return {
        "cost_usd": sums.of("cost_usd_total"),
        "baseline_usd": sums.of("baseline_cost_usd_total"),
        "saved_usd": {"routing": sums.of("saved_usd_total", "routing"), "cache": sums.of("saved_usd_total", "cache")},
        "excess_usd": sums.of("excess_usd_total"),
        "shadow_usd": _flat(sums.by("shadow_cost_usd_total", 0)),
        "cost_by_kind": _flat(sums.by("cost_usd_total", 3)),
        "requests": _flat(sums.by("requests_total", 0)),
        "cache": _flat(sums.by("cache_requests_total", 0)),
        "cells": _cells(sums),
        "quality_loss": _losses(sums),
        "verdicts": [
            {"tier": tier, "good": good, "bad": sums.of("verdicts_total", tier, "bad")}
            for (tier, verdict), good in sorted(sums.by("verdicts_total", 0, 1).items())
            if verdict == "good"
        ],
        "models": [
            {"model": model, "cost_usd": sums.of("cost_usd_total", None, None, model), "breaker": int(state)}
            for (model,), state in sorted(sums.by("breaker_state", 0).items())
        ],
        "overhead_seconds": _quantiles(sums.by("overhead_seconds_bucket", 0)),
    }


def brief(row: Mapping[str, Any]) -> Json:
    """A logged decision in a line: no text of the client's but the names it gave itself."""
    decision = row.get("decision") or {}
    kept = ("id", "at", "key", "slot", "run", "outcome", "error", "level", "model", "tier", "cost_usd", "baseline_usd")
    return {**{name: row.get(name) for name in kept}, "reason": decision.get("reason") or _why(row)}


def history(rows: Sequence[Mapping[str, Any]]) -> list[Json]:
    """Spent and baseline over the time of these decisions, in bins of equal length, the first the oldest."""
    if not rows:
        return []
    first, last = min(row["at"] for row in rows), max(row["at"] for row in rows)
    width = max((last - first) / BINS, 1e-3)
    bins = [
        {"from": first + i * width, "requests": 0, "cost_usd": 0.0, "baseline_usd": 0.0}
        for i in range(min(BINS, int((last - first) / width) + 1))
    ]
    for row in rows:
        into = bins[min(len(bins) - 1, int((row["at"] - first) / width))]
        into["requests"] += 1
        into["cost_usd"] += row["cost_usd"]
        into["baseline_usd"] += row["baseline_usd"]
    return bins


def _cells(sums: Sums) -> list[Json]:
    cells: dict[Cell, Json] = {}
    for (slot, level, tier), number in sums.by("decisions_total", 0, 1, 2).items():
        cell = cells.setdefault((slot, level), {"slot": slot, "level": level, "decisions": 0, "tiers": {}})
        cell["decisions"] += number
        if number:
            cell["tiers"][tier] = number
    paid, baseline = sums.by("cost_usd_total", 0, 1), sums.by("baseline_cost_usd_total", 0, 1)
    for at, cell in cells.items():
        cell["cost_usd"], cell["baseline_usd"] = paid.get(at, 0.0), baseline.get(at, 0.0)
    return [cells[at] for at in sorted(cells)]


def _losses(sums: Sums) -> list[Json]:
    """What is estimated and promised of each slot and level; nothing where there is no evidence."""
    found: dict[Cell, Json] = {}
    for (slot, level, bound), value in sums.by("quality_loss", 0, 1, 2).items():
        found.setdefault((slot, level), {"slot": slot, "level": level})[bound] = value
    return [found[at] for at in sorted(found)]


def _quantiles(buckets: Mapping[Cell, float]) -> Json:
    """Median and 95th percentile as Prometheus' histogram_quantile gives them; None before the first request."""
    edges = sorted((float(edge), count) for (edge,), count in buckets.items())
    total = edges[-1][1] if edges else 0.0
    if not total:
        return {"median": None, "p95": None}
    return {"median": _quantile(edges, 0.5 * total), "p95": _quantile(edges, 0.95 * total)}


def _quantile(edges: Sequence[tuple[float, float]], rank: float) -> float:
    low, below = 0.0, 0.0
    for edge, reached in edges:
        if reached >= rank and reached > below:
            return low if edge == float("inf") else low + (edge - low) * (rank - below) / (reached - below)
        low, below = edge, reached
    return low


def _flat(sums: Mapping[Cell, float]) -> dict[str, float]:
    return {name: value for (name,), value in sorted(sums.items())}


def _why(row: Mapping[str, Any]) -> str | None:
    return "cache" if row.get("outcome") == "cached" else row.get("error")
