"""Run by torchrun: gradients of one process with all images, and of these processes with a share each.

python gradients.py METRIC RELATIVE OUT: OUT gets, for each case, the largest relative difference over all parameters.
"""

from __future__ import annotations

import copy
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from disdepth_cli.config import DistillConfig
from disdepth_cli.config.parts import MachineOptions
from disdepth_cli.machine.devices import make_accelerator
from disdepth_cli.method.acclimate_steps import AttentionStep, GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.tuning import unfreeze
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize

METRIC, RELATIVE, OUT = map(Path, sys.argv[1:])
DISPARITY = (0.0, 2.0)
SHARES = {"even": (2, 2), "uneven": (3, 1)}


def images(**changes: Tensor) -> DepthBatch:
    """Four images; each has fewer valid pixels than the one before."""
    generator = torch.Generator().manual_seed(7)
    image = torch.rand(4, 3, 64, 96, generator=generator)
    depth = torch.rand(4, 1, 64, 96, generator=generator) * 4 + 1
    few = torch.tensor([0.9, 0.6, 0.3, 0.02]).view(4, 1, 1, 1)
    valid = torch.rand(4, 1, 64, 96, generator=generator) < few
    return replace(DepthBatch(image, depth, valid, list("abcd"), torch.ones(4, dtype=torch.bool)), **changes)


def without_ground_truth(*places: int) -> DepthBatch:
    whole = images()
    for place in places:
        whole.labelled[place], whole.valid[place], whole.depth[place] = False, False, 0.0
    return whole


def nothing_known(*places: int) -> DepthBatch:
    """Labelled images whose depth is all invalid."""
    whole = images()
    for place in places:
        whole.valid[place] = False
    return whole


def student(kind: str = "metric_depth"):
    return copy.deepcopy(new_student(kind))


@cache
def new_student(kind: str):
    torch.manual_seed(0)
    low, high = (0.001, 10.0) if kind == "metric_depth" else (0.0, 1.0)
    return build_student(StudentArchitecture("mobilenetv2_100", low, high, WorkingSize(64, 96), output_kind=kind))


@cache
def new_teacher(folder: Path):
    return load_teacher(str(folder), offline=True)


def teacher(folder: Path, kind: str = "metric_depth", seed: int = 1) -> AcclimatedTeacher:
    network = copy.deepcopy(new_teacher(folder))
    decoder = new_student(kind).decoder
    torch.manual_seed(seed)
    acclimation = Acclimation(network.contract.spec, decoder, 4)
    return AcclimatedTeacher(network, acclimation, "fp32", None if kind == "metric_depth" else DISPARITY)


def distil(*acclimated: AcclimatedTeacher, kind: str = "metric_depth", **options: object) -> nn.Module:
    for one in acclimated:
        one.acclimation.freeze()
    config = DistillConfig(data="x", init_decoder="random", **options)
    start = StudentStart.of(config.student, config.method)
    step = DistillStep(student(kind), acclimated or None, config.method, start)
    torch.manual_seed(2)
    for projection in step.features.modules():
        if isinstance(projection, nn.Conv2d):
            nn.init.normal_(projection.weight, std=0.1)  # at zero, where they start, they would let no gradient through
    return step


def ghost(folder: Path, kind: str = "metric_depth", train: str = "frozen", anchor: float = 0.0) -> nn.Module:
    acclimated = teacher(folder, kind)
    unfreeze(acclimated.teacher, train)
    acclimated.acclimation.attention.requires_grad_(False)
    return GhostStep(acclimated.acclimation, acclimated, 10.0, anchor_weight=anchor, own_weight=1.0, log_shares=True)


def attention(folder: Path) -> nn.Module:
    acclimated = teacher(folder)
    acclimated.acclimation.freeze()
    acclimated.acclimation.attention.requires_grad_(True)
    return AttentionStep(acclimated.acclimation, acclimated, 1.0)


Case = tuple[Callable[[], nn.Module], DepthBatch, str]
CASES: dict[str, Case] = {
    "control": (distil, images(), "even"),
    "control, unlike numbers of images": (distil, images(), "uneven"),
    "control, a rank without a valid pixel": (distil, nothing_known(2, 3), "even"),
    "control, no valid pixel anywhere": (distil, nothing_known(0, 1, 2, 3), "even"),
    "distill": (lambda: distil(teacher(METRIC)), images(), "even"),
    "distill, unlike numbers of images": (lambda: distil(teacher(METRIC)), images(), "uneven"),
    "distill, a rank without a valid pixel": (
        lambda: distil(teacher(METRIC), attention="ghost-error", output_target="teacher"),
        nothing_known(2, 3),
        "even",
    ),
    "distill, a rank without ground truth": (
        lambda: distil(teacher(METRIC), attention="fgd", pseudo_confidence="flip"),
        without_ground_truth(2, 3),
        "even",
    ),
    "distill from two teachers": (
        lambda: distil(teacher(METRIC), teacher(RELATIVE, seed=3), teacher_fusion="ghost-error", attention="uniform"),
        without_ground_truth(3),
        "even",
    ),
    "distill, relative": (
        lambda: distil(teacher(RELATIVE, "disparity"), kind="disparity", pseudo_confidence="flip"),
        without_ground_truth(0, 1, 2, 3),
        "uneven",
    ),
    "ghost": (lambda: ghost(METRIC), images(), "uneven"),
    "ghost, a rank without a valid pixel": (lambda: ghost(METRIC), nothing_known(2, 3), "even"),
    "ghost of a teacher that learns": (lambda: ghost(METRIC, train="full"), images(), "even"),
    "ghost of a relative teacher": (lambda: ghost(RELATIVE), without_ground_truth(1), "even"),
    "ghost of a relative teacher that learns": (lambda: ghost(RELATIVE, train="last-2"), nothing_known(2, 3), "even"),
    "ghost, a rank without ground truth": (lambda: ghost(RELATIVE), without_ground_truth(2, 3), "even"),
    "ghost in disparity": (lambda: ghost(RELATIVE, "disparity", anchor=4.0), images(), "uneven"),
    "attention": (lambda: attention(METRIC), without_ground_truth(3), "uneven"),
    "attention, a rank without a valid pixel": (lambda: attention(METRIC), nothing_known(2, 3), "even"),
}


def trained(step: nn.Module, run: Callable[[DepthBatch], object], batch: DepthBatch) -> dict[str, Tensor]:
    """Gradients of a step whose norms stand still, its logged numbers, and the statistics it gathered."""
    step.train()
    for module in step.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    terms = run(batch)
    terms.total.backward()
    zero = torch.zeros(())
    found = {f"gradient of {n}": zero if p.grad is None else p.grad for n, p in step.named_parameters()}
    found |= {f"buffer {name}": value.clone() for name, value in step.named_buffers() if "_stats." in name}
    logged = {"loss": terms.total, **terms.parts, **terms.shares}
    return found | {f"logged {name}": value.detach() for name, value in logged.items()}


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> tuple[float, str]:
    """Largest |a - b| / |a| (norms), and where; what is small beside the largest gradient is measured by that."""
    assert one.keys() == other.keys()
    least = 1e-3 * max(float(value.norm()) for name, value in one.items() if name.startswith("gradient"))
    far = {
        name: float((value - other[name]).norm()) / max(float(value.norm()), least, 1e-12)
        for name, value in one.items()
    }
    worst = max(far, key=lambda name: far[name])
    return far[worst], worst


def main() -> None:
    rank = int(os.environ["RANK"])
    alone = {}
    if rank == 0:  # before the processes meet: now this is one process
        for name, (build, batch, _) in CASES.items():
            step = build()
            alone[name] = trained(step, step, batch)
    accelerator = make_accelerator(MachineOptions(device="cpu", precision="fp32"))
    assert accelerator.num_processes == 2
    differences = {}
    for name, (build, batch, how) in CASES.items():
        first, second = SHARES[how]
        mine = slice(0, first) if rank == 0 else slice(first, first + second)
        share = DepthBatch(
            batch.image[mine], batch.depth[mine], batch.valid[mine], batch.keys[mine], batch.labelled[mine]
        )
        step = build()
        accelerator.ddp_handler.find_unused_parameters = "learns" in name
        shared = trained(step, accelerator.prepare(step), share)
        if rank == 0:
            value, where = difference(alone[name], shared)
            differences[name] = {"difference": value, "where": where, "loss": float(alone[name]["logged loss"])}
    if rank == 0:
        OUT.write_text(json.dumps(differences, indent=1))
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
