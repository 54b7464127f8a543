"""SIMULATED: does the probe's interval cover the truth, and does its gate err as seldom as it claims?

No model is called. Part one: 300 models of known ability (uniform over the bank's range) answer the probe's own tasks
as two-parameter logistic models, chosen one after the other as `levelhead probe` chooses them. Part two: models that do
team tasks with known chances, free and with given roles, on the same tasks (`together`: how much the two outcomes go
together), through the gate; 2,000 runs each.

    .venv/bin/python benchmarks/probe.py [--write]
"""

from __future__ import annotations

import argparse
import json
import math
import random
from pathlib import Path
from statistics import mean
from typing import Any

from levelhead.team.probe import Gate, Measuring, bank
from levelhead.team.probe.gate import ALPHA, MARGIN

RUNS, GATE_RUNS, SEED, REACH = 300, 2_000, 2_026, 3.0
# (right when free, right when given): freedom costs the margin or more; it costs nothing; it costs a little
HARMED = ((0.70, 0.80), (0.45, 0.55), (0.85, 0.95), (0.50, 0.70))
UNHARMED = ((0.90, 0.90), (0.80, 0.75), (0.90, 0.87))
TOGETHER = (0.0, 0.7, 1.0)
HERE = Path(__file__).parent


def coverage() -> dict[str, Any]:
    rng, items, covered, tasks, wide = random.Random(SEED), bank(), 0, [], []
    for _ in range(RUNS):
        theta = rng.uniform(-REACH, REACH)
        measuring = Measuring(items)
        while (item := measuring.next()) is not None:
            measuring.record(item, rng.random() < 1 / (1 + math.exp(-item.a * (theta - item.b))))
        found = measuring.estimate()
        covered += found.low <= theta <= found.high
        tasks.append(found.tasks)
        wide.append((found.high - found.low) / 2)
    return {
        "runs": RUNS,
        "covered": covered,
        "share": round(covered / RUNS, 4),
        "tasks_mean": round(mean(tasks), 1),
        "tasks_most": max(tasks),
        "half_width_mean": round(mean(wide), 3),
    }


def verdicts(free: float, given: float, together: float) -> dict[str, Any]:
    rng, found, pairs = random.Random(SEED), {"free": 0, "fixed": 0, "undecided": 0}, 0
    for _ in range(GATE_RUNS):
        gate = Gate()
        while (verdict := gate.verdict) is None:
            one = rng.random()
            gate.add(one < free, (one if rng.random() < together else rng.random()) < given)
        found[verdict] += 1
        pairs += gate.pairs
    shares = {verdict: round(count / GATE_RUNS, 4) for verdict, count in found.items()}
    return {
        "free": free,
        "given": given,
        "together": together,
        "verdicts": shares,
        "pairs": round(pairs / GATE_RUNS, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write results/probe.json")
    asked = parser.parse_args()
    harmed = [verdicts(free, given, together) for free, given in HARMED for together in TOGETHER]
    unharmed = [verdicts(free, given, together) for free, given in UNHARMED for together in TOGETHER]
    found = {
        "simulated": True,
        "coverage": coverage(),
        "gate": {
            "margin": MARGIN,
            "alpha": ALPHA,
            "most_freed_though_harmed": max(row["verdicts"]["free"] for row in harmed),
            "harmed": harmed,
            "unharmed": unharmed,
        },
    }
    print(json.dumps(found, indent=1))
    if asked.write:
        (HERE / "results/probe.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
