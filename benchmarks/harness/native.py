"""The two C programs: the mock upstream and the load generator that checks every answer."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .procs import Child, ProcError, free_port, http_get

HERE = Path(__file__).resolve().parent
NONCE = "@" * 16
EASY = f"What is the capital of France? (nonce:{NONCE})"
HARD = (
    "Design a distributed, scalable microservice architecture for a multi-tenant ledger. Think through concurrency, "
    "encryption and authentication step by step, evaluate the pros and cons of each protocol, then implement the "
    f"database schema and an async Python API endpoint with tests. (nonce:{NONCE})"
)


def build(name: str, folder: Path) -> Path:
    """Compiles `name`.c with gcc into `folder` unless that very source has been compiled; returns the program."""
    source = HERE / f"{name}.c"
    target = folder / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not target.exists():
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise ProcError("needs gcc (or cc) to build the mock upstream and the load generator")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", target, source], check=True)
    return target


def write_bodies(path: Path, model: str, *, stream: bool) -> Path:
    """Writes the request templates, one easy and one hard, as one JSON body a line."""
    extra: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    with path.open("w") as file:
        for prompt in (EASY, HARD):
            messages = [
                {"role": "system", "content": "You are a careful assistant."},
                {"role": "user", "content": prompt},
            ]
            file.write(json.dumps({"model": model, "messages": messages, "max_tokens": 400, **extra}) + "\n")
    return path


class Mock(Child):
    """The running mock upstream."""

    def __init__(self, program: Path, folder: Path, core: int | None) -> None:
        """Starts it on a free port and waits for it."""
        self.port = free_port()
        super().__init__([program, str(self.port)], log=folder / "mock.log", core=core)
        self.wait_ready(f"http://127.0.0.1:{self.port}/")

    def stats(self) -> dict[str, Any]:
        """Returns what it has seen: requests, streams, open connections, requests by model."""
        return dict(json.loads(http_get(f"http://127.0.0.1:{self.port}/stats")[1]))

    def gap(self, microseconds: int) -> None:
        """Sets the time between the events of a stream; 0: back to back."""
        http_get(f"http://127.0.0.1:{self.port}/gap?us={microseconds}")


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the load generator has seen; times in microseconds."""

    sent: int
    ok: int
    bad: int
    failed: int
    expected: int
    events: int
    seconds: float
    rps: float
    mean_us: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    ttft_p50_us: float
    ttft_p99_us: float
    complaint: str


@dataclass(slots=True)
class Generator:
    """Runs the load generator against a port; every run gets nonces that no run before it has used."""

    program: Path
    core: int | None = None
    _seed: int = 0

    def run(
        self,
        port: int,
        bodies: Path,
        *,
        conns: int,
        seconds: float | None = None,
        requests: int | None = None,
        stream: bool = False,
        keyspace: int = 0,
        seed: int | None = None,
        headers: Sequence[str] = (),
        expect: str | None = None,
    ) -> Load:
        """Sends for `seconds` or `requests` times and returns the result; bad answers are counted, not raised."""
        self._seed += 1
        argv = ["taskset", "-c", str(self.core)] if self.core is not None else []
        argv += [str(self.program), "--port", str(port), "--bodies", str(bodies), "--conns", str(conns)]
        argv += ["--seed", str(self._seed if seed is None else seed), "--keyspace", str(keyspace)]
        argv += ["--requests", str(requests)] if requests else ["--seconds", str(seconds or 1)]
        argv += ["--stream"] if stream else []
        argv += [part for header in headers for part in ("--header", header)]
        argv += ["--expect", expect] if expect else []
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if not done.stdout:
            raise ProcError(f"load generator: {done.stderr}")
        return Load(**json.loads(done.stdout))
