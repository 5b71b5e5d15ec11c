"""The campaign that tries to break disdepth: `python tests/faults [PART ...] [--count N] [--seed N] [--only NAME ...]`.

It prints what failed, and a table: tried, clear, failed. Its exit code is 1 where something failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

from disk import limited
from fuzz import fuzzed
from kill import killed
from lab import Lab
from outcome import Trial, table
from poison import poisoned

PARTS = {"kill": (killed, 30), "disk": (limited, 14), "fuzz": (fuzzed, 200), "poison": (poisoned, 1)}
"""By name: what gives the trials, and how many it makes unless told (of fuzz: of each reader)."""


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="python tests/faults", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all by default")
    parser.add_argument("--count", type=int, help="how many trials a part makes; of fuzz, of each reader")
    parser.add_argument("--only", nargs="+", default=(), help="commands of kill and disk, or groups of readers of fuzz")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a new folder for everything; by default a temporary one")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        lab = Lab(folder / "lab")
        lab.folder.mkdir()
        trials: list[Trial] = []
        seconds: dict[str, float] = {}
        with suppress(KeyboardInterrupt):  # then the table is of what was tried
            for name in given.parts or PARTS:
                part, count = PARTS[name]
                began = time.monotonic()
                for trial in part(lab, folder / name, given.count or count, given.seed, given.only):
                    trials.append(trial)
                    seconds[name] = time.monotonic() - began
                    if trial.failure:
                        print(f"{name}: {trial.name}: {trial.failure}", flush=True)
        _print_names(trials)
        print("\n" + table(trials, seconds))
    return int(any(trial.failure for trial in trials))


def _print_names(trials: list[Trial]) -> None:
    """How many trials were of each name."""
    counts = Counter((trial.part, trial.name) for trial in trials)
    print("\n" + "; ".join(f"{part} {name} {count}" for (part, name), count in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
