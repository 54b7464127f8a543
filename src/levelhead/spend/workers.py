"""Which worker processes still live: whoever died must not keep, and not get back, the money it leased."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

EXPIRY_SECONDS = 60.0  # without a sign of life; only where the process itself can't be looked at


@dataclass(frozen=True, slots=True)
class Worker:
    """A process. `node` tells machines, boots and PID namespaces apart, `started` the processes that had one PID.

    `started` is "" where the system doesn't say.
    """

    node: str
    pid: int
    started: str

    def sees(self, node: str, pid: int, started: str, seen: float, at: float) -> bool:
        """Whether another worker, last heard of at `seen`, lives: looked at where possible, else taken at its word."""
        if node == self.node:
            now = started_at(pid)
            if now is None:
                return False
            if now and started:
                return now == started
        return at - seen < EXPIRY_SECONDS


def this_process() -> Worker:
    return Worker(_node(), os.getpid(), started_at(os.getpid()) or "")


def started_at(pid: int) -> str | None:
    """When a process started, in the kernel's own count; "" where that isn't told, None where there is no process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        fields = stat[stat.rindex(b")") + 2 :].split()
        return None if fields[0] in (b"Z", b"X") else fields[19].decode()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, ValueError, IndexError):
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""


def _node() -> str:
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        parts.append("")
    return " ".join(parts)
