"""A depth map as points in space, in metres, with the colours of its image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from disdepth_cli.depth.intrinsics import Intrinsics
from disdepth_cli.depth.space_files import SPACE_SUFFIXES, glb_bytes, ply_bytes
from disdepth_cli.errors import DataError
from disdepth_cli.files import write_atomic

FLATTEST = 3.0
"""Degrees to the line of sight under which a surface is taken for an edge of depth."""
MOST_VERTICES = 1_000_000  # of a mesh


@dataclass(frozen=True, eq=False, repr=False)
class Points:
    """The points of a depth map.

    Attributes:
        grid: (H, W, 3) float32 [m], in the camera's axes: x right, y down, z forward.
        image: (H, W, 3) uint8 RGB.
        kept: (H, W) bool: where there is a point. A pixel between a near and a far surface has none.
        intrinsics: the camera.
    """

    grid: np.ndarray
    image: np.ndarray
    kept: np.ndarray
    intrinsics: Intrinsics

    @classmethod
    def of_depth(cls, depth: np.ndarray, valid: np.ndarray, image: np.ndarray, intrinsics: Intrinsics) -> Points:
        """The point of each pixel.

        A pixel lies between two surfaces, and is left out, where depth rises steeply on both of its sides, or falls
        steeply on both: left and right, or above and below. Steep is what `steps` says.

        Args:
            depth: (H, W) [m], along the camera's axis.
            valid: (H, W) bool, where there is a depth.
            image: (H, W, 3) uint8 RGB.
            intrinsics: of this very image.

        Raises:
            DataError: the image has another size.
        """
        if image.shape != (*depth.shape, 3) or image.dtype != np.uint8:
            size = "x".join(map(str, depth.shape))
            raise DataError(f"colours are (height, width, 3) uint8 of {size}, but this is {image.dtype} {image.shape}")
        z = np.where(valid, depth, np.nan).astype(np.float32)
        height, width = z.shape
        x = (np.arange(width, dtype=np.float32) - np.float32(intrinsics.cx)) / np.float32(intrinsics.fx)
        y = (np.arange(height, dtype=np.float32) - np.float32(intrinsics.cy)) / np.float32(intrinsics.fy)
        kept = valid.copy()
        right, down = steps(z, intrinsics)
        kept[:, 1:-1] &= right[:, :-1] * right[:, 1:] <= 0
        kept[1:-1] &= down[:-1] * down[1:] <= 0
        return cls(np.stack([x * z, y[:, None] * z, z], axis=2), image, kept, intrinsics)

    @property
    def xyz(self) -> np.ndarray:
        """(N, 3) float32 [m]: the points that are kept, row by row."""
        return self.grid[self.kept]

    @property
    def rgb(self) -> np.ndarray:
        """(N, 3) uint8: their colours."""
        return self.image[self.kept]

    def mesh(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The surface through the points: two triangles between four neighbours, none across an edge of depth.

        Of a large image every second, third, ... pixel is a vertex, so that there are at most a million.

        Returns:
            Vertices (N, 3) float32 [m], their place in the image (N, 2) as shares of its width and height, and
            triangles (M, 3) uint32, whose front is what the camera sees.
        """
        height, width = self.kept.shape
        step = math.ceil(math.sqrt(height * width / MOST_VERTICES))
        grid, kept = self.grid[::step, ::step], self.kept[::step, ::step]
        right, down = (step == 0 for step in steps(grid[..., 2], self.intrinsics.scaled(1 / step)))
        number = np.arange(kept.size, dtype=np.uint32).reshape(kept.shape)
        a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:]
        upper = kept[:-1, :-1] & kept[:-1, 1:] & kept[1:, :-1] & right[:-1] & down[:, :-1]
        lower = kept[1:, 1:] & kept[:-1, 1:] & kept[1:, :-1] & right[1:] & down[:, 1:]
        triangles = np.concatenate([np.stack([a, c, b], 2)[upper], np.stack([b, c, d], 2)[lower]])
        used, triangles = np.unique(triangles, return_inverse=True)
        rows, columns = np.divmod(used, kept.shape[1])
        place = np.stack([(columns * step + 0.5) / width, (rows * step + 0.5) / height], axis=1)
        return grid.reshape(-1, 3)[used], place.astype(np.float32), triangles.reshape(-1, 3).astype(np.uint32)

    def save(self, path: Path | str) -> None:
        """Write the points into one file, atomically.

        Args:
            path: `.ply`: points with colours, binary, in the camera's axes. `.glb`: a surface with the image on it, in
                the axes of glTF: x right, y up, z backward.

        Raises:
            DataError: another suffix, or there is no point.
            DisdepthError: the file cannot be written.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SPACE_SUFFIXES:
            raise DataError(f"{path}: points are saved as {', '.join(SPACE_SUFFIXES)}, not as {suffix or 'nothing'!r}")
        if suffix == ".ply":
            vertices, content = self.xyz, ply_bytes(self.xyz, self.rgb)
        else:
            vertices, place, triangles = self.mesh()
            content = glb_bytes(vertices, place, triangles, self.image) if len(vertices) else b""
        if not len(vertices):
            raise DataError(f"{path}: the depth map has no point")
        write_atomic(path, lambda temporary: temporary.write_bytes(content))

    def __len__(self) -> int:
        return int(self.kept.sum())

    def __repr__(self) -> str:
        return f"Points({len(self)} points, camera {self.intrinsics.source})"


def steps(z: np.ndarray, intrinsics: Intrinsics) -> tuple[np.ndarray, np.ndarray]:
    """Where depth (H, W) [m] is steep from a pixel to the next one, to the right (H, W - 1) and down (H - 1, W).

    Steep is a surface that would be seen at less than `FLATTEST` degrees. 1: depth rises steeply, -1: it falls, 0: it
    does not, or one of the two is not known.
    """
    slope = 1 / math.tan(math.radians(FLATTEST))
    found = []
    for axis, focal in ((1, intrinsics.fx), (0, intrinsics.fy)):
        first, second = (z[:, :-1], z[:, 1:]) if axis else (z[:-1], z[1:])
        rise = second - first
        steep = np.abs(rise) > np.minimum(first, second) * np.float32(slope / focal)
        found.append(np.where(steep, np.sign(rise), 0).astype(np.int8))
    return found[0], found[1]
