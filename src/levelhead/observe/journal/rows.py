"""Records as rows of JSON. No answer, no secret; a prompt only where one is given.

A row is kept as values in a fixed order and gets their names back when it is read: they are half of its bytes, and
every request is written while hardly one is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from ...types import Candidate, Decision, Json, Level, Record

MOST_PROMPT = 64_000  # bytes of it that a row holds

_VERSION = 2  # the first value; what was kept before had its names and begins with a brace
_ROW = (
    "id", "at", "key", "slot", "run", "session", "task", "outcome", "error", "level", "model", "tier", "cache",
    "cost_usd", "baseline_usd",
)  # fmt: skip
_USAGE = ("input", "cached_input", "cache_write", "output", "reasoning")
_SECONDS = ("decision", "overhead", "first_byte", "total")
_DECISION = (
    "model", "tier", "reason", "certified", "trust", "difficulty", "confidence", "features", "vector", "shipped",
    "leans", "expected_cost_usd", "baseline_cost_usd", "output_cap", "candidates",
)  # fmt: skip
_CANDIDATE = ("model", "success", "expected_cost_usd", "eligible", "why_not", "price")
_PRICE = ("input", "output", "cached_input")
_SHADOW = ("model", "tier", "reason", "success", "expected_cost_usd", "cost_usd", "cost_usd_if_twice_as_long")

_LEVELS = {level: level.name for level in Level}  # a member's name is a slow property
_JSON = orjson.OPT_SERIALIZE_NUMPY


def kept(record: Record) -> bytes:
    """Everything that is known of a finished request."""
    who, model = record.identity, record.model
    values = (
        _VERSION,
        record.id,
        record.at,
        who.key.name,
        who.slot,
        who.run,
        who.session,
        who.task,
        record.outcome,
        record.error_code or None,
        _LEVELS[record.level] if record.level is not None else None,
        model.name if model is not None else None,
        model.tier if model is not None else None,
        record.cache,
        record.cost_usd,
        record.baseline_usd,
        _prompt(record.prompt) if record.prompt is not None else None,
        _served(record) if record.outcome != "cached" else None,
    )
    return orjson.dumps(values, option=_JSON, default=str)


def decision_row(doc: bytes) -> dict[str, Any]:
    """What was kept, with its names. Of a cached answer there is no more than what it was and saved."""
    values: Any = orjson.loads(doc)
    if isinstance(values, dict):
        return values
    _, *told, prompt, served = values
    row = _named(_ROW, told)
    if prompt is not None:
        row |= _named(("prompt", "prompt_bytes")[: len(prompt)], prompt)
    if served is None:
        return row
    usage, seconds, row["reserved_usd"], row["extras"], row["attempts"], decided, routed = served
    row |= {"usage": _named(_USAGE, usage), "seconds": _named(_SECONDS, seconds)}
    if decided is not None:
        row["decision"] = _decision(decided)
    if routed is not None:
        row["shadow"] = _named(_SHADOW, routed)
    return row


def _served(record: Record) -> tuple[Any, ...]:
    usage, decision = record.usage, record.decision
    routed = decision.routed if decision is not None else None
    return (
        (
            usage.input,
            usage.cached_input,
            usage.cache_write + usage.cache_write_1h,
            usage.output,
            usage.reasoning,
        ),
        (record.decision_seconds, record.overhead_seconds, record.first_byte_seconds, record.total_seconds),
        record.reserved_usd,
        [(spent.kind, spent.model.name, spent.cost_usd) for spent in record.extras],
        [(a.model, a.outcome, a.code, round(a.seconds, 4)) for a in record.attempts],
        _decided(decision) if decision is not None else None,
        _routed(routed, record.routed_usd) if routed is not None else None,
    )


def _prompt(messages: Sequence[Json]) -> tuple[Any, ...]:
    """The messages in the form of chat completions; of very long ones the beginning of their JSON, and its length."""
    whole = orjson.dumps(messages, default=str)
    if len(whole) <= MOST_PROMPT:
        return (orjson.Fragment(whole),)
    return whole[:MOST_PROMPT].decode("utf-8", "ignore"), len(whole)


def _decided(decision: Decision) -> tuple[Any, ...]:
    assessed = decision.assessment
    top = max([c.model.tier_rank for c in decision.candidates], default=0)
    return (
        decision.model.name,
        decision.model.tier,
        decision.reason.value,
        decision.certified,
        decision.trust,
        assessed.difficulty,
        assessed.confidence,
        assessed.features,
        assessed.vector,
        assessed.shipped if assessed.shipped is not None else assessed.success,
        [c.model.lean(top) for c in decision.candidates],
        decision.expected_cost_usd,
        decision.baseline_cost_usd,
        decision.output_cap,
        [_candidate(c) for c in decision.candidates],
    )


def _routed(routed: Decision, usd: tuple[float, float] | None) -> tuple[Any, ...]:
    """What shadow mode would have done. `cost_usd`: at the tokens of the answer that was served, if any."""
    return (
        routed.model.name,
        routed.tier,
        routed.reason.value,
        routed.success[routed.model.name],
        routed.expected_cost_usd,
        *(usd or (None, None)),
    )


def _candidate(candidate: Candidate) -> tuple[Any, ...]:
    price = candidate.model.price
    return (
        candidate.model.name,
        candidate.success,
        candidate.expected_cost_usd,
        candidate.eligible,
        candidate.why_not,
        (price.input, price.output, price.cached_input),
    )


def _decision(decided: Sequence[Any]) -> dict[str, Any]:
    """Leans by the candidates' names; prices in USD per million tokens, as in the configuration."""
    row = _named(_DECISION, decided)
    row["candidates"] = [_named(_CANDIDATE, values) for values in row["candidates"]]
    for candidate in row["candidates"]:
        rates = [round(rate * 1e6, 6) for rate in candidate["price"]]
        candidate["price"] = _named(_PRICE, rates)
    row["leans"] = _named([candidate["model"] for candidate in row["candidates"]], row["leans"])
    return row


def _named(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names, values, strict=True))
