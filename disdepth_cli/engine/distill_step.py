"""One step of distillation: depth loss, output loss against the ghost, attentive feature loss."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from disdepth_cli import across_ranks
from disdepth_cli.config import DistillConfig
from disdepth_cli.engine.acclimated import AcclimatedTeacher
from disdepth_cli.engine.fusion import blend, on_grid, teacher_shares
from disdepth_cli.engine.supervision import Target, imitation, supervise, target_parts
from disdepth_cli.losses.attentive import attentive_loss, fgd_masks, ghost_error_masks, uniform_masks
from disdepth_cli.losses.depth import silog
from disdepth_cli.models.acclimation import AcclimatedOutput
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import DepthBatch, DepthOutput, FeatureMaps, LossTerms

ENCODER_LEVELS = (2, 3)  # strides 16 and 32; finer levels of a CNN's encoder are too local to match


class DistillStep(nn.Module):
    """batch -> depth loss, and (with teachers) output loss and attentive feature loss, each a named part."""

    def __init__(
        self,
        student: DepthStudent,
        acclimated: AcclimatedTeacher | Sequence[AcclimatedTeacher] | None,
        config: DistillConfig,
        log_shares: bool = True,
    ) -> None:
        """log_shares: False where every image has ground truth, and its share tells nothing."""
        super().__init__()
        self.student = student
        self.log_shares = log_shares
        self.config = config
        if acclimated is None or isinstance(acclimated, AcclimatedTeacher):
            acclimated = [] if acclimated is None else [acclimated]
        self._frozen = tuple(acclimated)  # in a tuple: not a part of this module, so never trained nor saved
        # A backbone has its own channels, so its levels are translated by a projection that is dropped after training.
        # The decoder's levels need none where it starts from the ghost's weights: both then speak the same features.
        self.project_encoder, self.project_decoder = nn.ModuleList(), nn.ModuleList()
        if self._frozen and config.feature_weight:
            channels, width = student.encoder.spec.channels, student.decoder.channels
            if config.feature_levels != "decoder":
                self.project_encoder.extend(nn.Conv2d(channels[i], channels[i], 1) for i in ENCODER_LEVELS)
            if config.feature_levels != "encoder" and config.init_decoder == "random":
                self.project_decoder.extend(nn.Conv2d(width, width, 1) for _ in channels)
        for projection in (*self.project_encoder, *self.project_decoder):
            # From zero the loss starts at 1. A random projection starts at 8, and drowns the others for an epoch.
            nn.init.zeros_(projection.weight)

    def forward(self, batch: DepthBatch) -> LossTerms:
        output: DepthOutput = self.student(batch.image)
        assert output.depth is not None
        if not self._frozen:
            return LossTerms.of({"depth": silog(output.depth, batch.depth, batch.valid)})
        kind = self._frozen[0].output_kind
        with torch.no_grad():
            seen = [acclimated(batch.image) for acclimated in self._frozen]
        target = supervise(batch, output.depth, self._word(seen), kind, self.config, self._look_again)
        ghosts = [one.depth for one in seen if one.depth is not None]
        shares = teacher_shares(ghosts, target.value, target.valid, kind, self.config.teacher_fusion)
        parts = target_parts(output.depth, target, kind, self.config.anchor_weight)
        if self.config.output_weight:
            own = [one.teacher_depth for one in seen if one.teacher_depth is not None]
            goal = blend(own if self.config.output_target == "teacher" else ghosts, shares, kind)
            parts["output"] = self.config.output_weight * imitation(output.depth, goal, kind)
        if self.config.feature_weight:
            for acclimated, one, share in zip(self._frozen, seen, shares, strict=True):
                for name, loss in self._feature_parts(acclimated, output, one, target, share).items():
                    parts[name] = parts[name] + loss if name in parts else loss
        return LossTerms.of(parts, target.shares if self.log_shares else None)

    def _word(self, seen: Sequence[AcclimatedOutput]) -> Tensor:
        """The teachers' stand-in for ground truth: the mean of what each one says."""
        words = [acclimated.word(one) for acclimated, one in zip(self._frozen, seen, strict=True)]
        even = torch.full((len(words), 1, 1, 1, 1), 1.0 / len(words), device=words[0].device)
        return blend(words, even, self._frozen[0].output_kind)

    def _look_again(self, image: Tensor) -> Tensor:
        """`_word` of other images, (B, 3, H, W) -> (B, 1, H, W)."""
        with torch.no_grad():
            return self._word([acclimated(image) for acclimated in self._frozen])

    def _feature_parts(
        self,
        acclimated: AcclimatedTeacher,
        student: DepthOutput,
        ghost: AcclimatedOutput,
        target: Target,
        share: Tensor,
    ) -> dict[str, Tensor]:
        """The attentive loss of the encoder's levels and of the decoder's own, each a mean over its levels.

        share (B, 1, H, W): how much this teacher counts beside the others.
        """
        acclimation = acclimated.acclimation
        assert student.decoder is not None and ghost.decoder is not None and ghost.masks is not None
        theirs = acclimation.encoder_stats.standardise(ghost.features)
        masks = [self._masks(level, feature, ghost, target) for level, feature in enumerate(theirs)]
        mean_loss = partial(self._mean_loss, masks=masks, share=share)
        parts: dict[str, Tensor] = {}
        if self.config.feature_levels != "decoder":
            parts["encoder"] = mean_loss(student.features, theirs, self.project_encoder, ENCODER_LEVELS)
        if self.config.feature_levels != "encoder":
            mine = acclimation.decoder_stats.standardise(student.decoder.levels)
            theirs = acclimation.decoder_stats.standardise(ghost.decoder.levels)
            parts["decoder"] = mean_loss(mine, theirs, self.project_decoder, range(len(mine)))
        return parts

    def _mean_loss(
        self,
        mine: FeatureMaps,
        theirs: FeatureMaps,
        projections: nn.ModuleList,
        levels: Sequence[int],
        *,
        masks: list[Tensor],
        share: Tensor,
    ) -> Tensor:
        weight = across_ranks.mean(share)
        losses = []
        for place, level in enumerate(levels):
            feature = projections[place](mine[level]) if len(projections) else mine[level]
            mask = masks[level]
            mask = mask * on_grid(share, (mask.shape[-2], mask.shape[-1]))
            losses.append(weight * attentive_loss(feature, theirs[level], mask))
        return self.config.feature_weight * torch.stack(losses).mean()

    def _masks(self, level: int, feature: Tensor, ghost: AcclimatedOutput, target: Target) -> Tensor:
        """Weights (B, T, h, w) of a level's positions, by the kind of attention that was asked for."""
        if self.config.attention == "learned":
            assert ghost.masks is not None
            return ghost.masks[level]
        if self.config.attention == "ghost-error":
            assert ghost.depth is not None
            grid = (feature.shape[-2], feature.shape[-1])
            return ghost_error_masks(ghost.depth, target.value, target.valid, grid)
        return fgd_masks(feature) if self.config.attention == "fgd" else uniform_masks(feature)
