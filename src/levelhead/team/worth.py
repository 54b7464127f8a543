"""What a strong model is expected to be worth in each seat on each level: a prior, and what randomised seats show.

The uplift of a seat is modelled as weight x own: how much the run's score depends on the seat's work, times how much
better a strong model does that work on the level, plus what goes another way. Each part has a wide Gaussian prior:

- own, by level, from how much better contributions of randomised seats were judged when strong, over all seats;
- weight, by seat, from how runs' scores go with their contributions' verdicts, all seats at once;
- the rest, by seat and level, from scores that verdicts don't explain, and from runs without verdicts.

So a verdict on each contribution teaches much more than the run's score alone: the score is noisy, and of one seat's
strength it shows little. The idea is that of a surrogate index (Athey, Chetty, Imbens, Kang 2019), with the direct
effect shrunk instead of assumed away. Assumed: contributions of one run are good or bad for the run in the same way
whichever model wrote them, and whatever makes a whole run easy is in its level; where it isn't, weights are too large
by a like factor for all seats, which keeps their order. Without verdicts only the coins count, which need neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..types import Level
from .state import SeatTrial

Place = Literal["first", "middle", "last"]
PLACES: tuple[Place, ...] = ("first", "middle", "last")
Seat = tuple[str, Place]
Floats = npt.NDArray[np.float64]

# Before any trial, ours. On L3 and L4 a strong model is expected to do its own work better, less surely on L4: there
# strong models weren't better in arXiv:2603.28990 (Claude Sonnet 4.6 .594, DeepSeek .629).
_OWN = np.array([0.03, 0.04, 0.15, 0.08])
_OWN_SD = 0.10
_OWN_ALIKE = 0.5  # how alike levels are
_WEIGHT = {"first": 0.4, "middle": 0.1, "last": 0.4}
_DOUBT = 0.5  # a weight's standard deviation, of itself
_ALIKE = 0.5  # how alike seats of one place are
_DIRECT_SD = 0.003
_LEVELS = len(Level)
MOST_SEATS = 64  # further ones are known by their place only
NEWEST_RUNS = 4_000
LEAST_RUNS = 8


@dataclass(frozen=True)
class Worth:
    """`mean` and `variance` of the uplift, in score 0..1, by seat and level: arrays of `len(seats)` x 4."""

    seats: Mapping[Seat, int]
    mean: Floats
    variance: Floats

    @cached_property
    def _before(self) -> Floats:
        return _prior(list(self.seats))[1]

    def expected(self, slot: str, place: Place, level: Level | None) -> float:
        """0 where the level isn't known."""
        return 0.0 if level is None else float(self.mean[self._row(slot, place), level - 1])

    def doubt(self, slot: str, place: Place, level: Level | None) -> float:
        """How much of the prior's standard deviation is left: 1 before any trial."""
        if level is None:
            return 1.0
        at = self._row(slot, place), level - 1
        return min(1.0, float(np.sqrt(self.variance[at] / self._before[at])))

    def _row(self, slot: str, place: Place) -> int:
        return self.seats.get((slot, place), PLACES.index(place))


def worth(trials: Sequence[SeatTrial] = ()) -> Worth:
    """What the trials have shown so far."""
    runs: dict[str, list[SeatTrial]] = {}
    for trial in trials:
        runs.setdefault(trial.run, []).append(trial)
    known = list(runs.values())[-NEWEST_RUNS:]
    seats = _seats(known)
    if len(known) < LEAST_RUNS:
        return Worth({seat: at for at, seat in enumerate(seats)}, *_prior(seats))
    rows = _Rows(known, seats)
    weight, weight_cov = _weights(rows, seats)
    own, own_cov = _own(rows)
    mean, cov = _product(weight, weight_cov, own, own_cov)
    cells = len(seats) * _LEVELS
    unexplained = rows.score - rows.verdict @ weight
    direct, direct_cov = _update(
        np.zeros(cells), np.eye(cells) * _DIRECT_SD**2, rows.coin[rows.judged], unexplained[rows.judged]
    )
    mean, cov = _update(mean + direct, cov + direct_cov, rows.coin[~rows.judged], rows.score[~rows.judged])
    shape = (len(seats), _LEVELS)
    return Worth({seat: at for at, seat in enumerate(seats)}, mean.reshape(shape), np.diag(cov).reshape(shape))


class _Rows:
    """Trials as arrays, a row for each run, all centred within their level: `coin` (runs x cells), `verdict` (runs x
    seats), `score`; `judged`: whether the run has verdicts."""

    def __init__(self, runs: Sequence[Sequence[SeatTrial]], seats: Sequence[Seat]) -> None:
        index = {seat: at for at, seat in enumerate(seats)}
        coin, verdict = np.zeros((len(runs), len(seats), _LEVELS)), np.zeros((len(runs), len(seats)))
        judged = np.zeros((len(runs), len(seats)), bool)
        self.level = np.array([run[0].level - 1 for run in runs])
        for row, run in enumerate(runs):
            for trial in run:
                place = _place(trial)
                at = index.get((trial.slot, place), PLACES.index(place))
                coin[row, at, trial.level - 1] += trial.strong - trial.propensity
                if trial.verdict is not None:
                    verdict[row, at] += trial.verdict
                    judged[row, at] = True
        self.toss = coin.sum(axis=2)
        self.judged = judged.any(axis=1)
        self.verdict = np.nan_to_num(self._centred(np.where(judged, verdict, np.nan)))
        self.score = self._centred(np.array([run[0].score for run in runs])[:, None])[:, 0]
        self.coin = coin.reshape(len(runs), -1)

    def _centred(self, values: Floats) -> Floats:
        found = values.copy()
        for level in np.unique(self.level):
            these = self.level == level
            count = np.maximum((~np.isnan(values[these])).sum(axis=0), 1)
            found[these] -= np.nansum(values[these], axis=0) / count
        return found


def _weights(rows: _Rows, seats: Sequence[Seat]) -> tuple[Floats, Floats]:
    """Of seats, from scores against verdicts."""
    places = np.array([place for _, place in seats])
    mean = np.array([_WEIGHT[place] for place in places])
    alike = (places[:, None] == places) * _ALIKE + np.eye(len(seats)) * (1 - _ALIKE)
    cov = alike * np.outer(mean, mean) * _DOUBT**2
    return _update(mean, cov, rows.verdict[rows.judged], rows.score[rows.judged])


def _own(rows: _Rows) -> tuple[Floats, Floats]:
    """By level: how much better a contribution is judged when it is strong."""
    precision, pull = np.zeros(_LEVELS), np.zeros(_LEVELS)
    for level in range(_LEVELS):
        these = rows.judged & (rows.level == level)
        toss, verdict = rows.toss[these].ravel(), rows.verdict[these].ravel()
        if toss.any():
            noise = max(float(verdict.var()), 1e-4)
            precision[level] = float(toss @ toss) / noise
            pull[level] = float(toss @ (verdict - toss * _OWN[level])) / noise
    cov = np.linalg.inv(np.linalg.inv(_own_prior()) + np.diag(precision))
    return _OWN + cov @ pull, cov


def _own_prior() -> Floats:
    return _OWN_SD**2 * (_OWN_ALIKE + (1 - _OWN_ALIKE) * np.eye(_LEVELS))


def _product(weight: Floats, weight_cov: Floats, own: Floats, own_cov: Floats) -> tuple[Floats, Floats]:
    """Mean and covariance of weight x own, by seat and level, flattened; exact for independent Gaussians."""
    second = np.outer(own, own) + own_cov
    return np.outer(weight, own).ravel(), np.kron(weight_cov, second) + np.kron(np.outer(weight, weight), own_cov)


def _update(mean: Floats, cov: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The Gaussian posterior of slopes; the noise is what the prior mean leaves or, with enough rows, the fit."""
    if not len(y):
        return mean, cov
    noise = max(float(np.var(y)), 1e-4)
    for _ in range(2):
        gain = np.linalg.solve(np.eye(len(mean)) * noise + cov @ (x.T @ x), cov).T
        found = mean + gain @ (x.T @ (y - x @ mean))
        noise = max(float(np.mean((y - x @ found) ** 2)), 1e-4)
    return found, noise * (gain + gain.T) / 2


def _prior(seats: Sequence[Seat]) -> tuple[Floats, Floats]:
    weight = np.array([_WEIGHT[place] for _, place in seats])
    mean, cov = _product(weight, np.diag((weight * _DOUBT) ** 2), _OWN, _own_prior())
    shape = (len(seats), _LEVELS)
    return mean.reshape(shape), np.diag(cov).reshape(shape) + _DIRECT_SD**2


def _seats(runs: Sequence[Sequence[SeatTrial]]) -> list[Seat]:
    """A nameless one for each place, then those with most trials."""
    tried: dict[Seat, int] = {}
    for run in runs:
        for trial in run:
            tried[_seat(trial)] = tried.get(_seat(trial), 0) + 1
    named = sorted((seat for seat in tried if seat[0]), key=lambda seat: (-tried[seat], seat))
    return [*(("", place) for place in PLACES), *named[:MOST_SEATS]]


def _seat(trial: SeatTrial) -> Seat:
    return trial.slot, _place(trial)


def _place(trial: SeatTrial) -> Place:
    return "first" if trial.place == "first" else "last" if trial.place == "last" else "middle"
