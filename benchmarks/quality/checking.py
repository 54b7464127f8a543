"""What draft-and-check gains over mixing models by lot, and whether `auto` notices where it gains nothing."""

from __future__ import annotations

from statistics import mean
from typing import Any

import numpy as np

from levelhead.check import DEFAULT_ACCEPTANCE, PRIOR
from levelhead.learn.evaluate import auc
from levelhead.learn.frontier import cost_to_reach, hull_at, oracle_at
from levelhead.learn.opinions import Opinions
from levelhead.learn.worth import judge, statics

SPLITS = 40
VERDICTS = 300  # from which `auto` judges; the rest of the source tests the judgement


def checking(known: Opinions, seed: int) -> dict[str, Any]:
    """One pair and second opinion. Means over random splits; nothing is chosen on the part that is reported."""
    random = np.random.default_rng(seed)
    rows = [_split(known, random) for _ in range(SPLITS)]
    strong = float(known.strong_cost.mean())
    accepted = known.acceptance() >= DEFAULT_ACCEPTANCE
    score, cost = known.served(accepted)
    return {
        "prompts": len(known.draft),
        "quality": {name: round(float(getattr(known, name).mean()), 4) for name in ("draft", "second", "strong")},
        "relative_cost": {
            "draft": round(float(known.draft_cost.mean()) / strong, 4),
            "second": round(float(known.second_cost.mean()) / strong, 4),
        },
        "agreement": round(float((known.features[:, 0] == 1).mean()), 4),
        "auc_draft_wrong": round(auc(-known.acceptance(), known.draft < 0.5), 4),
        "default": {
            "quality": round(float(score.mean()), 4),
            "relative_cost": round(float(cost.mean()) / strong, 4),
            "gap_closed_pair": _gap(known, score, cost, with_second=False),
            "gap_closed_hull": _gap(known, score, cost, with_second=True),
        },
        "learned": {name: round(mean(row[name] for row in rows), 4) for name in rows[0]},
        "relative_cost_at_95_percent": _reach(known, 0.95),
        "relative_cost_at_100_percent": _reach(known, 1.0),
    }


def _split(known: Opinions, random: np.random.Generator) -> dict[str, float]:
    """Judged on a few hundred verdicts, measured on the others; `auto` is 0 where it leaves the check off."""
    order = random.permutation(len(known.draft))
    size = min(VERDICTS, len(order) // 2)
    train, test = known.rows(order[:size]), known.rows(order[size:])
    worth, model = judge(train, PRIOR)
    score, cost = test.served(model.chances(test.features) >= worth.threshold)
    advantage = float(score.mean()) - hull_at(statics(test), float(cost.mean()))
    return {
        "pays": float(worth.pays),
        "always_advantage": advantage,
        "auto_advantage": advantage if worth.pays else 0.0,
        "gap_closed_pair": _gap(test, score, cost, with_second=False),
        "gap_closed_hull": _gap(test, score, cost, with_second=True),
        "relative_cost": float(cost.mean()) / float(test.strong_cost.mean()),
    }


def _gap(known: Opinions, score: Any, cost: Any, *, with_second: bool) -> float:
    """Share of the way from the static mixture to the two-model oracle at the same cost."""
    points = statics(known)
    spent = float(cost.mean())
    mix = hull_at(points if with_second else [points[0], points[2]], spent)
    oracle = oracle_at((known.draft_cost, known.draft), (known.strong_cost, known.strong), spent)
    return round((float(score.mean()) - mix) / (oracle - mix), 4) if oracle - mix > 1e-6 else 0.0


def _reach(known: Opinions, share: float) -> dict[str, float | None]:
    """The least cost, relative to always-strong, of `share` of its quality: by mixing, and with checking as well."""
    strong = float(known.strong_cost.mean())
    points = statics(known)
    acceptance = known.acceptance()
    swept = []
    for at in range(51):
        score, cost = known.served(acceptance >= at / 50)
        swept.append((float(cost.mean()), float(score.mean())))
    wanted = share * float(known.strong.mean())
    found = {"pair": cost_to_reach([points[0], points[2]], wanted), "hull": cost_to_reach(points, wanted)}
    found["checked"] = cost_to_reach([points[0], points[2], *swept], wanted)
    return {name: None if cost is None else round(cost / strong, 4) for name, cost in found.items()}
