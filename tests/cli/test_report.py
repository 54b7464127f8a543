"""`levelhead report` on the simulated pair, through the Python API."""

from __future__ import annotations

from pathlib import Path

from levelhead import Router

from .conftest import Run


def test_what_is_simulated_says_so(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "levelhead.yaml"
    file.write_text("mode: shadow\n")
    with Router.from_config(file) as router:
        for number in range(6):
            outcome = router.chat(messages=[{"role": "user", "content": f"Translate {number}"}], session=f"s{number}")
            router.feedback(outcome.decision_id, 1.0)
    assert outcome.model == "sim-strong"
    ran = run("report", "--config", str(file), "--out", str(tmp_path / "report.html"))
    assert (ran.code, ran.err) == (0, "")
    assert "no vendor was asked" in ran.out
    assert "routing would save" in ran.out
    assert "Every answer was simulated" in (tmp_path / "report.html").read_text()
