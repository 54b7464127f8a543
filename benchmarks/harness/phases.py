"""One contestant, one round: the phases of load, each with the checks that make its number mean what it says."""

from __future__ import annotations

import json
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .contestants import Contestant, Server
from .native import Generator, Load, Mock
from .procs import Child, ProcError, core_busy_seconds

HIT_SEED, HIT_KEYS = 0xFFFFFF, 64


@dataclass(frozen=True, slots=True)
class Phase:
    """A kind of load. `kind` is miss, hit or stream; `paced`: the events of a stream come one by one."""

    name: str
    kind: str
    conns: int
    paced: bool = False


PHASES = (
    Phase("miss@32", "miss", 32),
    Phase("miss@128", "miss", 128),
    Phase("miss@1", "miss", 1),
    Phase("hit@32", "hit", 32),
    Phase("hit@128", "hit", 128),
    Phase("hit@1", "hit", 1),
    Phase("burst@32", "stream", 32),
    Phase("paced@32", "stream", 32, paced=True),
)


@dataclass(slots=True)
class Bench:
    """What all contestants share."""

    mock: Mock
    load: Generator
    plain: Path
    stream: Path
    core: int | None
    seconds: float
    warmup: float
    gap: int
    settle: float = 1.0


def generator_cpu() -> float:
    """Returns the CPU seconds of the children that have ended: the runs of the load generator."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fire(
    bench: Bench, who: Contestant, port: int, phase: Phase, seconds: float | None = None, requests: int | None = None
) -> Load:
    """Runs one load against a port, for so long or so many requests, and returns what came back."""
    hit = phase.kind == "hit"
    return bench.load.run(
        port,
        bench.stream if phase.kind == "stream" else bench.plain,
        conns=phase.conns,
        seconds=seconds,
        requests=requests,
        stream=phase.kind == "stream",
        keyspace=HIT_KEYS if hit else 0,
        seed=HIT_SEED if hit else None,
        headers=who.headers,
        expect=who.hit if hit else who.miss,
    )


def verify(who: Contestant, phase: Phase, load: Load, seen: int, models: dict[str, int]) -> None:
    """Raises ProcError unless every answer was right, came from where it should, and was routed if the proxy routes."""
    where = f"{who.name}, {phase.name}"
    if load.ok != load.sent or load.ok == 0:
        raise ProcError(f"{where}: {load.ok} of {load.sent} answers are right: {load.complaint}")
    if phase.kind == "hit" and seen:
        raise ProcError(f"{where}: {seen} of {load.ok} hits reached the upstream")
    if phase.kind != "hit" and seen != load.ok:
        raise ProcError(f"{where}: {load.ok} misses, but the upstream saw {seen}")
    mark = who.hit if phase.kind == "hit" else who.miss
    if mark and load.expected != load.ok:
        raise ProcError(f"{where}: only {load.expected} of {load.ok} answers say '{mark}'")
    if who.routes and "auto" in models:
        raise ProcError(f"{where}: requests for 'auto' reached the upstream without being routed: {models}")
    if phase.kind == "stream" and load.events != 50 * load.ok:
        raise ProcError(f"{where}: {load.events} events in {load.ok} streams")


def measure(bench: Bench, who: Contestant, port: int, child: Child | None, phase: Phase) -> dict[str, Any]:
    """Returns one phase's figures. CPU is read after a pause, so that work put off is counted too."""
    bench.mock.gap(bench.gap if phase.paced else 0)
    before, mock_cpu, generator = bench.mock.stats(), bench.mock.cpu(), generator_cpu()
    cpu = child.cpu() if child else 0.0
    busy = core_busy_seconds(bench.core) if bench.core is not None else 0.0
    load = fire(bench, who, port, phase, bench.seconds)
    foreign = core_busy_seconds(bench.core) - busy if bench.core is not None else 0.0
    if child:
        foreign -= child.cpu() - cpu
    time.sleep(bench.settle)
    after = bench.mock.stats()
    models = {
        name: count - before["models"].get(name, 0)
        for name, count in after["models"].items()
        if count > before["models"].get(name, 0)
    }
    verify(who, phase, load, after["requests"] - before["requests"], models)
    spent = (child.cpu() - cpu) if child else bench.mock.cpu() - mock_cpu
    return {
        **asdict(load),
        "cpu_us": spent / load.ok * 1e6,
        "cpu_share": spent / load.seconds,
        "foreign_share": max(0.0, foreign / load.seconds),
        "mock_share": (bench.mock.cpu() - mock_cpu) / load.seconds,
        "generator_share": (generator_cpu() - generator) / load.seconds,
        "models": models,
    }


def prove(server: Server, sent: int) -> dict[str, Any]:
    """Returns what the server's own books say; raises ProcError if its metrics missed requests or nothing was spent."""
    found: dict[str, Any] = {}
    who = server.contestant
    if who.counter:
        deadline = time.monotonic() + 10
        while (counted := server.counted()) < sent and time.monotonic() < deadline:
            time.sleep(0.2)
        if counted < sent:
            raise ProcError(f"{who.name}: {who.counter} says {counted} after {sent} requests")
        found |= {"sent": sent, "counted_by_metrics": counted}
    if who.books:
        spent = [float(value) for value in find(json.loads(server.get(who.books)), ("spent", "spent_usd"))]
        if not any(spent):
            raise ProcError(f"{who.name}: {who.books} shows nothing spent after {sent} requests")
        found["budget_spent_usd"] = max(spent)
    return found


def find(tree: Any, names: tuple[str, ...]) -> list[Any]:
    """Returns the values that stand under one of the names, at any depth."""
    if isinstance(tree, list):
        return [hit for branch in tree for hit in find(branch, names)]
    if not isinstance(tree, dict):
        return []
    return [value for name, value in tree.items() if name in names] + find(list(tree.values()), names)


def run_direct(bench: Bench, who: Contestant) -> dict[str, Any]:
    """Measures the mock itself; its CPU is the mock's."""
    fire(bench, who, bench.mock.port, PHASES[0], bench.warmup / 4)
    return {phase.name: measure(bench, who, bench.mock.port, None, phase) for phase in PHASES if phase.kind != "hit"}


def run_round(bench: Bench, who: Contestant, folder: Path) -> dict[str, Any]:
    """Starts a contestant afresh, warms it up, measures every phase, and reads its memory and its books."""
    if who.argv is None:
        return run_direct(bench, who)
    bench.mock.gap(0)
    server = who.start(folder, bench.mock.port, bench.core)
    result: dict[str, Any] = {"cold_start_s": server.cold}
    with server.child as child:
        sent = fire(bench, who, server.port, PHASES[0], bench.warmup * 2 / 3).sent
        sent += fire(bench, who, server.port, PHASES[6], bench.warmup / 3).sent
        if who.caches:  # twice over, so that the measured hits are hits
            sent += fire(bench, who, server.port, PHASES[3], requests=2 * HIT_KEYS).sent
        time.sleep(bench.settle)
        for phase in PHASES:
            if phase.kind == "hit" and not who.caches:
                continue
            result[phase.name] = measure(bench, who, server.port, child, phase)
            sent += result[phase.name]["sent"]
        result["resident_bytes"] = child.resident()
        result["books"] = prove(server, sent)
    return result
