"""Depth as files: uint16 PNG that says its own scale, and float32 `.npy`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from disdepth_cli.config.types import OutputKind
from disdepth_cli.errors import DataError
from disdepth_cli.files import write_atomic
from disdepth_cli.png import encode_png

LARGEST = 65535
MILLIMETRES = 1000.0
KITTI_STEPS = 256.0
MILLIMETRE_RANGE = 65.0
"""Up to this many metres a uint16 holds millimetres; beyond it the step is 1/256 m, as in KITTI."""

SCALE_KEY, UNIT_KEY = "disdepth:scale", "disdepth:unit"
METRES = "stored / scale = metres"
UNITS: dict[OutputKind, str] = {
    "metric_depth": METRES,
    "disparity": "relative disparity, no unit",
    "relative_depth": "relative depth, no unit",
}


def png_scale(max_depth: float) -> float:
    """Stored value per metre for a model that reaches max_depth [m]: 1000, or 256 past 65 m."""
    return MILLIMETRES if max_depth <= MILLIMETRE_RANGE else KITTI_STEPS


def write_depth_png(
    path: Path, depth: np.ndarray, max_depth: float, kind: OutputKind = "metric_depth", stretch: bool = True
) -> float:
    """Write depth (H, W) as uint16 PNG, atomically, and return its scale.

    Metric depth [m] is stored as depth * scale, rounded, clipped to uint16; see `png_scale`. A relative map has
    no metres: its own range is stretched over 0..65535 and the scale is 65535. stretch=False keeps a map whose range
    is 0 to max_depth for every image as it is, at scale 65535 / max_depth, so that images can be compared. What is not
    finite is stored as 0.
    Scale and unit are in the PNG's text chunks `disdepth:scale` and `disdepth:unit`.

    Raises:
        DisdepthError: the place cannot be written.
    """
    values = np.asarray(depth, dtype=np.float64)
    if kind == "metric_depth":
        scale = png_scale(max_depth)
    elif stretch:
        values, scale = _stretched(values), float(LARGEST)
    else:
        scale = LARGEST / max_depth
    known = np.isfinite(values)
    stored = np.rint((values if known.all() else np.where(known, values, 0.0)) * scale)
    text = {SCALE_KEY: f"{scale:g}", UNIT_KEY: UNITS[kind]}
    content = encode_png(np.clip(stored, 0, LARGEST).astype(np.uint16), text)
    write_atomic(path, lambda temporary: temporary.write_bytes(content))
    return scale


def read_depth_png(path: Path) -> tuple[np.ndarray, float]:
    """Depth (H, W) float32 and the scale of a PNG from `write_depth_png`: metres, or 0..1 for a relative map.

    Raises:
        DataError: the file is not a readable PNG, or does not say its scale.
    """
    from PIL import Image  # OpenCV does not give the text

    try:
        with Image.open(path) as image:
            image.load()
            stored, scale = np.asarray(image), float(image.info[SCALE_KEY])
    except KeyError:
        raise DataError(f"{path}: has no {SCALE_KEY} text, so its unit is unknown") from None
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path}: cannot be read as a depth PNG ({error})") from None
    return (stored / scale).astype(np.float32), scale


def write_depth_numpy(path: Path, depth: np.ndarray) -> None:
    """Write depth (H, W) as float32 `.npy`, atomically, in the unit it comes in (metres for metric models).

    Raises:
        DisdepthError: the place cannot be written.
    """

    def save(temporary: Path) -> None:
        with open(temporary, "wb") as handle:  # by name, np.save would append .npy to other suffixes
            np.save(handle, np.asarray(depth, dtype=np.float32), allow_pickle=False)

    write_atomic(path, save)


def _stretched(values: np.ndarray) -> np.ndarray:
    """Values brought to 0..1 over the range of the finite ones; a constant map becomes 0."""
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.max() == finite.min():
        return np.zeros_like(values)
    return (values - finite.min()) / (finite.max() - finite.min())
