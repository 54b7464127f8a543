"""Audits: is the true loss inside the interval, is the estimate unbiased, and is the day's money kept to?

    .venv/bin/python benchmarks/audits.py [--runs 500]

Reads LEVELHEAD_DATA (or ../shared/data); writes results/audits.json and the table of README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.report import replace_between
from levelhead.difficulty import load_quality_model
from levelhead.learn.replay import Roles, route
from levelhead.types import Goal
from quality.auditing import CONFIDENCE, LOOKS, RATE, Run, Traffic, days, traffic_of
from quality.sources import data_directory
from quality.text_only import pairs

HERE = Path(__file__).parent
SEED = 40
RUNS = 500
REQUESTS = 6_000  # of a day
AMPLE, TIGHT = 5.0, 0.2  # USD per day
SCARCE = "routellm_mmlu"  # the source that is also audited with too little money


def sources(data: Path) -> Iterator[Traffic]:
    """The recorded pairs, the half of the prompts that the text speaks best for going to the efficient model."""
    quality = load_quality_model()
    for name, strong, efficient, table in pairs(data, SEED):
        _, trust = route(table, Roles(strong, efficient), Goal(), quality)
        yield traffic_of(name, table, trust >= np.median(trust))


def summary(traffic: Traffic, found: Sequence[Run], cap: float) -> dict[str, Any]:
    """Of the runs of one source."""
    truth, runs = float(traffic.loss.mean()), len(found)
    estimates = np.array([run.estimate for run in found])
    sampled = np.array([run.sampled for run in found]).sum(axis=0)
    expected = (
        runs * REQUESTS * RATE * np.array([1 - traffic.served_efficiently.mean(), traffic.served_efficiently.mean()])
    )
    results = sum((run.results for run in found), Counter[str]())
    return {
        "runs": runs,
        "prompts": len(traffic.prompts),
        "usd_per_day": cap,
        "true_loss": round(truth, 4),
        "mean_estimate": round(float(estimates.mean()), 4),
        "bias_in_standard_errors": round(float((estimates.mean() - truth) / (estimates.std(ddof=1) / runs**0.5)), 2),
        "inside_at_every_look": round(sum(run.inside for run in found) / runs, 4),
        "normal_inside_at_every_look": round(sum(run.normal_inside for run in found) / runs, 4),
        "mean_audits": round(float(np.mean([run.audits for run in found])), 1),
        "mean_width": round(float(np.mean([run.width for run in found])), 4),
        "sampled_of_expected": [round(float(x), 4) for x in sampled / expected],
        "mean_spent_usd": round(float(np.mean([run.spent_usd for run in found])), 4),
        "most_spent_usd": round(max(run.spent_usd for run in found), 6),
        "results": dict(results),
    }


def written(found: dict[str, Any]) -> str:
    """The table."""
    lines = [
        "| traffic | cap, USD a day | most spent | audits | true loss | mean estimate | bias, standard errors"
        " | inside at every look | usual interval | width |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, one in found["sources"].items():
        lines.append(
            f"| {name} | {one['usd_per_day']:g} | {one['most_spent_usd']:.4f} | {one['mean_audits']:.0f} |"
            f" {one['true_loss']:+.4f} | {one['mean_estimate']:+.4f} | {one['bias_in_standard_errors']:+.2f} |"
            f" {one['inside_at_every_look']:.1%} | {one['normal_inside_at_every_look']:.1%} | {one['mean_width']:.3f} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measures, prints, saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    asked = parser.parse_args()
    data = data_directory()
    if not (data / "train").is_dir():
        print("no recorded outcomes: set LEVELHEAD_DATA", file=sys.stderr)
        return 1
    began = time.monotonic()
    settings = {"requests": REQUESTS, "rate": RATE, "confidence": CONFIDENCE, "looks": LOOKS}
    found: dict[str, Any] = {"settings": settings, "sources": {}}
    for traffic in sources(data):
        source = traffic.name.partition(":")[0]
        caps = {"": AMPLE} | ({", too little money": TIGHT} if source == SCARCE else {})
        for note, cap in caps.items():
            seed = SEED + 1_000 * len(found["sources"])
            runs = days(traffic, REQUESTS, cap, asked.runs, seed)
            found["sources"][traffic.name + note] = summary(traffic, runs, cap)
            print(traffic.name + note, found["sources"][traffic.name + note], file=sys.stderr)
    if asked.runs == RUNS:
        (HERE / "results" / "audits.json").write_text(json.dumps(found, indent=1) + "\n")
        replace_between(HERE / "README.md", "audits", written(found))
    print(written(found))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
