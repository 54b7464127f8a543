"""What a strong model was worth in a seat, from randomised seats alone: nothing assumed, so intervals are wide.

Main effects by least squares on centred coins: with Z the coin of a seat and p its probability, Z - p has mean zero
whatever the task, so the slope on the sum of Z - p over the seats of one place or slot is the average effect of making
one such seat strong, whatever else enters the score and whatever interacts.
Intervals by heteroskedasticity-consistent errors (HC3; MacKinnon and White, J. Econometrics 1985). Effects are
intention-to-treat: of leaning to strength, which money or health may overrule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..types import Level
from .state import SeatTrial

LEAST_RUNS = 12
Floats = npt.NDArray[np.float64]
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Effect:
    """An estimated uplift of the strong tier on a level (None: over all): mean, standard error, quality 0..1."""

    mean: float
    error: float
    runs: int = 0


def effects(trials: Sequence[SeatTrial]) -> dict[tuple[str, Level], Effect]:
    """By place and level; a level with fewer than `LEAST_RUNS` scored runs and a place without coins have none."""
    levels = sorted({trial.level for trial in trials})
    found = {}
    for level in levels:
        known = main_effects([trial for trial in trials if trial.level == level], lambda trial: trial.place)
        found.update({(place, Level(level)): effect for place, effect in known.items()})
    return found


def by_slot(trials: Sequence[SeatTrial]) -> dict[str, Effect]:
    """By slot, over all levels."""
    return main_effects([trial for trial in trials if trial.slot], lambda trial: trial.slot)


def interval(effect: Effect, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper end."""
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * effect.error
    return effect.mean - reach, effect.mean + reach


def main_effects(trials: Sequence[SeatTrial], key: Callable[[SeatTrial], Key]) -> dict[Key, Effect]:
    """By `key`. Levels have their own means; a key needs a coin, and all of them a few runs more than they are."""
    runs: dict[str, list[SeatTrial]] = defaultdict(list)
    for trial in trials:
        runs[trial.run].append(trial)
    keys = {key(trial): at for at, trial in enumerate({key(t): t for t in trials if 0 < t.propensity < 1}.values())}
    levels = sorted({run[0].level for run in runs.values()})
    if len(runs) < LEAST_RUNS or len(runs) <= len(keys) + len(levels) + 1:
        return {}
    x = np.zeros((len(runs), len(keys) + len(levels)))
    count = [0] * len(keys)
    for row, run in enumerate(runs.values()):
        x[row, len(keys) + levels.index(run[0].level)] = 1.0
        for at in {keys[key(trial)] for trial in run if 0 < trial.propensity < 1}:
            count[at] += 1
        for trial in run:
            if key(trial) in keys:
                x[row, keys[key(trial)]] += trial.strong - trial.propensity
    means, errors = _regress(x, np.array([run[0].score for run in runs.values()]))
    return {
        name: Effect(float(means[at]), float(errors[at]), count[at])
        for name, at in keys.items()
        if np.isfinite(errors[at]) and errors[at] > 0
    }


def _regress(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Slopes and their HC3 standard errors."""
    inverse = np.linalg.pinv(x.T @ x)
    slopes = inverse @ x.T @ y
    leverage = np.clip(np.einsum("ij,jk,ik->i", x, inverse, x), 0.0, 1 - 1e-9)
    residual = (y - x @ slopes) / (1 - leverage)
    errors = np.sqrt(np.diag(inverse @ (x.T * residual**2) @ x @ inverse))
    return slopes, errors
