"""Checkpoints: safetensors with everything needed to build the model again in the header. No pickle is ever loaded.

The header carries one metadata key with sorted JSON, without times or paths, so equal models are equal bytes.
"""

from __future__ import annotations

from pathlib import Path

import torch

from disdepth_cli.checkpoint.locate import BUNDLED as BUNDLED
from disdepth_cli.checkpoint.locate import student_file
from disdepth_cli.checkpoint.metadata import CheckpointMetadata, load_strictly, read_metadata
from disdepth_cli.errors import CheckpointError
from disdepth_cli.models.student import DepthStudent, build_student


class PretrainedStudent(DepthStudent):
    """A student that came from a file; `disdepth_cli.DepthStudent` is this class.

    image (B, 3, H, W) RGB in [0, 1], H and W multiples of 32 -> depth (B, 1, H, W) [m] and features.
    """

    @classmethod
    def from_pretrained(cls, name: Path | str, *, revision: str | None = None, offline: bool = False) -> DepthStudent:
        """The student of a file, a run folder, `bundled` or a repository on the Hub; as `load_student`."""
        return load_student(name, revision=revision, offline=offline)


def load_checkpoint(
    path: Path | str, revision: str | None = None, offline: bool = False
) -> tuple[DepthStudent, CheckpointMetadata]:
    """A student, built again from the file alone, in eval mode and float32, with its metadata.

    path, revision, offline: as `student_file` takes them.

    Raises:
        CheckpointError: missing, truncated, foreign, not a student, or not to be had from the Hub.
    """
    path = student_file(path, revision, offline)
    metadata = read_metadata(path)
    if metadata.kind != "student":
        raise CheckpointError(f"{path}: holds an {metadata.kind} teacher; give a student.safetensors")
    student = build_student(metadata.architecture(), kind=PretrainedStudent)
    student.mean.copy_(torch.tensor(metadata.mean).view_as(student.mean))
    student.std.copy_(torch.tensor(metadata.std).view_as(student.std))
    load_strictly(student, path, metadata)
    return student.eval(), metadata


def load_student(path: Path | str, *, revision: str | None = None, offline: bool = False) -> DepthStudent:
    """A student in eval mode: image (B, 3, H, W) RGB in [0, 1] -> depth (B, 1, H, W) [m].

    path: a `student.safetensors`, a run folder that holds one, `bundled`, or OWNER/NAME on the Hub. revision: commit,
    tag or branch on the Hub. offline: never ask the network; the Hub's cache will do.

    Raises:
        CheckpointError: missing, truncated, foreign, not a student, or not to be had from the Hub.
    """
    return load_checkpoint(path, revision, offline)[0]
