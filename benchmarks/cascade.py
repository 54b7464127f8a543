"""Quality that holds: what draft-and-check gains on recorded answers, and whether certificates keep their promise.

    .venv/bin/python benchmarks/cascade.py [--only checking|promise|text|shift|path]

Reads LEVELHEAD_DATA (or ../shared/data); writes results/cascade.json and the tables of README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from harness.report import replace_between
from quality.checking import SPLITS, VERDICTS, checking
from quality.path import path
from quality.promise import RUNS, SIZES, cascade_savings, promise, shift
from quality.sources import Source, data_directory, sources
from quality.tables import written
from quality.text_only import text_only

HERE = Path(__file__).parent
SEED = 20
PARTS = ("checking", "promise", "text", "shift", "path")
# The second opinions that the promise is tested with: cheap, and of another family than the draft.
PROMISED = {
    "math-l5": ("gpt-4o-mini-2024-07-18", "Qwen2.5-7B-Instruct", "Meta-Llama-3.1-70B-Instruct", "gemini-1.5-flash"),
    "medagents": ("QwQ-32B-Preview", "gpt-4o-mini"),
}


def run(families: list[Source], data: Path, parts: list[str]) -> dict[str, Any]:
    """Every part that is wanted, by its name."""
    found: dict[str, Any] = {"settings": {"runs": RUNS, "splits": SPLITS, "verdicts": VERDICTS, "sizes": SIZES}}
    known = {source.name: dict(source.seconds()) for source in families}
    if "checking" in parts:
        found["checking"] = {
            name: {second: checking(one, SEED) for second, one in pairs.items()} for name, pairs in known.items()
        }
    if "promise" in parts:
        found["promise"] = {
            f"{name}, checked by {second}": _promise(known[name][second])
            for name, seconds in PROMISED.items()
            for second in seconds
        }
    if "text" in parts:
        found["text"] = {}
        for name, (trust, loss) in text_only(data, SEED).items():
            found["text"][name] = promise(trust, loss, _share(trust), SEED)
    if "shift" in parts:
        weak = _losing(families)
        found["shift"] = {
            f"math-l5, checked by {second}": shift(known["math-l5"][second], weak, SEED)
            for second in PROMISED["math-l5"][:2]
        }
    if "path" in parts:
        found["path"] = path()
    return found


def _promise(one: Any) -> dict[str, Any]:
    trust = one.acceptance()
    return promise(trust, one.strong - one.draft, cascade_savings(one, trust), SEED)


def _share(trust: Any) -> Any:
    return lambda at: float((trust >= at).mean())


def _losing(families: list[Source]) -> Any:
    """Traffic on which two weak siblings agree on wrong answers: the drafts that pass lose more than ten points."""
    from levelhead.learn.opinions import opinions_of

    letters = next(source for source in families if source.name == "medagents")
    return opinions_of(letters.table, draft="gpt-4o-mini", second="claude-3-5-haiku", strong="o3-mini")


def main() -> int:
    """Measures, prints, saves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append")
    asked = parser.parse_args()
    data = data_directory()
    if not (data / "train").is_dir():
        print("no recorded outcomes: set LEVELHEAD_DATA", file=sys.stderr)
        return 1
    began = time.monotonic()
    target = HERE / "results" / "cascade.json"
    before = json.loads(target.read_text()) if target.is_file() else {}
    found = before | run(sources(data), data, asked.only or list(PARTS))
    target.write_text(json.dumps(found, indent=1) + "\n")
    text = written(found)
    replace_between(HERE / "README.md", "cascade", text)
    print(text)
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
