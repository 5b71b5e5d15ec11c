"""Does the data loader keep up? Images/s of the loader alone, beside images/s of the student's training step.

    python benchmarks/loader.py --data DATA [SAME_AS_SHARDS ...] [--student mobilenetv2] [--workers 2]

With several data sets, such as loose files and the shards packed of them, the loader is timed on each in turn, three
times over; the best counts. Expected: the loader alone is several times faster than a step on a CPU, so training
never waits for it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.machine.devices import channels_last
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.models.student import build_student
from disdepth_cli.training.prepare import prepare_data, student_architecture
from disdepth_cli.types import StoredBatch


def time_loader(config: DistillConfig, batches: int) -> tuple[float, StoredBatch]:
    """Images/s of a stretch of batches, and its last one."""
    data = prepare_data(config)
    drawn = data.batches(config.loop.batch_size, 0, 1, config.loop.seed)(0, batches + 1)
    batch = next(drawn)  # the workers have started
    began = time.perf_counter()
    for batch in drawn:  # noqa: B007 - the last one is given back
        pass
    return batches * config.loop.batch_size / (time.perf_counter() - began), batch


def main() -> None:
    """Time a stretch of batches, then a stretch of steps on one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True)
    parser.add_argument("--student", default="mobilenetv2")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batches", type=int, default=40)
    args = parser.parse_args()
    config = DistillConfig(
        data=args.data[0], student=args.student, workers=args.workers, pretrained=False, distill=False
    )
    best: dict[str, float] = {}
    for place in args.data * (3 if len(args.data) > 1 else 1):
        speed, batch = time_loader(config.replaced(data=place), args.batches)
        best[place] = max(best.get(place, 0.0), speed)
    loader = best[args.data[0]]
    data = prepare_data(config)

    start = StudentStart.of(config.student, config.method)
    student = channels_last(build_student(student_architecture(config.student, data)))
    step = DistillStep(student, None, config.method, start).train()
    batch = batch.to(torch.device("cpu"))
    step(batch).total.backward()
    began = time.perf_counter()
    for _ in range(5):
        step(batch).total.backward()
    training = 5 * config.loop.batch_size / (time.perf_counter() - began)
    size = "x".join(map(str, batch.image.shape[-2:]))
    print(f"crops {size}, batch {config.loop.batch_size}, {args.workers} workers, {torch.get_num_threads()} threads")
    for place, speed in list(best.items())[1:]:
        print(f"loader of {Path(place).name}: {speed:.1f} images/s, {speed / loader:.2f} times that of the first")
    print(f"loader alone {loader:.1f} images/s   step alone {training:.1f} images/s   ratio {loader / training:.1f}")


if __name__ == "__main__":
    main()
