"""Files of points, and the camera that they are made with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.data.files.image_decoders import film_focal, stored_size
from disdepth_cli.depth.depth import Depth
from disdepth_cli.depth.intrinsics import ASSUMED, Intrinsics, chosen
from disdepth_cli.depth.points import Points
from disdepth_cli.depth.space_files import SPACE_SUFFIXES
from disdepth_cli.errors import ConfigError


def needs_camera(config: PredictConfig) -> bool:
    """Whether files are wanted that hold points."""
    return any(f".{name}" in SPACE_SUFFIXES for name in config.save)


def check_points(config: PredictConfig, kind: OutputKind) -> None:
    """Refuse points of numbers that are not metres, before any work is done.

    Raises:
        ConfigError: they are asked for.
    """
    if needs_camera(config) and kind != "metric_depth":
        raise ConfigError(
            f"--save {','.join(config.save)}: points need metres, and {config.model} gives {kind}, whose scale is "
            "unknown; take a model of metric depth"
        )


def camera_of(config: PredictConfig, image: np.ndarray, stored: bytes = b"") -> Intrinsics:
    """The camera of an image (H, W, 3): as the options say, else as its EXIF data say, else assumed.

    stored: the photograph's file, which the image may have been decoded from at a part of its size.

    Raises:
        DataError: the file of the intrinsics cannot be used for this image.
    """
    height, width = image.shape[:2]
    factor = max(round(max(stored_size(stored)) / max(height, width)), 1)
    size = height * factor, width * factor
    camera = chosen(size, config.fov, config.focal, config.intrinsics)
    if camera is None and (millimetres := film_focal(stored)) is not None:
        camera = Intrinsics.of_film(millimetres, size)
    return (camera or Intrinsics.assumed(size)).scaled(1 / factor)


def notes_on_cameras(cameras: Sequence[Intrinsics | None]) -> list[str]:
    """One line where points were made with a camera that nothing says; none otherwise."""
    count = sum(camera is not None and camera.is_assumed for camera in cameras)
    if not count:
        return []
    return [
        f"the camera of {count} of {len(cameras)} is not known: their points assume {ASSUMED:g} degrees across the "
        "longer side; give --fov, --focal or --intrinsics"
    ]


def write_format(path: Path, depth: Depth, image: np.ndarray, camera: Intrinsics | None) -> None:
    """Write a map, or its points, in the format that the suffix names.

    Raises:
        DisdepthError: the map has no point, or the file cannot be written.
    """
    if path.suffix in SPACE_SUFFIXES:
        assert camera is not None
        Points.of_depth(depth.values, depth.valid, image, camera).save(path)
    else:
        depth.save(path)
