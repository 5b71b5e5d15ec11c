"""Depth maps that another tool wrote, as a teacher: a folder with a `teacher.yaml` that says what their numbers are."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor

from disdepth_cli.errors import TeacherError, near_names
from disdepth_cli.teachers.contract import IMAGENET_MEAN, IMAGENET_STD, StoredDepth, TeacherContract
from disdepth_cli.teachers.preprocessing import ProcessorSize
from disdepth_cli.teachers.teacher import DepthTeacher, TeacherNetwork
from disdepth_cli.teachers.yours.network import STEPS, depth_steps
from disdepth_cli.types import DepthOutput, FeatureMaps, FeatureSpec

NAME = "teacher.yaml"
SUFFIXES = (".npy", ".npz", ".exr", ".tif", ".tiff", ".png", ".pfm")
WEIGHTS = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack", ".onnx")
WHOLE_NUMBERS = (".png",)
LOOKED_INTO = 16  # files whose content is a part of the fingerprint


class StoredFile(BaseModel):
    """The keys of teacher.yaml."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["metric_depth", "disparity", "relative_depth"]
    depth_scale: float | None = Field(default=None, gt=0)
    max_depth: float | None = Field(default=None, gt=0)
    invalid_value: float | None = None
    name: str | None = None
    licence: str | None = None


class StoredTeacher(DepthTeacher):
    """Whole depth maps (B, 1, h, w), in the place of images, are its depth; it has never a look at anything."""

    def infer(self, image: Tensor, focal: Tensor | None = None) -> DepthOutput:
        return DepthOutput(depth=image.float(), features=depth_steps(image, self.contract.kind))


class NoNetwork(TeacherNetwork):
    """Stands where other teachers have a network."""

    def forward(self, pixels: Tensor, *focal: Tensor) -> tuple[Tensor | None, FeatureMaps]:
        return pixels, []


def holds_depth(folder: Path) -> bool:
    """Whether a folder is a teacher of stored depth: by its teacher.yaml, or by depth maps alone in it."""
    if (folder / NAME).is_file():
        return True
    weights = any(file.suffix in (".safetensors", ".json", ".yaml", *WEIGHTS) for file in folder.iterdir())
    return not weights and bool(_maps(folder, limit=1))


def load_stored_teacher(folder: Path) -> DepthTeacher:
    """The teacher of a folder of depth maps.

    Raises:
        TeacherError: it has no teacher.yaml, that makes no sense, or there are no maps.
    """
    said = _read(folder)
    files = _maps(folder)
    if not files:
        raise TeacherError(f"{folder}: holds no depth maps ({', '.join(SUFFIXES)})")
    metric, scale = said.kind == "metric_depth", said.depth_scale
    if metric and scale is None and any(file.suffix.lower() in WHOLE_NUMBERS for file in files):
        raise TeacherError(
            f"{folder / NAME}: depth_scale is missing; PNG files hold whole numbers, and metres = stored / depth_scale"
        )
    invalid = 0.0 if metric and said.invalid_value is None else said.invalid_value
    contract = TeacherContract(
        id=said.name or folder.resolve().name,
        family="stored",
        model_type=f"{len(files)} stored maps",
        kind=said.kind,
        unit="m" if metric else "none",
        max_depth=said.max_depth if metric else None,
        size_multiple=1,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        working_size=ProcessorSize(480, 640, 1, "as-it-is"),
        taps=tuple(f"depth/{step}" for step in STEPS),
        spec=FeatureSpec((STEPS[0] ** 2,) * len(STEPS), STEPS),
        parameters=0,
        licence=said.licence,
        revision=None,
        fingerprint=_fingerprint(folder, files),
        sees="stored",
        depth_alone=True,
        stored=StoredDepth(folder.absolute(), scale or 1.0, invalid),
    )
    return StoredTeacher(NoNetwork(), contract)


def _read(folder: Path) -> StoredFile:
    """The keys of the folder's teacher.yaml.

    Raises:
        TeacherError: it is missing, cannot be read, or a key or value is wrong.
    """
    file = folder / NAME
    if not file.is_file():
        raise TeacherError(
            f"{folder}: holds depth maps and no {NAME}; write one that says what their numbers are, for example "
            '"kind: metric_depth" and "depth_scale: 1000" (metres = stored / depth_scale), or "kind: disparity"'
        )
    try:
        values: Any = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise TeacherError(f"{file}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise TeacherError(f"{file}: must be a mapping with keys such as {', '.join(StoredFile.model_fields)}")
    for key in values:
        if key not in StoredFile.model_fields:
            raise TeacherError(f"{file}: unknown key {str(key)!r}{near_names(str(key), StoredFile.model_fields)}")
    try:
        return StoredFile.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise TeacherError(f"{file}: {first['loc'][0]}: {first['msg']} (got {first.get('input')!r})") from None


def _maps(folder: Path, limit: int | None = None) -> list[Path]:
    """The depth maps in a folder and below, sorted; up to `limit` of them."""
    found: list[Path] = []
    for path, folders, names in os.walk(folder):
        folders.sort()
        found += [Path(path) / name for name in sorted(names) if _is_map(name)]
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def _is_map(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def _fingerprint(folder: Path, files: list[Path]) -> str:
    """First 16 hex digits of the SHA-256 over teacher.yaml, all names and sizes, and the content of some maps: of all,
    it would take longer than training."""
    digest = hashlib.sha256((folder / NAME).read_bytes())
    for file in files:
        digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size} ".encode())
    for file in files[:: max(len(files) // LOOKED_INTO, 1)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
