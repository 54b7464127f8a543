"""Who is measured: how each is configured and started, and by what its answers and its books prove what it did."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .nginx import nginx_argv
from .procs import Child, ProcError, free_port, http_get
from .venv import litellm_program

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-benchmark-only"
MODELS: dict[str, dict[str, Any]] = {  # USD per million tokens
    "efficient": {"name": "mock-efficient", "input": 0.1, "output": 0.4},
    "strong": {"name": "mock-strong", "input": 1.0, "output": 5.0},
}


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server to measure. `hit`, `miss`: what a header line of such an answer contains; None where nothing says it."""

    name: str
    title: str
    ready: str = "/"
    argv: Callable[[Path, int, int], list[str]] | None = None  # (folder, port, upstream's port); None: the mock itself
    env: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    routes: bool = False
    caches: bool = False
    hit: str | None = None
    miss: str | None = None
    counter: str | None = None  # the Prometheus counter that must have counted every request
    metrics: str = "/metrics"
    books: str | None = None  # where the budget can be read

    def start(self, folder: Path, upstream: int, core: int | None) -> Server:
        """Starts it in `folder` (empty: no cache, no state) and waits until it is ready."""
        assert self.argv is not None
        port = free_port()
        child = Child(self.argv(folder, port, upstream), log=folder / f"{self.name}.log", core=core, env=self.env)
        try:
            cold = child.wait_ready(f"http://127.0.0.1:{port}{self.ready}")
        except BaseException:
            child.stop()
            raise
        return Server(self, child, port, cold)


@dataclass(slots=True)
class Server:
    """A contestant that runs. `cold`: seconds from its start to its first 200."""

    contestant: Contestant
    child: Child
    port: int
    cold: float

    def get(self, path: str) -> bytes:
        """Returns what it answers there, with the benchmark's key."""
        headers = dict(line.split(": ", 1) for line in self.contestant.headers)
        status, body = http_get(f"http://127.0.0.1:{self.port}{path}", headers, timeout=30)
        if status != 200:
            raise ProcError(f"{self.contestant.name}: {path} answers {status}: {body[:200]!r}")
        return body

    def counted(self) -> int:
        """Returns how many requests its Prometheus counter has seen."""
        text = self.get(self.contestant.metrics).decode()
        values = re.findall(rf"^{self.contestant.counter}(?:{{.*}})? ([0-9.e+]+)$", text, re.MULTILINE)
        return round(sum(map(float, values)))


def levelhead_argv(folder: Path, port: int, upstream: int) -> list[str]:
    """Everything on that costs the proxy time: key, routing, budget, cache for all requests, state on disk, metrics.

    Off is what would call the upstream more than once for a request: drafts and audits.
    """
    models = {
        one["name"]: {
            "tier": tier,
            "wire": "openai",
            "model": one["name"],
            "base_url": f"http://127.0.0.1:{upstream}/v1",
            "api_key_env": "LEVELHEAD_BENCH_UPSTREAM_KEY",
            "price": {"input": one["input"], "output": one["output"]},
        }
        for tier, one in MODELS.items()
    }
    config: dict[str, Any] = {
        "keys": [{"name": "bench", "key_env": "LEVELHEAD_BENCH_KEY"}],
        "tiers": list(MODELS),
        "models": models,
        "budgets": [{"scope": "key", "name": "bench", "usd": 1000, "per": "day"}],
        "cache": {"when": "always", "directory": str(folder / "cache")},
        "state": {"url": f"sqlite:///{folder}/state.db"},
        "cascade": "off",
        "audit": {"rate": 0},
    }
    path = folder / "levelhead.yaml"
    path.write_text(json.dumps(config))  # JSON is YAML
    program = ROOT / ".venv" / "bin" / "levelhead"
    if not program.exists():
        raise ProcError("levelhead is not installed in .venv (make bench does it)")
    return [str(program), "serve", "--config", str(path), "--port", str(port)]


def litellm_argv(folder: Path, port: int, upstream: int, *flags: str) -> list[str]:
    """Complexity router, Prometheus callback, disk cache; no database, so no budgets: it does less than levelhead."""
    deployments = [
        {
            "model_name": tier,
            "litellm_params": {
                "model": f"openai/{one['name']}",
                "api_base": f"http://127.0.0.1:{upstream}/v1",
                "api_key": "sk-mock",
                "input_cost_per_token": float(one["input"]) / 1e6,
                "output_cost_per_token": float(one["output"]) / 1e6,
            },
        }
        for tier, one in MODELS.items()
    ]
    tiers = {"SIMPLE": "efficient", "MEDIUM": "efficient", "COMPLEX": "strong", "REASONING": "strong"}
    router = {
        "model": "auto_router/complexity_router",
        "complexity_router_default_model": "efficient",
        "complexity_router_config": {"tiers": tiers},
    }
    config = {
        "model_list": [{"model_name": "auto", "litellm_params": router}, *deployments],
        "litellm_settings": {
            "callbacks": ["prometheus"],
            "cache": True,
            "cache_params": {
                "type": "disk",
                "disk_cache_dir": str(folder / "cache"),
                "supported_call_types": ["acompletion"],
            },
            "num_retries": 0,
            "request_timeout": 600,
        },
        "general_settings": {"master_key": KEY},
    }
    path = folder / "litellm.yaml"
    path.write_text(json.dumps(config))
    program = litellm_program(ROOT / ".bench" / "litellm")
    listen = ["--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    return [str(program), "--config", str(path), *listen, *flags]


def granian_argv(folder: Path, port: int, upstream: int) -> list[str]:
    """LiteLLM on its other server, which is faster here."""
    return litellm_argv(folder, port, upstream, "--run_granian")


def _litellm(name: str, title: str, argv: Callable[[Path, int, int], list[str]]) -> Contestant:
    env = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_TELEMETRY": "False",
    }
    return Contestant(
        name, title, ready="/health/readiness", argv=argv, env=env, headers=(f"Authorization: Bearer {KEY}",),
        routes=True, caches=True, hit="x-litellm-cache-key:", counter="litellm_proxy_total_requests_metric_total",
        metrics="/metrics/",
    )  # fmt: skip


CONTESTANTS = (
    Contestant("direct", "direct to the mock"),
    Contestant("nginx", "nginx reverse proxy", ready="/healthz", argv=nginx_argv),
    Contestant(
        "levelhead", "levelhead", ready="/readyz", argv=levelhead_argv,
        env={"LEVELHEAD_BENCH_KEY": KEY, "LEVELHEAD_BENCH_UPSTREAM_KEY": "sk-mock"},
        headers=(f"Authorization: Bearer {KEY}",), routes=True, caches=True, hit="x-levelhead-cache: hit",
        miss="x-levelhead-cache: miss", counter="levelhead_requests_total", books="/v1/budgets",
    ),
    _litellm("litellm", "LiteLLM proxy", litellm_argv),
    _litellm("litellm-granian", "LiteLLM proxy on granian", granian_argv),
)  # fmt: skip
