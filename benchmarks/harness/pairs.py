"""Two proxies that differ in one thing, measured by turns: throughput, and CPU time for a request."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .contestants import KEY, MODELS, ROOT
from .machine import cores
from .native import Generator, Mock, build, write_bodies
from .procs import Child, ProcError, free_port

Figures = list[tuple[float, float]]  # requests per second, CPU microseconds for one; a pair for each round


@dataclass(frozen=True, slots=True)
class Setting:
    """`config`: beside what both have. `program`: what is run in the place of `levelhead`."""

    config: Mapping[str, Any]
    program: Sequence[str] = (str(Path(sys.executable).with_name("levelhead")),)


def by_turns(folder: Path, settings: Mapping[str, Setting], rounds: int, seconds: float) -> dict[str, Figures]:
    """At 32 connections, caches off, every answer checked."""
    core, other = cores()
    bodies = write_bodies(folder / "bodies.jsonl", "auto", stream=False)
    generator = Generator(build("loadgen", ROOT / ".bench"), other)
    headers = (f"Authorization: Bearer {KEY}", "x-levelhead-run: r")
    found: dict[str, Figures] = {name: [] for name in settings}
    with Mock(build("mock", ROOT / ".bench"), folder, other) as mock:
        servers = {name: _started(folder, name, one, mock.port, core) for name, one in settings.items()}
        try:
            for number in range(-1, rounds):  # the first one warms up
                for name in sorted(servers, reverse=bool(number % 2)):
                    child, port = servers[name]
                    before = child.cpu()
                    load = generator.run(port, bodies, conns=32, seconds=seconds, headers=headers)
                    if load.ok != load.sent:
                        raise ProcError(f"{name}: {load.ok} of {load.sent} answers are right: {load.complaint}")
                    if number >= 0:
                        found[name].append((load.rps, (child.cpu() - before) / load.ok * 1e6))
        finally:
            for child, _ in servers.values():
                child.stop()
    return found


def compared(having: Figures, lacking: Figures, what: str) -> str:
    """A sentence; both ratios are below one where `what` costs something."""
    (rps, cpu), (rps_lacking, cpu_lacking) = (tuple(map(median, zip(*some, strict=True))) for some in (having, lacking))
    pairs = list(zip(having, lacking, strict=True))
    faster, leaner = sorted(a[0] / b[0] for a, b in pairs), sorted(b[1] / a[1] for a, b in pairs)
    return (
        f"Throughput at 32 connections with {what} is {median(faster):.3f} of that without ({faster[0]:.3f}.."
        f"{faster[-1]:.3f} over {len(pairs)} rounds): {rps:,.0f} against {rps_lacking:,.0f} requests per second. "
        f"By the CPU time of a request, which other work on the machine disturbs less, it is {median(leaner):.3f} "
        f"({leaner[0]:.3f}..{leaner[-1]:.3f}): {cpu:,.0f} against {cpu_lacking:,.0f} us."
    )


def _started(folder: Path, name: str, setting: Setting, upstream: int, core: int | None) -> tuple[Child, int]:
    models = {
        one["name"]: {
            "tier": tier,
            "wire": "openai",
            "model": one["name"],
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "price": {"input": one["input"], "output": one["output"]},
        }
        for tier, one in MODELS.items()
    }
    config = {
        "keys": [{"name": "bench", "key_env": "LEVELHEAD_BENCH_KEY"}],
        "tiers": list(MODELS),
        "models": models,
        "cache": {"ttl_seconds": 0},
        "state": {"url": f"sqlite:///{folder}/{name}.db"},
        **setting.config,
    }
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(config))
    port = free_port()
    argv = [*setting.program, "serve", "--config", str(file), "--port", str(port)]
    child = Child(argv, log=folder / f"{name}.log", core=core, env={"LEVELHEAD_BENCH_KEY": KEY})
    child.wait_ready(f"http://127.0.0.1:{port}/readyz")
    return child, port
