"""The composition root: a configuration becomes a pipeline. Nothing else knows all the rooms."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .auditing import Auditing, Auditor, hold_to
from .cache import Conversations, MemoryTier, TieredCache
from .check import FEATURES, PRIOR, Checker, HttpChecker
from .config import Config, ModelEntry
from .deciding import Decider, Learned
from .difficulty import Corrections, QualityModel, load_quality_model, probed
from .drafting import Drafting
from .errors import ConfigError
from .learning import Learner
from .observe import Fanout, RequestLog
from .observe.journal import Journal, open_journal
from .observe.losses import Losses
from .observe.tracing import open_tracing
from .pacing import Pacer
from .policy import Affinity, Promises, load, mark_withdrawn, policy_version
from .ports import ResponseCache
from .router import Pipeline, Rooms
from .shadow import Shadow
from .spend import Ledger, Scoping, Unlimited, listing_for, open_ledger
from .spend.redis import connect
from .types import NANOS_PER_USD, Model, Scope, Verdict
from .upstream import Health, Limits, Timeouts, open_upstreams

if TYPE_CHECKING:
    from .observe.metrics import PrometheusObserver


log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """What a configuration became. `metrics` renders `/metrics`; no `learner` where its log can't be kept."""

    pipeline: Pipeline
    metrics: PrometheusObserver
    learner: Learner | None


def assemble(
    config: Config,
    *,
    clock: Callable[[], float] = time.time,
    checker: Checker | None = None,
    shared: Path | None = None,
) -> House:
    """Builds every room, opens ledger and cache, but no connection. Raises `ConfigError`, `ArtefactError`.

    `checker`: the user's own check of drafts, see `check.own`. `shared`: a directory of the workers of one server.
    """
    ledger = _ledger(config, clock, lambda: metrics)
    pacer = Pacer(config.budgets(), tuple(config.models), ledger.windows, clock)
    quality = _quality(config)
    journal = _journal(config, clock, lambda rows: metrics.log_lost(rows))
    learner = None
    if journal is not None:
        corrections = Corrections(quality.vector_scale)
        learner = Learner(
            journal,
            corrections,
            lambda verdict, tier: metrics.judged(verdict, tier),
            clock,
            lambda verdict, new: audited(verdict, new),
        )
    rooms = rooms_of(
        config,
        clock,
        checker,
        quality=quality,
        pace=pacer.price if pacer else None,
        learned=learner.correct if learner else None,
    )
    losses = Losses(rooms.slots, rooms.drafting.policy, 1 - config.goal().confidence)

    def audited(verdict: Verdict, new: bool) -> None:
        losses.add(verdict)
        if new:
            hold_to(rooms.drafting.promises, verdict, rooms.slots)

    metrics = _metrics(config, rooms, ledger, losses)
    cache = _cache(config, metrics)
    tracing = open_tracing() if config.traced else None
    observer = Fanout(metrics, RequestLog(), *(one for one in (pacer, journal, tracing) if one))
    conversations = Conversations(shared / "conversations.db") if shared is not None else rooms.conversations
    rooms = replace(rooms, ledger=ledger, cache=cache, observer=observer, conversations=conversations, tracing=tracing)
    if learner is not None and config.audit_budgets():
        rooms = replace(rooms, auditor=_auditor(config, rooms, ledger, learner, metrics))
    return House(Pipeline(rooms), metrics, learner)


def _quality(config: Config) -> QualityModel:
    """The shipped quality model, told what probes have measured here."""
    quality = load_quality_model()
    quality.heed({key: known for key, known in probed(config.teams_store).items() if key[0] in config.models})
    return quality


def _ledger(
    config: Config, clock: Callable[[], float], metrics: Callable[[], PrometheusObserver]
) -> Ledger | Unlimited:
    return open_ledger(
        (*config.budgets(), *config.audit_budgets()),
        config.state_store,
        password=config.secret(config.state.password_env),
        simulated=config.simulated,
        clock=clock,
        on_overrun=lambda nanos: metrics().overran(nanos / NANOS_PER_USD),
        on_trouble=lambda: metrics().ledger_failed(),
    )


def _metrics(config: Config, rooms: Rooms, ledger: Ledger | Unlimited, losses: Losses) -> PrometheusObserver:
    from .observe.metrics import PrometheusObserver

    known_keys = config.keys()
    return PrometheusObserver(
        models=tuple(rooms.models.values()),
        slots=rooms.slots,
        keys=[known.key.name for known in known_keys],
        teams=[known.key.team for known in known_keys if known.key.team is not None],
        balances=ledger.balances,
        breaker=rooms.health.state,
        certificates=rooms.drafting.promises.certificates,
        losses=losses.measured,
        kinds=(("draft", "check") if config.cascade != "off" else ()) + (("audit",) if config.audit_budgets() else ()),
    )


def rooms_of(
    config: Config,
    clock: Callable[[], float] = time.time,
    checker: Checker | None = None,
    *,
    quality: QualityModel | None = None,
    pace: Callable[[Sequence[Scope]], float] | None = None,
    learned: Learned | None = None,
) -> Rooms:
    """What deciding needs: no ledger, no cache, nothing that writes. Enough for `explain`."""
    models = {name: model_of(config, name, entry) for name, entry in config.models.items()}
    health = Health(time.monotonic)
    quality = quality or _quality(config)
    every = tuple(models.values())
    drafting = _drafting(config, models, policy_of(quality.name, every), checker)
    known = (quality, every, config.goal(), health.available, pace, drafting.promises, learned)
    served = models.get(config.shadow.serve or "")
    decider = Shadow(*known, serve=served) if config.mode == "shadow" else Decider(*known)
    return Rooms(
        models=models,
        tiers=config.tiers,
        slots=config.slots(),
        aliases=config.aliases,
        scopes=Scoping(config.budgets()),
        decider=decider,
        ledger=Unlimited(),
        cache=None,
        cache_when=config.cache.when,
        conversations=Conversations(),
        affinity=Affinity(clock),
        health=health,
        upstreams=open_upstreams(_timeouts(config), Limits(connections=config.limits.in_flight_per_upstream)),
        observer=Fanout(),
        drafting=drafting,
        timeout=config.timeouts.total,
        clock=clock,
        keeps_prompts=config.log_prompts,
    )


def model_of(config: Config, name: str, entry: ModelEntry) -> Model:
    """One configured model with its price and capabilities. Raises `ConfigError` where its price is unknown."""
    listing = listing_for(
        name,
        entry.model,
        entry.wire,
        entry.base_url,
        price=entry.price.model_dump(),
        capabilities=entry.capabilities.model_dump(exclude_none=True),
    )
    return Model(
        name=name,
        tier=entry.tier,
        tier_rank=config.tier_rank(entry.tier),
        wire=entry.wire,
        upstream_model=entry.model,
        price=listing.price,
        capabilities=listing.capabilities,
        base_url=entry.base_url,
        api_key=config.secret(entry.api_key_env),
        extra_headers=tuple(entry.extra_headers.items()),
    )


def policy_of(artefact: str, models: Sequence[Model]) -> str:
    """The version of the policy that runs, which certificates are bound to."""
    return policy_version(artefact, models, (FEATURES, PRIOR))


def _drafting(config: Config, models: Mapping[str, Model], policy: str, checker: Checker | None) -> Drafting:
    entry = config.check
    key = config.secret(entry.key_env)
    headers = {"authorization": f"Bearer {key.reveal()}"} if key else None
    if checker is None and entry.url is not None:
        checker = HttpChecker(entry.url, headers=headers)
    return Drafting(
        mode=config.cascade,
        comparator=models[entry.comparator] if entry.comparator is not None else None,
        checker=checker,
        runner=HttpChecker(entry.runner, headers=headers) if entry.runner is not None else None,
        checker_seconds=entry.seconds,
        uncertified=config.goal().uncertified,
        policy=policy,
        promises=Promises(load(config.certificates), policy, lambda one: mark_withdrawn(config.certificates, one)),
    )


def _auditor(
    config: Config, rooms: Rooms, ledger: Ledger | Unlimited, learner: Learner, metrics: PrometheusObserver
) -> Auditor:
    """For a configuration that audits."""
    settings = Auditing(
        judge=rooms.models[config.audit.judge or ""],
        rate=config.audit.rate,
        policy=rooms.drafting.policy,
        keep=learner.audit,
        told=metrics,
        balances=ledger.windows,
        clock=rooms.clock,
    )
    every = tuple(rooms.models.values())
    return Auditor(settings, every, rooms.upstreams, ledger, rooms.health, rooms.observer, timeout=rooms.timeout)


def _journal(config: Config, clock: Callable[[], float], lost: Callable[[int], None]) -> Journal | None:
    """None, said in the log, where it can't be opened: answers don't depend on it."""
    try:
        return open_journal(
            config.state_store,
            password=config.secret(config.state.password_env),
            simulated=config.simulated,
            clock=clock,
            lost=lost,
            connect=connect,
        )
    except ConfigError as error:
        log.warning("no decision log and no verdicts: %s", error.message)
        return None


def _cache(config: Config, metrics: PrometheusObserver) -> ResponseCache | None:
    settings = config.cache
    if settings.ttl_seconds == 0 or config.mode == "shadow":  # which answers as if levelhead weren't there
        return None
    disk = None
    if settings.max_bytes > 0:
        from .cache import DiskTier

        disk = DiskTier(
            config.cache_directory,
            ttl_seconds=settings.ttl_seconds,
            max_bytes=settings.max_bytes,
            lost=lambda result: metrics.cache_lost("disk", result),
        )
    return TieredCache(MemoryTier(ttl_seconds=settings.ttl_seconds), disk)


def _timeouts(config: Config) -> Timeouts:
    known = config.timeouts
    return Timeouts(connect=known.connect, first_byte=known.first_byte, idle=known.idle)
