"""How long `disdepth --help` takes, beside a bare interpreter and beside what it does not import.

    python benchmarks/startup.py

Expected: well under 0.5 s; a few times a bare Python, a small part of `import torch`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "disdepth --help": [sys.executable, "-m", "disdepth_cli", "--help"],
    "disdepth distill --help": [sys.executable, "-m", "disdepth_cli", "distill", "--help"],
    "import torch, timm, cv2": [sys.executable, "-c", "import torch, timm, cv2"],
}
ROUNDS = 7


def main() -> None:
    """Time the commands in turn, so that a change of the machine's speed hits all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds[name].append(time.perf_counter() - began)
    baseline = statistics.median(seconds["python -c pass"])
    print(f"{'command':26} {'median':>8} {'min':>8}  x python")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:26} {median:7.3f}s {min(values):7.3f}s  {median / baseline:7.1f}")


if __name__ == "__main__":
    main()
