"""One step of acclimation, in its two phases: the ghost decoder, then the attention tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from disdepth_cli.engine.acclimated import AcclimatedTeacher
from disdepth_cli.losses.attentive import dice_diversity, union
from disdepth_cli.losses.depth import log_l1, silog
from disdepth_cli.models.acclimation import Acclimation
from disdepth_cli.types import DepthBatch, LossTerms


class GhostStep(nn.Module):
    """batch -> depth loss through the ghost decoder, and its faithfulness to the teacher's own depth."""

    def __init__(self, acclimation: Acclimation, acclimated: AcclimatedTeacher, teacher_weight: float) -> None:
        super().__init__()
        self.acclimation = acclimation
        self._frozen = (acclimated,)  # in a tuple: not a part of this module, so never trained nor saved
        self.metric = acclimated.teacher.contract.kind == "metric_depth"
        self.teacher_weight = teacher_weight if self.metric else 0.0

    def forward(self, batch: DepthBatch) -> LossTerms:
        seen = self._frozen[0].look(batch.image)
        ghost = self.acclimation(seen.features, (batch.image.shape[-2], batch.image.shape[-1]))
        assert ghost.depth is not None
        parts = {"depth": silog(ghost.depth, batch.depth, batch.valid)}
        if self.teacher_weight and seen.depth is not None:
            parts["teacher"] = self.teacher_weight * log_l1(ghost.depth, seen.depth)
        return LossTerms.of(parts)


class AttentionStep(nn.Module):
    """batch -> depth loss through the ghost on features that are masked by the tokens, and the tokens' overlap.

    Where no token looks, the feature becomes its mean: there it tells nothing.
    """

    def __init__(self, acclimation: Acclimation, acclimated: AcclimatedTeacher, diversity: float) -> None:
        super().__init__()
        self.attention = acclimation.attention
        self._frozen = (acclimated, acclimation)
        self.diversity = diversity

    def forward(self, batch: DepthBatch) -> LossTerms:
        acclimated, acclimation = self._frozen
        acclimation.eval()
        with torch.no_grad():
            seen = acclimated.look(batch.image)
            size = (batch.image.shape[-2], batch.image.shape[-1])
            features = acclimation.fam(seen.features, size)
            standard = acclimation.encoder_stats.standardise(features)
        masks = self.attention(standard)
        means = acclimation.encoder_stats.means()
        masked = [mean + union(m) * (f - mean) for f, m, mean in zip(features, masks, means, strict=True)]
        depth = acclimation.decode(masked, size).depth
        assert depth is not None
        target, valid = pseudo_labelled(
            batch, seen.depth if acclimated.teacher.contract.kind == "metric_depth" else None
        )
        overlap = torch.stack([dice_diversity(mask) for mask in masks]).mean()
        return LossTerms.of({"depth": silog(depth, target, valid), "diversity": self.diversity * overlap})


def pseudo_labelled(batch: DepthBatch, teacher_depth: Tensor | None) -> tuple[Tensor, Tensor]:
    """depth [m] and valid of a batch, with the teacher's depth where an image has no ground truth at all."""
    if teacher_depth is None or bool(batch.labelled.all()):
        return batch.depth, batch.valid
    without = ~batch.labelled.view(-1, 1, 1, 1)
    return torch.where(without, teacher_depth, batch.depth), batch.valid | (without & (teacher_depth > 0))
