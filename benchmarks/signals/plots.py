"""The figures as PNG."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

from .curves import curve

_SHOWN = ("levelhead", "length", "litellm heuristic", "in-domain tf-idf + ridge on uplift", "item difficulty known")


def recovered(signals: Mapping[str, Any], path: Path) -> None:
    """Share of the gap recovered against the share of strong calls, a panel a pair."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 8), sharex=True, sharey=True)
    for axis, (name, (shown, strong, efficient)) in zip(axes.flat, signals.items(), strict=False):
        for title in _SHOWN:
            axis.plot(*curve(shown[title], strong, efficient), label=title, linewidth=1.4)
        axis.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle=":")
        axis.set_title(name, fontsize=9)
        axis.set_ylim(-0.05, 1.15)
    axes[0, 0].legend(fontsize=7)
    figure.supxlabel("share of calls to the strong model")
    figure.supylabel("share of the gap recovered")
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def adaptation(learnt: Mapping[str, Mapping[int, Mapping[str, float]]], path: Path) -> None:
    """APGR gained over the shipped signal, and calibration, by the number of verdicts."""
    figure, (gains, errors) = plt.subplots(1, 2, figsize=(12, 4.5))
    for name, rows in learnt.items():
        counts = np.array(sorted(int(count) for count in rows))
        gains.plot(counts, [rows[count]["gain"] for count in counts], marker="o", markersize=3, label=name)
        errors.plot(counts, [rows[count]["ece"] for count in counts], marker="o", markersize=3, label=name)
    gains.axhline(0, color="grey", linewidth=0.8)
    gains.set_ylabel("APGR gained")
    errors.set_ylabel("expected calibration error")
    for axis in (gains, errors):
        axis.set_xscale("log")
        axis.set_xlabel("verdicts")
    gains.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
