"""What another policy would have scored on logged traffic, by propensity weighting: valid where logging was random."""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from ..types import value

Floats = npt.NDArray[np.float64]


@value
class OffPolicy:
    """A mean estimated from a log of another policy, with its standard error.

    `effective`: how many outcomes of its own the estimate is worth (Kish); far below `n`, the two policies have little
    in common and the estimate says little.
    """

    estimate: float
    standard_error: float
    effective: float
    n: int


def off_policy(
    reward: Floats,
    logged: Floats,
    target: Floats,
    *,
    predicted_logged: Floats | None = None,
    predicted_target: Floats | None = None,
) -> OffPolicy:
    """Rows: one logged action each. `logged` and `target`: the chances with which either policy takes that action.

    Without predictions: self-normalised inverse propensity weighting (Swaminathan and Joachims, 2015). With them
    (`predicted_logged` for the action that was taken, `predicted_target` averaged over the target's actions):
    doubly robust (Dudik, Langford and Li, 2011), right if either the chances or the predictions are. Raises
    `ValueError` where a logged chance is not in (0, 1], or the policies have no action in common.
    """
    if logged.size == 0 or np.any(logged <= 0) or np.any(logged > 1):
        raise ValueError("logged chances lie in (0, 1]")
    weight = target / logged
    if not weight.sum():
        raise ValueError("the log never took an action that this policy would take")
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    n = int(reward.size)
    if predicted_logged is None or predicted_target is None:
        estimate = float((weight @ reward) / weight.sum())
        terms = weight * (reward - estimate) / weight.mean()
    else:
        each = predicted_target + weight * (reward - predicted_logged)
        estimate = float(each.mean())
        terms = each - estimate
    return OffPolicy(estimate, sqrt(float((terms**2).mean()) / n), effective, n)
