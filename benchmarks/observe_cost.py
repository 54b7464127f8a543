"""What looking costs: the proxy with metrics, decision log and audits at 2 %, and with nobody looking.

Two servers, measured by turns at 32 connections, cache off: one with everything on (each sampled request is answered by
the other tier and judged in the background: two more calls, on the same core), one whose observers are taken out.

    .venv/bin/python benchmarks/observe_cost.py [--rounds 121] [--seconds 0.5] [--no-write]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report
from harness.contestants import MODELS, ROOT
from harness.machine import describe
from harness.pairs import Setting, by_turns, compared

HERE = Path(__file__).resolve().parent
RATE = 0.02
UNOBSERVED = ("/usr/bin/env", f"PYTHONPATH={HERE}", sys.executable, "-m", "harness.unobserved")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=121)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--no-write", action="store_true")
    wanted = parser.parse_args()
    (ROOT / ".bench").mkdir(exist_ok=True)
    judge = MODELS["strong"]["name"]
    settings = {
        "looked at": Setting({"audit": {"rate": RATE, "usd_per_day": 1e6, "judge": judge}}),
        "unobserved": Setting({"audit": {"rate": 0}}, UNOBSERVED),
    }
    usable = os.sched_getaffinity(0)
    with tempfile.TemporaryDirectory(prefix="levelhead-observe-") as place:
        found = by_turns(Path(place), settings, wanted.rounds, wanted.seconds)
    os.sched_setaffinity(0, usable)
    shown = compared(found["looked at"], found["unobserved"], f"metrics, decision log and audits at {RATE:.0%}")
    print(shown)
    if not wanted.no_write:
        made = {"machine": describe().as_dict(), "rps_and_cpu_us": found}
        (HERE / "results" / "observe_cost.json").write_text(json.dumps(made, indent=1) + "\n")
        report.replace_between(HERE / "README.md", "observe-cost", shown)


if __name__ == "__main__":
    main()
