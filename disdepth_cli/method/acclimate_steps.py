"""One step of acclimation, in its two phases: the ghost decoder, then the attention tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from disdepth_cli.losses.attentive import dice_diversity, union
from disdepth_cli.losses.depth import log_l1, silog
from disdepth_cli.losses.relative import aligned_depth, scale_shift_invariant
from disdepth_cli.machine import sums as across_ranks
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.method.supervision import Target, imitation, labelled_share, pseudo_labelled, target_parts
from disdepth_cli.types import DepthBatch, LossTerms


class GhostStep(nn.Module):
    """batch -> depth loss through the ghost decoder, and its faithfulness to the teacher's own depth."""

    def __init__(
        self,
        acclimation: Acclimation,
        acclimated: AcclimatedTeacher,
        teacher_weight: float,
        anchor_weight: float = 0.0,
        own_weight: float = 0.0,
        log_shares: bool = False,
    ) -> None:
        super().__init__()
        self.log_shares = log_shares
        self.acclimation = acclimation
        self._looks = (acclimated,)  # in a tuple: a frozen teacher is not a part of this module, so never saved
        if acclimated.teacher.learns:
            self.teacher = acclimated.teacher
        self.teacher_weight = teacher_weight
        self.anchor_weight = anchor_weight
        self.own_weight = own_weight if acclimated.teacher.learns else 0.0

    def forward(self, batch: DepthBatch) -> LossTerms:
        acclimated = self._looks[0]
        seen = acclimated.infer(batch.image, batch.origin)
        ghost = self.acclimation(seen.features, (batch.image.shape[-2], batch.image.shape[-1]))
        assert ghost.depth is not None
        ghost.depth = acclimated.in_view(ghost.depth, batch.origin)
        if acclimated.output_kind == "disparity":
            assert seen.depth is not None
            known = torch.isfinite(seen.depth)
            target = Target(torch.where(known, seen.depth, 0.0), known, None, {})
            return LossTerms.of(target_parts(ghost.depth, target, "disparity", self.anchor_weight))
        parts = {"depth": silog(ghost.depth, batch.depth, batch.valid)}
        if self.teacher_weight and seen.depth is not None:
            own = seen.depth.detach()
            holes = acclimated.teacher.contract.sees == "stored"
            metric = acclimated.teacher.contract.kind == "metric_depth"
            if metric:
                faithful = imitation(ghost.depth, own, "metric_depth", holes)
            else:
                faithful = self._faithful_to_relative(ghost.depth, own, batch, holes)
            parts["teacher"] = self.teacher_weight * faithful
        if self.own_weight and seen.depth is not None:
            parts["own"] = self.own_weight * self._own_loss(seen.depth, batch)
        shares = {"labelled_images": labelled_share(batch)} if self.log_shares else None
        return LossTerms.of(parts, shares)

    def _own_loss(self, depth: Tensor, batch: DepthBatch) -> Tensor:
        """The depth loss of the teacher's original decoder: training shall not cost it its own accuracy."""
        kind = self._looks[0].teacher.contract.kind
        if kind == "metric_depth":
            return silog(depth, batch.depth, batch.valid)
        truth = batch.depth
        if kind == "disparity":
            truth = torch.where(batch.valid, 1.0 / batch.depth.clamp(min=1e-6), 0.0)
        return scale_shift_invariant(depth, truth, batch.valid)

    def _faithful_to_relative(self, ghost: Tensor, relative: Tensor, batch: DepthBatch, holes: bool) -> Tensor:
        """Distance in metres from the teacher as ground truth aligns it; without ground truth, of the shapes alone.

        Each image counts by one of the two, and by its share of the batch.
        """
        head, disparity = self.acclimation.ghost.head, self._looks[0].teacher.contract.kind == "disparity"
        valid, known = batch.valid, torch.ones_like(batch.valid)
        if holes:
            known = torch.isfinite(relative)
            relative, valid = torch.where(known, relative, 0.0), valid & known
        metres, sensible = aligned_depth(
            relative, batch.depth, valid, head.min_depth, head.max_depth, disparity=disparity
        )
        without = batch.without_truth
        aligned = sensible.view(-1, 1, 1, 1) & ~without & known
        shape_only = without & known
        comparable = 1.0 / ghost.clamp(min=head.min_depth) if disparity else ghost
        shape = scale_shift_invariant(comparable, relative, shape_only)
        near = log_l1(ghost, metres, aligned) * across_ranks.mean(aligned.float())
        return near + shape * across_ranks.mean(shape_only.float())


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
            seen = acclimated.infer(batch.image, batch.origin)
            size = (batch.image.shape[-2], batch.image.shape[-1])
            features = acclimation.fam(seen.features, size)
            standard = acclimation.encoder_stats.standardise(features)
        masks = self.attention(standard)
        means = acclimation.encoder_stats.means()
        masked = [mean + union(m) * (f - mean) for f, m, mean in zip(features, masks, means, strict=True)]
        depth = acclimation.decode(masked, size).depth
        assert depth is not None
        depth = acclimated.in_view(depth, batch.origin)
        kind = acclimated.output_kind
        value, valid = pseudo_labelled(batch, seen.depth if acclimated.is_of_students_kind else None)
        overlap = torch.stack([dice_diversity(mask) for mask in masks]).mean()
        parts = target_parts(depth, Target(value, valid, None, {}), kind, anchor_weight=0.0)
        return LossTerms.of({**parts, "diversity": self.diversity * overlap})
