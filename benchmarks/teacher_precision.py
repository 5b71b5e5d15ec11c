"""What bf16 autocast does to a frozen teacher on this machine: time and accuracy of its depth, beside float32.

    python benchmarks/teacher_precision.py --teacher ID_OR_FOLDER [--batch-size 8] [--size 224x288]

Expected on a CPU with AMX or AVX-512 BF16: about twice as fast; depth within about one per cent. Elsewhere slower,
which is why `--precision auto` asks the CPU first.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from disdepth_cli.machine.devices import autocast, pick_device, teacher_precision
from disdepth_cli.teachers import load_teacher

ROUNDS = 5


def main() -> None:
    """Run both precisions in turn on the same images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--size", default="224x288")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = pick_device(args.device)
    teacher = load_teacher(args.teacher).to(device)
    height, width = map(int, args.size.split("x"))
    image = torch.rand(args.batch_size, 3, height, width, device=device)
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    depth = {}
    for _ in range(ROUNDS + 1):
        for precision in ("fp32", "bf16"):
            began = time.perf_counter()
            with torch.no_grad(), autocast(device, precision):
                depth[precision] = teacher(image).depth.float().cpu()
            seconds[precision].append(time.perf_counter() - began)
    fp32, bf16 = (statistics.median(seconds[p][1:]) for p in ("fp32", "bf16"))
    error = ((depth["bf16"] - depth["fp32"]).abs() / depth["fp32"].abs().clamp(min=1e-3)).median()
    print(f"batch {args.batch_size} of {args.size} on {device}, {torch.get_num_threads()} threads")
    print(f"fp32 {fp32:.3f} s   bf16 {bf16:.3f} s   ratio {fp32 / bf16:.2f}   median relative difference {error:.4f}")
    print(f"`--precision auto` takes {teacher_precision('auto', device)} for the teacher here")


if __name__ == "__main__":
    main()
