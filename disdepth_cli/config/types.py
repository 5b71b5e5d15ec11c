"""Types of option values, and how they are read from text. Standard library and pydantic only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Attention = Literal["learned", "ghost-error", "fgd", "uniform"]
LGConvPlace = Literal["auto", "none", "dense", "depthwise", "all"]
Fusion = Literal["mean", "ghost-error"]
Keep = Literal["auto", "better", "distilled"]
Align = Literal["none", "median", "scale-shift"]
WorstBy = Literal["abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3"]
ExportFormat = Literal["onnx", "openvino", "torch", "litert", "ncnn", "mnn", "coreml"]
ExportPrecision = Literal["fp32", "fp16", "int8"]
ExportInput = Literal["image", "tensor"]
Dynamic = Literal["none", "batch", "all"]
KeepFloat = Literal["head", "early"]
Backend = Literal["auto", "torch", "onnx", "openvino"]
OutputKind = Literal["metric_depth", "disparity", "relative_depth"]
"""What a depth map's numbers are: metres; disparity (larger is nearer) or depth (larger is farther), both up to an
unknown scale and shift."""


def parse_size(value: object) -> object:
    """`240x320` (height x width) as a pair of pixels; anything else is left to pydantic."""
    if isinstance(value, str):
        try:
            height, width = value.lower().split("x")
            return int(height), int(width)
        except ValueError:
            raise ValueError(f"{value!r} is not HEIGHTxWIDTH, for example 240x320") from None
    return value


def _absolute(place: str) -> str:
    return place if "://" in place else str(Path(place).expanduser().absolute())


def _parse_bounds(value: object) -> object:
    """`480x640`, or `480` for the shorter side."""
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return parse_size(value)


ImagePixels = Annotated[int, Field(ge=1, le=16384)]
Pixels = Annotated[int, Field(ge=32, le=4096)]
AbsolutePath = Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())]
"""A run folder remembers it, and may be used from another place."""
Name = Annotated[str, BeforeValidator(lambda name: str(name) if isinstance(name, Path) else name)]
"""A name, an address such as https://HOST/shards/index.json, or a path, which Python may give as a `Path`."""
AbsoluteDataPlace = Annotated[Name, AfterValidator(_absolute)]


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str | Path) else value


def _tuning(value: str) -> str:
    if value not in ("frozen", "full") and not (value.startswith("last-") and value[5:].isdigit() and int(value[5:])):
        raise ValueError(f"{value!r} is not frozen, full or last-N, for example last-2")
    return value


TeacherName = Annotated[Name, AfterValidator(lambda name: str(Path(name).absolute()) if Path(name).is_dir() else name)]


def _as_names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _as_milliseconds(value: object) -> object:
    return value.lower().removesuffix("ms").strip() if isinstance(value, str) else value


Milliseconds = Annotated[float, BeforeValidator(_as_milliseconds), Field(gt=0)]
"""`20ms`, or a number."""
Names = Annotated[list[str], BeforeValidator(_as_names), Field(min_length=1)]
"""A list, or names separated by commas."""
NameOrNothing = Annotated[str | None, AfterValidator(lambda name: name or None)]
"""An empty name takes back one that a file or a run remembers."""
Bounds = Annotated[tuple[Pixels, Pixels] | Pixels, BeforeValidator(_parse_bounds)]
"""A largest height and width, or a shorter side."""
Size = Annotated[tuple[Pixels, Pixels], BeforeValidator(parse_size)]
ImageSize = Annotated[tuple[ImagePixels, ImagePixels], BeforeValidator(parse_size)]
"""Height and width of images, which may be larger than what a network takes."""
TeacherNames = Annotated[
    list[TeacherName],
    BeforeValidator(_as_list),
    PlainSerializer(lambda names: names[0] if len(names) == 1 else names),
]
"""One or several; a single one is read and written without a list too."""
Tuning = Annotated[str, AfterValidator(_tuning)]
"""frozen, full or last-N."""
