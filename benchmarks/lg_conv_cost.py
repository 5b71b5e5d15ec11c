"""What the LG-Conv branch costs: parameters, FLOPs and milliseconds of a student with it, beside one without.

    python benchmarks/lg_conv_cost.py [STUDENT...]

Both take turns in one process, so that a busy machine is busy for both; the medians' ratio is what counts.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Annotated

import torch
import typer
from torch.utils.flop_counter import FlopCounterMode

from disdepth_cli.config.parts import STUDENTS
from disdepth_cli.models.student import DepthStudent, StudentArchitecture, build_student
from disdepth_cli.working_size import WorkingSize

SIZE = (240, 320)
PADDED = (256, 320)


def main(
    students: Annotated[list[str] | None, typer.Argument(help="short names or timm CNNs")] = None,
    rounds: Annotated[int, typer.Option(help="timed forward passes each")] = 40,
    threads: Annotated[int, typer.Option(help="of the CPU")] = 1,
) -> None:
    """Print one line a student."""
    torch.set_num_threads(threads)
    image = torch.rand(1, 3, *PADDED).to(memory_format=torch.channels_last)
    for name in students or ["efficientnet-lite0", "mobilenetv2", "resnet18"]:
        plain, branched = (_student(name, place) for place in ("none", "auto"))
        times: tuple[list[float], list[float]] = ([], [])
        with torch.inference_mode():
            for _ in range(rounds + 3):
                for model, own in zip((plain, branched), times, strict=True):
                    began = time.perf_counter()
                    model(image)
                    own.append(time.perf_counter() - began)
        before, after = (1000 * median(own[3:]) for own in times)
        weights = [sum(p.numel() for p in model.parameters()) for model in (plain, branched)]
        flops = [_flops(model, image) for model in (plain, branched)]
        print(
            f"{name}: parameters {weights[0] / 1e6:.2f} -> {weights[1] / 1e6:.2f} M "
            f"({weights[1] / weights[0] - 1:+.1%}), "
            f"GFLOPs {flops[0] / 1e9:.2f} -> {flops[1] / 1e9:.2f} ({flops[1] / flops[0] - 1:+.1%}), "
            f"{before:.1f} -> {after:.1f} ms (x {after / before:.2f})"
        )


def _student(name: str, place: str) -> DepthStudent:
    architecture = StudentArchitecture(STUDENTS.get(name, name), 0.001, 10.0, WorkingSize(*SIZE), place)  # type: ignore[arg-type]
    return build_student(architecture).to(memory_format=torch.channels_last).eval()


@torch.inference_mode()
def _flops(model: DepthStudent, image: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as counter:
        model(image)
    return int(counter.get_total_flops())


if __name__ == "__main__":
    typer.run(main)
