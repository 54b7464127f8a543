"""What a strong model is worth in a seat, from seats whose tier a coin decided.

Main effects by least squares on centred coins: with Z the coin of a seat and p its probability, Z - p has mean zero and
is independent of everything else, other seats' coins included, so the slope on the sum of Z - p over the seats of one
place is the average effect of making one such seat strong, whatever else enters the score and whatever interacts.
Intervals by heteroskedasticity-consistent errors (HC3; MacKinnon and White, J. Econometrics 1985). Effects are
intention-to-treat: of leaning to strength, which money or health may overrule.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from ..types import Level
from .leaning import PLACES, Effect, Place
from .state import SeatTrial

LEAST_RUNS = 12
Floats = npt.NDArray[np.float64]


def effects(trials: Sequence[SeatTrial]) -> dict[tuple[Place, Level], Effect]:
    """By place and level; a level with fewer than `LEAST_RUNS` scored runs and a place without coins have none."""
    found: dict[tuple[Place, Level], Effect] = {}
    by_level: dict[int, dict[str, list[SeatTrial]]] = defaultdict(lambda: defaultdict(list))
    for trial in trials:
        by_level[trial.level][trial.run].append(trial)
    for level, runs in by_level.items():
        if len(runs) >= LEAST_RUNS:
            for place, effect in _level(list(runs.values())).items():
                found[place, Level(level)] = effect
    return found


def interval(effect: Effect, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper end."""
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * effect.error
    return effect.mean - reach, effect.mean + reach


def _level(runs: Sequence[Sequence[SeatTrial]]) -> dict[Place, Effect]:
    coins = np.array([[_centred(run, place) for place in PLACES] for run in runs])
    scores = np.array([run[0].score for run in runs])
    used = [at for at, _ in enumerate(PLACES) if coins[:, at].any()]
    if len(runs) <= len(used) + 2:
        return {}
    means, errors = _regress(np.column_stack([np.ones(len(runs)), coins[:, used]]), scores)
    return {
        PLACES[at]: Effect(float(means[1 + i]), float(errors[1 + i]))
        for i, at in enumerate(used)
        if np.isfinite(errors[1 + i]) and errors[1 + i] > 0
    }


def _centred(run: Sequence[SeatTrial], place: Place) -> float:
    return sum(trial.strong - trial.propensity for trial in run if trial.place == place)


def _regress(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Slopes and their HC3 standard errors."""
    inverse = np.linalg.pinv(x.T @ x)
    slopes = inverse @ x.T @ y
    leverage = np.clip(np.einsum("ij,jk,ik->i", x, inverse, x), 0.0, 1 - 1e-9)
    residual = (y - x @ slopes) / (1 - leverage)
    errors = np.sqrt(np.diag(inverse @ (x.T * residual**2) @ x @ inverse))
    return slopes, errors
