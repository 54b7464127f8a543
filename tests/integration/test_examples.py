"""The examples for agent frameworks: short, and each run as a user would run it, in its own environment."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from levelhead.testing import Reply

from .house import Proxy, Vendors

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*_team.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_is_short(example: Path) -> None:
    assert len(example.read_text().splitlines()) <= 40
    assert (ROOT / "examples/locks" / f"{example.stem.removesuffix('_team')}.lock").exists()


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_runs_and_shows_its_bill(example: Path, vendors: Vendors, tmp_path: Path) -> None:
    name = example.stem.removesuffix("_team")
    python = ROOT / ".venv-agents" / name / "bin/python"
    if not python.exists():
        pytest.skip(f"no .venv-agents/{name}: `make agents` builds it")
    for vendor in vendors.all:
        vendor.answer = lambda body: Reply(text="Thought: I know.\nFinal Answer: done")  # the form CrewAI waits for
    slots = {"planner": {"floor": "strong"}, "writer": {"ceiling": "efficient"}}
    with Proxy(tmp_path / "proxy", vendors, keys={}, slots=slots) as proxy:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LEVELHEAD_URL": f"{proxy.url}/v1"}
        done = subprocess.run(
            [python, example], capture_output=True, text=True, env=environment, cwd=example.parent, timeout=240
        )
    assert done.returncode == 0, done.stderr
    bill = dict(re.findall(r"^(\w+) +\$([\d.]+)$", done.stdout, re.MULTILINE))
    assert set(bill) == {"planner", "writer"}, done.stdout
    assert float(bill["planner"]) > float(bill["writer"]) > 0
