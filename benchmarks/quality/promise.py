"""The promise by simulation: how often is a certificate wrong, what does it save, when is it withdrawn?"""

from __future__ import annotations

from collections.abc import Callable
from statistics import mean
from typing import Any

import numpy as np
import numpy.typing as npt

from levelhead.learn.certify import THRESHOLDS, certify, lowest_threshold
from levelhead.learn.opinions import Opinions
from levelhead.policy import Certificate, Paired, Watch
from levelhead.stats import shown_below
from levelhead.types import Goal

Floats = npt.NDArray[np.float64]
Rule = Callable[[Floats, Floats], float | None]

GOAL = Goal(0.02, 0.95)
RUNS = 500
SIZES = (500, 1000, 2000)
SHIFT_AT, SHIFT_LENGTH, SHIFT_RUNS = 1000, 2000, 200


def rules() -> dict[str, Rule]:
    """levelhead's own, and what it is compared with. Each gives the lowest threshold that it would use."""
    return {"levelhead": _certified, "betting": _by(_betting), "normal": _by(_normal), "plug-in": _plug_in}


def promise(trust: Floats, loss: Floats, saving: Callable[[float], float], seed: int) -> dict[str, Any]:
    """Calibrations drawn with replacement; a violation is a true loss above the goal over the whole source."""
    found: dict[str, Any] = {}
    for size in SIZES:
        random = np.random.default_rng(seed + size)
        picks = [random.integers(0, trust.size, size) for _ in range(RUNS)]
        for name, rule in rules().items():
            chosen = [rule(trust[pick], loss[pick]) for pick in picks]
            true = {at: float(np.where(trust >= at, loss, 0.0).mean()) for at in set(chosen) if at is not None}
            saved = {at: saving(at) for at in true}
            found.setdefault(name, {})[str(size)] = {
                "violations": round(mean(at is not None and true[at] > GOAL.max_quality_loss for at in chosen), 4),
                "uncertified": round(mean(at is None for at in chosen), 4),
                "savings": round(mean(saved[at] if at is not None else 0.0 for at in chosen), 4),
            }
    return found


def cascade_savings(known: Opinions, trust: Floats) -> Callable[[float], float]:
    """Where the cascade would cost more than always-strong nobody uses it: no saving, then, and no loss either."""

    def saving(at: float) -> float:
        _, cost = known.served(trust >= at)
        return max(0.0, 1 - float(cost.mean()) / float(known.strong_cost.mean()))

    return saving


def shift(before: Opinions, after: Opinions, seed: int) -> dict[str, Any]:
    """At half-time the source changes to one on which the certified threshold loses ten points or more."""
    random = np.random.default_rng(seed)
    waits, losses, causes, true, early = [], [], {"loss": 0, "traffic": 0}, [], 0
    while len(waits) < SHIFT_RUNS:
        pick = random.integers(0, len(before.draft), 1000)
        found = certify(_paired(before, pick), GOAL, policy="benchmark")
        if not isinstance(found, Certificate):
            continue
        watch, lost = Watch(found), 0.0
        stream = [
            *_paired(before, random.integers(0, len(before.draft), SHIFT_AT)),
            *_paired(after, random.integers(0, len(after.draft), SHIFT_LENGTH - SHIFT_AT)),
        ]
        gone = len(stream)
        for at, verdict in enumerate(stream):
            if not watch.certificate.valid:
                gone = at
                break
            lost += verdict.strong - verdict.efficient if verdict.trust >= found.threshold else 0.0
            watch.verdict(verdict)
        early += gone < SHIFT_AT
        waits.append(gone - SHIFT_AT)
        losses.append(lost / len(stream))
        causes["loss" if "loss" in watch.certificate.withdrawn else "traffic"] += 1
        true.append(float(np.where(after.acceptance() >= found.threshold, after.strong - after.draft, 0).mean()))
    return {
        "runs": len(waits),
        "true_loss_after": round(mean(true), 4),
        "withdrawn_within_300": round(mean(wait <= 300 for wait in waits), 4),
        "withdrawn_before_the_shift": round(early / len(waits), 4),
        "median_wait": float(np.median(waits)),
        "mean_loss_over_the_stream": round(mean(losses), 4),
        "streams_above_0.03": round(mean(loss > 0.03 for loss in losses), 4),
        "causes": causes,
    }


def _paired(known: Opinions, pick: npt.NDArray[np.int64]) -> list[Paired]:
    part = known.rows(pick)
    return [Paired(*map(float, row)) for row in zip(part.acceptance(), part.draft, part.strong, strict=True)]


def _certified(trust: Floats, loss: Floats) -> float | None:
    return lowest_threshold(trust, loss, GOAL.max_quality_loss, 1 - GOAL.confidence)[0]


def _by(passes: Callable[[Floats], bool]) -> Rule:
    """The same fixed sequence with another test."""

    def rule(trust: Floats, loss: Floats) -> float | None:
        last = None
        for at in THRESHOLDS:
            if not passes(np.where(trust >= at, loss, 0.0)):
                break
            last = at
        return last if last is not None and bool((trust >= last).any()) else None

    return rule


def _betting(losses: Floats) -> bool:
    return shown_below(losses, GOAL.max_quality_loss, 1 - GOAL.confidence)


def _normal(losses: Floats) -> bool:
    """The usual one-sided interval, right for many verdicts only."""
    return bool(losses.mean() + 1.645 * losses.std() / np.sqrt(losses.size) < GOAL.max_quality_loss)


def _plug_in(trust: Floats, loss: Floats) -> float | None:
    """The lowest threshold whose average loss keeps the goal: what routers usually do."""
    kept = [at for at in THRESHOLDS if np.where(trust >= at, loss, 0.0).mean() <= GOAL.max_quality_loss]
    return min(kept) if kept else None
