"""A teacher together with what acclimates it, as one frozen model; and how it is opened from a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from disdepth_cli.checkpoint import CheckpointMetadata, TeacherRecord, load_acclimation
from disdepth_cli.config import Precision
from disdepth_cli.engine.hardware import autocast
from disdepth_cli.engine.observers import Observer
from disdepth_cli.engine.run import read_config
from disdepth_cli.errors import CheckpointError, ConfigError
from disdepth_cli.models.acclimation import AcclimatedOutput, Acclimation
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.licences import classify_licence, licence_note
from disdepth_cli.teachers.teacher import DepthTeacher
from disdepth_cli.types import DepthOutput

ACCLIMATED = "acclimated.safetensors"


class AcclimatedTeacher(nn.Module):
    """image (B, 3, H, W) RGB in [0, 1], multiples of 32 -> the ghost decoder's depth [m], acclimated features, masks.

    The teacher is frozen; whether the acclimation is, is its owner's affair.
    """

    def __init__(self, teacher: DepthTeacher, acclimation: Acclimation, precision: Precision = "fp32") -> None:
        super().__init__()
        self.teacher = teacher
        self.acclimation = acclimation
        self.precision = precision

    @torch.no_grad()
    def look(self, image: Tensor) -> DepthOutput:
        """The teacher's own depth and features, float32, without gradient."""
        with autocast(image.device, self.precision):
            seen = self.teacher(image)
        depth = None if seen.depth is None else seen.depth.float()
        if depth is not None and self.teacher.contract.kind == "metric_depth":
            head = self.acclimation.ghost.head  # beyond the student's range there is nothing to be learned
            depth = depth.clamp(head.min_depth, head.max_depth)
        return DepthOutput(depth=depth, features=[feature.float() for feature in seen.features])

    def forward(self, image: Tensor) -> AcclimatedOutput:
        seen = self.look(image)
        output = self.acclimation(seen.features, (image.shape[-2], image.shape[-1]))
        output.teacher_depth = seen.depth
        return output


def teacher_record(teacher: DepthTeacher) -> TeacherRecord:
    """What a checkpoint remembers of its teacher."""
    contract = teacher.contract
    return TeacherRecord(
        id=contract.id,
        kind=contract.kind,
        revision=contract.revision,
        licence=contract.licence,
        fingerprint=contract.fingerprint,
        channels=contract.spec.channels,
        reductions=contract.spec.reductions,
    )


def warn_of_licence(teacher: str, licence: str | None, observers: Sequence[Observer]) -> None:
    """Warn where a teacher may not be used commercially: its student may not either."""
    if classify_licence(licence) == "non-commercial":
        for observer in observers:
            observer.on_warning(f"{teacher}: its licence is {licence}, {licence_note(licence)}")


def is_acclimated_run(path: Path | str) -> bool:
    """Whether `path` is the folder of an acclimation, finished or not."""
    return (Path(path) / ACCLIMATED).is_file()


def is_finished(run: Path) -> bool:
    """Whether an acclimation came to its end, attention tokens and report included."""
    return is_acclimated_run(run) and (run / "report.json").is_file()


def load_acclimated(
    run: Path, precision: Precision, offline: bool = False
) -> tuple[AcclimatedTeacher, CheckpointMetadata]:
    """The frozen acclimated teacher of a run folder.

    Raises:
        CheckpointError: damaged, or its teacher is not the one it was made with.
        TeacherError: its teacher cannot be loaded.
    """
    acclimation, metadata = load_acclimation(run / ACCLIMATED)
    config = read_config(run)
    if "teacher" not in config:
        raise ConfigError(f"{run / 'config.yaml'}: names no teacher; acclimate again")
    weights = config.get("teacher_weights")
    teacher = load_teacher(
        config["teacher"],
        revision=config.get("revision"),
        weights=Path(weights) if weights else None,
        offline=offline or bool(config.get("offline")),
    )
    if metadata.teacher and teacher.contract.fingerprint != metadata.teacher.fingerprint:
        raise CheckpointError(
            f"{run}: was acclimated with {metadata.teacher.id} {metadata.teacher.fingerprint}, but "
            f"{config['teacher']} now has weights {teacher.contract.fingerprint}; acclimate again"
        )
    return AcclimatedTeacher(teacher, acclimation, precision), metadata
