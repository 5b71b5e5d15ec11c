"""Is training with several processes on one machine's CPU any faster than one process with as many threads?

    python benchmarks/processes.py --data DATA [--processes 2] [--steps 30] [--teacher RUN]

Prints images/s of the training loop of both, from their report.json: one process with N threads, and N processes (gloo)
with one thread each, the same number of images a step in both.
Expected: on one CPU about the same; several processes are for several GPUs or machines.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def images_per_second(launcher: list[str], batch_size: int, threads: int, args: argparse.Namespace) -> float:
    """Of a run of distill; it validates once, at the end, in its time."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        of = ["--teacher", str(args.teacher)] if args.teacher else ["--no-distill"]
        options = ["--student", args.student, "--no-pretrained", "--device", "cpu", "--workers", "0", "--offline"]
        length = ["--max-steps", str(args.steps), "--batch-size", str(batch_size), "--input-size", args.input_size]
        command = [sys.executable, *launcher, "-m", "disdepth_cli", "distill", "--data", str(args.data), *of]
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
        subprocess.run([*command, *options, *length, "--quiet", "-o", str(run)], check=True, env=env, text=True)
        return float(json.loads((run / "report.json").read_text())["images_per_second"])


def main() -> None:
    """Time both, three times by turns, and print the best of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, help="acclimated run; without it the control is trained")
    parser.add_argument("--student", default="mobilenetv2")
    parser.add_argument("--input-size", default="192x256")
    parser.add_argument("--batch-size", type=int, default=8, help="images a step, of all processes together")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(args.processes)]
    one, several = [], []
    for _ in range(args.repeats):
        one.append(images_per_second([], args.batch_size, args.processes, args))
        several.append(images_per_second(many, args.batch_size // args.processes, 1, args))
    print(f"distill, crops {args.input_size}, {args.batch_size} images a step, best of {args.repeats}", flush=True)
    print(f"1 process x {args.processes} threads   {max(one):.1f} images/s   all: {one}")
    print(f"{args.processes} processes x 1 thread   {max(several):.1f} images/s   all: {several}")
    print(f"ratio {max(several) / max(one):.2f}")


if __name__ == "__main__":
    main()
