"""One exposition over many worker processes. Imports no prometheus_client: that must happen after `prepare`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def prepare_multiprocess(directory: Path) -> None:
    """Call once, in the parent, before the first worker starts and before anything imports `observe.metrics`.

    `directory` is this server's own; what an earlier server left in it is removed. Workers inherit the environment,
    forked or spawned. Raises `RuntimeError` where prometheus_client has been imported already: it picks its kind of
    counter at import, and each worker would silently show only itself.
    """
    if "prometheus_client" in sys.modules and os.environ.get(VARIABLE) is None:
        raise RuntimeError("prometheus_client was imported before prepare_multiprocess")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for stale in directory.glob("*.db"):
        stale.unlink()
    os.environ[VARIABLE] = str(directory)


def worker_exited(pid: int) -> None:
    """Call in the parent for each worker that ended: its gauges go, its counts stay, for counters never go back."""
    directory = os.environ.get(VARIABLE)
    if directory:
        for gauge in Path(directory).glob(f"gauge_live*_{pid}.db"):
            gauge.unlink(missing_ok=True)
