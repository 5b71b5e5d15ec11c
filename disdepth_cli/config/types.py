"""Types of option values, and how they are read from text. Imports the standard library and pydantic only."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from disdepth_cli.config.teacher_name import absolute, absolute_model, teacher_name

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Attention = Literal["learned", "ghost-error", "fgd", "uniform"]
LGConvOn = Literal["auto", "none", "dense", "depthwise", "all"]
Fusion = Literal["mean", "ghost-error"]
Keep = Literal["auto", "better", "distilled"]
Align = Literal["none", "median", "scale-shift"]
Metric = Literal["abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3"]
METRICS: tuple[str, ...] = get_args(Metric)
"""The field's nine, in the order that tables have them; `evaluation.metrics` has what they mean."""
Tracker = Literal["tensorboard", "wandb", "mlflow", "comet_ml", "aim", "clearml", "dvclive"]
"""Experiment trackers, by their names in accelerate, which are those of their packages."""
ExportFormat = Literal["onnx", "openvino", "torch", "litert", "ncnn", "mnn", "coreml", "web"]
ExportPrecision = Literal["fp32", "fp16", "int8"]
ExportInput = Literal["image", "tensor"]
Dynamic = Literal["none", "batch", "all"]
KeepFloat = Literal["head", "early"]
Backend = Literal["auto", "torch", "onnx", "openvino"]
PROTOCOL_NAMES = (
    *("nyu-eigen", "kitti-eigen-garg", "kitti-eigen-garg-kb", "kitti-eigen-697-raw", "kitti-official-val"),
    *("diode-indoor", "diode-outdoor", "sunrgbd", "vkitti2", "hypersim", "ibims", "zero-shot-relative", "plain"),
)
"""The protocols of `evaluation.protocols`, for the help: this module imports no NumPy."""
DepthFormat = Literal["png", "npy", "npz", "exr", "ply", "glb"]
OutputKind = Literal["metric_depth", "disparity", "relative_depth"]
"""The kind of a depth map: metres, disparity (larger is nearer), or relative depth (larger is farther). The last two
have an unknown scale and shift."""
KIND_UNITS: dict[OutputKind, str] = {
    "metric_depth": "metres",
    "disparity": "relative disparity, larger is nearer, no unit",
    "relative_depth": "relative depth, larger is farther, no unit",
}


def parse_size(value: object) -> object:
    """`240x320` (height x width) as a pair of pixels. pydantic checks any other value."""
    if isinstance(value, str):
        try:
            height, width = value.lower().split("x")
            return int(height), int(width)
        except ValueError:
            raise ValueError(f"{value!r} is not HEIGHTxWIDTH, for example 240x320") from None
    return value


_NUMBER = r"\s*([+-]?\d*\.?\d+)\s*"
_SPAN = re.compile(f"{_NUMBER}-{_NUMBER}")
LONGEST, LONGEST_NAME = 4095, 255  # bytes of a path, and of each name in it


def expanded(path: Path) -> Path:
    """A path in which home folders stand for `~` and `~user`.

    Raises:
        ValueError: the user does not exist, or the path is too long or holds a NUL.
    """
    try:
        path = path.expanduser()
    except RuntimeError:
        raise ValueError(f"{path.parts[0]} is no home folder on this machine") from None
    whole = os.fsencode(path)
    if b"\0" in whole or len(whole) > LONGEST or any(len(os.fsencode(name)) > LONGEST_NAME for name in path.parts):
        raise ValueError("the path is too long, or holds a NUL")
    return path


def _as_location(name: object) -> object:
    """A name, an address or a path as text. A text that begins with `~` is a path."""
    if isinstance(name, Path):
        return str(expanded(name))
    if isinstance(name, str) and "://" not in name:
        path = expanded(Path(name))
        return str(path) if name.startswith("~") else name  # ./a/b is a path; a/b may be a name on the Hub
    return name


def _absolute(location: str) -> str:
    return location if "://" in location else str(Path(location).absolute())


def _parse_bounds(value: object) -> object:
    """`480x640`, or `480` for the shorter side."""
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return parse_size(value)


ImagePixels = Annotated[int, Field(ge=1, le=16384)]
Workers = Annotated[int | None, BeforeValidator(lambda value: None if value == "auto" else value)]
"""A number, or `auto` (None) for a number by the cores of the machine."""
Pixels = Annotated[int, Field(ge=32, le=4096)]
LARGEST_BATCH = 0
"""The batch size of a configuration that says `auto`, until the run has found the number."""


def _largest(value: object) -> object:
    if value in (LARGEST_BATCH, str(LARGEST_BATCH)):
        return -1  # below the least: a number is no other word for auto
    return LARGEST_BATCH if value == "auto" else value


def _some_images(images: int) -> int:
    if images < LARGEST_BATCH:
        raise ValueError("must be at least 1, or auto")
    return images


BatchSize = Annotated[
    int,
    BeforeValidator(_largest),
    AfterValidator(_some_images),
    PlainSerializer(lambda images: "auto" if images == LARGEST_BATCH else images),
]
"""Images, or `auto` for as many as fit the memory of the device."""
AbsolutePath = Annotated[Path, AfterValidator(lambda path: expanded(path).absolute())]
"""A path that stays right when the working folder changes: run folders hold it."""
Name = Annotated[str, BeforeValidator(_as_location)]
"""A name, an address such as https://HOST/shards/index.json, or a path. Python may give a `Path`."""
DataLocation = Annotated[Name, AfterValidator(_absolute)]


def _as_list(value: object) -> object:
    return value if value is None or isinstance(value, list | tuple) else [value]


def _as_names(value: object) -> object:
    names = _as_list(value)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str | Path) for name in names):
        raise ValueError("give a path, or a list of paths; for an array or PIL image: load_student(...).predict(image)")
    return list(names)


def _tuning(value: str) -> str:
    if value not in ("frozen", "full") and not (value.startswith("last-") and value[5:].isdigit() and int(value[5:])):
        raise ValueError(f"{value!r} is not frozen, full or last-N, for example last-2")
    return value


TrainedModel = Annotated[Name, AfterValidator(absolute_model)]
"""A student, file or run: with an absolute path where it is one; or OWNER/NAME, or `bundled`."""
TeacherName = Annotated[Name, BeforeValidator(teacher_name), AfterValidator(absolute)]
"""A name, a path, FILE.py:FUNCTION, or in Python an object."""
ModelName = Annotated[Name, BeforeValidator(teacher_name)]
"""The name or path of a model, or in Python a teacher as an object."""


def _split(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _as_milliseconds(value: object) -> object:
    return value.lower().removesuffix("ms").strip() if isinstance(value, str) else value


def _split_each(value: object) -> object:
    """`a,b` as two names, also within a list."""
    names = value if isinstance(value, list | tuple) else [value]
    return [part for name in names for part in (_split(name) if isinstance(name, str) else [name])]  # type: ignore[attr-defined]


def _parse_span(value: object) -> object:
    """`0.5-5` as a pair of numbers, smallest first."""
    if isinstance(value, str) and value != "shared":
        found = _SPAN.fullmatch(value)
        if found is None:
            raise ValueError("is not MIN-MAX, for example 0.5-5, or shared")
        value = float(found[1]), float(found[2])
    if isinstance(value, tuple | list) and len(value) == 2 and not value[0] < value[1]:
        raise ValueError("the first number must be the smaller one, for example 0.5-5")
    return value


Milliseconds = Annotated[float, BeforeValidator(_as_milliseconds), Field(gt=0)]
"""`20ms`, or a number."""
NameList = Annotated[list[str], BeforeValidator(_split), Field(min_length=1)]
"""A list, or names separated by commas."""
NameOrNothing = Annotated[str | None, AfterValidator(lambda name: name or None)]
"""A name. An empty name removes the name of a file or of a resumed run."""
Bounds = Annotated[tuple[Pixels, Pixels] | Pixels, BeforeValidator(_parse_bounds)]
"""The largest height and width, or the shorter side."""
Size = Annotated[tuple[Pixels, Pixels], BeforeValidator(parse_size)]
ImageSize = Annotated[tuple[ImagePixels, ImagePixels], BeforeValidator(parse_size)]
"""Height and width of images, which may be larger than what a network takes."""
TeacherNames = Annotated[
    list[TeacherName],
    BeforeValidator(_as_list),
    PlainSerializer(lambda names: names[0] if len(names) == 1 else names),
]
"""One teacher or several. A single teacher may be read and is written without a list."""
Names = Annotated[list[Name], BeforeValidator(_as_names)]
"""One name or several."""
ColourRange = Annotated[tuple[float, float] | Literal["shared"] | None, BeforeValidator(_parse_span)]
"""MIN-MAX, or one range for all images."""
DepthFormats = Annotated[list[DepthFormat], BeforeValidator(_split_each)]
"""Formats, in a list or separated by commas."""
Tuning = Annotated[str, AfterValidator(_tuning)]
"""frozen, full or last-N."""
