"""The command line as a whole: help, exit codes, what an error looks like, and `serve` as a process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from .conftest import Run

VERBS = ("serve", "explain", "doctor", "budgets", "train", "grafana", "demo")


def test_help_names_every_verb(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    assert [verb for verb in VERBS if not re.search(rf"^  {verb} ", ran.out, re.MULTILINE)] == []


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_says_what_it_does(run: Run, verb: str) -> None:
    ran = run(verb, "--help")
    assert ran.code == 0
    assert f"Usage: levelhead {verb}" in ran.out


@pytest.mark.parametrize("verb", [("serve",), ("explain", "x"), ("budgets",)])
def test_a_bad_configuration_is_told_without_a_traceback(run: Run, tmp_path: Path, verb: tuple[str, ...]) -> None:
    (tmp_path / "levelhead.yaml").write_text("server: {prot: 1}")
    ran = run(*verb)
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "levelhead: levelhead.yaml:\n  server.prot: unknown key; did you mean 'port'?\n"


def test_serving_strangers_without_keys_is_refused(run: Run) -> None:
    ran = run("serve", "--host", "0.0.0.0", "--port", "0")
    assert ran.code == 1
    assert "keys: required to serve on '0.0.0.0'" in ran.err


def test_training_without_data(run: Run, tmp_path: Path) -> None:
    ran = run("train", "--data", str(tmp_path), "--out", str(tmp_path / "out"))
    assert ran.code == 1
    assert ran.err.startswith("levelhead: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_serve_says_when_it_is_ready_and_drains_on_sigterm(tmp_path: Path, workers: int) -> None:
    (tmp_path / "levelhead.yaml").write_text("slots: {critic: {floor: strong}}")
    call = [sys.executable, "-m", "levelhead", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as proxy:
        try:
            assert proxy.stdout is not None
            (url,) = re.findall(r"http://127\.0\.0\.1:\d+$", proxy.stdout.readline().strip())
            with urllib.request.urlopen(f"{url}/v1/models", timeout=60) as answer:
                names = {model["id"] for model in json.load(answer)["data"]}
            assert {"auto", "auto/critic", "sim-strong"} <= names
        finally:
            proxy.send_signal(signal.SIGTERM)
        assert proxy.wait(timeout=60) in (0, -signal.SIGTERM)
        assert proxy.stdout.read() == ""


def test_an_unknown_log_level_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVELHEAD_LOG", "loud")
    ran = run("serve", "--port", "0")
    assert (ran.code, "LEVELHEAD_LOG" in ran.err, "Traceback" in ran.err) == (1, True, False)


def test_workers_leave_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    """Else they hold the port, and no other can take its place."""
    call = [sys.executable, "-m", "levelhead", "serve", "--port", "0", "--workers", "2"]
    with subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as proxy:
        assert proxy.stdout is not None
        port = int(proxy.stdout.readline().rpartition(":")[2])
        proxy.kill()
        proxy.communicate(timeout=60)  # to the end of their common output: everyone is leaving
    until = time.monotonic() + 60
    while time.monotonic() < until:  # a process that exits closes one file after the other
        try:
            socket.create_connection(("127.0.0.1", port), timeout=60).close()
        except ConnectionRefusedError:
            return
    pytest.fail("somebody holds the port")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_state_that_cannot_be_opened(tmp_path: Path, workers: str) -> None:
    (tmp_path / "levelhead.yaml").write_text("{budgets: [{scope: key, usd: 1}], state: {url: sqlite:///./taken/x.db}}")
    (tmp_path / "taken").write_text("")
    call = [sys.executable, "-m", "levelhead", "serve", "--port", "0", "--workers", workers]
    ran = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stdout, "Traceback" in ran.stderr) == (1, "", False)
    assert "levelhead: state.url: " in ran.stderr
