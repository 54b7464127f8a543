"""Verdicts as JSON objects and back, and on what a logged decision lets them say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ...types import Audited, Level, Verdict


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
