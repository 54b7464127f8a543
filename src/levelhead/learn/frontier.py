"""What no router needs to be clever for (mixing models by lot), and what none can beat (knowing who is right)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Point = tuple[float, float]  # mean cost, mean quality


def hull_at(points: Sequence[Point], cost: float) -> float:
    """The best mean quality at a mean cost of at most `cost` by sending requests to `points` by lot; NaN below all."""
    best = float("nan")
    for one in points:
        if one[0] > cost:
            continue
        best = one[1] if np.isnan(best) else max(best, one[1])
        for other in points:
            if other[0] > cost:
                best = max(best, one[1] + (other[1] - one[1]) * (cost - one[0]) / (other[0] - one[0]))
    return float(best)


def hull_slope(points: Sequence[Point], cost: float) -> float:
    """What one more dollar buys on the hull at `cost`: 0 right of its top, infinite left of its first point."""
    here = hull_at(points, cost)
    if np.isnan(here):
        return float("inf")
    reach = max(point[0] for point in points)
    step = max(reach - cost, 0.0) * 1e-3
    return (hull_at(points, cost + step) - here) / step if step else 0.0


def oracle_at(cheap: Point | tuple[Floats, Floats], strong: tuple[Floats, Floats], cost: float) -> float:
    """The best mean quality at a mean cost of at most `cost` for who knows each answer's score beforehand.

    `cheap` and `strong`: costs and scores by prompt.
    """
    low_cost, low = (np.asarray(part, dtype=np.float64) for part in cheap)
    high_cost, high = strong
    gain, price = (high - low) / low.size, (high_cost - low_cost) / low.size
    quality, spent = float(low.mean()), float(low_cost.mean())
    free = (gain >= 0) & (price <= 0)
    quality, spent = quality + float(gain[free].sum()), spent + float(price[free].sum())
    worth = np.flatnonzero((gain > 0) & (price > 0))
    worth = worth[np.argsort(price[worth] / gain[worth])]
    left = cost - spent
    share = np.clip((left - (np.cumsum(price[worth]) - price[worth])) / price[worth], 0, 1)
    return quality + float(share @ gain[worth])


def cost_to_reach(points: Sequence[Point], quality: float) -> float | None:
    """The least mean cost at which mixing `points` by lot reaches `quality`; None where nothing does."""
    best = None
    for one in points:
        if one[1] >= quality:
            best = one[0] if best is None else min(best, one[0])
            for other in points:
                if other[1] < quality and other[0] < one[0]:
                    cost = other[0] + (one[0] - other[0]) * (quality - other[1]) / (one[1] - other[1])
                    best = min(best, cost)
    return best
