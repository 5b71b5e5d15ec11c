"""Several teachers for one student: how much each one counts, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.config.types import Fusion, OutputKind
from disdepth_cli.losses.depth import EPSILON


@torch.no_grad()
def teacher_shares(ghosts: Sequence[Tensor], target: Tensor, valid: Tensor, kind: OutputKind, fusion: Fusion) -> Tensor:
    """Share (T, B, 1, H, W) of each of T teachers at every pixel; they sum to 1.

    ghosts: each teacher's depth through its ghost decoder, (B, 1, H, W); target and valid: what the batch teaches.
    "mean": all alike. "ghost-error": the teacher whose ghost is nearest to the target has the pixel; where nothing is
    known, all alike.
    """
    count = len(ghosts)
    even = torch.full((count, *target.shape), 1.0 / count, device=target.device)
    if fusion == "mean" or count == 1:
        return even
    errors = torch.stack([(_linear(ghost, kind) - _linear(target, kind)).abs() for ghost in ghosts])
    nearest = F.one_hot(errors.argmin(dim=0), count).movedim(-1, 0).float()
    return torch.where(valid, nearest, even)


def blend(depths: Sequence[Tensor], shares: Tensor, kind: OutputKind) -> Tensor:
    """One depth map of several, (B, 1, H, W): the mean by shares, of logarithms where it is in metres."""
    if len(depths) == 1:
        return depths[0]
    mean = (torch.stack([_linear(depth, kind) for depth in depths]) * shares).sum(dim=0)
    return mean.exp() if kind == "metric_depth" else mean


def on_grid(share: Tensor, size: tuple[int, int]) -> Tensor:
    """A share (B, 1, H, W) at a level's (h, w)."""
    return F.adaptive_avg_pool2d(share, size)


def _linear(depth: Tensor, kind: OutputKind) -> Tensor:
    return torch.log(depth.float().clamp(min=0) + EPSILON) if kind == "metric_depth" else depth.float()
