"""One step of distillation: depth loss, output loss against the ghost, attentive feature loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from disdepth_cli.config.training import MethodOptions
from disdepth_cli.losses.depth import silog
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.feature_loss import FeatureLoss
from disdepth_cli.method.frames import paint_frames
from disdepth_cli.method.ghost_acclimation import AcclimatedOutput
from disdepth_cli.method.half_size import half_size_look
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.method.supervision import imitation, supervise, target_parts
from disdepth_cli.method.teacher_fusion import blend, teacher_shares
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.types import DepthBatch, LossTerms, ViewOrigin


class DistillStep(nn.Module):
    """batch -> depth loss, and (with teachers) output loss and attentive feature loss, each a named part."""

    def __init__(
        self,
        student: DepthStudent,
        acclimated: AcclimatedTeacher | Sequence[AcclimatedTeacher] | None,
        method: MethodOptions,
        start: StudentStart,
        log_shares: bool = True,
        frame: float = 0.0,
    ) -> None:
        """log_shares: False where every image has ground truth, and its share tells nothing. frame: probability of a
        painted frame over the student's view."""
        super().__init__()
        self.frame = frame
        self.small = False
        self.student = student
        self.log_shares = log_shares
        self.method = method
        if acclimated is None or isinstance(acclimated, AcclimatedTeacher):
            acclimated = [] if acclimated is None else [acclimated]
        self._frozen = tuple(acclimated)  # in a tuple: not a part of this module, so never trained nor saved
        self.holes = any(one.teacher.contract.sees == "stored" for one in acclimated)
        wanted = [one for one in acclimated if method.feature_weight and not _is_depth_alone(one)]
        specs = [one.teacher.contract.spec for one in wanted]
        # Acclimated features of all teachers are alike; raw ones are not.
        own = specs if method.feature_target == "teacher" else specs[:1]
        self.features = nn.ModuleList(FeatureLoss(student, spec, method, start) for spec in own)

    def before_step(self, done: int, total: int) -> None:
        """Choose the size at which the student sees the next batch."""
        self.small = done < self.method.small_first * total

    def forward(self, batch: DepthBatch) -> LossTerms:
        image = batch.image
        if self.training and self.frame:
            image, valid = paint_frames(image, batch.valid, self.frame)
            batch = replace(batch, valid=valid)  # its image stays as it is: what the teachers see
        output = half_size_look(self.student, image) if self.small else self.student(image)
        assert output.depth is not None
        if not self._frozen:
            return LossTerms.of({"depth": silog(output.depth, batch.depth, batch.valid)})
        kind = self._frozen[0].output_kind
        with torch.no_grad():
            seen = [acclimated(batch.image, batch.origin) for acclimated in self._frozen]
        target = supervise(batch, output.depth, self._word(seen), kind, self.method, self._look_again)
        ghosts = [one.depth for one in seen if one.depth is not None]
        shares = teacher_shares(ghosts, target.value, target.valid, kind, self.method.teacher_fusion)
        parts = target_parts(output.depth, target, kind, self.method.anchor_weight)
        if self.method.output_weight:
            own = [one.teacher_depth for one in seen if one.teacher_depth is not None]
            goal = blend(own if self.method.output_target == "teacher" else ghosts, shares, kind)
            parts["output"] = self.method.output_weight * imitation(output.depth, goal, kind, self.holes)
        if self.method.feature_weight:
            featured = [
                of_one for of_one in zip(self._frozen, seen, shares, strict=True) if not _is_depth_alone(of_one[0])
            ]
            for index, (acclimated, one, share) in enumerate(featured):
                features = self.features[index if len(self.features) > 1 else 0]
                for name, loss in features(acclimated.acclimation, output, one, target, share).items():
                    parts[name] = parts[name] + loss if name in parts else loss
        return LossTerms.of(parts, target.shares if self.log_shares else None)

    def _word(self, seen: Sequence[AcclimatedOutput]) -> Tensor:
        """The teachers' stand-in for ground truth: the mean of what each one says."""
        words = [acclimated.pseudo_label(one) for acclimated, one in zip(self._frozen, seen, strict=True)]
        even = torch.full((len(words), 1, 1, 1, 1), 1.0 / len(words), device=words[0].device)
        return blend(words, even, self._frozen[0].output_kind)

    def _look_again(self, image: Tensor, origin: ViewOrigin | None) -> Tensor:
        """`_word` of other images, (B, 3, H, W) -> (B, 1, H, W)."""
        with torch.no_grad():
            return self._word([acclimated(image, origin) for acclimated in self._frozen])


def _is_depth_alone(acclimated: AcclimatedTeacher) -> bool:
    return acclimated.teacher.contract.depth_alone
