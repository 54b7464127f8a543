"""Logistic regression with a Gaussian prior, by Newton's method: a few features, a few hundred verdicts, no library."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ..types import value

Floats = npt.NDArray[np.float64]

_STEPS = 30


@value
class Logistic:
    """P = 1 / (1 + exp(-(weights . x + intercept)))."""

    weights: tuple[float, ...]
    intercept: float

    def chance(self, features: Sequence[float]) -> float:
        """0..1 for one row of features."""
        z = self.intercept + sum(w * x for w, x in zip(self.weights, features, strict=True))
        return float(1 / (1 + np.exp(-min(max(z, -60.0), 60.0))))

    def chances(self, features: Floats) -> Floats:
        """As `chance`, for n x d features."""
        z = features @ np.array(self.weights) + self.intercept
        found: Floats = 1 / (1 + np.exp(-np.clip(z, -60, 60)))
        return found


def fit_logistic(features: Floats, score: Floats, prior: Logistic, strength: float = 4.0) -> Logistic:
    """The maximum a posteriori fit to `score` (n, each 0..1) given `features` (n x d).

    The prior is centred on `prior`; `strength` is the inverse variance around each of its coefficients, so that without
    data the fit is the prior itself, and with a few hundred rows the data speak.
    """
    design = np.column_stack((features, np.ones(len(features))))
    centre = np.array((*prior.weights, prior.intercept))
    hold = np.full(centre.size, strength)
    point = centre.copy()
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ point, -60, 60)))
        gradient = design.T @ (chance - score) + hold * (point - centre)
        curvature = (design.T * (chance * (1 - chance))) @ design + np.diag(hold)
        step = np.linalg.solve(curvature, gradient)
        size = np.abs(step).max()
        point = point - step * min(1.0, 2.0 / max(size, 1e-12))
        if size < 1e-8:
            break
    return Logistic(tuple(float(w) for w in point[:-1]), float(point[-1]))
