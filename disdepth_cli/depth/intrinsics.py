"""The pinhole camera of an image: from a field of view, a focal length, a file, or what a photograph says."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.errors import DataError
from disdepth_cli.reading import read_bytes, reading, yaml_values

ASSUMED = 60.0
"""Field of view [degrees] across the longer side, where none is known: between a phone's and a webcam's."""
FILM = math.hypot(36, 24)  # mm: the diagonal that `focal length in 35 mm film` refers to
MATRICES = ("camera_matrix", "K", "k", "intrinsics", "intrinsic_matrix")
"""Names of the matrix in files of ROS, Open3D and others."""
WANTED = "give fx, fy, cx, cy, a 3x3 matrix as text, or a camera_info of ROS"

Size = tuple[int, int]
"""Height and width [pixels]."""


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without lens distortion.

    Attributes:
        fx, fy: focal lengths [pixels].
        cx, cy: principal point [pixels]; (0, 0) is the centre of the first pixel, as in OpenCV.
        source: where they are from, in words.
    """

    fx: float
    fy: float
    cx: float
    cy: float
    source: str = "given"

    @classmethod
    def of_focal(cls, focal: float, size: Size, source: str = "given") -> Intrinsics:
        """focal [pixels]; the principal point is the middle of the image (height, width)."""
        return cls(focal, focal, (size[1] - 1) / 2, (size[0] - 1) / 2, source)

    @classmethod
    def of_fov(cls, fov: float, size: Size) -> Intrinsics:
        """fov [degrees]: across the image's width."""
        return cls.of_focal(size[1] / 2 / math.tan(math.radians(fov) / 2), size, f"a field of view of {fov:g} degrees")

    @classmethod
    def of_film(cls, millimetres: float, size: Size) -> Intrinsics:
        """millimetres: the focal length in 35 mm film, as EXIF data has it; it refers to the diagonal."""
        focal = millimetres / FILM * math.hypot(*size)
        return cls.of_focal(focal, size, f"EXIF: {millimetres:g} mm in 35 mm film")

    @classmethod
    def assumed(cls, size: Size) -> Intrinsics:
        """A field of view of 60 degrees across the longer side."""
        focal = max(size) / 2 / math.tan(math.radians(ASSUMED) / 2)
        return cls.of_focal(focal, size, f"assumed: {ASSUMED:g} degrees across the longer side")

    @property
    def is_assumed(self) -> bool:
        """Whether nothing says what the camera is."""
        return self.source.startswith("assumed")

    @classmethod
    def load(cls, path: Path | str, size: Size) -> Intrinsics:
        """Read a file.

        Args:
            path: JSON or YAML with fx, fy, cx, cy, or with a matrix under a name of ROS or Open3D; or text of four
                numbers (fx fy cx cy) or of a 3x3 matrix. Where it has width and height, it is brought to `size`.
            size: height and width of the image [pixels].

        Raises:
            DataError: the file is missing, or holds no camera, or one of an image of another shape.
        """
        path = Path(path)
        data = read_bytes(path)
        with reading(path, "holds no camera", advice=WANTED):
            text = data.decode("utf-8")
            numbers = _plain_numbers(text)
            held = yaml_values(text) if numbers is None else numbers
            fx, fy, cx, cy = _four(held)
        of = _stated_size(held) or size
        found = cls(fx, fy, cx, cy, str(path))
        if abs(of[0] * size[1] - of[1] * size[0]) > 0.01 * of[1] * size[0]:
            raise DataError(f"{path}: is of images of {of[0]}x{of[1]}, but this one is {size[0]}x{size[1]}")
        found = found.scaled(size[1] / of[1])
        if not (0 <= found.cx < size[1] and 0 <= found.cy < size[0]):
            raise DataError(
                f"{path}: its principal point ({cx:g}, {cy:g}) lies outside an image of {size[0]}x{size[1]}; "
                "add the width and height that it belongs to"
            )
        return found

    def scaled(self, factor: float) -> Intrinsics:
        """The camera of the image resized by a factor."""
        if factor == 1:
            return self
        cx, cy = ((value + 0.5) * factor - 0.5 for value in (self.cx, self.cy))
        return Intrinsics(self.fx * factor, self.fy * factor, cx, cy, self.source)

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {"fx": self.fx, "fy": self.fy, "cx": self.cx, "cy": self.cy, "source": self.source}


def chosen(
    size: Size, fov: float | None = None, focal: float | None = None, file: Path | str | None = None
) -> Intrinsics | None:
    """The camera that one of the three gives for an image (height, width); None where none is given.

    Raises:
        DataError: several are given, or an impossible one, or the file holds no camera of that image.
    """
    if sum(one is not None for one in (fov, focal, file)) > 1:
        raise DataError("fov, focal and intrinsics say the same: give one of them")
    if file is not None:
        return Intrinsics.load(file, size)
    if fov is not None:
        if not 0 < fov < 180:
            raise DataError(f"a field of view is between 0 and 180 degrees, not {fov:g}")
        return Intrinsics.of_fov(fov, size)
    if focal is not None:
        if not 0 < focal < math.inf:
            raise DataError(f"a focal length is a positive number of pixels, not {focal:g}")
        return Intrinsics.of_focal(focal, size, f"a focal length of {focal:g} pixels")
    return None


def _plain_numbers(text: str) -> list[float] | None:
    """The numbers of a text that holds nothing else; None where it holds more."""
    try:
        return [float(word) for word in re.split(r"[\s,;]+", text.strip())]
    except ValueError:
        return None


def _four(held: Any) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy of what a file holds.

    Raises:
        ValueError: it has none, or they are no camera.
    """
    if isinstance(held, Mapping) and "fx" in held:
        four = [float(held[name]) for name in ("fx", "fy", "cx", "cy") if name in held]
    else:
        if isinstance(held, Mapping):
            held = next((held[name] for name in MATRICES if name in held), None)
            held = held.get("data") if isinstance(held, Mapping) else held
        values = np.asarray(held if isinstance(held, list) else [], dtype=float).reshape(-1)
        four = list(values) if values.size == 4 else _of_matrix(values)
    if len(four) != 4 or not np.isfinite(four).all() or min(four[:2]) <= 0:
        raise ValueError("fx, fy, cx and cy are not all there, or not positive")
    return float(four[0]), float(four[1]), float(four[2]), float(four[3])


def _of_matrix(values: np.ndarray) -> list[float]:
    """fx, fy, cx, cy of a 3x3 matrix (9,), by rows, or by columns as Open3D writes it; nothing of another number."""
    if values.size != 9:
        return []
    matrix = values.reshape(3, 3)
    matrix = matrix.T if matrix[2, :2].any() else matrix
    if matrix[2, :2].any() or matrix[2, 2] != 1:
        raise ValueError("its matrix does not end with 0 0 1")
    return [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]


def _stated_size(held: Any) -> Size | None:
    """Height and width that a file states for its images; None where it does not."""
    if not isinstance(held, Mapping):
        return None
    for height, width in (("height", "width"), ("image_height", "image_width")):
        found = held.get(height), held.get(width)
        if all(isinstance(side, int) and side > 0 for side in found):
            return found  # type: ignore[return-value]
    return None
