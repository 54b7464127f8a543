"""Long commands say on a terminal what they are at, and nothing anywhere else."""

from __future__ import annotations

import json
import os
import pty
import sys
import threading
from pathlib import Path

import pytest

from levelhead import Router

from .conftest import Run


def on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> tuple[str, bytes]:
    """What it wrote on stdout, and on a terminal as its stderr."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                seen.extend(os.read(ours, 65_536))
            except OSError:  # the other end is closed
                return

    reader = threading.Thread(target=read)
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        out = run(*arguments).out
    reader.join()
    os.close(ours)
    return out, bytes(seen)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("replay", "table.jsonl", "--json"), b" prompts"),
        (("replay", "log.jsonl", "--json"), b" requests"),
        (("probe", "sim-efficient", "--json"), b" tasks"),
        (("report", "--json"), b" decisions"),
    ],
)
def test_quiet_but_on_a_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...], said: bytes
) -> None:
    with (tmp_path / "table.jsonl").open("w") as table:
        for at in range(40):
            for model, cost in (("deepseek-x", 0.001), ("claude-x", 0.02)):
                row = {"prompt_id": str(at), "prompt": f"[bold]What is {at}?", "model": model, "score": 1}
                table.write(json.dumps({**row, "cost_usd": cost}) + "\n")
    with (tmp_path / "log.jsonl").open("w") as log:
        for at in range(40):
            body = {"model": "gpt-4o", "messages": [{"role": "user", "content": f"What is {at}?"}]}
            usage = {"prompt_tokens": 10, "completion_tokens": 5}
            log.write(json.dumps({"request": body, "response": {"usage": usage}, "cost": 0.01}) + "\n")
    with Router.from_config() as router:
        router.chat(messages=[{"role": "user", "content": "hello"}])
    ran = run(*arguments)
    assert ran.err == ""
    assert json.loads(ran.out)
    with monkeypatch.context() as patch:
        out, err = on_a_terminal(run, patch, arguments)
    assert said in err, err
    assert json.loads(out)
