"""Losses on depth maps. All in float32 outside autocast, all over valid pixels only."""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-6  # metres; inside both logarithms and under the root


def silog(
    prediction: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None, focus: float = 0.85
) -> Tensor:
    """Scale-invariant logarithmic loss, 10 sqrt(mean e^2 - focus mean(e)^2), e = ln d - ln y, over the batch's pixels.

    prediction, target (B, 1, H, W) [m]; valid (B, 1, H, W) bool; weight (B, 1, H, W) >= 0 of each pixel in the means,
    1 when None. Without a valid pixel the loss is 0 and carries no gradient.
    Source: Eigen et al. 2014, in the form of AdaBins and BTS.
    """
    error = _log_error(prediction, target, valid)
    if error.numel() == 0:
        return _log_error(prediction, prediction, torch.ones_like(valid)).sum() * 0.0
    if weight is None:
        square, mean = error.square().mean(), error.mean()
    else:
        share = weight.float()[valid]
        share = share / share.sum().clamp(min=EPSILON)
        square, mean = (share * error.square()).sum(), (share * error).sum()
    return 10.0 * torch.sqrt((square - focus * mean.square()).clamp(min=0) + EPSILON)


def log_l1(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """mean |ln d - ln t| over valid pixels (all when None). prediction, target (B, 1, H, W) [m]."""
    if valid is None:
        valid = torch.ones_like(target, dtype=torch.bool)
    error = _log_error(prediction, target, valid)
    return error.abs().mean() if error.numel() else error.sum()


def _log_error(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    with torch.autocast(prediction.device.type, enabled=False):
        d, y = prediction.float()[valid], target.float()[valid]
        return torch.log(d.clamp(min=0) + EPSILON) - torch.log(y.clamp(min=0) + EPSILON)
