"""SYNTHETIC: a simulator of teams, to see what levelhead's slot plan is worth at an equal budget.

No model is called. Every assumption is here:
- A team has eight seats in sequence. Each seat works on a subtask; whether it succeeds on a strong and on an
  efficient model is one recorded pair of outcomes (MMLU-Pro: gpt-4o and deepseek-chat-v2), drawn from the task's
  level.
- Levels L1 to L4 are quarters of the prompts by the mean score of all other models. On L4 pairs are swapped at random
  so that the mean uplift is the paper's (arXiv:2603.28990: .594 strong, .629 efficient).
- Quality of a run: sum of weight x success over seats, times share + (1 - share) x success of the last seat, which
  integrates. Weights, share and the mix of levels are drawn anew for each seed and are hidden from the policy; the
  first and the last seat weigh twice as much as others on average.
- A strong call costs `RATIO` efficient ones (the paper's price ratio). The budget of a run covers three strong seats.
- The policy foresees the level right 89 times in 100 (levelhead's own rate on tasks written apart), else a neighbour.
  It sees each run's quality with a judge's noise (standard deviation .08), and learns from seats that coins decided.
- It is levelhead's own code: `lean_plan` and `effects`. The static mix it is compared with is the best of all that
  the budget covers, chosen in hindsight on the very runs that are compared.
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from levelhead.team.leaning import lean_plan, place_of
from levelhead.team.state import SeatTrial
from levelhead.team.uplift import effects
from levelhead.types import Level

SEATS, RATIO, STRONG_SEATS = 8, 24.0, 3
UNITS = SEATS + STRONG_SEATS * (RATIO - 1)
LEARNING, EVALUATION, EXPLORE, JUDGE_SD, LEVEL_RIGHT = 400, 400, 0.25, 0.08, 0.89
STRONG, EFFICIENT, L4_UPLIFT = "gpt-4o-2024-05-13", "deepseek-chat-v2-2024-05", 0.594 - 0.629
HERE = Path(__file__).parent


def pools(data: Path) -> list[np.ndarray]:
    """By level, rows of (efficient, strong) outcomes."""
    table = pq.read_table(data / "train/mmlu_pro.parquet", columns=["prompt_id", "model", "score"]).to_pydict()
    strong, efficient = STRONG, EFFICIENT
    scores: dict[str, dict[str, float]] = {}
    for prompt, model, score in zip(table["prompt_id"], table["model"], table["score"], strict=True):
        scores.setdefault(prompt, {})[model] = score
    rows = []
    for found in scores.values():
        others = [score for name, score in found.items() if name not in (strong, efficient)]
        if strong in found and efficient in found and len(others) >= 3:
            rows.append((np.mean(others), found[efficient], found[strong]))
    ordered = np.array(sorted(rows, key=lambda row: -row[0]))[:, 1:]
    return np.array_split(ordered, 4)


class World:
    """One seed's hidden parameters."""

    def __init__(self, seed: int, pools: list[np.ndarray]) -> None:
        self.rng = np.random.default_rng(seed)
        raw = self.rng.gamma(4.0, 0.25, SEATS) * np.array([2.0] + [1.0] * (SEATS - 2) + [2.0])
        self.weights, self.share = raw / raw.sum(), self.rng.uniform(0.4, 0.8)
        self.mix = self.rng.dirichlet([6, 6, 6, 6])
        self.pools = pools
        hard = pools[3]
        uplift = float((hard[:, 1] - hard[:, 0]).mean())
        self.swap = min(1.0, max(0.0, (1 - L4_UPLIFT / uplift) / 2))

    def tasks(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Levels 0..3, and outcomes by run, seat and tier."""
        levels = self.rng.choice(4, count, p=self.mix)
        outcomes = np.empty((count, SEATS, 2))
        for run, level in enumerate(levels):
            pool = self.pools[level]
            outcomes[run] = pool[self.rng.integers(len(pool), size=SEATS)]
            if level == 3:
                swapped = self.rng.random(SEATS) < self.swap
                outcomes[run, swapped] = outcomes[run, swapped][:, ::-1]
        return levels, outcomes

    def quality(self, outcomes: np.ndarray, strong: np.ndarray) -> np.ndarray:
        """Of each run, for its strong seats (or one choice for all)."""
        success = np.where(strong, outcomes[..., 1], outcomes[..., 0])
        return (success @ self.weights) * (self.share + (1 - self.share) * success[..., -1])


def levelhead(world: World, levels: np.ndarray, outcomes: np.ndarray, trials: list[SeatTrial], explore: float, at: int):
    """The policy over a stream of runs: (qualities, costs). Adds its trials to `trials`."""
    turns = [(seat, "act") for seat in range(SEATS)]
    qualities, costs, learned = [], [], effects(trials)
    for run, level in enumerate(levels):
        step = world.rng.choice((-1, 1)) if world.rng.random() > LEVEL_RIGHT else 0
        seen = Level(min(4, max(1, int(level) + 1 + step)))
        plan = lean_plan(
            turns, SEATS, seen, learned=learned, explore=explore, seed=f"{at}/{run}", threshold=0.0, ratio=RATIO,
            units=UNITS,
        )  # fmt: skip
        strong = np.array([plan[turn].lean > 0 for turn in turns])
        qualities.append(float(world.quality(outcomes[run], strong)))
        costs.append(SEATS + strong.sum() * (RATIO - 1))
        score = min(1.0, max(0.0, qualities[-1] + world.rng.normal(0, JUDGE_SD)))
        for (seat, _), lean in plan.items():
            if lean.randomised:
                name = f"{at}/{run}"
                trials.append(SeatTrial(name, place_of(seat, SEATS), int(seen), lean.lean > 0, lean.propensity, score))
        if explore and run % 25 == 24:
            learned = effects(trials)
    return np.array(qualities), np.array(costs)


def one(seed: int, pools: list[np.ndarray]) -> dict[str, float]:
    world, trials = World(seed, pools), []
    learning = world.tasks(LEARNING)
    first, first_cost = levelhead(world, *learning, trials, EXPLORE, seed)
    levels, outcomes = world.tasks(EVALUATION)
    after, cost = levelhead(world, levels, outcomes, trials, 0.0, seed + 10_000)
    mixes = [np.array(mix, bool) for mix in product((0, 1), repeat=SEATS) if sum(mix) <= STRONG_SEATS]
    static = max(float(world.quality(outcomes, mix).mean()) for mix in mixes)
    everything = float(world.quality(outcomes, np.ones(SEATS, bool)).mean())
    return {
        "seed": seed,
        "levelhead": float(after.mean()),
        "best_static": static,
        "all_strong": everything,
        "all_efficient": float(world.quality(outcomes, np.zeros(SEATS, bool)).mean()),
        "levelhead_units": float(cost.mean()),
        "learning": float(first.mean()),
        "learning_units": float(first_cost.mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("LEVELHEAD_DATA", "../shared/data")))
    parser.add_argument("--write", action="store_true", help="write results/teams.json")
    asked = parser.parse_args()
    drawn = pools(asked.data)
    rows = [one(seed, drawn) for seed in range(asked.seeds)]
    mean = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0] if name != "seed"}
    summary = {
        "synthetic": True,
        "seeds": asked.seeds,
        "budget_units": UNITS,
        "all_strong_units": SEATS * RATIO,
        "at_or_above_best_static": sum(row["levelhead"] >= row["best_static"] for row in rows),
        "within_one_point_of_best_static": sum(row["levelhead"] >= row["best_static"] - 0.01 for row in rows),
        "mean": mean,
        "share_of_all_strong_quality": round(mean["levelhead"] / mean["all_strong"], 4),
        "uplift_by_level": [round(float((pool[:, 1] - pool[:, 0]).mean()), 4) for pool in drawn],
    }
    print(json.dumps(summary, indent=1))
    if asked.write:
        (HERE / "results/teams.json").write_text(json.dumps({**summary, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
