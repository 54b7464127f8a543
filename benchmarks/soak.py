"""The proxy under a mixed load while its vendors misbehave on schedule: what clients saw, and what must never happen.

    make soak                          # 18 minutes; writes results/soak.json and its table in README.md
    make soak ARGS="--seconds 110"     # the slice that CI runs; writes nothing

Exits 1 where an invariant is broken: exactly one end for each request, no mixed-up answer, a ledger that equals the sum
of settlements, nothing left reserved; from ten minutes on also flat memory, and healthy keys served as when
all is calm. A shorter one reports these two only: caches still fill, and a busy machine's second says little. For the
same reason its vendors may be silent for longer before they are given up: it is the machine that stands still, then.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from harness.machine import describe
from harness.mixture import Mixture
from harness.witness import Tally, Witness

HERE = Path(__file__).resolve().parent
KEYS = ("ant", "bee", "cat", "steady")
CALM = 0.15  # of the time, before each stretch of faults
SHARE = 0.10  # of the upstream calls that go wrong
ROGUES = ["flash", "mini", "sonnet", "nowhere", "badcert"]
MOST_ERRORS = 0.1  # client-visible errors for each failed attempt
MOST_GROWTH = 0.05  # of memory, in the second half
LONG = 600.0  # seconds, from which on memory and latency are judged
MOST_SLOWER = 2.0  # a healthy key's median latency, against calm
TIMEOUTS = {"connect": 2, "first_byte": 1, "idle": 1, "total": 20}  # seconds
SLICE_TIMEOUTS = {"connect": 4, "first_byte": 4, "idle": 4, "total": 40}  # in a soak that is shorter than LONG
Report = dict[str, Any]


class Rogues:
    """The vendors' process."""

    def __init__(self, seed: int, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.rogues", str(seed), str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HERE,
        )  # fmt: skip
        self.hello = self._line()

    def say(self, command: str) -> Report:
        assert self._process.stdin is not None
        print(command, file=self._process.stdin, flush=True)
        return self._line()

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def _line(self) -> Report:
        assert self._process.stdout is not None
        found: Report = json.loads(self._process.stdout.readline())
        return found


class Proxy:
    """`levelhead serve`, with a budget that is never reached for each key, run and slot."""

    def __init__(self, folder: Path, urls: dict[str, str], vendor_key: str, timeouts: dict[str, int]) -> None:
        def model(name: str, tier: str, vendor_model: str, usd: float, wire: str = "openai") -> Report:
            price = {"input": usd, "output": 4 * usd, "cached_input": usd / 10}
            return {"tier": tier, "wire": wire, "model": vendor_model, "base_url": urls[name], "price": price,
                    "api_key_env": "VENDOR"}  # fmt: skip

        urls = {**urls, "nowhere": "https://no-such-host.invalid/v1"}
        config = {
            "models": {
                "nowhere": model("nowhere", "efficient", "gpt-4.1-mini", 0.1),
                "badcert": model("badcert", "efficient", "gpt-4.1-mini", 0.2),
                "flash": model("flash", "efficient", "deepseek-v4-flash", 0.3),
                "mini": model("mini", "efficient", "gpt-4.1-mini", 0.4),
                "steady": model("steady", "efficient", "gpt-4.1-mini", 0.4),
                "sonnet": model("sonnet", "strong", "claude-sonnet-5-5", 2.0, "anthropic"),
            },
            "keys": [
                {"name": key, "key_env": f"KEY_{key.upper()}", "models": ["steady"] if key == "steady" else ROGUES}
                for key in KEYS
            ],
            "slots": {"frugal": {"max_quality_loss": 1.0}},
            "budgets": [{"scope": "key", "usd": 100_000_000}, {"scope": "run", "usd": 1_000_000}],
            "timeouts": timeouts,
        }
        (folder / "levelhead.yaml").write_text(yaml.safe_dump(config))
        secrets = {f"KEY_{key.upper()}": f"sk-{key}-0123456789" for key in KEYS}
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LEVELHEAD_HOME": str(folder),
                       "VENDOR": vendor_key, "LEVELHEAD_LOG": "error", **secrets}  # fmt: skip
        command = [str(Path(sys.executable).with_name("levelhead")), "serve", "--port", "0"]
        self.log = folder / "stderr.txt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=environment, cwd=folder, text=True
            )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().split()[-1]

    def rss(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) * 1024

    def get(self, path: str, key: str) -> str:
        headers = {"authorization": f"Bearer sk-{key}-0123456789"}
        with urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers)) as answer:
            return str(answer.read().decode())

    def metric(self, name: str) -> float:
        families = text_string_to_metric_families(self.get("/metrics", "ant"))
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def balances(self) -> dict[str, Report]:
        found = {}
        for key in KEYS:
            for balance in json.loads(self.get("/v1/budgets", key))["budgets"]:
                if balance["scope"] == f"key:{key}":
                    found[key] = balance
        return found

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


class Soak:
    """`workers` clients for each of three keys, `rate` requests a second in all; one key calmly beside them."""

    def __init__(self, proxy: Proxy, args: argparse.Namespace) -> None:
        self.proxy = proxy
        self.memory: list[tuple[float, int]] = []
        self._args = args
        self._began = time.monotonic()
        self._mixtures: dict[tuple[str, int], Mixture] = {}
        for at, key in enumerate(KEYS):
            for number in range(args.workers):
                seed = args.seed * 1_000_000 + at * 1_000 + number
                self._mixtures[key, number] = Mixture(seed, leaving=0 if key == "steady" else 0.02)

    async def run(self, seconds: float) -> dict[str, Tally]:
        workers = self._args.workers
        witnesses = {key: Witness(self.proxy.url, f"sk-{key}-0123456789", workers) for key in KEYS}
        ends = time.monotonic() + seconds

        async def worker(key: str, number: int, period: float) -> None:
            mixture, due = self._mixtures[key, number], time.monotonic()
            while (now := time.monotonic()) < ends:
                due = max(due + period, now - 1)  # late by more than a second: the past is past
                await witnesses[key].ask(mixture.next("steady" if key == "steady" else None))
                await asyncio.sleep(max(0.0, due - time.monotonic()))

        async def memory() -> None:
            while time.monotonic() < ends:
                self.memory.append((round(time.monotonic() - self._began, 1), self.proxy.rss()))
                await asyncio.sleep(1)

        async with asyncio.TaskGroup() as group:
            for key in KEYS[:-1]:
                for number in range(workers):
                    group.create_task(worker(key, number, 3 * workers / self._args.rate))
            group.create_task(worker("steady", 0, 0.1))
            group.create_task(memory())
        for witness in witnesses.values():
            await witness.aclose()
        return {key: witness.tally for key, witness in witnesses.items()}


def soak(args: argparse.Namespace, folder: Path) -> Report:
    """Calm and storm take turns: on a machine that others use, both see the same."""
    certificate(folder)
    rogues = Rogues(args.seed, folder)
    long = args.seconds >= LONG
    proxy = Proxy(folder, rogues.hello["urls"], rogues.hello["key"], TIMEOUTS if long else SLICE_TIMEOUTS)
    try:
        run = Soak(proxy, args)
        first = asyncio.run(run.run(3))  # finds everything cold
        calm: list[dict[str, Tally]] = []
        storm: list[dict[str, Tally]] = []
        tried = failed = lasted = 0.0
        vendors: Counter[str] = Counter()
        cycles = max(2, round(args.seconds / 100))
        for _ in range(cycles):
            calm.append(asyncio.run(run.run(CALM * args.seconds / cycles)))
            rogues.say(f"faults {SHARE}")
            before, began = attempts(proxy), time.monotonic()
            storm.append(asyncio.run(run.run((1 - CALM) * args.seconds / cycles)))
            lasted += time.monotonic() - began
            after = attempts(proxy)
            tried, failed = tried + after[0] - before[0], failed + after[1] - before[1]
            vendors.update(rogues.say("faults 0")["faults"])
        settle(proxy)
        report = judge(first, calm, storm, run.memory, proxy, tried, failed, long=long)
        return {"seconds": round(lasted, 1), "faults": dict(vendors), **report, "exit": proxy.stop()}
    finally:
        if proxy.process.poll() is None:
            proxy.process.kill()
        rogues.stop()


def attempts(proxy: Proxy) -> tuple[float, float]:
    """All of them, and those that didn't end well; what clients called off is in neither."""
    ended: Counter[bool] = Counter()
    for family in text_string_to_metric_families(proxy.get("/metrics", "ant")):
        for sample in family.samples:
            if sample.name == "levelhead_upstream_attempts_total" and sample.labels["outcome"] != "cancelled":
                ended[sample.labels["outcome"] == "ok"] += sample.value
    return ended[True] + ended[False], ended[False]


def settle(proxy: Proxy) -> None:
    """Clients that left just now: their vendors are told, and what they cost is charged."""
    deadline = time.monotonic() + 60
    while any(balance["reserved_usd"] for balance in proxy.balances().values()) and time.monotonic() < deadline:
        time.sleep(0.2)


def judge(
    first: dict[str, Tally],
    calms: list[dict[str, Tally]],
    storms: list[dict[str, Tally]],
    memory: list[tuple[float, int]],
    proxy: Proxy,
    tried: float,
    failed: float,
    *,
    long: bool,
) -> Report:
    """The figures, and in `broken` every invariant that didn't hold."""
    calm, storm = ({key: sum((part[key] for part in parts), Tally()) for key in KEYS} for parts in (calms, storms))
    broken = [what for tallies in (calm, storm) for tally in tallies.values() for what in tally.violations]
    balances = proxy.balances()
    spent = sum(balance["spent_usd"] for balance in balances.values())
    metered = proxy.metric("levelhead_cost_usd_total")
    if abs(spent - metered) > 1e-6 * max(1.0, spent):
        broken.append(f"the ledger says {spent} USD, the metrics {metered}")
    broken += [f"{key}: {b['reserved_usd']} USD still reserved" for key, b in balances.items() if b["reserved_usd"]]
    for key in KEYS:
        told = first[key].told_usd + calm[key].told_usd + storm[key].told_usd
        owed = balances[key]["spent_usd"]
        if told > owed + 1e-6 or (key == "steady" and abs(told - owed) > 1e-6):
            broken.append(f"{key}: clients were told of {told} USD, the ledger has {owed}")
    alternatives = sum(tally.with_alternative for tally in storm.values())
    refused = sum(tally.refused_with_alternative for tally in storm.values())
    visible, attempt_errors = refused / max(1, alternatives), failed / max(1, tried)
    if visible > MOST_ERRORS * attempt_errors:
        broken.append(f"clients saw {visible:.3%} errors, attempts had {attempt_errors:.3%}")
    growth = by_quarters([rss for _, rss in memory])
    if long and growth > MOST_GROWTH:
        broken.append(f"memory grew by {growth:.1%} in the second half")
    quiet, loud = (sorted(tallies["steady"].seconds) for tallies in (calm, storm))
    slower = statistics.median(
        statistics.median(after["steady"].seconds or [0.0]) / statistics.median(before["steady"].seconds or [inf])
        for before, after in zip(calms, storms, strict=True)
    )
    if long and slower > MOST_SLOWER:
        broken.append(f"the healthy key's median latency is {slower:.2f} times that of calm")
    if storm["steady"].ended["answered"] != storm["steady"].requests:
        broken.append(f"the healthy key: {dict(storm['steady'].ended)}")
    log = proxy.log.read_text()
    broken += [f"the log has {word!r}" for word in ("internal error", "Traceback") if word in log]
    return {
        "requests": {"calm": total(calm), "storm": total(storm)},
        "attempts": tried, "attempt_errors": attempt_errors, "visible_errors": visible, "refused": refused,
        "with_alternative": alternatives,
        "latency_ms": {
            name: [round(1e3 * found[int(len(found) * at)], 2) for at in (0.5, 0.9, 0.99) if found]
            for name, found in (("calm", quiet), ("storm", loud))
        },
        "latency_ratio": slower,
        "memory_growth": growth, "memory_mb": [round(rss / 1e6, 1) for _, rss in memory[:: max(1, len(memory) // 60)]],
        "spent_usd": spent,
        "keys": {key: tally.as_dict() for key, tally in storm.items()},
        "broken": broken[:50], "broken_count": len(broken),
    }  # fmt: skip


def total(tallies: dict[str, Tally]) -> int:
    return sum(tally.requests for tally in tallies.values())


def certificate(folder: Path) -> None:
    """One that nobody has signed."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
         "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=localhost"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def by_quarters(memory: Sequence[float]) -> float:
    """Growth in the second half: the last quarter's mean against that of the one before, over whole sawteeth."""
    quarter = max(1, len(memory) // 4)
    return statistics.mean(memory[-quarter:]) / statistics.mean(memory[-2 * quarter : -quarter]) - 1


def table(report: Report) -> str:
    ended = {name: sum(tally["ended"].get(name, 0) for tally in report["keys"].values())
             for name in ("answered", "refused", "broken", "left")}  # fmt: skip
    calm, storm = report["latency_ms"]["calm"], report["latency_ms"]["storm"]
    rows = [
        ("requests in the storm", f"{report['requests']['storm']:,} in {report['seconds']:,.0f} s"),
        ("upstream calls, of them failed", f"{report['attempts']:,.0f}, {report['attempt_errors']:.2%}"),
        ("answered; refused; broken off with an error event; left by their client",
         "; ".join(f"{ended[name]:,}" for name in ("answered", "refused", "broken", "left"))),
        ("errors seen before the first byte, where another model could serve",
         f"{report['refused']:,} of {report['with_alternative']:,}: {report['visible_errors']:.3%}"),
        ("a healthy key's latency, ms: p50, p90, p99", f"{calm} in calm, {storm} in the storm"),
        ("memory, MB: at first, halfway, at last; growth in the second half",
         f"{report['memory_mb'][0]}, {report['memory_mb'][len(report['memory_mb']) // 2]}, {report['memory_mb'][-1]}; "
         f"{report['memory_growth']:.1%}"),
        ("invariants broken", str(report["broken_count"])),
    ]  # fmt: skip
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)])


def publish(report: Report) -> None:
    page = HERE / "README.md"
    before, begin, rest = page.read_text().partition("<!-- soak:begin -->\n")
    _, end, after = rest.partition("<!-- soak:end -->")
    known = report["machine"]
    line = f"{known['date']}, {known['cpu']}, {known['cores']} cores, Python {known['python']}; seed {report['seed']}"
    page.write_text(f"{before}{begin}{line}.\n\n{table(report)}\n{end}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1080)
    parser.add_argument("--rate", type=float, default=160, help="requests a second, of three keys together")
    parser.add_argument("--workers", type=int, default=8, help="clients for each of three keys")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where the figures go, as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="levelhead-soak-") as folder:
        report = soak(args, Path(folder))
    report = {"machine": asdict(describe()), "seed": args.seed, **report}
    if args.out is not None:
        args.out.write_text(json.dumps(report, indent=1) + "\n")
        publish(report)
    print(table(report))
    for what in report["broken"]:
        print("BROKEN:", what)
    return 1 if report["broken"] or report["exit"] not in (0, -15) else 0


if __name__ == "__main__":
    sys.exit(main())
