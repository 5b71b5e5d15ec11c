"""Losses on depth maps. All in float32 outside autocast, all over valid pixels only, of all ranks where there are more
than one. Pixels are left out by multiplication: a boolean index would make the host wait for the device."""

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
    with torch.autocast(prediction.device.type, enabled=False):
        share = valid.float() if weight is None else valid * weight.float()
        error = _log_error(prediction, target, valid)
        square, mean, total, count = (share * error.square()).sum(), (share * error).sum(), share.sum(), valid.sum()
        if across_ranks.world() > 1:
            square, mean, total, count = across_ranks.summed(square, mean, total, count)
        total = total.clamp(min=EPSILON)
        loss = 10.0 * torch.sqrt((square / total - focus * (mean / total).square()).clamp(min=0) + EPSILON)
        return torch.where(count > 0, loss, 0.0)


def log_l1(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """mean |ln d - ln t| over valid pixels (all when None), 0 without any. prediction, target (B, 1, H, W) [m]."""
    with torch.autocast(prediction.device.type, enabled=False):
        error = _log_error(prediction, target, valid).abs()
        if valid is None:
            return across_ranks.mean(error)
        return across_ranks.ratio(error.sum(), valid.sum().float(), least=1.0)


def _log_error(prediction: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    """ln d - ln y, and 0 at pixels that are not valid."""
    d, y = prediction.float().clamp(min=0) + EPSILON, target.float().clamp(min=0) + EPSILON
    if valid is None:
        return torch.log(d) - torch.log(y)
    # 1 before the logarithm: what is not finite at a pixel that does not count has no gradient either.
    return torch.log(torch.where(valid, d, 1.0)) - torch.log(torch.where(valid, y, 1.0))
