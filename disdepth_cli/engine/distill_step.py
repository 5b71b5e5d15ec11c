"""One step of distillation: depth loss, output loss against the ghost, attentive feature loss."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from disdepth_cli.config import DistillConfig
from disdepth_cli.engine.acclimate_steps import pseudo_labelled
from disdepth_cli.engine.acclimated import AcclimatedTeacher
from disdepth_cli.losses.attentive import attentive_loss, fgd_masks, ghost_error_masks, uniform_masks
from disdepth_cli.losses.depth import log_l1, silog
from disdepth_cli.models.acclimation import AcclimatedOutput
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import DepthBatch, DepthOutput, LossTerms

ENCODER_LEVELS = (2, 3)  # strides 16 and 32; finer levels of a CNN's encoder are too local to match


class DistillStep(nn.Module):
    """batch -> depth loss, and (with a teacher) output loss and attentive feature loss, each a named part."""

    def __init__(self, student: DepthStudent, acclimated: AcclimatedTeacher | None, config: DistillConfig) -> None:
        super().__init__()
        self.student = student
        self.config = config
        self._frozen = (acclimated,)  # in a tuple: not a part of this module, so never trained nor saved
        # A backbone has its own channels, so its levels are translated by a projection that is dropped after training.
        # The decoder's levels need none where it starts from the ghost's weights: both then speak the same features.
        self.project_encoder, self.project_decoder = nn.ModuleList(), nn.ModuleList()
        if acclimated is not None and config.feature_weight:
            channels, width = student.encoder.spec.channels, student.decoder.channels
            if config.feature_levels != "decoder":
                self.project_encoder.extend(nn.Conv2d(channels[i], channels[i], 1) for i in ENCODER_LEVELS)
            if config.feature_levels != "encoder" and config.init_decoder == "random":
                self.project_decoder.extend(nn.Conv2d(width, width, 1) for _ in channels)
        for projection in (*self.project_encoder, *self.project_decoder):
            # From zero the loss starts at 1. A random projection starts at 8, and drowns the others for an epoch.
            nn.init.zeros_(projection.weight)

    def forward(self, batch: DepthBatch) -> LossTerms:
        acclimated = self._frozen[0]
        output: DepthOutput = self.student(batch.image)
        assert output.depth is not None
        if acclimated is None:
            return LossTerms.of({"depth": silog(output.depth, batch.depth, batch.valid)})
        with torch.no_grad():
            seen = acclimated(batch.image)
        metric = acclimated.teacher.contract.kind == "metric_depth"
        target, valid = pseudo_labelled(batch, seen.teacher_depth if metric else None)
        parts = {"depth": silog(output.depth, target, valid)}
        if self.config.output_weight:
            goal = seen.teacher_depth if self.config.output_target == "teacher" else seen.depth
            parts["output"] = self.config.output_weight * log_l1(output.depth, goal)
        if self.config.feature_weight:
            parts |= self._feature_parts(acclimated, output, seen, target, valid)
        return LossTerms.of(parts)

    def _feature_parts(
        self,
        acclimated: AcclimatedTeacher,
        student: DepthOutput,
        ghost: AcclimatedOutput,
        target: Tensor,
        valid: Tensor,
    ) -> dict[str, Tensor]:
        """The attentive loss of the encoder's levels and of the decoder's own, each a mean over its levels."""
        acclimation = acclimated.acclimation
        assert student.decoder is not None and ghost.decoder is not None and ghost.masks is not None
        masks = [
            self._masks(level, feature, ghost, target, valid)
            for level, feature in enumerate(acclimation.encoder_stats.standardise(ghost.features))
        ]
        parts: dict[str, Tensor] = {}
        if self.config.feature_levels != "decoder":
            theirs = acclimation.encoder_stats.standardise(ghost.features)
            parts["encoder"] = self._mean_loss(student.features, theirs, masks, self.project_encoder, ENCODER_LEVELS)
        if self.config.feature_levels != "encoder":
            mine = acclimation.decoder_stats.standardise(student.decoder.levels)
            theirs = acclimation.decoder_stats.standardise(ghost.decoder.levels)
            parts["decoder"] = self._mean_loss(mine, theirs, masks, self.project_decoder, range(len(mine)))
        return parts

    def _mean_loss(
        self,
        mine: list[Tensor],
        theirs: list[Tensor],
        masks: list[Tensor],
        projections: nn.ModuleList,
        levels: Sequence[int],
    ) -> Tensor:
        losses = []
        for place, level in enumerate(levels):
            feature = projections[place](mine[level]) if len(projections) else mine[level]
            losses.append(attentive_loss(feature, theirs[level], masks[level]))
        return self.config.feature_weight * torch.stack(losses).mean()

    def _masks(self, level: int, feature: Tensor, ghost: AcclimatedOutput, target: Tensor, valid: Tensor) -> Tensor:
        """Weights (B, T, h, w) of a level's positions, by the kind of attention that was asked for."""
        if self.config.attention == "learned":
            assert ghost.masks is not None
            return ghost.masks[level]
        if self.config.attention == "ghost-error":
            assert ghost.depth is not None
            grid = (feature.shape[-2], feature.shape[-1])
            return ghost_error_masks(ghost.depth, target, valid, grid)
        return fgd_masks(feature) if self.config.attention == "fgd" else uniform_masks(feature)
