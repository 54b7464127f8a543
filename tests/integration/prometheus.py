"""A real Prometheus on a configuration file of ours, asked over its own API."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import pytest
import yaml

from .house import eventually
from .talk import Client

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus isn't installed (Debian: prometheus)",
)


def in_time(check: Callable[[], None]) -> None:
    """Repeats `check` until it passes: where a scrape comes late its series are left out for a while."""

    def passes() -> bool:
        try:
            check()
        except (AssertionError, ValueError):
            return False
        return True

    with suppress(AssertionError):
        eventually(passes, "it holds")
        return
    check()  # with what it has to say


class Prometheus:
    """`config` is read by `prometheus` from `folder`, with short intervals; a scrape has as long as its interval."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        config = {**config, "global": {"scrape_interval": "1s", "evaluation_interval": "500ms"}}
        self.file = folder / "prometheus.yaml"
        self.file.write_text(yaml.safe_dump(config))
        self._place = socket.socket()  # bound, never listening: nobody else is given the port before it listens
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind(("127.0.0.1", 0))
        port = self._place.getsockname()[1]
        self._log = folder / "prometheus.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self.file}",
                    f"--storage.tsdb.path={folder / 'tsdb'}",
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                stdout=log,
                stderr=log,
            )
        self._client = Client(f"http://127.0.0.1:{port}")

    def __enter__(self) -> Self:
        try:
            eventually(self._ready, "Prometheus is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.wait()
        self._place.close()

    def _ready(self) -> bool:
        assert self._process.poll() is None, self._log.read_text()
        try:
            return self._client.get("/-/ready").status == 200
        except ConnectionRefusedError:
            return False

    def get(self, path: str, **query: str) -> Any:
        said = self._client.get(f"/api/v1/{path}?{urlencode(query)}")
        assert said.status == 200, (query, said.raw)
        assert not said.body.get("warnings"), (query, said.body["warnings"])
        return said.body["data"]

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each series now."""
        return [(one["metric"], float(one["value"][1])) for one in self.get("query", query=query)["result"]]

    def sum(self, selector: str) -> float:
        found = self.ask(f"sum ({selector})")
        return found[0][1] if found else 0.0
