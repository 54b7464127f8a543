from __future__ import annotations

import json
from pathlib import Path

import yaml

from .conftest import Run


def test_the_files_are_written_and_replaced(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "monitoring"
    for _ in range(2):
        ran = run("grafana", "--out", str(out))
        assert ran.code == 0
        written = [Path(line) for line in ran.out.splitlines()]
        assert written == sorted(out.iterdir())
        (out / "levelhead.json").write_text("of another version")
    assert {path.name for path in written} == {"levelhead.json", "levelhead-rules.yaml"}
    run("grafana", "--out", str(out))
    assert json.loads((out / "levelhead.json").read_text())["uid"] == "levelhead"
    assert yaml.safe_load((out / "levelhead-rules.yaml").read_text())["groups"]


def test_where_nothing_can_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    ran = run("grafana", "--out", str(tmp_path / "taken"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"levelhead: --out {tmp_path / 'taken'}: ")
