"""Child processes: started on a chosen core, watched through /proc, and ended with everything they started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")


class ProcError(RuntimeError):
    """A child process didn't do what the benchmark needs of it."""


def free_port() -> int:
    """Returns a TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stat_fields(pid: int) -> list[str]:
    """Returns the fields of /proc/<pid>/stat that follow the command name (the first is the state)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """Returns `root` and every living process below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(stat_fields(int(entry.name))[1]), []).append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """Returns user + system CPU seconds of the tree below `root`, its reaped children included."""
    total = 0
    for pid in tree(root):
        try:
            total += sum(int(field) for field in stat_fields(pid)[11:15])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total / TICKS


def core_busy_seconds(core: int) -> float:
    """Returns the seconds that a core has been busy since the start of the machine, for whomever."""
    for line in Path("/proc/stat").read_text().splitlines():
        if line.startswith(f"cpu{core} "):
            user, nice, system, _idle, _wait, irq, soft, steal, *_ = map(int, line.split()[1:])
            return (user + nice + system + irq + soft + steal) / TICKS
    raise ProcError(f"no core {core}")


def resident_bytes(root: int) -> int:
    """Returns the resident memory of the tree below `root`, pages that its processes share counted once (PSS)."""
    total = 0
    for pid in tree(root):
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * 1024
    return total


def http_get(url: str, headers: Mapping[str, str] | None = None, timeout: float = 5.0) -> tuple[int, bytes]:
    """Returns status and body of a GET; an error status is a result and not an exception."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers or {})), timeout=timeout) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def clean_env(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns this environment with `extra`, and without what would keep a Python from caching its bytecode."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **(extra or {})}


def share_priority(pid: int) -> None:
    """Gives the session of `pid` this process's priority: Linux weighs sessions first, then the processes in them."""
    nice, group = os.getpriority(os.PRIO_PROCESS, 0), Path(f"/proc/{pid}/autogroup")
    if nice and group.exists():
        group.write_text(str(nice))


def raise_priority(by: int) -> None:
    """Moves this process, and all it starts from now on, `by` steps up; that takes root unless `by` is 0."""
    os.nice(-by)
    share_priority(os.getpid())


class Child:
    """A process in a group of its own, pinned to one core, its output in a log file."""

    def __init__(
        self, argv: Sequence[str | Path], *, log: Path, core: int | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        """Starts `argv`; `core` None leaves it unpinned."""
        pin = ["taskset", "-c", str(core)] if core is not None else []
        self.log = log
        self._out = log.open("wb")
        self.started = time.monotonic()
        self._process = subprocess.Popen(
            [*pin, *map(str, argv)],
            stdin=subprocess.DEVNULL,
            stdout=self._out,
            stderr=subprocess.STDOUT,
            env=clean_env(env),
            start_new_session=True,
            cwd=log.parent,
        )
        self.pid = self._process.pid
        share_priority(self.pid)

    def wait_ready(self, url: str, timeout: float = 120.0) -> float:
        """Polls `url` until it answers 200; returns the seconds since the start. Raises ProcError with the log's end.

        A proxy is ready when it says so; the poll's own grain is 10 ms.
        """
        while time.monotonic() - self.started < timeout:
            if self._process.poll() is not None:
                break
            try:
                if http_get(url, timeout=2)[0] == 200:
                    return time.monotonic() - self.started
            except OSError:
                pass
            time.sleep(0.01)
        raise ProcError(f"{self.log.stem} doesn't answer at {url}:\n{self.tail()}")

    def tail(self, characters: int = 2000) -> str:
        """Returns the end of what the process has written."""
        return self.log.read_text(errors="replace")[-characters:]

    def cpu(self) -> float:
        """Returns the CPU seconds that the process and its children have used."""
        return cpu_seconds(self.pid)

    def resident(self) -> int:
        """Returns the resident bytes of the process and its children."""
        return resident_bytes(self.pid)

    def stop(self) -> None:
        """Ends the whole group: SIGTERM, and SIGKILL after ten seconds."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self._process.poll() is not None:
                break
            os.killpg(self.pid, number)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                continue
        self._out.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
