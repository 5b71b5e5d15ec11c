"""What a batch teaches: ground truth where an image has some, the teacher's word (pseudo-labels) where it has none.

The student's output is metres wherever any ground truth, or a teacher in metres, can say what a metre is. Without
either it is disparity up to scale and shift; then nothing here, and nothing it is scored by, is called metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from disdepth_cli.config import PseudoLabelConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.losses.depth import EPSILON, log_l1, silog
from disdepth_cli.losses.relative import absolute_difference, scale_shift_invariant
from disdepth_cli.machine import sums as across_ranks
from disdepth_cli.types import DepthBatch, ViewOrigin

AGREEMENT = 0.1  # relative difference from the flipped image's depth at which confidence has fallen to 1/e
Look = Callable[[Tensor, ViewOrigin | None], Tensor]
"""image (B, 3, H, W), and where it comes from -> the teacher's depth (B, 1, H, W), in the student's kind."""


@dataclass(frozen=True)
class Target:
    """value (B, 1, H, W) in the student's kind; valid bool; weight >= 0 or None; shares: numbers for the log."""

    value: Tensor
    valid: Tensor
    weight: Tensor | None
    shares: dict[str, Tensor]


def pseudo_labelled(batch: DepthBatch, teacher_depth: Tensor | None) -> tuple[Tensor, Tensor]:
    """depth and valid of a batch, with the teacher's depth where an image has no ground truth at all."""
    if teacher_depth is None or bool(batch.labelled.all()):
        return batch.depth, batch.valid
    without = ~batch.labelled.view(-1, 1, 1, 1)
    usable = without & torch.isfinite(teacher_depth) & (teacher_depth >= 0)
    return torch.where(usable, teacher_depth, batch.depth), batch.valid | usable


def supervise(
    batch: DepthBatch, prediction: Tensor, pseudo: Tensor, kind: OutputKind, config: PseudoLabelConfig, look: Look
) -> Target:
    """The target of a batch for `prediction` (B, 1, H, W).

    pseudo: the teacher's depth in the student's kind, (B, 1, H, W). The worst `pseudo_drop` of an
    unlabelled image's pixels, by their distance from the prediction, do not count (as in MiDaS's trimmed loss). With
    `pseudo_confidence` "flip" its pixels weigh less where the teacher says something else of the flipped image.
    """
    value, valid = pseudo_labelled(batch, pseudo)
    without = ~batch.labelled.view(-1, 1, 1, 1) & valid
    weight = None
    if bool(without.any()):
        if config.pseudo_drop:
            valid = valid & ~(without & _worst(prediction, value, without, kind, config.pseudo_drop))
        if config.pseudo_confidence == "flip":
            weight = _confidence(batch, pseudo, kind, look)
    counted = (valid & without).float() if weight is None else valid * without * weight
    shares = {
        "labelled_images": across_ranks.mean(batch.labelled.float()),
        "pseudo_pixels": across_ranks.mean(counted),
    }
    return Target(value, valid, weight, shares)


def target_parts(prediction: Tensor, target: Target, kind: OutputKind, anchor_weight: float) -> dict[str, Tensor]:
    """The depth loss of a kind, by parts: SILog in metres; scale-and-shift-invariant with its anchor in disparity."""
    if kind == "metric_depth":
        return {"depth": silog(prediction, target.value, target.valid, target.weight)}
    parts = {"depth": scale_shift_invariant(prediction, target.value, target.valid, target.weight)}
    if anchor_weight:
        anchor = absolute_difference(prediction, target.value, target.valid, target.weight)
        parts["anchor"] = anchor_weight * anchor
    return parts


def imitation(prediction: Tensor, goal: Tensor, kind: OutputKind, holes: bool = False) -> Tensor:
    """How far a prediction is from another model's: mean |log difference| in metres, |difference| else.

    holes: the other's depth may not be finite everywhere; what is not does not count.
    """
    known = None
    if holes:
        known = torch.isfinite(goal)
        goal = torch.where(known, goal, prediction.detach())
    if kind == "metric_depth":
        return log_l1(prediction, goal, known)
    return absolute_difference(prediction, goal, known)


@torch.no_grad()
def _worst(prediction: Tensor, value: Tensor, pixels: Tensor, kind: OutputKind, share: float) -> Tensor:
    """(B, 1, H, W) bool: the `share` of each image's `pixels` that are farthest from the prediction."""
    error = _distance(prediction, value, kind)
    flat = torch.where(pixels, error, torch.nan).flatten(1)
    limit = torch.nanquantile(flat, 1 - share, dim=1)
    return error > limit.view(-1, 1, 1, 1)


@torch.no_grad()
def _confidence(batch: DepthBatch, pseudo: Tensor, kind: OutputKind, look: Look) -> Tensor:
    """exp(-difference / 0.1) between the teacher's depth and that of the flipped image; 1 for labelled images."""
    without = ~batch.labelled
    origin = None if batch.origin is None else batch.origin.rows(without).flipped()
    flipped = look(batch.image[without].flip(-1), origin).flip(-1)
    weight = torch.ones_like(pseudo)
    weight[without] = torch.exp(-_distance(pseudo[without], flipped, kind) / AGREEMENT)
    return weight


def _distance(a: Tensor, b: Tensor, kind: OutputKind) -> Tensor:
    """|log a - log b| in metres, |a - b| in disparity; float32."""
    a, b = a.detach().float(), b.detach().float()
    if kind == "metric_depth":
        a, b = torch.log(a.clamp(min=0) + EPSILON), torch.log(b.clamp(min=0) + EPSILON)
    return (a - b).abs()
