"""Losses on disparity up to scale and shift, and how such a disparity becomes metres where ground truth exists.

Disparity is larger where things are nearer. All in float32 outside autocast, all over valid pixels only, of all ranks
where there are more than one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from disdepth_cli.machine import sums as across_ranks

GRADIENT_SCALES = 4
GRADIENT_WEIGHT = 0.5
FEWEST_PIXELS = 16  # a fit to fewer says nothing
FLATTEST = 1e-3  # smallest spread a map is divided by, in units of the values: noise on a flat wall is not blown up


def scale_shift_invariant(prediction: Tensor, target: Tensor, valid: Tensor, weight: Tensor | None = None) -> Tensor:
    """MiDaS's scale-and-shift-invariant loss: each map is brought to median 0 and mean absolute deviation 1 over its
    image's valid pixels; then mean |difference| + 0.5 x the multi-scale gradient term, the mean over images.

    prediction, target (B, 1, H, W) disparity; valid (B, 1, H, W) bool; weight (B, 1, H, W) >= 0 of each pixel, 1 when
    None. An image with fewer than 16 valid pixels does not count; without any the loss is 0 and carries no gradient.
    Source: Ranftl et al. 2019 (arXiv 1907.01341), equations 5 to 7 and 11.
    """
    with torch.autocast(prediction.device.type, enabled=False):
        counts = valid.flatten(1).sum(dim=1) >= FEWEST_PIXELS
        known = valid & counts.view(-1, 1, 1, 1)
        shares = known.float() if weight is None else known * weight.float()
        difference = _normalised(prediction, known) - _normalised(target, known)
        difference = torch.where(known, difference, 0.0)
        data = _weighted_mean(difference.abs(), shares, counts)
        return data + GRADIENT_WEIGHT * _gradient_term(difference, shares, counts)


def absolute_difference(
    prediction: Tensor, target: Tensor, valid: Tensor | None = None, weight: Tensor | None = None
) -> Tensor:
    """Weighted mean |prediction - target| over valid pixels (all when None); 0 where there are none.

    On disparity brought to one fixed range this is the scale anchor: the invariant loss alone lets outputs drift.
    """
    with torch.autocast(prediction.device.type, enabled=False):
        shares = torch.ones_like(target, dtype=torch.float32) if valid is None else valid.float()
        shares = shares if weight is None else shares * weight.float()
        error = (prediction.float() - target.float()).abs()
        return across_ranks.ratio((torch.where(shares > 0, error, 0.0) * shares).sum(), shares.sum(), least=1e-6)


@torch.no_grad()
def aligned_depth(
    relative: Tensor, depth: Tensor, valid: Tensor, min_depth: float, max_depth: float, disparity: bool = True
) -> tuple[Tensor, Tensor]:
    """A relative disparity as depth [m], fitted to 1 / depth per image by least squares of scale and shift.

    relative, depth (B, 1, H, W), depth [m]; valid (B, 1, H, W) bool; disparity: False for a relative depth, which is
    fitted to depth itself. Returns depth (B, 1, H, W) [m] in [min_depth, max_depth], and (B,) bool: whether the fit
    makes sense (enough pixels, and a positive scale).
    """
    shares = valid.float()
    count = shares.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1.0)
    source = relative.float()
    wanted = torch.where(valid, 1.0 / depth.float().clamp(min=1e-6) if disparity else depth.float(), 0.0)
    source_mean = (source * shares).sum(dim=(1, 2, 3), keepdim=True) / count
    wanted_mean = (wanted * shares).sum(dim=(1, 2, 3), keepdim=True) / count
    centred = (source - source_mean) * shares
    variance = centred.square().sum(dim=(1, 2, 3), keepdim=True)
    scale = (centred * (wanted - wanted_mean)).sum(dim=(1, 2, 3), keepdim=True) / variance.clamp(min=1e-12)
    fitted = scale * (source - source_mean) + wanted_mean
    if disparity:
        metres = 1.0 / fitted.clamp(min=1.0 / max_depth, max=1.0 / max(min_depth, 1e-6))
    else:
        metres = fitted.clamp(min=min_depth, max=max_depth)
    sensible = (valid.flatten(1).sum(dim=1) >= FEWEST_PIXELS) & (scale.flatten() > 0)
    return metres, sensible


def _normalised(maps: Tensor, valid: Tensor) -> Tensor:
    """(map - median) / mean absolute deviation, each image over its own valid pixels. maps (B, 1, H, W)."""
    known = valid.flatten(1)
    flat = torch.where(known, maps.float().flatten(1), 0.0)
    some = known.any(dim=1, keepdim=True)
    median = torch.where(known | ~some, flat, torch.nan).nanmedian(dim=1, keepdim=True).values
    centred = flat - median
    spread = (centred.abs() * known).sum(dim=1, keepdim=True) / known.sum(dim=1, keepdim=True).clamp(min=1)
    return (centred / spread.clamp(min=FLATTEST)).view_as(maps)


def _weighted_mean(error: Tensor, shares: Tensor, counts: Tensor) -> Tensor:
    """Mean over the images that count, (B,) bool, of each image's weighted mean; 0 where none does."""
    per_image = (error * shares).sum(dim=(1, 2, 3)) / shares.sum(dim=(1, 2, 3)).clamp(min=1e-6)
    return across_ranks.ratio((per_image * counts).sum(), counts.sum().float(), least=1.0)


def _gradient_term(difference: Tensor, shares: Tensor, counts: Tensor) -> Tensor:
    """Sum over halved scales of mean |gradient of the difference|, between neighbours that are both valid."""
    total = difference.sum() * 0.0
    for _ in range(GRADIENT_SCALES):
        if min(difference.shape[-2:]) < 2:
            break
        for dim in (-2, -1):
            length = difference.shape[dim] - 1
            ahead, behind = difference.narrow(dim, 1, length), difference.narrow(dim, 0, length)
            both = torch.minimum(shares.narrow(dim, 1, length), shares.narrow(dim, 0, length))
            total = total + _weighted_mean((ahead - behind).abs(), both, counts)
        # Every second pixel, as MiDaS does: an average would mix what is valid with what is not.
        difference, shares = difference[..., ::2, ::2], shares[..., ::2, ::2]
    return total
