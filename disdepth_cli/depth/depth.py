"""A depth map that knows what its numbers are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from disdepth_cli.config.types import OutputKind
from disdepth_cli.depth.depth_files import DepthMap, read_depth_file, unit_of, write_depth
from disdepth_cli.errors import DataError

if TYPE_CHECKING:
    from disdepth_cli.depth.points import Points


@dataclass(frozen=True, eq=False, repr=False)
class Depth:
    """The depth of one image, with what its numbers mean.

    Attributes:
        values: (H, W) float32, of the image's own size; not finite where there is none.
        kind: "metric_depth": planar depth [m], along the camera's axis. "disparity": larger is nearer.
            "relative_depth": larger is farther. The last two have no unit: scale and shift are unknown.
        min_depth: smallest value that the model gives, in the unit of `values`; None where it states none.
        max_depth: largest one, likewise.
        unlike: how unlike the student's training images the image is: above 1, it is farther from them than 95 % of
            these are. None where the model cannot tell; no file holds it.

    Raises:
        DataError: the values are not one channel of numbers, or there is no such kind.

    Example:
        >>> import numpy as np
        >>> from disdepth_cli import Depth
        >>> depth = Depth(np.full((2, 3), 1.5), max_depth=10.0)
        >>> depth
        Depth(2x3, metric_depth, 1.5 to 1.5 metres)
        >>> depth.save("wall.png")
        >>> Depth.load("wall.png").values[0]
        array([1.5, 1.5, 1.5], dtype=float32)
        >>> depth.colour().shape
        (2, 3, 3)
    """

    values: np.ndarray
    kind: OutputKind = "metric_depth"
    min_depth: float | None = None
    max_depth: float | None = None
    unlike: float | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "uif":
            raise DataError(f"a depth map is (height, width) numbers, but this is {values.dtype} of {values.shape}")
        if self.kind not in get_args(OutputKind):
            raise DataError(f"a depth map is {', '.join(get_args(OutputKind))}, not {self.kind!r}")
        object.__setattr__(self, "values", values.astype(np.float32, copy=False))

    @property
    def unit(self) -> str:
        """`metres`, or `none` for relative numbers."""
        return unit_of(self.kind)

    @property
    def valid(self) -> np.ndarray:
        """(H, W) bool: where there is a depth. It is finite, and in metres above 0."""
        finite: np.ndarray = np.isfinite(self.values)
        return finite & (self.values > 0) if self.kind == "metric_depth" else finite

    def save(self, path: Path | str) -> None:
        """Write the map into one file, atomically; what its numbers mean is written too.

        Args:
            path: the suffix chooses the format. `.png`: 16 bit; metres are rounded to 1 mm, or to 1/256 m where
                max_depth is over 65 m or unknown; the scale is in the file's text. `.npy`, `.npz` and `.exr`:
                float32, exact; `numpy.load` reads the first two as well.

        Raises:
            DataError: another suffix.
            MissingError: `.exr` without the package OpenEXR.
            DisdepthError: the file cannot be written.
        """
        write_depth(Path(path), DepthMap(self.values, self.kind, self.min_depth, self.max_depth))

    @classmethod
    def load(cls, path: Path | str) -> Depth:
        """Read a map that `save` or `disdepth predict` wrote, its kind and range included.

        Args:
            path: a `.png`, `.npy`, `.npz` or `.exr`.

        Returns:
            The map; from a PNG its values are rounded.

        Raises:
            DataError: the file is missing or damaged, or does not say what its numbers are.
        """
        return cls(*read_depth_file(Path(path)))

    @property
    def span(self) -> tuple[float, float]:
        """The 2nd and the 98th percentile of what is valid, which `colour` gives the map's ends; (0, 0) without any."""
        valid = self.valid
        known = self.values if valid.all() else self.values[valid]
        low, high = np.percentile(known, (2, 98)) if known.size else (0.0, 0.0)
        return float(low), float(high)

    def colour(self, colormap: str = "Spectral_r", span: tuple[float, float] | None = None) -> np.ndarray:
        """The map as a picture: near things have the colours of the map's low end, whatever the kind.

        Args:
            colormap: Spectral_r, inferno, turbo, gray, ..., or any of Matplotlib, where that is installed.
            span: the smallest and the largest value that have a colour of their own, for several maps that are to be
                compared. Default: `span` of this map.

        Returns:
            (H, W, 3) uint8 RGB; what has no depth is black.

        Raises:
            ConfigError: Matplotlib has no such colour map.
        """
        from disdepth_cli.depth.colours import colourise

        low, high = self.span if span is None else span
        shown = self.values
        if self.kind == "disparity":
            shown, low, high = -shown, -high, -low
        return colourise(shown, colormap, low, high, valid=self.valid)

    def points(
        self,
        image: np.ndarray | None = None,
        *,
        fov: float | None = None,
        focal: float | None = None,
        intrinsics: Path | str | None = None,
    ) -> Points:
        """The map as points in space; `points.save("x.ply")` or `.glb` writes them, `points.xyz` are their places.

        Give one of fov, focal and intrinsics: metres to the side need the camera.

        Args:
            image: (H, W, 3) uint8 RGB of the map's size, for the colours; default: `colour()`.
            fov: field of view across the image's width [degrees].
            focal: focal length [pixels of the map].
            intrinsics: file with fx, fy, cx and cy, as `Intrinsics.load` takes it.

        Raises:
            DataError: the numbers are not metres; none of the three is given, or several; the image or the file does
                not fit.
        """
        from disdepth_cli.depth.intrinsics import chosen
        from disdepth_cli.depth.points import Points

        if self.kind != "metric_depth":
            raise DataError(f"points need metres, and this map is {self.kind}, whose scale is unknown")
        found = chosen(self.values.shape, fov, focal, intrinsics)
        if found is None:
            raise DataError("points need the camera: give one of fov, focal and intrinsics")
        return Points.of_depth(self.values, self.valid, self.colour() if image is None else image, found)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype) if copy else np.asarray(self.values, dtype=dtype)

    def __repr__(self) -> str:
        height, width = self.values.shape
        known = self.values[self.valid]
        span = f"{known.min():.4g} to {known.max():.4g}" if known.size else "empty"
        return f"Depth({height}x{width}, {self.kind}, {span}{' metres' if self.unit == 'metres' else ''})"
