"""The figures of a report: sums over logged decisions, as `/metrics` counts them, and estimates with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...types import Verdict
from .estimates import Audits, Quality, Shadowed

Cell = tuple[str, str, str]


@dataclass(slots=True)
class Tally:
    """USD."""

    requests: int = 0
    spent: float = 0.0
    baseline: float = 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        self.requests += 1
        self.spent += row["cost_usd"]
        self.baseline += row["baseline_usd"]

    def told(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "spent_usd": self.spent,
            "baseline_usd": self.baseline,
            "saved_usd": self.baseline - self.spent,
        }


class Figures:
    """Fed with rows of the decision log and with verdicts, in any order; `told` is the report as JSON.

    `slots`: the declared ones; all others are "other". `tiers`: each model's.
    """

    def __init__(self, slots: Collection[str], tiers: Mapping[str, str], confidence: float) -> None:
        self._slots = frozenset(slots)
        self._tiers = tiers
        self._confidence = confidence
        self._all = Tally()
        self._days: dict[str, Tally] = {}
        self._cells: dict[Cell, Tally] = {}
        self._outcomes: Counter[str] = Counter()
        self._saved = {"routing": 0.0, "cache": 0.0}
        self._excess = 0.0
        self._quality: dict[str, Quality] = {}
        self._shadow = Shadowed()
        self._audits = Audits(slots, confidence)
        self._first, self._last = float("inf"), float("-inf")

    def add(self, row: Mapping[str, Any]) -> None:
        """A row as `journal.decision_row` makes them."""
        at, saved = row["at"], row["baseline_usd"] - row["cost_usd"]
        self._first, self._last = min(self._first, at), max(self._last, at)
        self._outcomes[row["outcome"]] += 1
        self._all.add(row)
        self._days.setdefault(_day(at), Tally()).add(row)
        self._cells.setdefault(self._cell(row), Tally()).add(row)
        if saved < 0:
            self._excess -= saved
        else:
            self._saved["cache" if row["outcome"] == "cached" else "routing"] += saved
        if "shadow" in row:
            self._shadow.add(row)

    def judged(self, verdict: Verdict) -> None:
        if verdict.audit is not None:
            self._audits.add(verdict)
            if not verdict.audit.certifies:
                return  # a judge may favour its family
        tier = self._tiers.get(verdict.model, "no longer configured")
        self._quality.setdefault(tier, Quality()).add(verdict.decision_id, verdict.score)

    def told(self, budgets: Sequence[Mapping[str, object]] = (), *, simulated: bool = False) -> dict[str, Any]:
        """`budgets`: as `spend.as_json` gives them. Times are Unix seconds; None where nothing is logged."""
        empty = not self._all.requests
        cells = sorted(self._cells.items(), key=lambda item: (-item[1].baseline, -item[1].spent, item[0]))
        return {
            "object": "report",
            "simulated": simulated,
            "from": None if empty else self._first,
            "to": None if empty else self._last,
            **self._all.told(),
            "saved_by": dict(self._saved),
            "excess_usd": self._excess,
            "outcomes": dict(self._outcomes.most_common()),
            "by_day": [{"day": day, **tally.told()} for day, tally in sorted(self._days.items())],
            "by": [{"slot": s, "level": level, "tier": tier, **t.told()} for (s, level, tier), t in cells],
            "confidence": self._confidence,
            "quality": {tier: known.told(self._confidence) for tier, known in sorted(self._quality.items())},
            "loss": self._audits.told(),
            "shadow": self._shadow.told(self._confidence),
            "budgets": [dict(budget) for budget in budgets],
            "method": list(METHOD),
        }

    def _cell(self, row: Mapping[str, Any]) -> Cell:
        slot = row["slot"]
        known = slot if slot in self._slots else "other" if slot else "none"
        return known, row["level"] or "none", row["tier"] or "none"


METHOD = (
    "Spent is what vendors bill by their usage and your prices; the baseline is the same tokens at the price of the "
    "strong model that could have answered (of the model itself where a client named one or shadow mode answered), so "
    "it doesn't know how long that model's own answer would have been.",
    "Quality is the mean of the verdicts that were given on each tier's answers, with an anytime-valid betting "
    "interval: it speaks for the answers that were judged, and tiers get different tasks, so their difference is not "
    "the loss.",
    "Quality lost is what audits found: of a random sample of both paths, the grade of the strong tier's answer less "
    "that of the efficient one's where routing chose that one, and nothing elsewhere, weighted by the chance of being "
    "sampled, with anytime-valid bounds.",
    "What shadow mode would have saved is priced at the tokens that were served; its interval takes conversations as "
    "the sample, its bounds also allow the other model's answers to be twice as long, and quality there is a "
    "prediction.",
)


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")
