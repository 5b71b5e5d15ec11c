"""What stands in a checkpoint's safetensors header, and how it is written and read. No pickle is ever loaded.

The header carries one metadata key with sorted JSON, without times or paths, so equal models are equal bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

import disdepth_cli
from disdepth_cli.checkpoint.locate import BUNDLED as BUNDLED
from disdepth_cli.config.types import OutputKind
from disdepth_cli.errors import CheckpointError
from disdepth_cli.files import write_atomic
from disdepth_cli.models.student import DepthStudent, StudentArchitecture
from disdepth_cli.working_size import WorkingSize

FORMAT_VERSION = 1
HEADER_KEY = "disdepth"
TEACHER_PREFIX = "teacher."
"""In an acclimated file: weights of the teacher that were trained along."""


class TeacherRecord(BaseModel):
    """Which teacher a model learned from. trained: what of it was trained along, as --train-teacher says it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    kind: str
    revision: str | None = None
    licence: str | None = None
    fingerprint: str
    trained: str = "frozen"
    channels: tuple[int, ...]
    reductions: tuple[int, ...]


class CheckpointMetadata(BaseModel):
    """What stands in a checkpoint's header. Depths in metres, sizes in pixels; no times, no paths.

    output_kind: what the model's numbers are; min_depth and max_depth are in its unit. disparity_range: of an
    acclimated relative teacher, the numbers of its own that became 0 and 1.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    kind: Literal["student", "acclimated"]
    backbone: str
    lg_conv: str
    decoder_channels: int
    bins: int
    min_depth: float
    max_depth: float
    working_size: dict[str, Any]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    student_channels: tuple[int, ...]
    output_kind: OutputKind = "metric_depth"
    disparity_range: tuple[float, float] | None = None
    attention_tokens: int | None = None
    teacher: TeacherRecord | None = None
    more_teachers: tuple[TeacherRecord, ...] = ()
    recipe: dict[str, Any] = {}
    protocol: dict[str, Any] | None = None
    metrics: dict[str, float] = {}
    versions: dict[str, str] = {}

    @property
    def output_kind_of_teacher(self) -> str:
        """Kind of the teacher's own depth; `none` without a teacher."""
        return self.teacher.kind if self.teacher else "none"

    def architecture(self) -> StudentArchitecture:
        """The student's architecture, to build it again."""
        return StudentArchitecture(
            backbone=self.backbone,
            min_depth=self.min_depth,
            max_depth=self.max_depth,
            working_size=WorkingSize(**self.working_size),
            lg_conv=self.lg_conv,  # type: ignore[arg-type]
            decoder_channels=self.decoder_channels,
            bins=self.bins,
            output_kind=self.output_kind,
        )


def describe(kind: Literal["student", "acclimated"], student: DepthStudent, **more: Any) -> CheckpointMetadata:
    """Metadata of a student, or of an acclimation made for it; `more` are further fields."""
    architecture = asdict(student.architecture)
    return CheckpointMetadata(
        kind=kind,
        **architecture,
        mean=tuple(student.mean.flatten().tolist()),
        std=tuple(student.std.flatten().tolist()),
        student_channels=student.encoder.spec.channels,
        versions={"disdepth": disdepth_cli.__version__, "timm": version("timm")},
        **more,
    )


def save_checkpoint(
    path: Path, weights: dict[str, Tensor], metadata: CheckpointMetadata, dtype: torch.dtype | None = None
) -> None:
    """Write weights and metadata to `path` atomically; floating tensors as `dtype` when given.

    Running statistics of norms stay as they are: a small variance would be lost in float16.

    Raises:
        DisdepthError: the disk is full, or the place cannot be written.
    """
    header = {HEADER_KEY: json.dumps(metadata.model_dump(mode="json"), sort_keys=True)}
    tensors = {
        name: (tensor.to(dtype) if dtype and _may_shrink(name, tensor) else tensor).detach().cpu().contiguous()
        for name, tensor in weights.items()
    }
    content = safetensors.torch.save(tensors, header)
    write_atomic(path, lambda temporary: temporary.write_bytes(content))


def _may_shrink(name: str, tensor: Tensor) -> bool:
    return tensor.is_floating_point() and "running_" not in name


def read_metadata(path: Path) -> CheckpointMetadata:
    """The header of a checkpoint.

    Raises:
        CheckpointError: missing, truncated, foreign or of a newer format.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint; give a student.safetensors or the run folder that holds one"
        )
    try:
        with safetensors.safe_open(path, "pt") as handle:
            header = handle.metadata() or {}
    except (safetensors.SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: is not a whole safetensors file ({error}); make or copy it again") from None
    if HEADER_KEY not in header:
        raise CheckpointError(f"{path}: is a safetensors file, but was not written by disdepth")
    try:
        content = json.loads(header[HEADER_KEY])
        if content.get("format_version", 0) > FORMAT_VERSION:
            raise CheckpointError(
                f"{path}: has format {content['format_version']}, this disdepth reads up to {FORMAT_VERSION}; upgrade"
            )
        return CheckpointMetadata.model_validate(content)
    except (ValueError, AttributeError, ValidationError) as error:
        raise CheckpointError(f"{path}: its header is damaged ({str(error).splitlines()[0]})") from None


def load_strictly(model: nn.Module, path: Path, metadata: CheckpointMetadata) -> None:
    tensors = safetensors.torch.load_file(path)
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(TEACHER_PREFIX)}
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        detail = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        written = metadata.versions.get("timm", "unknown")
        raise CheckpointError(
            f"{path}: its weights do not fit {metadata.backbone} as timm {version('timm')} builds it "
            f"(written with timm {written}): {detail[:200]}"
        ) from None
