"""FLOPs of a teacher's forward, counted on shapes alone: on the meta device, where nothing is computed."""

from __future__ import annotations

import warnings

import torch
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from disdepth_cli.teachers.shapes import TENSORS_OF_ITS_OWN
from disdepth_cli.teachers.teacher import DepthTeacher, TeacherNetwork


def forward_flops(network: TeacherNetwork, size: tuple[int, int]) -> int:
    """FLOPs of one image of `size` (height, width) [pixels]; a multiply-add counts two, attention included.

    A network whose way depends on its numbers cannot run on shapes; it looks at a blank image instead.
    """
    meta = {
        name: torch.empty_like(value, device="meta")
        for name, value in [*network.named_parameters(), *network.named_buffers()]
    }
    try:
        return _count(network, meta, torch.zeros(1, 3, *size, device="meta"))
    # Plain tensors beside the parameters, or a look at a number: each library has its own error for it.
    except Exception:
        own = next(network.parameters())
        return _count(network, {}, torch.zeros(1, 3, *size, device=own.device, dtype=own.dtype))


def real_flops(teacher: DepthTeacher, size: tuple[int, int]) -> int | None:
    """FLOPs of one blank image of `size` (height, width) [pixels], which a teacher really looks at; None where its code
    cannot be counted."""
    blank = torch.zeros(1, 3, *size, device=teacher.mean.device)
    focal = torch.full((1,), float(size[1]), device=blank.device) if teacher.contract.needs_focal else None
    try:
        with torch.no_grad(), warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
            warnings.simplefilter("ignore")
            teacher.infer(blank, focal)
    except Exception:  # code of others, under a mode that it knows nothing of
        return None
    return int(counter.get_total_flops()) or None


def _count(network: TeacherNetwork, weights: dict[str, torch.Tensor], pixels: torch.Tensor) -> int:
    # The counter knows no formula for the CPU's fused attention; the plain one is made of products it counts.
    with torch.no_grad(), TENSORS_OF_ITS_OWN, warnings.catch_warnings(), sdpa_kernel(SDPBackend.MATH):
        warnings.simplefilter("ignore")
        with FlopCounterMode(display=False) as counter:
            functional_call(network, weights, (pixels,))
    return int(counter.get_total_flops())
