"""What verdicts teach about a key's own traffic: corrections of the shipped success rates.

A dynamic logistic model (West, Harrison and Migon, JASA 80, 1985). The logit that the shipped model gives is corrected
by w . phi: a constant, the task's vector and the slot, once for all tiers and once leaning with the tier. A verdict
moves a Gaussian over the weights to the mode along the verdict's own direction; between verdicts the weights drift back
to their prior as an Ornstein-Uhlenbeck process, whose resting law the prior is. So few verdicts move little, old ones
fade, and without any the shipped model speaks.

The prior knows one thing that recorded outcomes show in every source: a strong model loses less to a heavier task.

A key's verdicts correct this key's rates and nobody else's: no tenant can teach another's router.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, log, pi, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from ..types import Assessment, Model, Verdict

Floats = npt.NDArray[np.float64]

MEMORY = 200_000  # verdicts in which the weights drift back by 1/e; of a steady stream the last 500 or so count
SLOTS = 8  # of a key, in the order of their first verdict; the others share the rest
_REACH = 4.0  # logits: no correction is larger
_LOAD, _KNOWN = 0, 2  # places in `difficulty.model.VECTOR`
# Prior spreads (logits) of the parts that all tiers share and of those that lean with the tier: constant, load, the
# other numbers together, each slot. Chosen on the six recorded pairs, each seen by a model that was fitted without it.
_SHARED = (1.0, 0.5, 0.6, 0.5)
_LEANING = (0.5, 0.05, 0.15, 0.3)
_LOAD_LEAN = 0.3  # prior mean: what the strong model gains, and the efficient one loses, for each unit of load
_STEPS = 8


class Corrections:
    """Every key's corrections. `scale`: mean and spread of the task vector's numbers (2 x n)."""

    def __init__(self, scale: Floats) -> None:
        self._mean, self._spread = scale
        self._keys: dict[str, _Correction] = {}

    def learn(self, verdict: Verdict) -> None:
        """Moves the corrections of the verdict's key. Verdicts in the same order give the same corrections."""
        size = self._mean.size
        if len(verdict.vector) != size:
            return  # of another artefact's making
        known = self._keys.get(verdict.key)
        if known is None:
            known = self._keys[verdict.key] = _Correction(size)
        features = self._features(verdict.vector, known.place(verdict.slot))
        known.learn(features, verdict.lean, _logit(verdict.predicted), min(1.0, max(0.0, verdict.score)))

    def correct(self, key: str, slot: str | None, assessment: Assessment, models: Sequence[Model]) -> Assessment:
        """The assessment with this key's success rates; the same one where it gave no verdict."""
        known = self._keys.get(key)
        if known is None or len(assessment.vector) != self._mean.size:
            return assessment
        features = self._features(assessment.vector, known.slots.get(slot or "", -1))
        top = max(model.tier_rank for model in models)
        success = dict(assessment.success)
        for model in models:
            if model.name in success:
                shift, variance = known.shift(features, model.lean(top))
                logit = (_logit(success[model.name]) + shift) / sqrt(1 + pi * variance / 8)
                success[model.name] = 1 / (1 + exp(-logit))
        said = {**assessment.features, "verdicts": float(known.count)}
        return replace(assessment, success=success, features=said, shipped=assessment.success)

    def count(self, key: str) -> int:
        """How many verdicts of a key have been learnt."""
        known = self._keys.get(key)
        return known.count if known else 0

    def dump(self) -> dict[str, Any]:
        """Everything learnt so far, as plain values for JSON."""
        return {key: known.dump() for key, known in self._keys.items()}

    def load(self, dumped: Mapping[str, Any]) -> None:
        """Takes the place of what was learnt. Raises `KeyError`, `TypeError` or `ValueError` on what isn't a dump."""
        size = self._mean.size
        self._keys = {key: _Correction.loaded(size, state) for key, state in dumped.items()}

    def _features(self, vector: Sequence[float], slot: int) -> Floats:
        size = self._mean.size
        features = np.zeros(size + 1 + SLOTS)
        features[0] = 1.0
        features[1] = vector[_KNOWN] * min(3.0, max(-3.0, vector[_LOAD]))
        standing = (np.array(vector[1:]) - self._mean[1:]) / self._spread[1:]
        features[2 : size + 1] = np.minimum(3.0, np.maximum(-3.0, standing)) / sqrt(size - 1)
        if slot >= 0:
            features[size + 1 + slot] = 1.0
        return features


class _Correction:
    """One key's Gaussian over the weights: shared ones first, then those that lean with the tier."""

    def __init__(self, size: int) -> None:
        width = size + 1 + SLOTS
        self.count = 0
        self.slots: dict[str, int] = {}
        self._prior_mean = np.zeros(2 * width)
        self._prior_mean[width + 1] = _LOAD_LEAN
        parts = [np.repeat(spreads, (1, 1, size - 1, SLOTS)) for spreads in (_SHARED, _LEANING)]
        self._prior = np.concatenate(parts) ** 2
        self._mean = self._prior_mean.copy()
        self._cov = np.diag(self._prior)

    def place(self, slot: str | None) -> int:
        """The slot's own weight, the next free one where it is new; -1 where none is left."""
        if slot and slot not in self.slots and len(self.slots) < SLOTS:
            self.slots[slot] = len(self.slots)
        return self.slots.get(slot or "", -1)

    def learn(self, features: Floats, lean: float, logit: float, score: float) -> None:
        keep = exp(-1 / MEMORY)
        self._mean = self._prior_mean + keep * (self._mean - self._prior_mean)
        self._cov *= keep * keep
        self._cov[np.diag_indices(self._prior.size)] += (1 - keep * keep) * self._prior
        direction = np.concatenate((features, lean * features))
        along = self._cov @ direction
        variance = float(direction @ along)
        logit += float(direction @ self._mean)
        step = 0.0
        for _ in range(_STEPS):  # Newton for the mode, in one dimension: step = score - p(logit + variance * step)
            chance = _chance(logit + variance * step)
            step -= (step - score + chance) / (1 + variance * chance * (1 - chance))
        chance = _chance(logit + variance * step)
        bend = chance * (1 - chance)
        self._mean += along * step
        self._cov -= np.outer(along, along) * (bend / (1 + bend * variance))
        self.count += 1

    def shift(self, features: Floats, lean: float) -> tuple[float, float]:
        """(what to add to the logit, its variance) for a tier."""
        direction = np.concatenate((features, lean * features))
        shift = float(direction @ self._mean)
        return min(_REACH, max(-_REACH, shift)), max(0.0, float(direction @ self._cov @ direction))

    def dump(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "slots": list(self.slots),
            "mean": self._mean.tolist(),
            "cov": self._cov.ravel().tolist(),
        }

    @staticmethod
    def loaded(size: int, state: Mapping[str, Any]) -> _Correction:
        found = _Correction(size)
        width = found._prior.size
        found.count = int(state["count"])
        found.slots = {str(name): at for at, name in enumerate(state["slots"][:SLOTS])}
        found._mean = np.array(state["mean"], dtype=np.float64).reshape(width)
        found._cov = np.array(state["cov"], dtype=np.float64).reshape(width, width)
        return found


def _logit(chance: float) -> float:
    chance = min(1 - 1e-6, max(1e-6, chance))
    return log(chance / (1 - chance))


def _chance(logit: float) -> float:
    return 1 / (1 + exp(-min(30.0, max(-30.0, logit))))
