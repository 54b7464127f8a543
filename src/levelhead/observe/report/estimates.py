"""The estimates of a report, with their intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import sqrt
from statistics import NormalDist
from typing import Any

from ...stats import AuditedLoss, Bounded, MeanSequence
from ...types import Verdict
from ..losses import ALL, Losses

LEAST_CONVERSATIONS = 5  # below, a spread says nothing


class Quality:
    """Verdicts on one tier's answers; several on one answer count as their mean.

    The interval is an anytime-valid confidence sequence, so that a report may be drawn up every day.
    """

    def __init__(self) -> None:
        self.verdicts = 0
        self._scores: dict[str, list[float]] = {}

    def add(self, decision_id: str, score: float) -> None:
        self.verdicts += 1
        self._scores.setdefault(decision_id, []).append(score)

    def told(self, confidence: float) -> dict[str, Any]:
        known = MeanSequence((1 - confidence) / 2, low=0.0, high=1.0)
        for scores in self._scores.values():
            known.add(min(1.0, max(0.0, sum(scores) / len(scores))))
        return {
            "verdicts": self.verdicts,
            "answers": known.count,
            "score": known.estimate,
            "lower": min(known.lower, known.estimate),
            "upper": max(known.upper, known.estimate),
        }


class Audits:
    """What audits measured: the loss of what was served against always-strong, and of all-efficient beside it.

    Weighted by the chances with which requests were audited; intervals are two-sided and anytime-valid.
    """

    def __init__(self, slots: Collection[str], confidence: float) -> None:
        self._delta = (1 - confidence) / 2
        self._served = Losses(slots, None, self._delta)
        self._efficient = AuditedLoss()
        self._relatives = 0
        self._cost = 0.0

    def add(self, verdict: Verdict) -> None:
        audit = verdict.audit
        assert audit is not None
        self._cost += audit.cost_usd
        if audit.certifies:
            self._served.add(verdict)
            self._efficient.add(audit.strong - audit.efficient, audit.propensity)
        else:
            self._relatives += 1

    def told(self) -> dict[str, Any] | None:
        """None: nothing was audited."""
        if not self._efficient.n and not self._relatives:
            return None
        found = {(one.slot, one.level): one.found for one in self._served.measured()}
        return {
            "cost_usd": self._cost,
            "by_relatives": self._relatives,
            "served": _bounds(found[ALL, ALL]) if found else None,
            "all_efficient": _bounds(self._efficient.told(self._delta)) if found else None,
            "by": [
                {"slot": slot, "level": level, **_bounds(one)}
                for (slot, level), one in sorted(found.items())
                if slot != ALL
            ],
        }


def _bounds(found: Bounded) -> dict[str, Any]:
    return {"audits": found.n, "loss": found.estimate, "lower": found.lower, "upper": found.upper}


class Shadowed:
    """What routing would have saved while shadow mode answered.

    The share saved is a ratio of sums over conversations, which are taken to be independent; its interval is Student's
    by the delta method (Cochran, "Sampling techniques", 1977, chapter 6).
    """

    def __init__(self) -> None:
        self.requests = 0
        self.elsewhere = 0
        self._sums: dict[tuple[str, str], list[float]] = {}  # cost, routed, routed if twice as long
        self._losses: list[float] = []

    def add(self, row: Mapping[str, Any]) -> None:
        would = row["shadow"]
        if would["cost_usd"] is None or row["outcome"] != "ok":
            return
        self.requests += 1
        self.elsewhere += would["model"] != row["model"]
        sums = self._sums.setdefault((row["key"], row["session"] or row["id"]), [0.0, 0.0, 0.0])
        for at, amount in enumerate((row["cost_usd"], would["cost_usd"], would["cost_usd_if_twice_as_long"])):
            sums[at] += amount
        success = {c["model"]: c["success"] for c in row["decision"]["candidates"]}
        if row["model"] in success:
            self._losses.append(success[row["model"]] - would["success"])

    def told(self, confidence: float) -> dict[str, Any] | None:
        """None: nothing was shadowed. `bounds` are None where there are too few conversations."""
        if not self.requests:
            return None
        cost, routed, twice = (sum(sums[at] for sums in self._sums.values()) for at in range(3))
        spread = self._spread(1, confidence)
        low, high = self._spread(2, confidence), spread
        share, share_twice = (1 - routed / cost, 1 - twice / cost) if cost else (0.0, 0.0)
        return {
            "requests": self.requests,
            "conversations": len(self._sums),
            "would_go_elsewhere": self.elsewhere,
            "spent_usd": cost,
            "would_cost_usd": routed,
            "would_save_usd": cost - routed,
            "would_save_share": share,
            "interval": None if spread is None else [share - spread, min(1.0, share + spread)],
            "if_twice_as_long_share": share_twice,
            "bounds": None if low is None or high is None else [share_twice - low, min(1.0, share + high)],
            "predicted_loss": sum(self._losses) / len(self._losses) if self._losses else None,
        }

    def _spread(self, at: int, confidence: float) -> float | None:
        """Half the interval of the share that is saved, conversations being what was sampled."""
        units = len(self._sums)
        total = sum(sums[0] for sums in self._sums.values())
        if units < LEAST_CONVERSATIONS or not total:
            return None
        share = sum(sums[at] for sums in self._sums.values()) / total
        squares = sum((sums[at] - share * sums[0]) ** 2 for sums in self._sums.values())
        return student(confidence, units - 1) * sqrt(units / (units - 1) * squares) / total


def student(confidence: float, freedom: int) -> float:
    """The two-sided quantile of Student's t by Cornish and Fisher's expansion: within 1 % from 4 degrees on at 95 %."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3
