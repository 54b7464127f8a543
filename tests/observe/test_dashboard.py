"""The dashboard's figures of metrics that are made here."""

from __future__ import annotations

import pytest

from levelhead.observe.dashboard import BINS, brief, figures, history
from levelhead.observe.losses import Losses
from levelhead.observe.metrics import PrometheusObserver
from levelhead.types import Audited, Level, Model, Verdict


def verdict(loss: float) -> Verdict:
    audit = Audited("efficient", "direct", 0.9, 0.5, 1 - loss, 1.0, "b", 1.0, 0.9, "judge", True, True, "p", 0.01)
    return Verdict("d", "k", "critic", "a", Level.L2, -1.0, 0.9, (), 1 - loss, "audit", 0.0, audit)


async def test_quality_is_what_audits_say(models: list[Model]) -> None:
    losses = Losses(["critic"], "p", 0.05)
    observer = PrometheusObserver(models=models, slots=["critic"], losses=losses.measured)
    assert (await observer.read(figures))["quality_loss"] == []
    for i in range(200):
        losses.add(verdict(float(i % 20 == 0)))
    shown = {(one["slot"], one["level"]): one for one in (await observer.read(figures))["quality_loss"]}
    assert set(shown) == {("critic", "L2"), ("critic", "all"), ("all", "all")}
    overall = shown["all", "all"]
    assert overall["lower"] < overall["estimate"] < overall["upper"] < 0.5
    assert overall["estimate"] == pytest.approx(0.05, abs=0.02)


def test_history_keeps_every_cent() -> None:
    rows = [{"at": 1e9 + i * i, "cost_usd": 0.01 * i, "baseline_usd": 0.02 * i} for i in range(100)]
    bins = history(rows)
    assert len(bins) == BINS
    assert sum(one["requests"] for one in bins) == 100
    assert sum(one["cost_usd"] for one in bins) == pytest.approx(sum(row["cost_usd"] for row in rows))
    assert sum(one["baseline_usd"] for one in bins) == pytest.approx(sum(row["baseline_usd"] for row in rows))
    assert [one["from"] for one in bins] == sorted(one["from"] for one in bins)
    assert history(rows[:1]) == [{"from": 1e9, "requests": 1, "cost_usd": 0.0, "baseline_usd": 0.0}]
    assert history([]) == []


def test_a_line_has_no_prompt() -> None:
    row = {"id": "d", "at": 1.0, "key": "k", "outcome": "cached", "prompt": [{"content": "secret"}], "cost_usd": 0.0}
    assert "secret" not in str(brief(row))
    assert brief(row)["reason"] == "cache"
