"""The feature part of distillation: what of the student is compared with what of the teacher, and where.

`feature_target` "ghost": the acclimated features, in the student's own channels, and the ghost decoder's levels.
"teacher": the teacher's raw features, which is plain feature distillation and what acclimation is measured by.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from disdepth_cli.config.training import MethodOptions
from disdepth_cli.losses.attentive import attentive_loss, fgd_masks, ghost_error_masks, uniform_masks
from disdepth_cli.machine import sums as across_ranks
from disdepth_cli.method.ghost_acclimation import AcclimatedOutput, Acclimation, ChannelStatistics
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.method.supervision import Target
from disdepth_cli.method.teacher_fusion import on_grid
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import DepthOutput, FeatureSpec

ENCODER_LEVELS = (2, 3)  # strides 16 and 32; finer levels of a CNN's encoder are too local to match


class FeatureLoss(nn.Module):
    """The attentive loss of a teacher's features: weighted parts "encoder" and "decoder", each a mean over levels.

    A backbone has its own channels, so its levels are translated: by its adapters, which become a part of the student
    (`student_projections`), or by a projection that is dropped after training. The decoder's levels need none where it
    starts from the ghost's weights: both then speak the same features. They have one all the same where the adapters
    were only a start (`feature_projection` "both"), which leaves the decoder free to part from the ghost. Acclimated
    features of several teachers are alike (one ghost decoder understands them all), so one module serves them.
    """

    def __init__(self, student: DepthStudent, teacher: FeatureSpec, method: MethodOptions, start: StudentStart) -> None:
        super().__init__()
        self.method, self.start = method, start
        self.raw = method.feature_target == "teacher"
        teacher_maps, count = teacher.channels, len(student.encoder.spec)
        self.taps = [round(level * (len(teacher_maps) - 1) / (count - 1)) for level in ENCODER_LEVELS]
        if self.raw:
            self.raw_stats = ChannelStatistics(tuple(teacher_maps[tap] for tap in self.taps))
        self.project_encoder, self.project_decoder = self._projections(student, teacher_maps)

    def _projections(self, student: DepthStudent, teacher_maps: Sequence[int]) -> tuple[nn.ModuleList, nn.ModuleList]:
        """theirs: channels of the teacher's taps."""
        channels, width = student.encoder.spec.channels, student.decoder.channels
        encoder, decoder = nn.ModuleList(), nn.ModuleList()
        bound = self.start.bound
        apart = not self.start.from_ghost or (self.start.adapted and not bound)
        if self.raw:
            pairs = zip(ENCODER_LEVELS, self.taps, strict=True)
            encoder.extend(nn.Conv2d(channels[level], teacher_maps[tap], 1) for level, tap in pairs)
        elif self.method.feature_levels != "decoder" and not bound:
            encoder.extend(nn.Conv2d(channels[level], channels[level], 1) for level in ENCODER_LEVELS)
        if not self.raw and self.method.feature_levels != "encoder" and apart:
            decoder.extend(nn.Conv2d(width, width, 1) for _ in channels)
        for projection in (*encoder, *decoder):
            # From zero the loss starts at 1. A random projection starts at 8, and drowns the others for an epoch.
            nn.init.zeros_(projection.weight)
            nn.init.zeros_(projection.bias)
        return encoder, decoder

    def forward(
        self, acclimation: Acclimation, student: DepthOutput, ghost: AcclimatedOutput, target: Target, share: Tensor
    ) -> dict[str, Tensor]:
        """ghost: what `acclimation` made of a teacher; share (B, 1, H, W): how much that one counts beside others."""
        learned: list[Tensor] | None = None
        if self.method.attention == "learned":
            with torch.no_grad():
                learned = acclimation.masks(ghost.features)
        if self.raw:
            return {"encoder": self._raw(student, ghost, target, share, learned)}
        assert student.decoder is not None and ghost.decoder is not None
        teacher_maps = acclimation.encoder_stats.standardise(ghost.features)
        masks = [self._masks(level, feature, ghost, target, learned) for level, feature in enumerate(teacher_maps)]
        parts: dict[str, Tensor] = {}
        if self.method.feature_levels != "decoder":
            student_maps = student.features
            if not len(self.project_encoder):  # bound: in the units of the acclimated ones
                student_maps = acclimation.encoder_stats.standardise(student_maps)
            some = [(student_maps[level], teacher_maps[level], masks[level]) for level in ENCODER_LEVELS]
            parts["encoder"] = self._mean(some, self.project_encoder, share)
        if self.method.feature_levels != "encoder":
            student_maps = acclimation.decoder_stats.standardise(student.decoder.levels)
            teacher_maps = acclimation.decoder_stats.standardise(ghost.decoder.levels)
            levels = list(zip(student_maps, teacher_maps, masks, strict=True))
            parts["decoder"] = self._mean(levels, self.project_decoder, share)
        return parts

    def _raw(
        self,
        student: DepthOutput,
        ghost: AcclimatedOutput,
        target: Target,
        share: Tensor,
        learned: Sequence[Tensor] | None,
    ) -> Tensor:
        """Plain features: the teacher's, standardised by running statistics and brought to the student's grid."""
        assert ghost.teacher_features is not None
        seen = [ghost.teacher_features[tap] for tap in self.taps]
        if self.training:
            self.raw_stats.update(seen)
        some = []
        for level, feature in zip(ENCODER_LEVELS, self.raw_stats.standardise(seen), strict=True):
            grid = (student.features[level].shape[-2], student.features[level].shape[-1])
            teacher_maps = F.interpolate(feature, size=grid, mode="bilinear", align_corners=False)
            some.append(
                (student.features[level], teacher_maps, self._masks(level, teacher_maps, ghost, target, learned))
            )
        return self._mean(some, self.project_encoder, share)

    def _mean(
        self, levels: Sequence[tuple[Tensor, Tensor, Tensor]], projections: nn.ModuleList, share: Tensor
    ) -> Tensor:
        """levels: (student's, teacher's, masks) each."""
        weight = across_ranks.mean(share)
        losses = []
        for index, (student_maps, teacher_maps, mask) in enumerate(levels):
            feature = projections[index](student_maps) if len(projections) else student_maps
            counts = on_grid(share, (mask.shape[-2], mask.shape[-1]))
            losses.append(weight * attentive_loss(feature, teacher_maps, mask, counts))
        return self.method.feature_weight * torch.stack(losses).mean()

    def _masks(
        self,
        level: int,
        feature: Tensor,
        ghost: AcclimatedOutput,
        target: Target,
        learned: Sequence[Tensor] | None,
    ) -> Tensor:
        """Weights (B, T, h, w) of a level's positions, by the kind of attention that was asked for."""
        if learned is not None:
            return learned[level]
        if self.method.attention == "ghost-error":
            assert ghost.depth is not None
            grid = (feature.shape[-2], feature.shape[-1])
            return ghost_error_masks(ghost.depth, target.value, target.valid, grid)
        return fgd_masks(feature) if self.method.attention == "fgd" else uniform_masks(feature)
