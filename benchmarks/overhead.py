"""What a proxy costs: direct, nginx, levelhead and LiteLLM's proxy side by side, in one run, on one machine.

Every round starts each contestant afresh, warms it up and measures it alone; rounds repeat in the same order, so that
what else the machine does meets all alike. The server has core 0; mock upstream and load generator share core 1.
Every answer is checked, every stream's 50 events are counted, every miss must have reached the upstream once and no
hit may. See README.md beside this file for what each row and column means.

    python benchmarks/overhead.py [--quick] [--rounds 5] [--seconds 5] [--only nginx,levelhead]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import report
from harness.contestants import CONTESTANTS, ROOT, Contestant
from harness.machine import Machine, cores, describe
from harness.native import Generator, Mock, build, write_bodies
from harness.phases import Bench, run_round
from harness.procs import ProcError, raise_priority

HERE = Path(__file__).resolve().parent


def options() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ",".join(who.name for who in CONTESTANTS)
    parser.add_argument("--rounds", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--seconds", type=float, default=5, help="how long each kind of load lasts (5)")
    parser.add_argument("--only", help=f"some of {names} (direct is always measured); writes no files")
    parser.add_argument("--quick", action="store_true", help="one round of one second each; writes no files")
    parser.add_argument("--gap", type=int, default=2000, help="microseconds between a stream's events (2000)")
    parser.add_argument("--nice", type=int, default=0, help="raise the priority of all sides by so much (root)")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.seconds = 1, 1.0
    chosen = {"direct", *args.only.split(",")} if args.only else set(names.split(","))
    if unknown := chosen - set(names.split(",")):
        parser.error(f"--only knows {names}, not {', '.join(sorted(unknown))}")
    args.contestants = [who for who in CONTESTANTS if who.name in chosen]
    return args


def first_start(bench: Bench, who: Contestant) -> str | None:
    """Starts and ends a contestant once, so that all have their bytecode; returns why it can't run, if it can't."""
    if who.argv is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        try:
            who.start(Path(folder), bench.mock.port, bench.core).child.stop()
        except (ProcError, OSError) as error:
            return str(error)
    return None


def run(bench: Bench, args: argparse.Namespace, broken: dict[str, str]) -> list[report.Round]:
    """Measures all rounds; a contestant that fails is left out from there on, and why is kept in `broken`."""
    for who in args.contestants:
        if why := first_start(bench, who):
            broken[who.name] = why
    rounds: list[report.Round] = []
    for number in range(args.rounds):
        rounds.append({})
        for who in args.contestants:
            if who.name in broken:
                continue
            started = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                try:
                    rounds[-1][who.name] = run_round(bench, who, Path(folder))
                except ProcError as error:
                    broken[who.name] = str(error)
                    print(f"round {number + 1}: {error}", file=sys.stderr)
                    continue
            took = time.monotonic() - started
            print(f"round {number + 1}/{args.rounds}: {who.name} ({took:.0f} s)", file=sys.stderr, flush=True)
    return rounds


def tables(rounds: list[report.Round], args: argparse.Namespace, about: Machine) -> str:
    """Returns the report as Markdown."""
    titles = {who.name: who.title for who in args.contestants if any(who.name in one for one in rounds)}
    parts = [
        f"{about.line()}; {about.versions()}. "
        f"Medians of {args.rounds} interleaved rounds, {args.seconds:g} s a load; least and greatest behind.",
        report.main_table(rounds, titles),
    ]
    if "levelhead" in titles:
        parts.append(report.ratio_table(rounds, "levelhead", titles))
    parts.append(report.share_table(rounds, titles))
    return "\n\n".join(parts)


def save(rounds: list[report.Round], args: argparse.Namespace, about: Machine, text: str) -> None:
    """Writes the raw figures and the tables into the repository."""
    settings = {"rounds": args.rounds, "seconds": args.seconds, "gap_us": args.gap, "nice": args.nice}
    target = HERE / "results" / "overhead.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"machine": about.as_dict(), "settings": settings, "rounds": rounds}, indent=1) + "\n")
    report.replace_between(HERE / "README.md", "overhead", text)


def main() -> int:
    """Measures, prints, saves; 1 when a contestant couldn't be measured."""
    args = options()
    raise_priority(args.nice)
    server_core, other_core = cores()
    programs = ROOT / ".bench" / "bin"
    broken: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        with Mock(build("mock", programs), here, other_core) as mock:
            bench = Bench(
                mock=mock,
                load=Generator(build("loadgen", programs), other_core),
                plain=write_bodies(here / "plain.jsonl", "auto", stream=False),
                stream=write_bodies(here / "stream.jsonl", "auto", stream=True),
                core=server_core,
                seconds=args.seconds,
                warmup=3.0 if args.quick else 12.0,
                gap=args.gap,
            )
            rounds = run(bench, args, broken)
    about = describe()
    text = tables(rounds, args, about)
    print(text)
    if not (args.quick or args.only or broken):
        save(rounds, args, about, text)
    for name, why in broken.items():
        print(f"\n{name}: not runnable: {why}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
