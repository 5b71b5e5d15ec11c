"""What predict gives: the depth of each image, and its files: a PNG, a picture, and if asked the exact numbers."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.depth.colours import check_colormap
from disdepth_cli.depth.depth import Depth
from disdepth_cli.depth.depth_files import UNITS, Coding, DepthMap, encode_depth_png, write_depth_png
from disdepth_cli.depth.intrinsics import Intrinsics
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.files import disk_errors
from disdepth_cli.inputs.find import COLOR
from disdepth_cli.outputs.pictures import metre_labels, scale_bar, side_by_side, write_image
from disdepth_cli.outputs.space import write_format
from disdepth_cli.packages import optional
from disdepth_cli.results.result import Result

NOUNS: dict[OutputKind, str] = {
    "metric_depth": "depth",
    "disparity": "disparity",
    "relative_depth": "relative_depth",
}
"""What the files of a kind are called: only metres are called depth alone."""

Span = tuple[float, float]
"""Smallest and largest value."""


def limits(kind: OutputKind) -> tuple[str, str]:
    """What `--json` calls the smallest and the largest value."""
    return ("min_m", "max_m") if kind == "metric_depth" else ("min", "max")


@dataclass(frozen=True)
class Written:
    """The files of one image.

    files: what is in it to file, `depth` (or `disparity`, `relative_depth`) first, then `color`, and if asked `numpy`,
    `npz`, `exr`, `ply` and `glb`. None where the PNG went to standard output.
    coding: how the PNG stores depth. camera: what the points were made with; None where there are none.
    """

    files: dict[str, Path]
    coding: Coding
    camera: Intrinsics | None = None

    @property
    def exact(self) -> Path:
        """The file with the most exact numbers."""
        return next((self.files[name] for name in ("numpy", "npz", "exr") if name in self.files), self.first)

    @property
    def first(self) -> Path:
        """The PNG."""
        return next(iter(self.files.values()))

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        offset = {"offset": self.coding.offset} if self.coding.gaps else {}
        camera = {"camera": self.camera.as_dict()} if self.camera else {}
        files = {name: str(file) for name, file in self.files.items()}
        return {**files, "scale": self.coding.scale, **offset, **camera}


@dataclass(frozen=True)
class Prediction(Result):
    """What became of one image.

    Attributes:
        image: its file; the address or `-` of what lies in none.
        kind: what the numbers are, as `Depth.kind`.
        smallest: smallest finite value, in metres where `kind` is metric_depth; to three decimals.
        largest: largest one.
        written: the files, and how the PNG stores depth; None where none were asked for.
        unlike: see `Depth.unlike`.
    """

    image: Path | str
    kind: OutputKind
    smallest: float
    largest: float
    written: Written | None = None
    unlike: float | None = None
    _depth: Depth | None = field(default=None, repr=False)

    @property
    def depth(self) -> Depth:
        """The depth of the image. Where files were written it is read from them: float32 where a format of `save` has
        it, else as the 16-bit PNG rounds it."""
        if self._depth is not None:
            return self._depth
        assert self.written is not None
        return Depth.load(self.written.exact)

    @property
    def camera(self) -> Intrinsics | None:
        """What the points were made with; None where there are none."""
        return self.written.camera if self.written else None

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` holds for this image."""
        low, high = limits(self.kind)
        written = self.written.as_dict() if self.written else {}
        more = {} if self.unlike is None else {"unlike_training": self.unlike}
        return {"image": str(self.image), **written, low: self.smallest, high: self.largest, **more}


@dataclass(frozen=True)
class VideoPrediction(Result):
    """What became of one video.

    Attributes:
        video: its file, or `camera:0`.
        kind: what the numbers are, as `Depth.kind`.
        frames: how many were predicted.
        smallest: smallest finite value, in metres where `kind` is metric_depth; to three decimals.
        largest: largest one.
        color: the video of its depth.
        folder: where `save` wrote a file a frame, `000001.png` and so on; None where it was not asked for.
        camera: what the points were made with; None where there are none.
    """

    video: str
    kind: OutputKind
    frames: int
    smallest: float
    largest: float
    color: Path
    folder: Path | None = None
    camera: Intrinsics | None = None

    def as_dict(self) -> dict[str, Any]:
        """The object that `--json` holds for this video."""
        low, high = limits(self.kind)
        files: dict[str, Any] = {"color": str(self.color), **({"folder": str(self.folder)} if self.folder else {})}
        files |= {"camera": self.camera.as_dict()} if self.camera else {}
        return {"video": self.video, "frames": self.frames, **files, low: self.smallest, high: self.largest}


@dataclass(frozen=True)
class PredictResult(Result):
    """Depth of images.

    Attributes:
        model: the model that was used.
        kind: what its numbers are, as `Depth.kind`.
        results: one prediction an image that could be read, in order.
        errors: a line for each of the others.
        videos: one prediction a video, in order.
        seconds: that all of them took, from the first file to the last; opening the model is not in it.
    """

    model: str
    kind: OutputKind
    results: list[Prediction]
    errors: list[str]
    videos: list[VideoPrediction] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def depths(self) -> list[Depth]:
        """The depth of each image of `results`."""
        return [one.depth for one in self.results]

    @property
    def depth(self) -> Depth:
        """The depth of the only image.

        Raises:
            DataError: there are several.
        """
        if len(self.results) != 1:
            raise DataError(f"there are {len(self.results)} images: take .depths, or .results[0].depth")
        return self.results[0].depth

    @property
    def images_per_second(self) -> float:
        """Images of `results`, and frames of `videos`, in a second."""
        count = len(self.results) + sum(one.frames for one in self.videos)
        return round(count / max(self.seconds, 1e-3), 2)

    @property
    def range(self) -> Span:
        """The smallest and the largest value of all `results` and `videos`."""
        every: list[Prediction | VideoPrediction] = [*self.results, *self.videos]
        return min(one.smallest for one in every), max(one.largest for one in every)

    def cameras(self) -> list[Intrinsics | None]:
        """What the points of each image and video were made with; None where there are none."""
        return [*(one.camera for one in self.results), *(one.camera for one in self.videos)]

    def summary(self) -> str:
        """One line on all images and videos."""
        low, high = self.range
        counts = {"image": len(self.results), "video": len(self.videos)}
        counted = [f"{count} {noun}{'s' * (count != 1)}" for noun, count in counts.items() if count]
        words = f"{' and '.join(counted)} in {self.seconds:.1f} s ({self.images_per_second:.1f} images/s)"
        unit = " m" if self.kind == "metric_depth" else ""
        failed = f", {len(self.errors)} failed" if self.errors else ""
        return f"{words}, {NOUNS[self.kind].replace('_', ' ')} from {low:.2f} to {high:.2f}{unit}{failed}"

    def as_dict(self) -> dict[str, Any]:
        """The object that the command prints with `--json`. scale: None where the files' scales differ."""
        scales = {one.written.coding.scale if one.written else None for one in self.results}
        return {
            "checkpoint": self.model,
            "kind": self.kind,
            "unit": "metres = stored / scale" if self.kind == "metric_depth" else UNITS[self.kind],
            "scale": scales.pop() if len(scales) == 1 else None,
            "images": len(self.results),
            "seconds": self.seconds,
            "images_per_second": self.images_per_second,
            **dict(zip(limits(self.kind), self.range, strict=True)),
            "results": [one.as_dict() for one in self.results],
            "errors": self.errors,
            **({"videos": [one.as_dict() for one in self.videos]} if self.videos else {}),
        }


def check_outputs(config: PredictConfig) -> None:
    """Refuse before any work what could only fail after it.

    Raises:
        ConfigError: options that do not go together, or no such colour map.
        MissingError: a package that is not installed.
    """
    check_colormap(config.colormap)
    if "exr" in config.formats():
        optional("OpenEXR", "--save exr", ConfigError)
    if config.to_stdout():
        if config.formats():
            raise ConfigError(f"--output -: sends the 16-bit PNG alone; --save {config.formats()[0]} needs a folder")
        if sys.stdout.isatty():
            raise ConfigError("--output -: stdout is a terminal; send it into a file or a program, as in > depth.png")


def send_prediction(depth: Depth) -> Written:
    """Write the 16-bit PNG to standard output.

    Raises:
        DisdepthError: nobody reads it to its end.
    """
    content, coding = encode_depth_png(_depth_map(depth))
    with disk_errors(Path("stdout")):
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    return Written({}, coding)


def write_prediction(
    config: PredictConfig, name: str, image: np.ndarray, depth: Depth, camera: Intrinsics | None = None
) -> tuple[Written, Span]:
    """Write the files of one image (H, W, 3) uint8 RGB into `config.output`, and return the span of its depth.

    camera: for points. Where all pictures share one range, the picture is left to `write_picture`.

    Raises:
        DisdepthError: the file cannot be written.
    """
    assert config.output is not None
    noun = NOUNS[depth.kind]
    files = {noun: config.output / f"{name}_{noun}.png", "color": config.output / f"{name}{COLOR}"}
    depth_map = _depth_map(depth)
    coding = write_depth_png(files[noun], depth_map)
    span = depth.span if config.range is None or config.range == "shared" else config.range
    if config.range != "shared":
        write_picture(config, files["color"], image, depth, span)
    for suffix in config.formats():
        file = config.output / f"{name}_{noun}.{suffix}"
        write_format(file, depth, image, camera)
        files["numpy" if suffix == "npy" else suffix] = file
    return Written(files, coding, camera), span


def write_picture(config: PredictConfig, file: Path, image: np.ndarray, depth: Depth, span: Span) -> None:
    """Write the picture of a depth map: the image beside it, and below it the bar with the metres of its colours.

    Raises:
        DisdepthError: the file cannot be written.
    """
    colormap = config.shown_colormap()
    colour = depth.colour(colormap, span)
    if config.pred_only:
        write_image(file, colour)
        return
    width = colour.shape[1]
    labels = metre_labels(*span, width) if depth.kind == "metric_depth" else ["near", "far"]
    write_image(file, side_by_side(image, colour, scale_bar(width, labels, colormap)))


def _depth_map(depth: Depth) -> DepthMap:
    return DepthMap(depth.values, depth.kind, depth.min_depth, depth.max_depth)
