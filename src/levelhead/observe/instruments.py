"""Every metric that is counted as it happens. Names and labels are part of the contract."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge

from ..types import Level, Reason
from ..wire.history import KINDS as REPAIRS
from .counts import Counting
from .labels import AUDITS, LOST, NONE, OUTCOMES, TOKEN_TYPES, Labels

_DECISION_BUCKETS = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05)
_OVERHEAD_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_TTFT_BUCKETS = (0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 60, 120)
SHADOW_PATHS = ("served", "routed")


class Instruments:
    """Every metric that is counted as it happens. Names and labels are part of the contract."""

    def __init__(self, registry: CollectorRegistry, counting: Counting) -> None:
        counter, seconds = counting.counter, counting.seconds
        self.requests = counter("requests", "slot tier model outcome", "Requests by how they ended")
        self.decisions = counter("decisions", "slot level tier reason", "Decisions by task level, chosen tier and why")
        self.decision_seconds = seconds("decision_seconds", "", "Time to assess a task and decide", _DECISION_BUCKETS)
        self.overhead_seconds = seconds("overhead_seconds", "", "Time a request spent in levelhead", _OVERHEAD_BUCKETS)
        self.ttft = seconds("ttft_seconds", "model", "Time to the first byte of an answer", _TTFT_BUCKETS)
        self.attempts = counter("upstream_attempts", "model outcome code", "Upstream calls by how they ended")
        self.tokens = counter("tokens", "slot model type", "Tokens billed by upstreams; output includes reasoning")
        self.cost = counter("cost_usd", "slot level tier model kind", "Money paid to upstreams, and what for")
        self.baseline = counter("baseline_cost_usd", "slot level", "What always-strong would have cost")
        self.saved = counter(
            "saved_usd", "slot by", "Cost below the baseline; less excess_usd it is baseline_cost_usd minus cost_usd"
        )
        self.excess = counter("excess_usd", "slot", "Cost above the baseline")
        self.shadow = counter(
            "shadow_cost_usd",
            "slot path",
            "In shadow mode, at the tokens that were served: what was paid, and what routing would have",
        )
        self.downgrades = counter(
            "downgrades",
            "reason",
            "Weaker answers than wanted: a cheaper model, a lower output cap, none; or a fallback",
        )
        self.cache = counter(
            "cache_requests",
            "tier result",
            "Requests by what the cache did (hit, miss, bypass); stores that were lost (dropped, failed, refused)",
        )
        self.switches = counter(
            "model_switches", "reason", "Conversations that changed their model, by why it was chosen"
        )
        self.repairs = counter("history_repairs", "kind", "Mends of conversations that another model wrote a part of")
        self.verdicts = counter(
            "verdicts", "slot level tier verdict", "Verdicts on answers: good from a score of a half"
        )
        self.audits = counter("audits", "result", "Audits of answers by how they ended; judged ones gave a verdict")
        self.log_lost = counter("decision_log_lost_rows", "", "Decisions that the log could not keep")
        self.overrun = counter("budget_overrun_usd", "", "Cost beyond what was reserved")
        self.ledger_errors = counter("ledger_errors", "", "Times the budget store could not be reached or written")
        self.breaker = Gauge(
            "levelhead_breaker_state",
            "Circuit breaker: 0 closed, 1 half open, 2 open",
            ("model",),
            registry=registry,
            multiprocess_mode="livemax",
        )

    def seed(self, labels: Labels, kinds: Sequence[str]) -> None:
        """Zeros for what can happen: `rate()` and an alert see the first event only where there was a zero.

        `kinds`: what money is spent on besides answers.
        """
        levels = [level.name for level in Level]
        decided = [reason.value for reason in Reason if reason is not Reason.CACHE]
        self.decisions.seed(labels.slots, levels, labels.tiers, decided)
        paid = [*levels, NONE]  # nobody asked what level a cached answer is
        self.baseline.seed(labels.slots, paid)
        self.saved.seed(labels.slots, ("routing", "cache"))
        self.excess.seed(labels.slots)
        self.shadow.seed(labels.slots, SHADOW_PATHS)
        self.switches.seed(decided)
        self.repairs.seed(REPAIRS)
        self.downgrades.seed(("budget", "cap", "refused", "fallback"))
        self.requests.seed(labels.slots, (NONE,), (NONE,), ("refused", "error", "cancelled"))
        for model, tier in labels.models.items():
            self.requests.seed(labels.slots, (tier,), (model,), OUTCOMES)
            self.tokens.seed(labels.slots, (model,), TOKEN_TYPES)
            self.cost.seed(labels.slots, paid, (tier,), (model,), ("answer",))
            self.cost.seed(labels.slots, levels, (tier,), (model,), kinds)
            self.attempts.seed((model,), ("ok", "cancelled"), (NONE,))
            self.ttft.seed((model,))
            self.breaker.labels(model)
        self.cache.seed((NONE,), ("miss", "bypass"))
        self.cache.seed(("memory", "disk", "flight"), ("hit",))
        self.cache.seed(("disk",), LOST)
        self.audits.seed(AUDITS)
        self.verdicts.seed(labels.slots, levels, labels.tiers, ("good", "bad"))
        for metric in (self.decision_seconds, self.overhead_seconds, self.overrun, self.log_lost, self.ledger_errors):
            metric.seed()
