"""What happened, for Prometheus: base units, bounded labels, every series there from the start."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Literal, TypeVar

from prometheus_client import CollectorRegistry, ProcessCollector, values
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.samples import Sample

from .._version import __version__
from ..errors import BudgetExhausted
from ..ports import Certified
from ..types import Attempt, Balance, Level, Model, Reason, Record, Spent, Usage, Verdict
from .counts import Counting, Frozen
from .gen_ai import GenAi
from .instruments import Instruments
from .labels import BREAKER, CACHE_TIERS, NONE, OTHER, Labels
from .losses import ALL, Measured
from .teams import TeamMetrics, TeamSummary
from .workers import VARIABLE

log = logging.getLogger(__name__)
T = TypeVar("T")

BreakerState = Literal["closed", "half_open", "open"]

_LEVELS = {level: level.name for level in Level}  # a member's name is a slow property
_TEXT = "text/plain"
_OPENMETRICS = "application/openmetrics-text"


class PrometheusObserver:
    """`ports.Observer`, and the `/metrics` page. Safe in threads; one for each process.

    `models`, `slots`, `keys` and `teams` are the configured ones: any other slot is labelled `other`, no slot `none`.
    `kinds`: what money may be spent on besides answers (draft, check, audit). `balances` is read on the event loop at
    each scrape, `breaker` tells a model's state. In multi-worker mode (`workers.prepare_multiprocess`) any worker's
    page shows all of them together, exactly.
    """

    def __init__(
        self,
        *,
        models: Sequence[Model],
        slots: Iterable[str] = (),
        keys: Iterable[str] = (),
        teams: Iterable[str] = (),
        balances: Callable[[], Sequence[Balance]] | None = None,
        breaker: Callable[[str], BreakerState] | None = None,
        certificates: Callable[[], Iterable[Certified]] | None = None,
        losses: Callable[[], Iterable[Measured]] | None = None,
        kinds: Sequence[str] = (),
    ) -> None:
        directory = os.environ.get(VARIABLE)
        if directory and not getattr(values.ValueClass, "_multiprocess", False):
            raise RuntimeError("prometheus_client was imported before prepare_multiprocess")
        self._labels = Labels(models=models, slots=slots, keys=keys, teams=teams)
        self._balances = balances
        self._breaker = breaker
        self._certificates = certificates
        self._losses = losses
        self._rendering = asyncio.Lock()
        self._from_threads = threading.Lock()
        self._complaints: set[str] = set()
        registry = CollectorRegistry()
        self._shared = bool(directory)
        self._states: dict[str, BreakerState] = {}
        self._counting = Counting(registry, shared=self._shared)
        self._counts = Instruments(registry, self._counting)
        self._counts.seed(self._labels, kinds)
        self._gen_ai = GenAi(self._counting, models)
        self._teams: TeamMetrics | None = None
        self._shown: CollectorRegistry | MultiProcessCollector = registry
        if directory:
            self._shown = MultiProcessCollector(None, directory)  # type: ignore[no-untyped-call]
        else:
            ProcessCollector(registry=registry)

    def attempted(self, attempt: Attempt) -> None:
        model = self._labels.model(attempt.model)
        self._counts.attempts.add((model, attempt.outcome, self._labels.code(attempt.code)))
        if self._shared:  # else it is read when asked for
            self._look_at_breakers()

    def finished(self, record: Record) -> None:
        try:
            self._finished(record)
        except Exception:  # the port's promise: an answer must not fail for a metric
            self._complain("a request was not counted")

    def cache_lost(self, tier: str, result: str) -> None:
        """A store that didn't happen: `dropped`, `failed` or `refused`."""
        with self._from_threads:
            self._counts.cache.add((tier if tier in CACHE_TIERS else NONE, result))

    def team_finished(self, run: TeamSummary) -> None:
        """Of any thread."""
        with self._from_threads:
            if self._teams is None:
                self._teams = TeamMetrics(self._counting)
            self._teams.add(run)

    def judged(self, verdict: Verdict, tier: str | None) -> None:
        """A verdict that is new."""
        slot, tier = self._labels.slot(verdict.slot or NONE), tier if tier in self._labels.tiers else OTHER
        self._counts.verdicts.add((slot, _LEVELS[verdict.level], tier, "good" if verdict.score >= 0.5 else "bad"))

    def audited(self, result: str, slot: str, level: Level | None, bill: Sequence[Spent]) -> None:
        """How an audit ended, and what it paid for: cost that no baseline has."""
        slot, shown = self._labels.slot(slot), NONE if level is None else _LEVELS[level]
        for spent in bill:
            tier, model = self._labels.served(spent.model)
            self._used(spent.usage, slot, model)
            self._counts.cost.add((slot, shown, tier, model, spent.kind), spent.cost_usd)
            self._counts.excess.add((slot,), spent.cost_usd)
        self._counts.audits.add((result,))  # last: over several workers, who sees it counted sees it paid

    def log_lost(self, rows: int) -> None:
        """Rows of the decision log that were dropped."""
        with self._from_threads:
            self._counts.log_lost.add((), rows)

    def overran(self, usd: float) -> None:
        """A settlement above its reservation."""
        if usd > 0:
            with self._from_threads:
                self._counts.overrun.add((), usd)

    def ledger_failed(self) -> None:
        """The budget store could not be reached or written."""
        with self._from_threads:
            self._counts.ledger_errors.add(())

    async def exposition(self, accept: str = _TEXT) -> tuple[bytes, str]:
        """The page and its content type, OpenMetrics where `accept` names it first; rendered off the event loop."""
        asked = (part.partition(";")[0].strip().lower() for part in accept.split(","))
        # the encoder is chosen by what we say: it trips over odd versions, and would echo them in the content type
        encode, content_type = choose_encoder(next((kind for kind in asked if kind in (_TEXT, _OPENMETRICS)), _TEXT))
        return await self.read(encode), content_type

    async def read(self, reduce: Callable[[Page], T]) -> T:
        """What `reduce` makes of the page's metrics, off the event loop."""
        async with self._rendering:  # scrapers that pile up wait in a line
            return await asyncio.to_thread(reduce, Page(self._shown, self._counting.freeze(), self._now()))

    def _complain(self, what: str) -> None:
        """Once: what fails for one request fails for a thousand a second."""
        if what not in self._complaints:
            self._complaints.add(what)
            log.exception(what)

    def _finished(self, record: Record) -> None:
        counts, slot = self._counts, self._labels.slot(record.slot_label)
        tier, model = self._labels.served(record.model)
        counts.requests.add((slot, tier, model, record.outcome))
        counts.overhead_seconds.add((), record.overhead_seconds)
        hit = record.cache == "hit"
        counts.cache.add((record.cache_tier if hit and record.cache_tier in CACHE_TIERS else NONE, record.cache))
        level = NONE if record.level is None else _LEVELS[record.level]
        if record.decision is not None:
            level = _LEVELS[record.decision.assessment.level]
            self._decided(record, slot, level)
        if record.switch is not None:
            counts.switches.add((record.switch,))
        for kind, number in record.repairs.items():
            counts.repairs.add((kind,), number)
        if record.first_byte_seconds is not None and record.model is not None:
            counts.ttft.add((model,), record.first_byte_seconds)
        if record.outcome != "cached":
            self._used(record.usage, slot, model)
        for spent in record.extras:
            self._used(spent.usage, slot, self._labels.served(spent.model)[1])
        self._paid(record, slot, level, tier, model)
        self._gen_ai.add(record)

    def _decided(self, record: Record, slot: str, level: str) -> None:
        decision = record.decision
        assert decision is not None
        tier, _ = self._labels.served(decision.model)
        self._counts.decisions.add((slot, level, tier, decision.reason))
        self._counts.decision_seconds.add((), record.decision_seconds)
        if record.error_code == BudgetExhausted.code:
            self._counts.downgrades.add(("refused",))
        elif decision.reason is Reason.BUDGET:
            self._counts.downgrades.add(("cap" if decision.shortened else "budget",))
        elif record.model is not None and record.model.tier_rank < decision.model.tier_rank:
            self._counts.downgrades.add(("fallback",))

    def _used(self, usage: Usage, slot: str, model: str) -> None:
        tokens = self._counts.tokens
        if usage.input:
            tokens.add((slot, model, "input"), usage.input)
        if usage.cached_input:
            tokens.add((slot, model, "cached_input"), usage.cached_input)
        if usage.cache_write or usage.cache_write_1h:
            tokens.add((slot, model, "cache_write"), usage.cache_write + usage.cache_write_1h)
        if usage.output:
            tokens.add((slot, model, "output"), usage.output)

    def _paid(self, record: Record, slot: str, level: str, tier: str, model: str) -> None:
        """Saved minus excess is baseline minus cost, always: counters can't fall, so a loss has its own."""
        cost, baseline = record.cost_usd, record.baseline_usd
        answer = cost
        for spent in record.extras:
            answer -= spent.cost_usd
            if spent.cost_usd > 0:
                its_tier, its_model = self._labels.served(spent.model)
                self._counts.cost.add((slot, level, its_tier, its_model, spent.kind), spent.cost_usd)
        if answer > 1e-12:
            self._counts.cost.add((slot, level, tier, model, "answer"), answer)
        if baseline > 0:
            self._counts.baseline.add((slot, level), baseline)
        if record.routed_usd is not None:
            self._counts.shadow.add((slot, "served"), cost)
            self._counts.shadow.add((slot, "routed"), record.routed_usd[0])
        if baseline > cost:
            self._counts.saved.add((slot, "cache" if record.outcome == "cached" else "routing"), baseline - cost)
        elif cost > baseline:
            self._counts.excess.add((slot,), cost - baseline)

    def _look_at_breakers(self) -> None:
        if self._breaker is None:
            return
        states = {model: self._breaker(model) for model in self._labels.models}
        if states != self._states:
            self._states = states
            for model, state in states.items():
                self._counts.breaker.labels(model).set(BREAKER[state])

    def _now(self) -> list[Metric]:
        """What is read when asked for."""
        build = GaugeMetricFamily("levelhead_build_info", "The running version", labels=("version",))
        build.add_metric((__version__,), 1)
        self._look_at_breakers()
        told: list[Metric] = [build, self._quality_loss(), self._certified()]
        if self._balances is None:
            return told
        budget = GaugeMetricFamily("levelhead_budget_usd", "Budgets in USD", labels=("scope", "kind"))
        try:
            for scope, sums in self._labels.budgets(self._balances()).items():
                for kind, usd in zip(("limit", "spent", "reserved"), sums, strict=True):
                    budget.add_metric((scope, kind), usd)
        except Exception:  # a ledger out of reach must not take the page with it
            self._complain("budgets could not be read")
        return [*told, budget]

    def _certified(self) -> GaugeMetricFamily:
        told = GaugeMetricFamily(
            "levelhead_certified",
            "1 where a certificate is in force, 0 where it was withdrawn",
            labels=("slot", "level"),
        )
        valid: dict[tuple[str, str], bool] = {}  # a slot may be certified both direct and with drafts
        for one in self._certificates() if self._certificates is not None else ():
            at = self._cell(one)
            valid[at] = valid.get(at, False) or one.valid
        for at, holds in valid.items():
            told.add_metric(at, float(holds))
        return told

    def _cell(self, one: Certified) -> tuple[str, str]:
        return self._labels.slot(one.slot) if one.slot else ALL, one.domain or ALL

    def _quality_loss(self) -> GaugeMetricFamily:
        """Of each slot and level that a certificate in force or audits speak of: by the one with more verdicts."""
        told = GaugeMetricFamily(
            "levelhead_quality_loss",
            "Mean quality lost against always-strong, as certified or audited",
            labels=("slot", "level", "bound"),
        )
        worst: dict[tuple[str, str], Certified] = {}  # a slot may be certified both direct and with drafts
        for one in self._certificates() if self._certificates is not None else ():
            at = self._cell(one)
            if one.valid and (at not in worst or one.upper > worst[at].upper):
                worst[at] = one
        for measured in self._losses() if self._losses is not None else ():
            at, found = (measured.slot, measured.level), measured.found
            if at not in worst or worst.pop(at).n <= found.n:
                for bound in ("estimate", "lower", "upper"):
                    told.add_metric((*at, bound), getattr(found, bound))
        for at, one in worst.items():
            told.add_metric((*at, "estimate"), one.estimate)
            told.add_metric((*at, "upper"), one.upper)
        return told


class Page:
    """What the encoders iterate over: the counts without their `_created` twins, then what was read just now."""

    def __init__(
        self, counted: CollectorRegistry | MultiProcessCollector, frozen: Iterable[Frozen], now: Iterable[Metric]
    ) -> None:
        self._counted = counted
        self._frozen = frozen
        self._now = now

    def collect(self) -> Iterator[Metric]:
        for metric in chain(self._counted.collect(), (freeze() for freeze in self._frozen)):
            metric.samples = _unhurried(metric.samples)  # the encoders only iterate
            yield metric
        yield from self._now


def _unhurried(samples: Iterable[Sample]) -> Iterator[Sample]:
    """Gives way to the event loop's thread every half millisecond, which else waits five for the interpreter lock."""
    for i, sample in enumerate(samples):
        if not sample.name.endswith("_created"):
            yield sample
        if i % 50 == 49:
            time.sleep(0.0002)
