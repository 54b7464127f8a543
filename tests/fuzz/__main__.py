"""python -m tests.fuzz [--seconds 600] [--seed 0] [TARGET ...]: from the root of the repository. Exits 1 for a crash.

Prints the seed of each kind of crash: `python -m tests.fuzz --only SEED TARGET` shows it again.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import time
import traceback

from levelhead.errors import LevelheadError

from .targets import TARGETS, house

SLOW = 2.0  # seconds of CPU for one input: a hang in the making


def place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} in {frames[-1].filename.rpartition('/src/')[2]}:{frames[-1].lineno}"


def fuzz(name: str, seconds: float, seed: int) -> int:
    """Crashes, each kind once."""
    ends, rounds, known = time.monotonic() + seconds, 0, set()
    while time.monotonic() < ends:
        at, began = f"{name} {seed + rounds}", time.process_time()
        rounds += 1
        try:
            TARGETS[name](random.Random(at))
            found = ""
        except LevelheadError:
            found = ""
        except Exception as error:
            found = place(error)
        if time.process_time() - began > SLOW:
            found = found or "slow"
        if found and found not in known:
            known.add(found)
            print(f"{name}: {found}: seed {seed + rounds - 1}", flush=True)
    print(f"{name}: {rounds:,} inputs in {seconds:g} s, {len(known)} kinds of crashes", flush=True)
    return len(known)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one seed, with its traceback")
    args = parser.parse_args()
    logging.disable()
    house()  # what fails undamaged is no finding, and would hide all others
    if args.only is not None:
        TARGETS[args.targets[0]](random.Random(f"{args.targets[0]} {args.only}"))
        return 0
    return 1 if sum(fuzz(name, args.seconds, args.seed) for name in args.targets or TARGETS) else 0


if __name__ == "__main__":
    sys.exit(main())
