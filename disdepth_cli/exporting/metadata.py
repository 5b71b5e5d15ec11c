"""What an exported file says of itself: all that a program needs to feed it and to read its numbers. No torch here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from disdepth_cli.config.types import KIND_UNITS, Dynamic, ExportFormat, ExportInput, ExportPrecision, OutputKind
from disdepth_cli.hub.licences import LicencedPart, choose_licence
from disdepth_cli.working_size import WorkingSize

if TYPE_CHECKING:
    from disdepth_cli.checkpoint.metadata import CheckpointMetadata

KEY = "disdepth"
"""The name of the metadata in ONNX metadata_props, OpenVINO rt_info and the extra files of a .pt2."""
IMAGE, DEPTH, UNLIKE = "image", "depth", "unlike"
"""The names of input and outputs in every format that has names."""
TELLS: tuple[ExportFormat, ...] = ("onnx", "openvino")
"""Formats that may have the second output."""


class Calibration(BaseModel):
    """The images that int8 was measured on: how many, and the SHA-256 of their pixels."""

    model_config = ConfigDict(extra="forbid")

    images: int
    sha256: str


class ExportMetadata(BaseModel):
    """Depths in metres for metric students, sizes (height, width) in pixels; no times, no paths.

    input: `image` takes whole images, (B, H, W, 3) uint8 RGB of `size`, and gives depth of that size. `tensor` takes
    (B, 3, h, w) float32 RGB in [0, 1] of `size`, to which images are brought by the working size's rule with `padding`,
    and gives depth of that size. Mean and standard deviation are applied inside in either case. size is None where
    height and width are free (multiples of `working_size["multiple"]`). unlike: whether there is a second output,
    (B,) float32: how unlike the training images each image is, see `Depth.unlike`.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = 1
    format: ExportFormat
    precision: ExportPrecision
    float_parts: list[str]
    calibration: Calibration | None = None
    output_kind: OutputKind
    unit: str
    min_depth: float
    max_depth: float
    input: ExportInput
    size: tuple[int, int] | None
    source: tuple[int, int]
    dynamic: Dynamic
    layout: Literal["NHWC", "NCHW"]
    dtype: Literal["uint8", "float32"]
    value_range: tuple[int, int]
    colour_order: Literal["RGB"] = "RGB"
    normalisation_inside: bool = True
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    working_size: dict[str, Any]
    padding: Literal["edge", "none"]
    backbone: str
    lg_conv: str
    parameters: int
    licence: str
    teacher: dict[str, Any] | None = None
    checkpoint_sha256: str
    versions: dict[str, str]
    unlike: bool = False

    def rule(self) -> WorkingSize:
        """How images are brought to the network's input; a teacher's by its processor's rules."""
        if set(self.working_size) <= {one.name for one in fields(WorkingSize)}:
            return WorkingSize(**self.working_size)
        from disdepth_cli.teachers.preprocessing import ProcessorSize  # teachers alone need it

        return ProcessorSize(**self.working_size)

    def stem(self) -> str:
        """The file's name without suffix, as `student-480x640-fp32`."""
        size = "dynamic" if self.size is None else f"{self.size[0]}x{self.size[1]}"
        kind = "" if self.input == "image" else "tensor-"
        return f"student-{kind}{size}-{self.precision}{'-batch' if self.dynamic == 'batch' else ''}"


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """What was asked for of an export; source: (height, width) of the images that will come."""

    format: ExportFormat
    precision: ExportPrecision = "fp32"
    source: tuple[int, int] = (480, 640)
    input: ExportInput = "image"
    dynamic: Dynamic = "none"
    early_float: bool = False


def describe_export(
    student: CheckpointMetadata,
    wanted: Wanted,
    *,
    parameters: int,
    checkpoint_sha256: str,
    calibration: Calibration | None = None,
    versions: dict[str, str] | None = None,
) -> ExportMetadata:
    """What an export of this student as `wanted` says of itself."""
    rule = WorkingSize(**student.working_size)
    whole = wanted.input == "image"
    size = wanted.source if whole else rule.padded(*wanted.source)
    teacher = student.teacher
    made_of = [LicencedPart("teacher", teacher.id, teacher.licence)] if teacher else []
    float_parts = {"fp32": ["all"], "fp16": ["head", "resizing"], "int8": ["head", "resizing"]}[wanted.precision]
    return ExportMetadata(
        format=wanted.format,
        precision=wanted.precision,
        float_parts=[*float_parts, "early"] if wanted.early_float and wanted.precision == "int8" else float_parts,
        calibration=calibration,
        output_kind=student.output_kind,
        unit=KIND_UNITS[student.output_kind],
        min_depth=student.min_depth,
        max_depth=student.max_depth,
        input=wanted.input,
        size=None if wanted.dynamic == "all" else size,
        source=wanted.source,
        dynamic=wanted.dynamic,
        layout="NHWC" if whole else "NCHW",
        dtype="uint8" if whole else "float32",
        value_range=(0, 255) if whole else (0, 1),
        mean=student.mean,
        std=student.std,
        working_size=student.working_size,
        padding="edge" if rule.pad else "none",
        backbone=student.backbone,
        lg_conv=student.lg_conv,
        parameters=parameters,
        licence=choose_licence(made_of).id,
        teacher=teacher.model_dump(mode="json") if teacher else None,
        checkpoint_sha256=checkpoint_sha256,
        versions=versions or {},
        unlike=student.seen is not None and wanted.format in TELLS and wanted.precision != "int8",
    )
