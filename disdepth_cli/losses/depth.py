"""Losses on depth maps. All in float32 outside autocast, all over valid pixels only, of all ranks where there are more
than one."""

from __future__ import annotations

import torch
from torch import Tensor

from disdepth_cli.machine import sums as across_ranks

EPSILON = 1e-6  # metres; inside both logarithms and under the root


def silog(
    prediction: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None, focus: float = 0.85
) -> Tensor:
    """Scale-invariant logarithmic loss, 10 sqrt(mean e^2 - focus mean(e)^2), e = ln d - ln y, over the batch's pixels.

    prediction, target (B, 1, H, W) [m]; valid (B, 1, H, W) bool; weight (B, 1, H, W) >= 0 of each pixel in the means,
    1 when None. Without a valid pixel the loss is 0 and carries no gradient.
    Source: Eigen et al. 2014, in the form of AdaBins and BTS.
    """
    moments = _moments(_log_error(prediction, target, valid), None if weight is None else weight.float()[valid])
    if moments is None:
        return _log_error(prediction, prediction, torch.ones_like(valid)).sum() * 0.0
    square, mean = moments
    return 10.0 * torch.sqrt((square - focus * mean.square()).clamp(min=0) + EPSILON)


def log_l1(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """mean |ln d - ln t| over valid pixels (all when None). prediction, target (B, 1, H, W) [m]."""
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    error = _log_error(prediction, target, valid)
    if across_ranks.world() > 1 or error.numel():
        return across_ranks.mean(error.abs())
    return error.sum()


def _moments(error: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor] | None:
    """Means of error^2 and of error (N,), by weight; None where no rank has any."""
    if across_ranks.world() > 1:
        # A rank without weights, and one with, must ask for the same sums.
        weight = torch.ones_like(error) if weight is None else weight
        count = torch.tensor(float(error.numel()), device=error.device)
        count, total, square, mean = across_ranks.summed(
            count, weight.sum(), (weight * error.square()).sum(), (weight * error).sum()
        )
        total = total.clamp(min=EPSILON)
        return (square / total, mean / total) if count > 0 else None
    if not error.numel():
        return None
    if weight is None:
        return error.square().mean(), error.mean()
    share = weight / weight.sum().clamp(min=EPSILON)
    return (share * error.square()).sum(), (share * error).sum()


def _log_error(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    with torch.autocast(prediction.device.type, enabled=False):
        d, y = prediction.float()[valid], target.float()[valid]
        return torch.log(d.clamp(min=0) + EPSILON) - torch.log(y.clamp(min=0) + EPSILON)
