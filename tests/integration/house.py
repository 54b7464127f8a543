"""A proxy as its operator starts it, and the vendors behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

from levelhead.testing import FakeAnthropic, FakeDeepSeek, FakeOpenAI, ThreadedVendor, VendorServer

from .talk import PATIENCE, Client

T = TypeVar("T")
VENDOR_KEYS = {"DEEPSEEK": "sk-deepseek-0123", "CLAUDE": "sk-ant-0123456789", "OPENAI": "sk-openai-0123456"}


class Vendors:
    """Three vendors, each in a thread of its own, so that tests may block."""

    def __init__(self) -> None:
        self.deepseek = FakeDeepSeek(api_key=VENDOR_KEYS["DEEPSEEK"], context_tokens=1_000_000)
        self.claude = FakeAnthropic(api_key=VENDOR_KEYS["CLAUDE"], context_tokens=1_000_000)
        self.openai = FakeOpenAI(api_key=VENDOR_KEYS["OPENAI"], context_tokens=1_000_000)
        self.all: tuple[VendorServer, ...] = (self.deepseek, self.claude, self.openai)
        self._threads = [ThreadedVendor(vendor) for vendor in self.all]

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for thread in self._threads:
                stack.enter_context(thread)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    @property
    def asked(self) -> int:
        """Requests that came in at any of them."""
        return sum(len(vendor.requests) for vendor in self.all)

    def fresh(self) -> None:
        for vendor in self.all:
            vendor.requests.clear()
            vendor.answer = None
            vendor._script.clear()

    def release(self) -> None:
        """Ends every stall, from this thread."""
        for thread in self._threads:
            thread._loop.call_soon_threadsafe(thread.vendor.release)

    def models(self) -> dict[str, dict[str, Any]]:
        """Prices by hand: the table's change by the hour of the day."""
        cheap = {"tier": "efficient", "wire": "openai"}
        openai = {**cheap, "base_url": self.openai.url, "api_key_env": "OPENAI"}
        return {
            "deepseek-flash": {
                **cheap,
                "model": "deepseek-v4-flash",
                "base_url": self.deepseek.url,
                "api_key_env": "DEEPSEEK",
                "price": {"input": 0.3, "output": 1.2, "cached_input": 0.006},
            },
            "gpt-mini": {**openai, "model": "gpt-4.1-mini", "price": {"input": 0.4, "output": 1.6}},
            "gpt-thinker": {**openai, "model": "gpt-5.6", "price": {"input": 1, "output": 5}},
            "gpt-unlisted": {**openai, "model": "gpt-5.6-mini", "price": {"input": 1, "output": 5}},
            "embedder": {
                **openai,
                "model": "text-embedding-3-small",
                "price": {"input": 0.02, "output": 0},
                "capabilities": {"embeddings": True},
            },
            "claude-sonnet": {
                "tier": "strong",
                "wire": "anthropic",
                "model": "claude-sonnet-5-5",
                "base_url": self.claude.url,
                "api_key_env": "CLAUDE",
                "price": {"input": 2, "output": 10, "cached_input": 0.1, "cache_write": 2.5, "cache_write_1h": 4},
            },
        }


class Proxy:
    """`levelhead serve` as a process of its own, with state and cache in `folder`.

    `keys`: further fields of each key by its name; its secret is the name with "sk-" before it. `extra_env`: for its
    environment.
    """

    def __init__(
        self,
        folder: Path,
        vendors: Vendors,
        *,
        keys: Mapping[str, Mapping[str, Any]],
        workers: int = 1,
        extra_env: Mapping[str, str] | None = None,
        **config: Any,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        variables = {name: "KEY_" + name.upper().replace("-", "_") for name in keys}
        listed = [{"name": name, "key_env": variables[name], **fields} for name, fields in keys.items()]
        file = folder / "levelhead.yaml"
        file.write_text(yaml.safe_dump({"models": vendors.models(), "keys": listed, **config}))
        inherited = {name: os.environ[name] for name in ("PATH", "COVERAGE_PROCESS_START") if name in os.environ}
        secrets = {variable: f"sk-{name}" for name, variable in variables.items()}
        environment = {**inherited, **VENDOR_KEYS, **secrets, "HOME": str(folder), "LEVELHEAD_HOME": str(folder)}
        environment |= extra_env or {}
        self._log = folder / "stderr.txt"
        command = [str(Path(sys.executable).with_name("levelhead")), "serve", "--config", str(file), "--port", "0"]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--workers", str(workers)], stdout=subprocess.PIPE, stderr=log, env=environment, cwd=folder
            )
        watchdog = threading.Timer(PATIENCE, self.process.kill)
        watchdog.start()
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        watchdog.cancel()
        assert line.startswith("levelhead is ready on http://"), f"{line!r}\n{self.log}"
        self.url = line.split()[-1]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def client(self, key: str | None) -> Client:
        return Client(self.url, None if key is None else f"sk-{key}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.stop(signal.SIGKILL if exc[0] else signal.SIGTERM)

    def metric(self, name: str, *, client: Client | None = None, **labels: str) -> Decimal:
        """The sum over every sample of `name` that has these labels, to the nanodollar."""
        page = (client or self.client(None)).get("/metrics")
        assert page.status == 200, page.raw
        named = tuple(f"levelhead_{name}{end}" for end in ("{", " "))
        rows = "".join(row for row in page.raw.decode().splitlines(keepends=True) if row.startswith(named))
        found = (
            Decimal(str(sample.value))
            for family in text_string_to_metric_families(rows)
            for sample in family.samples
            if labels.items() <= sample.labels.items()
        )
        return sum(found, Decimal()).quantize(Decimal("1e-9"))


def eventually(ask: Callable[[], T], what: str, *, within: float = PATIENCE) -> T:
    """The first truthy answer. Polls, for what happens in another process; less often the longer it takes."""
    deadline = time.monotonic() + within
    pause = 0.005
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        time.sleep(pause)
        pause = min(1.5 * pause, 0.05)
    return answer


def day_begun(seconds: float = 120.0) -> None:
    """Waits for midnight UTC where it is less than `seconds` away: budgets of a day start anew then."""
    left = -time.time() % 86_400
    if left < seconds:
        time.sleep(left)
