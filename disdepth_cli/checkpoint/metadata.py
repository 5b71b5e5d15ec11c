"""What stands in a checkpoint's safetensors header, and how it is written and read. No pickle is ever loaded.

The header carries one metadata key with sorted JSON, without times or paths, so equal models are equal bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from torch import Tensor, nn

from disdepth_cli.checkpoint.digest import digest_of
from disdepth_cli.config.types import LGConvOn, OutputKind
from disdepth_cli.errors import CheckpointError
from disdepth_cli.files import write_atomic
from disdepth_cli.reading import reading
from disdepth_cli.seen_images import LEVEL, AboveZero, SeenImages
from disdepth_cli.working_size import WorkingSize

FORMAT_VERSION = 1
HEADER_KEY = "disdepth"
DIGEST_KEY = "digest"  # within the header's JSON: of the rest of it, and of the weights
TEACHER_PREFIX = "teacher."
"""In an acclimated file: weights of the teacher that were trained along."""


@dataclass(frozen=True)
class StudentArchitecture:
    """What a student is made of. min_depth and max_depth belong to the model: changing them rescales it.

    They are the smallest and largest output: in metres, or in relative disparity where `output_kind` says so.
    """

    backbone: str
    min_depth: float
    max_depth: float
    working_size: WorkingSize
    lg_conv: LGConvOn = "none"
    decoder_channels: int = 64
    bins: int = 64
    output_kind: OutputKind = "metric_depth"


MOST_CHANNELS, MOST_PIXELS = 4096, 16384  # of what is built from a header that others have written
Finite = Annotated[float, Field(allow_inf_nan=False)]
Channels = Annotated[int, Field(ge=1, le=65536)]


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
    acclimated relative teacher, the numbers of its own that became 0 and 1. seen: of a finished student.
    """

    model_config = ConfigDict(extra="forbid")

    format_version: int = FORMAT_VERSION
    kind: Literal["student", "acclimated"]
    backbone: str
    lg_conv: LGConvOn
    decoder_channels: int = Field(ge=1, le=MOST_CHANNELS)
    bins: int = Field(ge=2, le=MOST_CHANNELS)
    min_depth: float = Field(ge=0, allow_inf_nan=False)
    max_depth: float = Field(gt=0, allow_inf_nan=False)
    working_size: dict[str, Any]
    mean: tuple[Finite, Finite, Finite]
    std: tuple[AboveZero, AboveZero, AboveZero]
    student_channels: tuple[Channels, ...] = Field(max_length=8)
    output_kind: OutputKind = "metric_depth"
    disparity_range: tuple[float, float] | None = None
    attention_tokens: int | None = None
    teacher: TeacherRecord | None = None
    more_teachers: tuple[TeacherRecord, ...] = ()
    recipe: dict[str, Any] = {}
    protocol: dict[str, Any] | None = None
    metrics: dict[str, float] = {}
    seen: SeenImages | None = None
    versions: dict[str, str] = {}

    @model_validator(mode="after")
    def _possible(self) -> CheckpointMetadata:
        if self.min_depth >= self.max_depth:
            raise ValueError(f"min_depth {self.min_depth:g} is not below max_depth {self.max_depth:g}")
        if self.seen is not None and {len(self.seen.mean), len(self.seen.std)} != {self.student_channels[LEVEL]}:
            raise ValueError("seen is of another number of channels")
        unknown = sorted(set(self.working_size) - {one.name for one in fields(WorkingSize)})
        if unknown:
            raise ValueError(f"working_size has no {unknown[0]}")
        size = TypeAdapter(WorkingSize).validate_python(self.working_size)
        sides = (size.height, size.width, size.multiple)
        if min(sides) < 1 or max(sides) > MOST_PIXELS:
            raise ValueError(f"a working size of {size.height}x{size.width}, multiple {size.multiple}, is impossible")
        return self

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
            lg_conv=self.lg_conv,
            decoder_channels=self.decoder_channels,
            bins=self.bins,
            output_kind=self.output_kind,
        )


def save_checkpoint(
    path: Path, weights: dict[str, Tensor], metadata: CheckpointMetadata, dtype: torch.dtype | None = None
) -> None:
    """Write weights and metadata to `path` atomically; floating tensors as `dtype` when given.

    Running statistics of norms stay as they are: a small variance would be lost in float16.

    Raises:
        DisdepthError: the disk is full, or the file cannot be written.
    """
    tensors = {
        name: (tensor.to(dtype) if dtype and _may_shrink(name, tensor) else tensor).detach().cpu().contiguous()
        for name, tensor in weights.items()
    }
    values = metadata.model_dump(mode="json", exclude=None if metadata.seen else {"seen"})
    values |= {DIGEST_KEY: digest_of(_text(values), tensors)}
    content = safetensors.torch.save(tensors, {HEADER_KEY: _text(values)})
    write_atomic(path, lambda temporary: temporary.write_bytes(content))


def _text(values: dict[str, Any]) -> str:
    return json.dumps(values, sort_keys=True)


def _may_shrink(name: str, tensor: Tensor) -> bool:
    return tensor.is_floating_point() and "running_" not in name


def read_metadata(path: Path) -> CheckpointMetadata:
    """The header of a checkpoint.

    Raises:
        CheckpointError: missing, truncated, foreign or of a newer format.
    """
    content = _header(path)
    content.pop(DIGEST_KEY, None)
    with reading(path, "its header is damaged", CheckpointError, "make or copy it again"):
        try:
            return CheckpointMetadata.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: {first['msg']}" if where else first["msg"]) from None


def _header(path: Path) -> dict[str, Any]:
    """The values of a checkpoint's header.

    Raises:
        CheckpointError: as `read_metadata`.
    """
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint; give a student.safetensors or the run folder that holds one"
        )
    with (
        reading(path, "is not a whole safetensors file", CheckpointError, "make or copy it again"),
        safetensors.safe_open(path, "pt") as handle,
    ):
        header = handle.metadata() or {}
    if HEADER_KEY not in header:
        raise CheckpointError(f"{path}: is a safetensors file, but was not written by disdepth")
    with reading(path, "its header is damaged", CheckpointError, "make or copy it again"):
        content = json.loads(header[HEADER_KEY])
        if content.get("format_version", 0) > FORMAT_VERSION:
            raise CheckpointError(
                f"{path}: has format {content['format_version']}, this disdepth reads up to {FORMAT_VERSION}; upgrade"
            )
        return dict(content)


def load_strictly(model: nn.Module, path: Path, metadata: CheckpointMetadata) -> None:
    """Put the weights of a checkpoint, a trained teacher's aside, into a model.

    Raises:
        CheckpointError: they are damaged, do not fit, or are no finite numbers.
    """
    with reading(path, "its weights cannot be read", CheckpointError, "make or copy it again"):
        tensors = safetensors.torch.load_file(path)
    header = _header(path)
    stated = header.pop(DIGEST_KEY, None)
    if stated is not None and stated != digest_of(_text(header), tensors):  # an older file states none
        raise CheckpointError(f"{path}: its digest is another, so it is damaged; make or copy it again")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(f"{path}: {name} holds values that are not finite; train it again with a lower --lr")
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
