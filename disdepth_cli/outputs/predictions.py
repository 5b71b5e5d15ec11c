"""What predict gives: the depth of each image, and its files: a PNG, a picture, and if asked the exact numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.depth.depth import Depth
from disdepth_cli.depth.files import UNITS, Coding, DepthMap, write_depth_png
from disdepth_cli.depth.intrinsics import Intrinsics
from disdepth_cli.errors import DataError
from disdepth_cli.outputs.pictures import side_by_side, write_image
from disdepth_cli.outputs.space import write_format
from disdepth_cli.results.result import Result

NOUNS: dict[OutputKind, str] = {
    "metric_depth": "depth",
    "disparity": "disparity",
    "relative_depth": "relative_depth",
}
"""What the files of a kind are called: only metres are called depth alone."""


@dataclass(frozen=True)
class Written:
    """The files of one image.

    files: what is in it to file, `depth` (or `disparity`, `relative_depth`) first, then `color`, and if asked `numpy`,
    `ply`, ...
    coding: how the PNG stores depth. camera: what the points were made with; None where there are none.
    """

    files: dict[str, Path]
    coding: Coding
    camera: Intrinsics | None = None

    @property
    def exact(self) -> Path:
        """The file with the most exact numbers."""
        exact = (self.files[name] for name in ("numpy", "npz", "exr") if name in self.files)
        return next(exact, next(iter(self.files.values())))

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
        image: its file.
        kind: what the numbers are, as `Depth.kind`.
        smallest: smallest finite value, in metres where `kind` is metric_depth; to three decimals.
        largest: largest one.
        written: the files, and how the PNG stores depth; None where none were asked for.
    """

    image: Path
    kind: OutputKind
    smallest: float
    largest: float
    written: Written | None = None
    _depth: Depth | None = field(default=None, repr=False)

    @property
    def depth(self) -> Depth:
        """The depth of the image. Where files were written it is read from them: float32 with `save_numpy`, else as
        the 16-bit PNG rounds it."""
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
        low, high = ("min_m", "max_m") if self.kind == "metric_depth" else ("min", "max")
        written = self.written.as_dict() if self.written else {}
        return {"image": str(self.image), **written, low: self.smallest, high: self.largest}


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
        low, high = ("min_m", "max_m") if self.kind == "metric_depth" else ("min", "max")
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
    """

    model: str
    kind: OutputKind
    results: list[Prediction]
    errors: list[str]
    videos: list[VideoPrediction] = field(default_factory=list)

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

    def as_dict(self) -> dict[str, Any]:
        """The object that the command prints with `--json`. scale: None where the files' scales differ."""
        scales = {one.written.coding.scale if one.written else None for one in self.results}
        return {
            "checkpoint": self.model,
            "kind": self.kind,
            "unit": "metres = stored / scale" if self.kind == "metric_depth" else UNITS[self.kind],
            "scale": scales.pop() if len(scales) == 1 else None,
            "results": [one.as_dict() for one in self.results],
            "errors": self.errors,
            **({"videos": [one.as_dict() for one in self.videos]} if self.videos else {}),
        }


def write_prediction(
    config: PredictConfig, stem: str, image: np.ndarray, depth: Depth, camera: Intrinsics | None = None
) -> Written:
    """Write the files of one image (H, W, 3) uint8 RGB into `config.output`. camera: for points.

    Raises:
        DisdepthError: the file cannot be written.
    """
    assert config.output is not None
    noun = NOUNS[depth.kind]
    files = {noun: config.output / f"{stem}_{noun}.png", "color": config.output / f"{stem}_color.png"}
    depth_map = DepthMap(depth.values, depth.kind, depth.min_depth, depth.max_depth)
    coding = write_depth_png(files[noun], depth_map)
    colour = depth.colour("gray" if config.grayscale else config.colormap)
    write_image(files["color"], colour if config.pred_only else side_by_side(image, colour))
    for suffix in config.formats():
        file = config.output / f"{stem}_{noun}.{suffix}"
        write_format(file, depth, image, camera)
        files["numpy" if suffix == "npy" else suffix] = file
    return Written(files, coding, camera)
