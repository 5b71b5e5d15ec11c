"""What a training step costs beside its two networks, and what it cost before masks and a teacher prepared once.

    python benchmarks/step_speed.py --teacher ID_OR_FOLDER [--student mobilenetv2] [--size 224x288] [--repeats 7]

In one run, by turns, on the same batch: the student alone (forward and backward), the teacher alone, a step of distill
as it is, and one as it was: losses by boolean indexing, the teacher's convolutions contiguous and its weights cast at
every look. Seconds of the processor, which other work on the machine does not lengthen; medians. The two steps' losses
are printed: they are equal.
Expected on a CPU: the step about 0.93 of what it was. What is left beside the networks is their gradients' way back;
the losses themselves take 2 %.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import torch
from torch import Tensor

from disdepth_cli.config import DistillConfig
from disdepth_cli.losses.depth import EPSILON
from disdepth_cli.machine.devices import channels_last, teacher_precision
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.models.encoder import timm_name
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.teachers import load_teacher
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize


def indexed_silog(prediction: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
    """SILog by a boolean index, as it was."""
    error = torch.log(prediction[valid].clamp(min=0) + EPSILON) - torch.log(target[valid].clamp(min=0) + EPSILON)
    return 10 * torch.sqrt((error.square().mean() - 0.85 * error.mean().square()).clamp(min=0) + EPSILON)


def indexed_log_l1(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """log_l1 by a boolean index, as it was."""
    valid = torch.ones_like(target, dtype=torch.bool) if valid is None else valid
    return (torch.log(prediction[valid] + EPSILON) - torch.log(target[valid] + EPSILON)).abs().mean()


@contextmanager
def as_it_was() -> Iterator[None]:
    """The losses by boolean indexing."""
    place = "disdepth_cli.method.supervision"
    with patch(f"{place}.silog", indexed_silog), patch(f"{place}.log_l1", indexed_log_l1):
        yield


def timed(call: Callable[[], object]) -> float:
    """Seconds of the processor."""
    began = time.process_time()
    call()
    return time.process_time() - began


def main() -> None:
    """Time the four by turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--teacher", required=True)
    parser.add_argument("--student", default="mobilenetv2")
    parser.add_argument("--size", default="224x288")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    height, width = map(int, args.size.split("x"))
    torch.manual_seed(0)
    teachers = [load_teacher(args.teacher, offline=True) for _ in range(2)]
    kind = teachers[0].contract.kind
    architecture = StudentArchitecture(timm_name(args.student), 0.001, 10.0, WorkingSize(height, width))
    student = channels_last(build_student(architecture)).train()
    acclimation = Acclimation(teachers[0].contract.spec, student.decoder, 4).freeze()
    precision = teacher_precision("auto", torch.device("cpu"))
    new, old = (AcclimatedTeacher(one, acclimation, precision) for one in (channels_last(teachers[0]), teachers[1]))
    channels_last(acclimation)
    old._looking = lambda: old.teacher  # type: ignore[method-assign]
    config = DistillConfig(data="x", init_decoder="random")
    start = StudentStart.of(config.student, config.method)
    steps = [DistillStep(student, one, config.method, start, log_shares=False).train() for one in (new, old)]
    depth = torch.rand(args.batch_size, 1, height, width) * 4 + 1
    image = torch.rand(args.batch_size, 3, height, width).to(memory_format=torch.channels_last)
    labelled = torch.ones(args.batch_size, dtype=torch.bool)
    batch = DepthBatch(image, depth, depth > 1.5, ["a"] * args.batch_size, labelled)
    losses: dict[str, float] = {}

    def step(name: str, which: DistillStep) -> None:
        total = which(batch).total
        total.backward()
        losses[name] = float(total.detach())

    def teacher_alone() -> None:
        with torch.no_grad():
            new(image)

    def was() -> None:
        with as_it_was():
            step("was", steps[1])

    parts: dict[str, Callable[[], object]] = {
        "student": lambda: student(image).depth.mean().backward(),
        "teacher": teacher_alone,
        "step": lambda: step("is", steps[0]),
        "step as it was": was,
    }
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(args.repeats + 1):
        for name, call in parts.items():
            seconds[name].append(timed(call))
    middle = {name: statistics.median(some[1:]) for name, some in seconds.items()}
    print(f"batch {args.batch_size} of {args.size}, {kind} teacher in {precision}, {torch.get_num_threads()} threads")
    print("   ".join(f"{name} {value:.3f} s" for name, value in middle.items()))
    alone = middle["student"] + middle["teacher"]
    ratios = middle["step"] / middle["step as it was"], middle["step"] / alone
    print(f"step / as it was {ratios[0]:.3f}   step / networks {ratios[1]:.3f}")
    print(f"losses: {losses['is']:.6f} is, {losses['was']:.6f} was")


if __name__ == "__main__":
    main()
