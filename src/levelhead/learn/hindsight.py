"""What routing would have saved on a gateway's log: decided by what the requests say, priced by what they used.

A log can't show what another model's answers would have been: how long, how good, how warm its prompt cache. Costs are
therefore given twice: with the tokens as logged, and at the dear end, with answers twice as long where another model
would have answered, and nothing of the prompt from a cache. The loss of quality is predicted, never measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..errors import LevelheadError
from ..observe.report.estimates import Shadowed
from ..passage import Ask
from ..spend import cost
from ..types import NANOS_PER_USD, Decision, Key, Usage
from .gateway import Log, Logged

Explain = Callable[[Ask], Decision]
Json = dict[str, Any]

NOBODY = Key("replay")


def hindsight(log: Log, explain: Explain, confidence: float) -> Json:
    """The report, as JSON; amounts in USD. Requests that levelhead would refuse stay with what they cost."""
    shadowed, levels, models = Shadowed(), Counter[str](), Counter[str]()
    left_out, refused_usd, cut = Counter(log.left_out), 0.0, 0
    for one in log.requests:
        try:
            decision = explain(Ask(one.raw, {}, NOBODY, one.dialect))
        except LevelheadError:
            left_out["that levelhead would refuse"] += 1
            refused_usd += one.paid_usd
            continue
        decision = decision.routed or decision
        levels[str(decision.level)] += 1
        models[decision.model.name] += 1
        cut += one.cut
        shadowed.add(_row(one, decision))
    found = shadowed.told(confidence)
    return {
        "requests": 0 if found is None else found["requests"],
        "left_out": dict(left_out.most_common()),
        "left_out_usd": log.left_out_usd + refused_usd,
        "prompts_cut_by_the_gateway": cut,
        "confidence": confidence,
        "routing": found,
        "levels": dict(sorted(levels.items())),
        "models": dict(models.most_common()),
    }


def _row(one: Logged, decision: Decision) -> Json:
    """As the decision log has a request that was answered in shadow mode."""
    same = _same(decision.model.upstream_model, one.model)
    would = dear = one.paid_usd
    if not same:
        whole = Usage(input=one.usage.prompt, output=2 * one.usage.output)
        would, dear = (_usd(usage, decision, one.at) for usage in (_plain(one.usage), whole))
    return {
        "id": one.id,
        "key": NOBODY.name,
        "session": one.session,
        "outcome": "ok",
        "model": decision.model.name if same else one.model,
        "cost_usd": one.paid_usd,
        "shadow": {
            "model": decision.model.name,
            "cost_usd": would,
            "cost_usd_if_twice_as_long": dear,
            "success": decision.success[decision.model.name],
        },
        "decision": {
            "candidates": [{"model": decision.model.name if same else one.model, "success": _strength(decision, one)}]
        },
    }


def _strength(decision: Decision, one: Logged) -> float:
    """The predicted success of who answered; of always-strong where that model isn't configured."""
    for candidate in decision.candidates:
        if _same(candidate.model.upstream_model, one.model):
            return candidate.success
    return decision.success[(decision.baseline or decision.model).name]


def _plain(usage: Usage) -> Usage:
    """Every vendor reads caches at a discount, one alone bills for writing them."""
    return replace(usage, input=usage.input + usage.cache_write + usage.cache_write_1h, cache_write=0, cache_write_1h=0)


def _usd(usage: Usage, decision: Decision, at: float) -> float:
    return cost(usage, decision.model.price, at) / NANOS_PER_USD


def _same(upstream_model: str, logged: str) -> bool:
    """One model by the vendor's name for it, with a provider's prefix or without."""
    return upstream_model.rpartition("/")[2] == logged.rpartition("/")[2]
