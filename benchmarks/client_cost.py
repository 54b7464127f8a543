"""What Python HTTP clients and servers cost in CPU here: the floor under any proxy written in Python.

Compares, against the compiled mock upstream: aiohttp's client and a bare `asyncio.Protocol` + httptools client (32
requests in flight), uvicorn and a bare Protocol server answering by themselves, each server in front of a client, and
nginx. Run it with an interpreter that has aiohttp, httptools, uvicorn and uvloop; levelhead's own has them:

    .venv/bin/python benchmarks/client_cost.py [--requests 20000] [--streams 600] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report
from harness.machine import cores, describe
from harness.native import Generator, Load, Mock, build, write_bodies
from harness.nginx import nginx_argv
from harness.procs import Child, ProcError, clean_env, free_port, raise_priority

HERE = Path(__file__).resolve().parent
PARTS = HERE / "harness" / "client_parts.py"
TITLES = {
    "client-aiohttp": "aiohttp client alone",
    "client-httptools": "Protocol + httptools client alone",
    "serve-hello": "uvicorn, answers itself",
    "serve-aiohttp": "uvicorn + aiohttp client",
    "serve-httptools": "uvicorn + httptools client",
    "raw-hello": "Protocol server, answers itself",
    "raw-httptools": "Protocol server + httptools client",
    "nginx": "nginx reverse proxy",
}


def client_cost(kind: str, upstream: int, requests: int, core: int | None) -> dict[str, float]:
    """Returns the CPU microseconds per request of a client."""
    pin = ["taskset", "-c", str(core)] if core is not None else []
    argv = [*pin, sys.executable, str(PARTS), kind.replace("client", "load"), str(upstream), str(requests)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, env=clean_env())
    return {"request_us": float(done.stdout)}


def checked(load: Load) -> Load:
    """Returns the load if every answer was right."""
    if load.ok != load.sent:
        raise ProcError(f"{load.ok} of {load.sent} answers are right: {load.complaint}")
    return load


def server_cost(kind: str, bench: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Returns CPU microseconds per request, per paced and per burst stream, and requests per second, of a server."""
    port, mock, load = free_port(), bench.mock, bench.load
    parts = [sys.executable, str(PARTS), kind, str(port), str(mock.port)]
    argv = nginx_argv(folder, port, mock.port) if kind == "nginx" else parts
    with Child(argv, log=folder / f"{kind}.log", core=bench.core) as server:
        server.wait_ready(f"http://127.0.0.1:{port}/healthz")
        checked(load.run(port, bench.plain, conns=32, requests=2000))
        before = server.cpu()
        result = checked(load.run(port, bench.plain, conns=32, requests=bench.requests))
        found = {"request_us": (server.cpu() - before) / result.ok * 1e6, "rps": result.rps}
        for name, gap in (("paced_us", bench.gap), ("burst_us", 0)):
            if kind.endswith("hello"):
                break
            mock.gap(gap)
            before = server.cpu()
            result = checked(load.run(port, bench.stream, conns=32, requests=bench.streams, stream=True))
            found[name] = (server.cpu() - before) / result.ok * 1e6
        mock.gap(0)
    return found


def table(rounds: list[dict[str, dict[str, float]]]) -> str:
    """Returns the result as Markdown."""
    rows = []
    for kind, title in TITLES.items():
        figures = [
            report.cell(report.spread(value for one in rounds if (value := one[kind].get(name)) is not None))
            for name in ("request_us", "paced_us", "burst_us", "rps")
        ]
        rows.append([title, *figures])
    head = ["", "CPU per request, us", "CPU per stream, us", "same, events at once", "req/s"]
    return report.table(head, rows)


def main() -> None:
    """Measures in interleaved rounds, prints the table and saves both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--streams", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--gap", type=int, default=2000, help="microseconds between the events of a paced stream")
    parser.add_argument("--nice", type=int, default=0, help="raise the priority of all sides by so much (root)")
    bench = parser.parse_args()
    raise_priority(bench.nice)
    bench.core, other = cores()
    programs = HERE.parent / ".bench" / "bin"
    bench.load = Generator(build("loadgen", programs), other)
    rounds: list[dict[str, dict[str, float]]] = []
    with tempfile.TemporaryDirectory() as place, Mock(build("mock", programs), Path(place), other) as bench.mock:
        folder = Path(place)
        bench.plain = write_bodies(folder / "plain.jsonl", "auto", stream=False)
        bench.stream = write_bodies(folder / "stream.jsonl", "auto", stream=True)
        for _ in range(bench.rounds):
            rounds.append({})
            for kind in TITLES:
                if kind.startswith("client"):
                    rounds[-1][kind] = client_cost(kind, bench.mock.port, bench.requests, bench.core)
                else:
                    rounds[-1][kind] = server_cost(kind, bench, folder)
    about = describe()
    text = f"{about.line()}. Medians of {bench.rounds} interleaved rounds.\n\n{table(rounds)}"
    print(text)
    target = HERE / "results" / "client_cost.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"machine": about.as_dict(), "rounds": rounds}, indent=1) + "\n")
    report.replace_between(HERE / "README.md", "client-cost", text)


if __name__ == "__main__":
    main()
