"""Pacing: how much quality does a budget buy when it is spent evenly to its end?

Recorded outcomes of four models (ParetoBandit's validation split, 1,400 prompts with real costs): one half fits a
simple model of quality and cost from the text, the other is replayed in ten orders under budgets from 1e-4 to 1e-2 USD
per request. Each request goes through levelhead's own `choose` at the price of `Pace`, which is re-solved every eight
requests from the money and the requests that are left; the worst case (each model's output cap) must be covered before
a call. It starts from the sample of the fit half, as a budget that refills starts from yesterday's traffic.

Compared with, on the replayed half and with hindsight: the best static mixture of models at that budget (what one can
do without looking at requests), and an oracle that knows every outcome. Replayed from records, not live.

    LEVELHEAD_DATA=../shared/data .venv/bin/python benchmarks/pacing.py [--no-write]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report
from harness.machine import describe
from harness.pacing_data import MODELS, Outcomes, load
from levelhead.pacing import SAMPLE, Pace
from levelhead.policy import Offer, choose, dual_price
from levelhead.types import Candidate, Model, Price

HERE = Path(__file__).resolve().parent
BUDGETS = (1e-4, 1.5e-4, 2e-4, 3e-4, 5e-4, 7e-4, 1e-3, 2e-3, 5e-3, 1e-2)  # USD per request
TIGHT = 3e-4
ORDERS = 10
EVERY = 8  # requests between two prices
NANOS = 1e9
FREE = Price(0, 0, 0, 0, 0)
LINEUP = tuple(Model(name, f"tier{rank}", rank, "simulated", name, FREE) for rank, name in enumerate(MODELS))


def candidates(split: Outcomes, row: int) -> list[Candidate]:
    score, cost = split.predicted_score[row], split.predicted_cost[row]
    return [Candidate(model, float(score[i]), float(cost[i])) for i, model in enumerate(LINEUP)]


def warmed(fit: Outcomes, budget: float) -> Pace:
    """A pace that has seen the fit split: its offers, and what its calls came to."""
    pace = Pace(MODELS)
    for row in range(len(fit) - SAMPLE, len(fit)):
        pace.offered(candidates(fit, row))
        for i, name in enumerate(MODELS):
            pace.paid(name, float(fit.predicted_cost[row, i]), float(fit.cost[row, i]))
    pace.solve(budget)
    return pace


def replay(fit: Outcomes, split: Outcomes, budget: float, order: np.ndarray) -> dict[str, float]:
    """One order under one budget. Returns quality, utilisation, refusals."""
    pace = warmed(fit, budget)
    limit = left = int(budget * len(order) * NANOS)
    least = int(np.median(fit.cost[:, 0]) * NANOS)  # a lower output cap than this is of no use
    caps = [int(np.ceil(cap * NANOS)) for cap in split.caps]
    quality, refused, least_left = 0.0, 0, limit
    for done, row in enumerate(order):
        known = candidates(split, row)
        offers = [Offer(c.model, c.success, c.expected_cost_usd, cap) for c, cap in zip(known, caps, strict=True)]
        choice = choose(offers, threshold=0.0, remaining=left, dual=pace.price)
        pace.offered(known)
        i = choice.offer.model.tier_rank if choice is not None else 0
        if choice is None and left < least:
            refused += 1
            continue
        real, score = float(split.cost[row, i]), float(split.score[row, i])
        if choice is None and real * NANOS > left:  # the cheapest model at a lower cap, which cuts this answer
            real, score = left / NANOS, 0.0
        left -= int(np.ceil(real * NANOS))
        least_left = min(least_left, left)
        quality += score
        pace.paid(MODELS[i], known[i].expected_cost_usd, real)
        if done % EVERY == EVERY - 1 and done + 1 < len(order):
            pace.solve(left / NANOS / (len(order) - done - 1))
    return {
        "quality": quality / len(order),
        "utilisation": (limit - left) / limit,
        "refused": refused,
        "overspent": float(least_left < 0),
    }


def best_mixture(split: Outcomes, budget: float) -> float:
    """The best mean quality of any random mixture of models whose mean cost is within the budget: with hindsight."""
    points = sorted(zip(split.cost.mean(axis=0), split.score.mean(axis=0), strict=True))
    best = max((score for cost, score in points if cost <= budget), default=0.0)
    for i, (cheap, low) in enumerate(points):
        for dear, high in points[i + 1 :]:
            if cheap <= budget < dear:
                best = max(best, low + (high - low) * (budget - cheap) / (dear - cheap))
    return float(best)


def oracle(split: Outcomes, budget: float) -> float:
    """The quality of one who knows every outcome and cost (the linear programme, by its dual)."""
    price = dual_price(split.score, split.cost, split.cost, budget)
    return float(split.score[np.arange(len(split)), np.argmax(split.score - price * split.cost, axis=1)].mean())


def measured(fit: Outcomes, split: Outcomes) -> list[dict[str, Any]]:
    results = []
    for budget in BUDGETS:
        orders = [np.random.default_rng(seed).permutation(len(split)) for seed in range(ORDERS)]
        runs = [replay(fit, split, budget, order) for order in orders]
        mixture, best = best_mixture(split, budget), oracle(split, budget)
        gains = sorted((run["quality"] - mixture) / (best - mixture) for run in runs)
        results.append(
            {
                "budget_usd_per_request": budget,
                "quality": float(np.mean([run["quality"] for run in runs])),
                "best_static_mixture": mixture,
                "oracle": best,
                "share_of_distance": float(np.mean(gains)),
                "share_least": gains[0],
                "share_most": gains[-1],
                "utilisation": float(np.mean([run["utilisation"] for run in runs])),
                "utilisation_least": min(run["utilisation"] for run in runs),
                "refused": int(sum(run["refused"] for run in runs)),
                "overspent": int(sum(run["overspent"] for run in runs)),
            }
        )
    assert all(a["best_static_mixture"] <= b["best_static_mixture"] for a, b in pairwise(results))
    return results


def table(results: list[dict[str, Any]]) -> str:
    head = ["USD per request", "quality", "best static mixture", "oracle", "share of the distance (least..most)"]
    head += ["utilisation (least)", "refused", "overspent"]
    rows = [
        [
            f"{one['budget_usd_per_request']:g}",
            f"{one['quality']:.4f}",
            f"{one['best_static_mixture']:.4f}",
            f"{one['oracle']:.4f}",
            f"{one['share_of_distance']:.3f} ({one['share_least']:.3f}..{one['share_most']:.3f})",
            f"{one['utilisation']:.3f} ({one['utilisation_least']:.3f})",
            str(one["refused"]),
            str(one["overspent"]),
        ]
        for one in results
    ]
    return report.table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-write", action="store_true")
    wanted = parser.parse_args()
    data = Path(os.environ.get("LEVELHEAD_DATA", HERE.parents[1] / "shared" / "data"))
    fit, split = load(data)
    results = measured(fit, split)
    shown = table(results)
    print(f"{len(fit)} prompts to fit, {len(split)} to replay in {ORDERS} orders\n\n{shown}")
    if not wanted.no_write:
        made = {"machine": describe().as_dict(), "fit": len(fit), "replayed": len(split), "budgets": results}
        (HERE / "results" / "pacing.json").write_text(json.dumps(made, indent=1) + "\n")
        report.replace_between(HERE / "README.md", "pacing", shown)


if __name__ == "__main__":
    main()
