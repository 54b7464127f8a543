"""Records as JSON objects, and back to what a verdict needs. No answer, no secret; a prompt only where one is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import orjson

from ...types import Audited, Candidate, Decision, Json, Level, Price, Record, Verdict

MOST_PROMPT = 64_000  # bytes of it that a row holds


def decision_row(record: Record) -> dict[str, Any]:
    """Everything that is known of a finished request."""
    who, model, decision = record.identity, record.model, record.decision
    row: dict[str, Any] = {
        "id": record.id,
        "at": record.at,
        "key": who.key.name,
        "slot": who.slot,
        "run": who.run,
        "session": who.session,
        "task": who.task,
        "outcome": record.outcome,
        "error": record.error_code or None,
        "level": record.level.name if record.level is not None else None,
        "model": model.name if model is not None else None,
        "tier": model.tier if model is not None else None,
        "cache": record.cache,
        "cost_usd": record.cost_usd,
        "baseline_usd": record.baseline_usd,
    }
    if record.prompt is not None:
        row |= _prompt(record.prompt)
    if record.outcome == "cached":
        return row
    usage = record.usage
    row["usage"] = {
        "input": usage.input,
        "cached_input": usage.cached_input,
        "cache_write": usage.cache_write + usage.cache_write_1h,
        "output": usage.output,
        "reasoning": usage.reasoning,
    }
    row["seconds"] = {
        "decision": record.decision_seconds,
        "overhead": record.overhead_seconds,
        "first_byte": record.first_byte_seconds,
        "total": record.total_seconds,
    }
    row["reserved_usd"] = record.reserved_usd
    row["extras"] = [[spent.kind, spent.model.name, spent.cost_usd] for spent in record.extras]
    row["attempts"] = [[a.model, a.outcome, a.code, round(a.seconds, 4)] for a in record.attempts]
    if decision is not None:
        row["decision"] = _decided(decision)
        if decision.routed is not None:
            row["shadow"] = _routed(decision.routed, record.routed_usd)
    return row


def verdict_of(row: Mapping[str, Any], score: float, source: str, at: float) -> Verdict:
    """A verdict on a logged decision. `vector` is empty where nothing was assessed: a cached answer."""
    decided = row.get("decision") or {}
    shipped: Mapping[str, float] = decided.get("shipped") or {}
    return Verdict(
        decision_id=row["id"],
        key=row["key"],
        slot=row["slot"],
        model=row["model"] or "",
        level=Level[row["level"]] if row["level"] else Level.L1,
        lean=decided.get("leans", {}).get(row["model"], 0.0),
        predicted=shipped.get(row["model"], 0.5),
        vector=tuple(decided.get("vector", ())),
        score=score,
        source=source,
        at=at,
    )


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    row = {
        "decision_id": verdict.decision_id,
        "key": verdict.key,
        "slot": verdict.slot,
        "model": verdict.model,
        "level": verdict.level.name,
        "lean": verdict.lean,
        "predicted": verdict.predicted,
        "vector": verdict.vector,
        "score": verdict.score,
        "source": verdict.source,
        "at": verdict.at,
    }
    return row if verdict.audit is None else {**row, "audit": asdict(verdict.audit)}


def verdict_from(row: Mapping[str, Any]) -> Verdict:
    """Back from `verdict_row`. Raises `KeyError`, `TypeError` or `ValueError` on anything else."""
    audit = row.get("audit")
    known = {"level": Level[row["level"]], "vector": tuple(row["vector"]), "audit": audit and Audited(**audit)}
    return Verdict(**{**row, **known})


def _prompt(messages: Sequence[Json]) -> dict[str, Any]:
    """The messages in the form of chat completions; of very long ones the beginning of their JSON."""
    whole = orjson.dumps(messages, default=str)
    if len(whole) <= MOST_PROMPT:
        return {"prompt": orjson.Fragment(whole)}
    return {"prompt": whole[:MOST_PROMPT].decode("utf-8", "ignore"), "prompt_bytes": len(whole)}


def _decided(decision: Decision) -> dict[str, Any]:
    assessed = decision.assessment
    shipped = assessed.shipped if assessed.shipped is not None else assessed.success
    ranks = [c.model.tier_rank for c in decision.candidates]
    top = max(ranks, default=0)
    return {
        "model": decision.model.name,
        "tier": decision.model.tier,
        "reason": decision.reason.value,
        "certified": decision.certified,
        "trust": decision.trust,
        "difficulty": assessed.difficulty,
        "confidence": assessed.confidence,
        "features": assessed.features,
        "vector": assessed.vector,
        "shipped": shipped,
        "leans": {c.model.name: c.model.lean(top) for c in decision.candidates},
        "expected_cost_usd": decision.expected_cost_usd,
        "baseline_cost_usd": decision.baseline_cost_usd,
        "output_cap": decision.output_cap,
        "candidates": [_candidate(c) for c in decision.candidates],
    }


def _routed(routed: Decision, usd: tuple[float, float] | None) -> dict[str, Any]:
    """What shadow mode would have done. `cost_usd`: at the tokens of the answer that was served, if any."""
    once, twice = usd or (None, None)
    return {
        "model": routed.model.name,
        "tier": routed.tier,
        "reason": routed.reason.value,
        "success": routed.success[routed.model.name],
        "expected_cost_usd": routed.expected_cost_usd,
        "cost_usd": once,
        "cost_usd_if_twice_as_long": twice,
    }


def _candidate(candidate: Candidate) -> dict[str, Any]:
    return {
        "model": candidate.model.name,
        "success": candidate.success,
        "expected_cost_usd": candidate.expected_cost_usd,
        "eligible": candidate.eligible,
        "why_not": candidate.why_not,
        "price": _priced(candidate.model.price),
    }


@lru_cache(256)  # prices come from the configuration
def _priced(price: Price) -> dict[str, float]:
    """USD per million tokens, as in the configuration."""
    named = {"input": price.input, "output": price.output, "cached_input": price.cached_input}
    return {name: round(rate * 1e6, 6) for name, rate in named.items()}
