"""acclimated.safetensors as a training writes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from disdepth_cli.checkpoint.metadata import TEACHER_PREFIX, CheckpointMetadata, read_metadata, save_checkpoint
from disdepth_cli.config import AcclimateConfig
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher, teacher_record
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.models.student import DepthStudent
from disdepth_cli.scoring.acclimated_run import load_acclimation, load_teacher_weights
from disdepth_cli.teachers.tuning import trained_weights
from disdepth_cli.training.report import recipe_of


@dataclass(frozen=True)
class AcclimatedFile:
    """Where an acclimation is written, and what its header says.

    student: whose decoder the ghost is a copy of. protocol: that the metrics were measured under.
    """

    path: Path
    config: AcclimateConfig
    student: DepthStudent
    protocol: dict[str, Any]

    def save(self, acclimated: AcclimatedTeacher, model: nn.Module, metrics: dict[str, float]) -> None:
        """Write an acclimation, or an acclimated teacher whose weights changed, with the metrics of its ghost."""
        metadata = self.student.describe(
            "acclimated",
            attention_tokens=self.config.method.attention_tokens,
            disparity_range=acclimated.disparity_range,
            teacher=teacher_record(acclimated.teacher, self.config.teacher.train),
            protocol=self.protocol,
            metrics=metrics,
            recipe=recipe_of(self.config),
        )
        weights = model.state_dict()
        if isinstance(model, AcclimatedTeacher):
            weights = model.acclimation.state_dict() | _as_teacher(trained_weights(model.teacher))
        save_checkpoint(self.path, weights, metadata)

    def load(self) -> tuple[Acclimation, CheckpointMetadata]:
        """The acclimation that was written, and the header."""
        return load_acclimation(self.path)

    def teacher_weights(self) -> dict[str, Tensor]:
        """Weights of a teacher that was trained along, empty where it stayed as it was."""
        return load_teacher_weights(self.path)

    def save_attention(self, acclimation: Acclimation) -> None:
        """Write an acclimation whose attention tokens learned; the rest stays."""
        metadata = read_metadata(self.path)
        save_checkpoint(self.path, acclimation.state_dict() | _as_teacher(self.teacher_weights()), metadata)


def _as_teacher(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a teacher under the names that they have beside an acclimation's."""
    return {TEACHER_PREFIX + name: value for name, value in weights.items()}
