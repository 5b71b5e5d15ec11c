"""What does an image of a training step cost a CPU, by the number of images a step?

    OMP_NUM_THREADS=1 python benchmarks/batch_size.py [STUDENT...]

Forward, backward and AdamW of a student without a teacher, as CPU time. The sizes take turns in one process, so that a
busy machine is busy for all; the median turn counts. It is what `--batch-size auto` stops at on a CPU.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Annotated

import torch
import typer

from disdepth_cli.config.parts import STUDENTS
from disdepth_cli.losses.depth import silog
from disdepth_cli.models.student import DepthStudent, StudentArchitecture, build_student
from disdepth_cli.working_size import WorkingSize

CROP = (224, 288)
SIZES = (1, 2, 4, 8, 16, 32)


def main(
    students: Annotated[list[str] | None, typer.Argument(help="short names or timm CNNs")] = None,
    rounds: Annotated[int, typer.Option(help="timed turns of each size")] = 3,
    threads: Annotated[int, typer.Option(help="of the CPU")] = 1,
) -> None:
    """Print one row a student: CPU ms an image at each size."""
    torch.set_num_threads(threads)
    print("| images a step | " + " | ".join(map(str, SIZES)) + " |\n|" + "---|" * (len(SIZES) + 1))
    for name in students or ["mobilenetv2", "efficientnet-lite0"]:
        student = build_student(StudentArchitecture(STUDENTS.get(name, name), 0.001, 10.0, WorkingSize(240, 320)))
        student = student.to(memory_format=torch.channels_last).train()
        optimizer = torch.optim.AdamW(student.parameters())
        times: dict[int, list[float]] = {size: [] for size in SIZES}
        for _ in range(rounds):
            for size, own in times.items():
                own.append(_milliseconds(student, optimizer, size))
        print(f"| {name} | " + " | ".join(f"{median(own):.1f}" for own in times.values()) + " |", flush=True)


def _milliseconds(student: DepthStudent, optimizer: torch.optim.Optimizer, size: int) -> float:
    """CPU time of an image, over at least eight of them."""
    image = torch.rand(size, 3, *CROP).contiguous(memory_format=torch.channels_last)
    depth = torch.rand(size, 1, *CROP) * 5 + 1
    steps = max(8 // size, 1)
    began = time.process_time()
    for _ in range(steps):
        predicted = student(image).depth
        assert predicted is not None
        silog(predicted, depth, depth > 0).backward()
        optimizer.step()
        optimizer.zero_grad()
    return 1000 * (time.process_time() - began) / (steps * size)


if __name__ == "__main__":
    typer.run(main)
