"""Measures of a routing signal on paired outcomes of a strong and an efficient model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def apgr(signal: Floats, strong: Floats, efficient: Floats) -> float:
    """Average performance gap recovered (RouteLLM, arXiv:2406.18665), ties broken by their mean; random is 0.5.

    Area under mean score against the share sent to the strong model (largest `signal` first), scaled so that
    always-efficient is 0 and always-strong is 1. NaN where the two models score the same on average.
    """
    gain = strong - efficient
    if abs(gain.sum()) < 1e-12:
        return float("nan")
    values, group = np.unique(-signal, return_inverse=True)
    size = np.bincount(group, minlength=values.size)
    total = np.bincount(group, gain, values.size)
    recovered = np.concatenate(([0.0], np.cumsum(total) / gain.sum()))
    share = np.concatenate(([0.0], np.cumsum(size) / signal.size))
    return float(np.trapezoid(recovered, share))


def auc(signal: Floats, positive: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties counted half. NaN where one class is empty."""
    values, group = np.unique(signal, return_inverse=True)
    wins = np.bincount(group, positive, values.size)
    losses = np.bincount(group, ~positive, values.size)
    if not wins.sum() or not losses.sum():
        return float("nan")
    below = np.concatenate(([0.0], np.cumsum(losses)[:-1]))
    return float(((below + losses / 2) @ wins) / (wins.sum() * losses.sum()))


def ece(predicted: Floats, score: Floats, bins: int = 10) -> float:
    """Expected calibration error over bins of equal count."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, bins)
    return float(
        sum(len(part) * abs(predicted[part].mean() - score[part].mean()) for part in parts if len(part)) / len(order)
    )


def bootstrap(
    signal: Floats, strong: Floats, efficient: Floats, draws: int = 300, seed: int = 7
) -> tuple[float, float]:
    """A 95 % percentile interval of `apgr` over resampled prompts."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        pick = random.integers(0, signal.size, signal.size)
        found.append(apgr(signal[pick], strong[pick], efficient[pick]))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)
