"""Recorded outcomes through routing, draft-and-check and the certificate: what levelhead would have cost and lost.

Exact where every prompt has an outcome of every model; a log in which each prompt went to one model is weighed by the
chances that it was logged with (`stats.off_policy`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..check import DEFAULT_ACCEPTANCE, PRIOR, family
from ..errors import ConfigError
from ..policy import Offer, Paired, choose, trust_of
from ..ports import QualityModel
from ..stats import loss_upper, off_policy
from ..types import Chat, Goal, Model, Price
from .certify import Refusal, certify
from .frontier import Point, cost_to_reach, hull_at, oracle_at
from .opinions import Opinions, opinions_of
from .tables import Table
from .worth import judge

Floats = npt.NDArray[np.float64]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Roles:
    """Who plays which part; `second` None: nobody is asked for a second opinion."""

    strong: str
    efficient: str
    second: str | None = None


def roles_of(table: Table, *, strong: str | None, efficient: str | None, second: str | None) -> Roles:
    """What isn't said is told by the table: the best score is the strong model, the least cost the efficient one.

    The second opinion is the best of what costs less than half of the strong model, of another family than the draft if
    there is one. Raises `ConfigError` where the table hasn't two models with costs.
    """
    cost = {name: _mean(table.cost[:, at]) for at, name in enumerate(table.models)}
    score = {name: _mean(table.score[:, at]) for at, name in enumerate(table.models)}
    for named in (strong, efficient, second):
        if named is not None:
            table.column(named)
    known = [name for name in table.models if not np.isnan(cost[name])]
    if len(known) < 2:
        raise ConfigError("replay needs cost_usd, or tokens and a known price, of two models at least")
    top = strong or max((name for name in known if name != efficient), key=lambda name: (score[name], -cost[name]))
    low = efficient or min((name for name in known if name not in (top, second)), key=lambda name: cost[name])
    others = [n for n in known if n not in (top, low) and cost[n] < cost[top] / 2]
    pick = second or max(others, key=lambda n: (family(n) != family(low), score[n]), default=None)
    return Roles(top, low, pick)


def replay(table: Table, roles: Roles, goal: Goal, quality: QualityModel) -> Json:
    """The whole report, as JSON. Costs are USD per prompt, scores and losses 0..1."""
    if _is_log(table):
        return _of_log(table, roles, goal, quality)
    pair = table.complete([roles.efficient, roles.strong])
    if not pair.ids:
        raise ConfigError(f"no prompt has an outcome of both {roles.efficient} and {roles.strong}")
    to_strong, trust = route(pair, roles, goal, quality)
    score, cost = pair.score, pair.cost
    loss = np.where(to_strong, 0.0, score[:, 1] - score[:, 0])
    report: Json = {
        "prompts": len(pair.ids),
        "models": asdict(roles),
        "goal": {"max_quality_loss": goal.max_quality_loss, "confidence": goal.confidence},
        "all_strong": _point(score[:, 1], cost[:, 1]),
        "all_efficient": _point(score[:, 0], cost[:, 0]),
    }
    routed = _point(np.where(to_strong, score[:, 1], score[:, 0]), np.where(to_strong, cost[:, 1], cost[:, 0]))
    report["routing"] = routed | _against(routed, loss, pair, goal, _corners(pair))
    report["routing"]["certificate"] = _certified(trust, loss_pairs(pair), goal, "direct")
    if roles.second is not None and table.has_answers:
        known = opinions_of(table, draft=roles.efficient, second=roles.second, strong=roles.strong)
        report["cascade"] = _cascade(known, goal)
    return report


def route(table: Table, roles: Roles, goal: Goal, quality: QualityModel) -> tuple[npt.NDArray[np.bool_], Floats]:
    """(goes to strong, trust in the efficient answer) by prompt: the text alone, at each model's mean cost."""
    models = [_model(roles.efficient, 0), _model(roles.strong, 1)]
    costs = [float(np.nanmean(table.cost[:, at])) for at in (0, 1)]
    threshold = quality.threshold(goal.max_quality_loss, models)
    to_strong, trust = [], []
    for prompt in table.prompts:
        found = quality.assess(_chat(prompt), models).success
        offers = [Offer(model, found[model.name], cost, 0) for model, cost in zip(models, costs, strict=True)]
        choice = choose(offers, threshold=threshold)
        to_strong.append(choice is not None and choice.offer.model is models[1])
        trust.append(trust_of(found[models[1].name] - found[models[0].name]))
    return np.array(to_strong), np.array(trust)


def loss_pairs(pair: Table) -> list[tuple[float, float]]:
    return [(float(low), float(high)) for low, high in pair.score]


def _cascade(known: Opinions, goal: Goal) -> Json:
    """By the shipped acceptance model and its default threshold, and as verdicts would have it."""
    found, fitted = judge(known, PRIOR)
    corners = [_xy(known.draft_cost, known.draft), _xy(known.second_cost, known.second)]
    corners.append(_xy(known.strong_cost, known.strong))
    acceptance = known.acceptance()
    accepted = acceptance >= DEFAULT_ACCEPTANCE
    score, cost = known.served(accepted)
    served = _point(score, cost)
    loss = np.where(accepted, known.strong - known.draft, 0.0)
    pair = (known.draft_cost, known.draft), (known.strong_cost, known.strong)
    sweep = [_xy(*reversed(known.served(fitted.chances(known.features) >= at / 50))) for at in range(51)]
    strong = float(known.strong.mean())
    report = served | _gap(served, pair, corners) | _loss(loss, goal, served, float(known.strong_cost.mean()))
    report["accepted"] = float(accepted.mean())
    report["checking_pays"] = found.pays
    report["cost_at_95_percent"] = _share(cost_to_reach([*corners, *sweep], 0.95 * strong), known)
    report["cost_at_100_percent"] = _share(cost_to_reach([*corners, *sweep], strong), known)
    paired = [(float(d), float(s)) for d, s in zip(known.draft, known.strong, strict=True)]
    report["certificate"] = _certified(acceptance, paired, goal, "cascade", known)
    return report


def _certified(
    trust: Floats, paired: Sequence[tuple[float, float]], goal: Goal, path: Any, known: Opinions | None = None
) -> Json:
    verdicts = [Paired(float(t), low, high) for t, (low, high) in zip(trust, paired, strict=True)]
    found = certify(verdicts, goal, policy="replay", path=path)
    if isinstance(found, Refusal):
        return {"certified": False, "reason": found.why}
    report = {"certified": True, **asdict(found)}
    if known is not None:
        _, cost = known.served(trust >= found.threshold)
        report["savings"] = 1 - float(cost.mean()) / float(known.strong_cost.mean())
    return report


def _of_log(table: Table, roles: Roles, goal: Goal, quality: QualityModel) -> Json:
    """One outcome for each prompt, and the chance with which its model was taken."""
    columns = [table.column(roles.efficient), table.column(roles.strong)]
    logged = ~np.isnan(table.score[:, columns])
    used = np.flatnonzero(logged.any(axis=1) & ~np.isnan(table.propensity[:, columns]).all(axis=1))
    if not used.size:
        raise ConfigError("a log of one outcome for each prompt needs `propensity`: the chance of the model it took")
    part = table.rows(used, columns)
    to_strong, _ = route(part, roles, goal, quality)
    took_strong = ~np.isnan(part.score[:, 1])
    pick = np.arange(used.size), took_strong.astype(int)
    reward, chance, cost = part.score[pick], part.propensity[pick], part.cost[pick]
    means = np.array([_mean(part.score[:, at]) for at in (0, 1)])
    predicted = means[pick[1]]
    report: Json = {"prompts": int(used.size), "models": asdict(roles), "estimated_from": "a log with propensities"}
    for name, target in (("routing", to_strong), ("all_strong", np.ones(used.size, dtype=bool))):
        agrees = (took_strong == target).astype(np.float64)
        plain = off_policy(reward, chance, agrees)
        robust = off_policy(
            reward, chance, agrees, predicted_logged=predicted, predicted_target=means[target.astype(int)]
        )
        spent = off_policy(cost, chance, agrees)
        report[name] = {
            "quality_ips": plain.estimate, "quality_dr": robust.estimate, "standard_error": robust.standard_error,
            "cost_usd": spent.estimate, "effective_sample": plain.effective,
        }  # fmt: skip
    report["routing"]["savings"] = 1 - report["routing"]["cost_usd"] / max(report["all_strong"]["cost_usd"], 1e-18)
    return report


def _is_log(table: Table) -> bool:
    return bool((~np.isnan(table.score)).sum(axis=1).max() <= 1)


def _against(served: Json, loss: Floats, pair: Table, goal: Goal, corners: list[Point]) -> Json:
    sides = (pair.cost[:, 0], pair.score[:, 0]), (pair.cost[:, 1], pair.score[:, 1])
    return _gap(served, sides, corners) | _loss(loss, goal, served, float(pair.cost[:, 1].mean()))


def _gap(served: Json, pair: tuple[tuple[Floats, Floats], tuple[Floats, Floats]], corners: list[Point]) -> Json:
    """Beside mixing by lot and beside knowing everything, at the same cost."""
    mix, oracle = hull_at(corners, served["cost_usd"]), oracle_at(*pair, served["cost_usd"])
    closed = (served["quality"] - mix) / (oracle - mix) if oracle - mix > 1e-9 else None
    return {"static_mix": mix, "oracle": oracle, "gap_closed": closed}


def _loss(loss: Floats, goal: Goal, served: Json, strong_cost: float) -> Json:
    return {
        "loss": float(loss.mean()),
        "loss_upper": loss_upper(loss, 1 - goal.confidence),
        "savings": 1 - served["cost_usd"] / max(strong_cost, 1e-18),
    }


def _corners(pair: Table) -> list[Point]:
    return [_xy(pair.cost[:, at], pair.score[:, at]) for at in (0, 1)]


def _xy(cost: Floats, score: Floats) -> Point:
    return float(cost.mean()), float(score.mean())


def _point(score: Floats, cost: Floats) -> Json:
    return {"quality": float(score.mean()), "cost_usd": float(cost.mean())}


def _share(cost: float | None, known: Opinions) -> float | None:
    return None if cost is None else cost / float(known.strong_cost.mean())


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if not np.isnan(values).all() else float("nan")


def _model(name: str, rank: int) -> Model:
    return Model(name, ("efficient", "strong")[rank], rank, "litellm", name, Price(0, 0, 0, 0, 0))


def _chat(prompt: str) -> Chat:
    size = len(prompt.encode())
    return Chat("chat", {}, "auto", [{"role": "user", "content": prompt}], text_bytes=size)
