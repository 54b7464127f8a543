"""What the figures were measured on, without naming the machine, and which of its cores does what."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .venv import LITELLM

VERSION_FILE = Path(__file__).resolve().parents[2] / "src" / "levelhead" / "_version.py"


@dataclass(frozen=True, slots=True)
class Machine:
    """Hardware and versions behind a set of figures."""

    date: str
    cpu: str
    cores: int
    kernel: str
    python: str
    nginx: str
    litellm: str
    levelhead: str

    def line(self) -> str:
        """Says it in one line."""
        return f"{self.date}, {self.cpu}, {self.cores} cores, Linux {self.kernel}, Python {self.python}"

    def versions(self) -> str:
        """Says in one line what was compared."""
        return f"nginx {self.nginx}, LiteLLM {self.litellm}, levelhead {self.levelhead}"

    def as_dict(self) -> dict[str, str | int]:
        """Returns it for JSON."""
        return asdict(self)


def describe() -> Machine:
    """Reads hardware and versions."""
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False).stderr.strip()
    version = re.search(r'"([^"]+)"', VERSION_FILE.read_text())
    return Machine(
        date=time.strftime("%Y-%m-%d"),
        cpu=cpu.group(1) if cpu else platform.machine(),
        cores=os.cpu_count() or 1,
        kernel=platform.release().split("-")[0],
        python=platform.python_version(),
        nginx=nginx.rpartition("/")[2],
        litellm=LITELLM,
        levelhead=version.group(1) if version else "?",
    )


def cores() -> tuple[int | None, int | None]:
    """Returns the core of the servers and the core of everything else; this process moves to the latter."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2 or shutil.which("taskset") is None:
        print("one core, or no taskset: nothing is pinned, expect a wide spread", file=sys.stderr)
        return None, None
    os.sched_setaffinity(0, {usable[1]})
    return usable[0], usable[1]
