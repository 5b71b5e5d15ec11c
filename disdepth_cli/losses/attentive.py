"""The attentive feature loss, and the ways to weigh positions in it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from disdepth_cli.machine import sums as across_ranks

FGD_TEMPERATURE = 0.5
LEAST_SHARE = 0.25
"""Of a map's positions: a mask that covers fewer counts in proportion to what it covers. Without it a nearly empty mask
made a few positions weigh up to eighteen times what the others do."""


def attentive_loss(student: Tensor, teacher: Tensor, masks: Tensor, share: Tensor | None = None) -> Tensor:
    """mean_t sum_p M_t(p) |f_s(p) - h_t(p)|^2 / (C sum_p M_t(p)), the mean over images.

    student, teacher (B, C, h, w), both in the teacher's channel units; masks (B, T, h, w) >= 0, kept apart: each token
    has its own weighted mean, so a small mask counts as much as a large one, down to `LEAST_SHARE` of the map. share
    (B, 1, h, w) >= 0: how much a position counts for every token, by default 1; only its proportions matter.
    """
    with torch.autocast(student.device.type, enabled=False):
        error = (student.float() - teacher.float()).square().mean(dim=1)  # (B, h, w)
        share = torch.ones_like(error)[:, None] if share is None else share.float()
        masks = masks.float() * share
        weighted = torch.einsum("bthw,bhw->bt", masks, error)
        least = (LEAST_SHARE * share.sum(dim=(2, 3))).clamp(min=1e-6)  # (B, 1)
        return across_ranks.mean(weighted / torch.maximum(masks.sum(dim=(2, 3)), least))


def union(masks: Tensor) -> Tensor:
    """Where any token looks: 1 - prod_t (1 - M_t). masks (B, T, h, w) -> (B, 1, h, w)."""
    return 1 - (1 - masks).prod(dim=1, keepdim=True)


def dice_diversity(masks: Tensor) -> Tensor:
    """Mean pairwise Dice overlap of the tokens, in [0, 1]; 0 for a single token. masks (B, T, h, w). As in MasKD."""
    with torch.autocast(masks.device.type, enabled=False):  # in float16 a sum over a map overflows
        flat = masks.float().flatten(2)  # (B, T, N)
        images, tokens = flat.shape[:2]
        if tokens == 1:
            return flat.sum() * 0.0
        overlap = 2 * torch.einsum("btn,bsn->bts", flat, flat)
        size = flat.square().sum(dim=2)
        dice = overlap / (size[:, :, None] + size[:, None, :]).clamp(min=1e-6)
        apart = dice.sum() - dice.diagonal(dim1=1, dim2=2).sum()
        pairs = dice.new_full((), float(images * tokens * (tokens - 1)))
        return across_ranks.ratio(apart, pairs, least=1.0)


def uniform_masks(feature: Tensor) -> Tensor:
    """All positions alike: plain mean squared error. feature (B, C, h, w) -> (B, 1, h, w)."""
    return torch.ones_like(feature[:, :1])


def fgd_masks(feature: Tensor) -> Tensor:
    """S = h w softmax_p(mean_c |F| / 0.5), the spatial attention of FGD (arXiv 2111.11837). -> (B, 1, h, w)."""
    energy = feature.abs().mean(dim=1).flatten(1) / FGD_TEMPERATURE
    share = energy.softmax(dim=1) * energy.shape[1]
    return share.view(feature.shape[0], 1, *feature.shape[-2:])


def ghost_error_masks(ghost: Tensor, target: Tensor, valid: Tensor, grid: tuple[int, int]) -> Tensor:
    """exp(-|ln ghost - ln target| / 0.1): near 1 where the ghost is right; 1 where nothing is known.

    ghost, target (B, 1, H, W) [m]; valid (B, 1, H, W) bool; grid (h, w) of the level -> (B, 1, h, w).
    """
    error = (torch.log(ghost.clamp(min=1e-6)) - torch.log(target.clamp(min=1e-6))).abs() * valid
    known = F.adaptive_avg_pool2d(valid.float(), grid).clamp(min=1e-6)  # 0 / 1e-6 where nothing is: a mask of 1
    return torch.exp(-F.adaptive_avg_pool2d(error, grid) / known / 0.1)
