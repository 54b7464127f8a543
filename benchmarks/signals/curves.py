"""What a ranking of tasks recovers of the gap between two models."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from levelhead.learn.evaluate import apgr, auc, bootstrap

Floats = npt.NDArray[np.float64]


def curve(signal: Floats, strong: Floats, efficient: Floats) -> tuple[Floats, Floats]:
    """(share sent to the strong model, share of the gap recovered), largest signal first, ties at their mean."""
    values, group = np.unique(-signal, return_inverse=True)
    size = np.bincount(group, minlength=values.size)
    gain = np.bincount(group, strong - efficient, values.size)
    total = float((strong - efficient).sum())
    return np.concatenate(([0.0], np.cumsum(size) / signal.size)), np.concatenate(([0.0], np.cumsum(gain) / total))


def cpt(signal: Floats, strong: Floats, efficient: Floats, part: float) -> float:
    """Call-performance threshold (RouteLLM, arXiv:2406.18665): the least share of strong calls that recovers `part`."""
    share, recovered = curve(signal, strong, efficient)
    at = int(np.argmax(recovered >= part))
    if at == 0:
        return 1.0 if recovered[0] < part else 0.0
    low, high = recovered[at - 1], recovered[at]
    return float(share[at - 1] + (share[at] - share[at - 1]) * (part - low) / max(1e-12, high - low))


def measures(signal: Floats, strong: Floats, efficient: Floats) -> dict[str, float]:
    low, high = bootstrap(signal, strong, efficient, draws=200)
    found = {
        "apgr": apgr(signal, strong, efficient), "apgr_low": low, "apgr_high": high,
        "cpt50": cpt(signal, strong, efficient, 0.5), "cpt80": cpt(signal, strong, efficient, 0.8),
        "auc_fail": auc(signal, efficient < 0.5), "auc_uplift": auc(signal, strong - efficient > 0.5),
    }  # fmt: skip
    return {name: round(float(value), 3) for name, value in found.items()}
