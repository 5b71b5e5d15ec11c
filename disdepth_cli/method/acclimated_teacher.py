"""A teacher together with what acclimates it, as one frozen model."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from disdepth_cli.checkpoint.metadata import TeacherRecord
from disdepth_cli.config.types import OutputKind, Precision
from disdepth_cli.machine.devices import AUTOCAST, autocast, cast_weights
from disdepth_cli.method.ghost_acclimation import AcclimatedOutput, Acclimation
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.models.encoder import REDUCTIONS
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.types import DepthOutput, ViewOrigin
from disdepth_cli.working_size import WorkingSize


class AcclimatedTeacher(nn.Module):
    """image (B, 3, H, W) RGB in [0, 1], multiples of 32 -> the ghost decoder's depth, acclimated features.

    The depth is in metres, or disparity where the student's is: then `disparity_range` (low, high) of the teacher's
    own numbers becomes 0 to 1. A frozen teacher gets no gradient; whether the acclimation does, is its owner's affair.
    """

    def __init__(
        self,
        teacher: DepthTeacher,
        acclimation: Acclimation,
        precision: Precision = "fp32",
        disparity_range: tuple[float, float] | None = None,
        cache: TeacherCache | None = None,
    ) -> None:
        """cache: where the teacher's outputs are kept and found again; None: it always looks itself."""
        super().__init__()
        self.teacher = teacher
        self.acclimation = acclimation
        self.precision = precision
        self.disparity_range = disparity_range
        self.cache = cache
        self.compiles = False
        self._cast: list[DepthTeacher] = []  # in a list: not a part of this module, and one for all its copies

    def with_cache(self, cache: TeacherCache | None) -> AcclimatedTeacher:
        """The same teacher and acclimation, their outputs kept in `cache`: for training, not for what is scored."""
        return self._copy(self.acclimation, cache)

    def with_acclimation(self, acclimation: Acclimation) -> AcclimatedTeacher:
        """The same teacher with another acclimation, its outputs not kept."""
        return self._copy(acclimation, None)

    def _copy(self, acclimation: Acclimation, cache: TeacherCache | None) -> AcclimatedTeacher:
        same = AcclimatedTeacher(self.teacher, acclimation, self.precision, self.disparity_range, cache)
        same.compiles, same._cast = self.compiles, self._cast
        return same

    @property
    def output_kind(self) -> OutputKind:
        """What the ghost's numbers, and so the student's, are."""
        return "metric_depth" if self.disparity_range is None else "disparity"

    def infer(self, image: Tensor, origin: ViewOrigin | None = None) -> DepthOutput:
        """The teacher's own depth and features, float32; without gradient where the teacher is frozen.

        Metric depth is clamped to the student's range. Disparity is brought to 0..1 for a student of disparity, and
        is left as it is for a student in metres.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.teacher.frozen):
            with autocast(image.device, self.precision):
                seen = self._teachers_output(image, origin)
            depth = None if seen.depth is None else seen.depth.float()
            if depth is not None and self.teacher.contract.kind == "metric_depth":
                head = self.acclimation.ghost.head  # beyond the student's range there is nothing to be learned
                depth = depth.clamp(head.min_depth, head.max_depth)
            elif depth is not None and self.disparity_range is not None:
                low, high = self.disparity_range
                depth = ((depth - low) / (high - low)).clamp(0.0, 1.0)
            return DepthOutput(depth=depth, features=[feature.float() for feature in seen.features])

    def _teachers_output(self, image: Tensor, origin: ViewOrigin | None) -> DepthOutput:
        if self.cache is None:
            return self._looking()(image, origin)
        return self.cache.infer(self.teacher, image, self.precision, origin, self._looking())

    def _looking(self) -> DepthTeacher:
        """The teacher, with its weights cast once for all looks where it is frozen and not asked in float32."""
        if self.precision not in AUTOCAST or not self.teacher.frozen:
            return self.teacher
        if not self._cast or self._cast[0].mean.device != self.teacher.mean.device:
            self._cast[:] = [cast_weights(self.teacher, self.precision)]
            if self.compiles:
                self._cast[0].network.compile()
        return self._cast[0]

    def compile_teacher(self) -> None:
        """Let a frozen teacher be compiled at its next look (torch.compile)."""
        if self.precision in AUTOCAST:
            self.compiles = True  # of its cast copy
            self._cast.clear()  # one that is there already is made anew
        else:
            self.teacher.network.compile()

    @property
    def is_of_students_kind(self) -> bool:
        """Whether the teacher's own depth is what the student's is: metres, or disparity."""
        return self.teacher.contract.kind == self.output_kind

    @property
    def speaks_for_itself(self) -> bool:
        """Whether the teacher's depth is all it has, and is of the student's kind: there is nothing to acclimate then,
        and its own depth stands where the ghost decoder's would."""
        return self.teacher.contract.depth_alone and self.is_of_students_kind

    def in_view(self, depth: Tensor, origin: ViewOrigin | None) -> Tensor:
        """What the ghost decoder says of views (B, 1, H, W), with the views' zoom.

        Features of a whole image do not know how much its view is magnified, so the ghost decoder says what the whole
        image says. Else it would guess the zoom from how much of the image a view holds: 13 % too far on whole images.
        """
        if origin is None or self.teacher.contract.key not in origin.whole:
            return depth
        if self.disparity_range is None:
            head = self.acclimation.ghost.head
            return origin.magnified(depth, disparity=False).clamp(head.min_depth, head.max_depth)
        low, high = self.disparity_range
        own = origin.magnified(depth * (high - low) + low, disparity=True)
        return ((own - low) / (high - low)).clamp(0.0, 1.0)

    def pseudo_label(self, seen: AcclimatedOutput) -> Tensor:
        """What stands in for ground truth, (B, 1, H, W) in the student's kind: the teacher's own depth where it is of
        that kind, else the ghost decoder's."""
        pseudo_label = seen.teacher_depth if self.is_of_students_kind else seen.depth
        assert pseudo_label is not None
        return pseudo_label

    def forward(self, image: Tensor, origin: ViewOrigin | None = None) -> AcclimatedOutput:
        seen = self.infer(image, origin)
        if self.speaks_for_itself:
            return AcclimatedOutput(seen.depth, [], teacher_depth=seen.depth, teacher_features=[])
        output = self.acclimation(seen.features, (image.shape[-2], image.shape[-1]))
        output.depth = self.in_view(output.depth, origin)
        output.teacher_depth, output.teacher_features = seen.depth, seen.features
        return output


def ghost_size(size: WorkingSize) -> WorkingSize:
    """How images are brought to an acclimated teacher: as to its student, without padding to a CNN's stride of 32.

    A ViT takes a padded image for another view: it would see things farther than they are.
    """
    return replace(size, multiple=REDUCTIONS[0])


def teacher_record(teacher: DepthTeacher, trained: str = "frozen") -> TeacherRecord:
    """What a checkpoint remembers of its teacher; trained: what of it was, as --train-teacher says it."""
    contract = teacher.contract
    return TeacherRecord(
        id=contract.id,
        kind=contract.kind,
        revision=contract.revision,
        licence=contract.licence,
        fingerprint=contract.fingerprint,
        trained=trained,
        channels=contract.spec.channels,
        reductions=contract.spec.reductions,
    )
