"""What a batch teaches: ground truth where an image has some, the teacher's word (pseudo-labels) where it has none.

The student's output is metres wherever any ground truth, or a teacher in metres, can say what a metre is. Without
either it is disparity up to scale and shift; then nothing here, and nothing it is scored by, is called metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from disdepth_cli.config.training import PseudoLabelOptions
from disdepth_cli.config.types import OutputKind
from disdepth_cli.losses.depth import EPSILON, log_l1, silog
from disdepth_cli.losses.relative import absolute_difference, scale_shift_invariant
from disdepth_cli.machine import sums as across_ranks
from disdepth_cli.types import DepthBatch, ViewOrigin

AGREEMENT = 0.1  # relative difference from the flipped image's depth at which confidence has fallen to 1/e
Infer = Callable[[Tensor, ViewOrigin | None], Tensor]
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
    usable = batch.without_truth & torch.isfinite(teacher_depth) & (teacher_depth >= 0)
    return torch.where(usable, teacher_depth, batch.depth), batch.valid | usable


def supervise(
    batch: DepthBatch, prediction: Tensor, pseudo: Tensor, kind: OutputKind, options: PseudoLabelOptions, infer: Infer
) -> Target:
    """The target of a batch for `prediction` (B, 1, H, W).

    pseudo: the teacher's depth in the student's kind, (B, 1, H, W). The worst `pseudo_drop` of an
    unlabelled image's pixels, by their distance from the prediction, do not count (as in MiDaS's trimmed loss). With
    `pseudo_confidence` "flip" its pixels weigh less where the teacher says something else of the flipped image.
    """
    value, valid = pseudo_labelled(batch, pseudo)
    weight = None
    without = torch.zeros_like(valid)
    if not bool(batch.labelled.all()):
        without = batch.without_truth & valid
        if options.pseudo_drop:
            valid = valid & ~(without & _worst(prediction, value, without, kind, options.pseudo_drop))
        if options.pseudo_confidence == "flip":
            weight = _confidence(batch, pseudo, kind, infer)
    counted = (valid & without).float() if weight is None else valid * without * weight
    shares = {
        "labelled_images": labelled_share(batch),
        "pseudo_pixels": across_ranks.mean(counted),
    }
    return Target(value, valid, weight, shares)


def labelled_share(batch: DepthBatch) -> Tensor:
    """The share of the images that have ground truth, a scalar on the device."""
    return across_ranks.mean((~batch.without_truth).float())


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
    # Their quantile, linear between two pixels. torch.nanquantile would make a float64, which MPS has not.
    ordered = torch.where(pixels, error, torch.inf).flatten(1).sort(dim=1).values
    position = (1 - share) * (pixels.flatten(1).sum(dim=1, keepdim=True) - 1).clamp(min=0).float()
    below = ordered.gather(1, position.floor().long())
    above = ordered.gather(1, position.ceil().long())
    limit = torch.lerp(below, above, position - position.floor())
    return (error > limit.view(-1, 1, 1, 1)) & pixels


@torch.no_grad()
def _confidence(batch: DepthBatch, pseudo: Tensor, kind: OutputKind, infer: Infer) -> Tensor:
    """exp(-difference / 0.1) between the teacher's depth and that of the flipped image; 1 for labelled images."""
    indices = [index for index, labelled in enumerate(batch.labelled.tolist()) if not labelled]
    origin = None if batch.origin is None else batch.origin.rows(~batch.labelled).flipped()
    flipped = infer(_picked(batch.image, indices).flip(-1), origin).flip(-1)
    doubts = torch.exp(-_distance(_picked(pseudo, indices), flipped, kind) / AGREEMENT)
    weight = torch.ones_like(pseudo)
    for index, doubt in zip(indices, doubts, strict=True):
        weight[index] = doubt
    return weight


def _picked(maps: Tensor, positions: list[int]) -> Tensor:
    """Some images of a batch, picked on the host: an index on the device would have to be sent there."""
    return torch.stack([maps[position] for position in positions])


def _distance(a: Tensor, b: Tensor, kind: OutputKind) -> Tensor:
    """|log a - log b| in metres, |a - b| in disparity; float32."""
    a, b = a.detach().float(), b.detach().float()
    if kind == "metric_depth":
        a, b = torch.log(a.clamp(min=0) + EPSILON), torch.log(b.clamp(min=0) + EPSILON)
    return (a - b).abs()
