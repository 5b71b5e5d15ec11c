"""An acclimated run opened from its folder: teacher, acclimation and ghost decoder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from disdepth_cli.checkpoint.locate import ACCLIMATED
from disdepth_cli.checkpoint.metadata import (
    TEACHER_PREFIX,
    CheckpointMetadata,
    load_strictly,
    read_metadata,
)
from disdepth_cli.config.types import Precision
from disdepth_cli.errors import CheckpointError, ConfigError
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.models.decoder import DepthDecoder
from disdepth_cli.models.student import StudentArchitecture
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.tuning import load_trained
from disdepth_cli.types import FeatureSpec


def load_acclimation(path: Path) -> tuple[Acclimation, CheckpointMetadata]:
    """The frozen acclimation (feature acclimation, ghost decoder, attention tokens) of an `acclimated.safetensors`.

    Raises:
        CheckpointError: missing, truncated, foreign, or not an acclimation.
    """
    metadata = read_metadata(path)
    if metadata.kind != "acclimated" or metadata.teacher is None or metadata.attention_tokens is None:
        raise CheckpointError(f"{path}: holds a {metadata.kind}; give an acclimated run")
    reductions = tuple(4 * 2**level for level in range(len(metadata.student_channels)))
    decoder = DepthDecoder(
        FeatureSpec(metadata.student_channels, reductions),
        metadata.decoder_channels,
        metadata.bins,
        metadata.min_depth,
        metadata.max_depth,
    )
    teacher = FeatureSpec(metadata.teacher.channels, metadata.teacher.reductions)
    acclimation = Acclimation(teacher, decoder, metadata.attention_tokens)
    load_strictly(acclimation, path, metadata)
    return acclimation.freeze(), metadata


def load_teacher_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a teacher that was trained along with its acclimation, by their names in it; else empty."""
    with safetensors.safe_open(path, "pt") as handle:
        names = [name for name in handle.keys() if name.startswith(TEACHER_PREFIX)]  # noqa: SIM118
        return {name.removeprefix(TEACHER_PREFIX): handle.get_tensor(name) for name in names}


def load_acclimated(
    run: Path, precision: Precision, offline: bool = False
) -> tuple[AcclimatedTeacher, CheckpointMetadata]:
    """The frozen acclimated teacher of a run folder.

    Raises:
        CheckpointError: damaged, or its teacher is not the one it was made with.
        TeacherError: its teacher cannot be loaded.
    """
    acclimation, metadata = load_acclimation(run / ACCLIMATED)
    config = RunContents(run).config()
    if "teacher" not in config:
        raise ConfigError(f"{run / 'config.yaml'}: names no teacher; acclimate again")
    weights = config.get("teacher_weights")
    teacher = load_teacher(
        config["teacher"],
        revision=config.get("revision"),
        weights=Path(weights) if weights else None,
        offline=offline or bool(config.get("offline")),
        named=False,
    )
    if metadata.teacher and teacher.contract.fingerprint != metadata.teacher.fingerprint:
        raise CheckpointError(
            f"{run}: was acclimated with {metadata.teacher.id} {metadata.teacher.fingerprint}, but "
            f"{config['teacher']} now has weights {teacher.contract.fingerprint}; acclimate again"
        )
    load_trained(teacher, load_teacher_weights(run / ACCLIMATED))
    return AcclimatedTeacher(teacher, acclimation, precision, metadata.disparity_range), metadata


def load_ghost(run: Path, wanted: StudentArchitecture) -> dict[str, Tensor]:
    """The weights of a run's ghost decoder, to be another acclimation's too.

    Raises:
        ConfigError: no finished acclimation, or one for another student.
        CheckpointError: damaged.
    """
    if not RunContents(run).is_finished:
        raise ConfigError(f"--ghost {run}: is no finished acclimated run")
    acclimation, metadata = load_acclimation(run / ACCLIMATED)
    check_same_student(run, metadata, wanted)
    return acclimation.ghost.state_dict()


def check_same_student(run: Path, metadata: CheckpointMetadata, wanted: StudentArchitecture) -> None:
    """The ghost must be a copy of this student's decoder, in the same range and kind.

    Raises:
        ConfigError: it was made for another student.
    """
    stored, asked = asdict(metadata.architecture()), asdict(wanted)
    for name in ("backbone", "decoder_channels", "bins", "output_kind", "min_depth", "max_depth", "working_size"):
        if stored[name] != asked[name]:
            raise ConfigError(
                f"{run}: was acclimated for {name.replace('_', ' ')} {_shown(stored[name])}, not "
                f"{_shown(asked[name])}; acclimate again with the same --student, data and options"
            )


def _shown(value: object) -> str:
    """A value of an architecture, for people."""
    return f"{value['height']}x{value['width']}" if isinstance(value, dict) else str(value)
