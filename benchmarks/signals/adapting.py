"""Verdicts on unseen traffic: what `difficulty.online.Corrections` makes of them.

The prior is the model that was fitted without the source. A verdict is the recorded score of one of the two models,
drawn by a coin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from levelhead.difficulty import Corrections
from levelhead.learn.evaluate import apgr, ece
from levelhead.types import Assessment, Level, Model, Price, Verdict

Floats = npt.NDArray[np.float64]
_PRICE = Price(1e-6, 1e-6, 1e-7, 1e-6, 1e-6)
CHEAP = Model("cheap", "efficient", 0, "openai", "unknown-a", _PRICE)
DEAR = Model("dear", "strong", 1, "openai", "unknown-b", _PRICE)


@dataclass(frozen=True)
class Traffic:
    """`chance`: shipped success rates of (strong, efficient) by task; `vectors` as `difficulty.model.VECTOR`."""

    standing: Floats
    chance: Floats
    vectors: Floats
    strong: Floats
    efficient: Floats


def adapt(traffic: Traffic, scale: Floats, counts: tuple[int, ...], seed: int) -> dict[int, dict[str, float]]:
    """After each number of verdicts, on tasks that gave none: APGR, its gain, calibration, coverage."""
    random = np.random.default_rng(seed)
    order = random.permutation(traffic.strong.size)
    counts = tuple(min(count, order.size // 2) for count in counts)
    rest = order[max(counts) :]
    corrections = Corrections(scale)
    before = apgr(traffic.standing[rest], traffic.strong[rest], traffic.efficient[rest])
    found = {}
    for at, task in enumerate(order[: max(counts)], start=1):
        arm = int(random.integers(2))
        score = (traffic.strong, traffic.efficient)[arm][task]
        corrections.learn(
            Verdict(
                f"dec_{at}",
                "k",
                None,
                (DEAR, CHEAP)[arm].name,
                Level.L2,
                (1.0, -1.0)[arm],
                float(traffic.chance[task, arm]),
                tuple(traffic.vectors[task].tolist()),
                float(score),
                "record",
                0.0,
            )
        )
        if at in counts:
            found[at] = _look(corrections, traffic, rest, before)
    return found


def _look(corrections: Corrections, traffic: Traffic, rest: npt.NDArray[np.int64], before: float) -> dict[str, float]:
    served = np.zeros((rest.size, 2))
    for row, task in enumerate(rest):
        shipped = {"dear": traffic.chance[task, 0], "cheap": traffic.chance[task, 1]}
        told = Assessment(Level.L2, 0.4, 0.5, shipped, {}, tuple(traffic.vectors[task].tolist()))
        success = corrections.correct("k", None, told, (CHEAP, DEAR)).success
        served[row] = success["dear"], success["cheap"]
    strong, efficient = traffic.strong[rest], traffic.efficient[rest]
    after = apgr(served[:, 0] - served[:, 1], strong, efficient)
    inside = [_covered(served[:, 0], strong), _covered(served[:, 1], efficient)]
    return {
        "apgr": after, "gain": after - before,
        "ece": (ece(served[:, 0], strong) + ece(served[:, 1], efficient)) / 2, "mean_off": float(np.mean(inside)),
    }  # fmt: skip


def _covered(predicted: Floats, score: Floats) -> float:
    """How far the predicted mean is from the true one."""
    return float(abs(predicted.mean() - score.mean()))
