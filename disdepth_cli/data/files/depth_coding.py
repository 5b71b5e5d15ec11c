"""What stored depth means: from the numbers in a file to metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from disdepth_cli.errors import DataError


@dataclass(frozen=True)
class DepthCoding:
    """How stored numbers become metres.

    scale: metres = stored / scale. no_depth_from: stored numbers from here on are no measurement (Virtual KITTI 2
    stores the sky as 65535). rotated: 16-bit numbers whose bits are rotated left by 3, as SUN RGB-D stores them.
    ray_focal: stored numbers are distances to the camera's centre, not depths along its axis (Hypersim); the focal
    length in image widths. The principal point is the image's centre.
    """

    scale: float = 1000.0
    no_depth_from: float | None = None
    rotated: bool = False
    ray_focal: float | None = None

    def metres(self, stored: np.ndarray) -> np.ndarray:
        """stored (h, w), any kind of number -> float32 [m], 0 = invalid (not finite, or not positive).

        Raises:
            DataError: rotated bits are asked for, but the numbers are not unsigned 16-bit.
        """
        numbers = _rotated_right(stored) if self.rotated else stored
        with np.errstate(over="ignore", invalid="ignore"):
            metres = numbers.astype(np.float32) / np.float32(self.scale)
            if self.ray_focal is not None:
                metres *= _axis_share(metres.shape[0], metres.shape[1], self.ray_focal)
            metres[~(np.isfinite(metres) & (metres > 0))] = 0
            if self.no_depth_from is not None:
                metres[stored >= self.no_depth_from] = 0
        return metres


def _rotated_right(stored: np.ndarray) -> np.ndarray:
    """Every 16-bit number with its lowest 3 bits moved to the top (SUNRGBDtoolbox, read3dPoints.m)."""
    if stored.dtype != np.uint16:
        raise DataError(f"its depth is {stored.dtype}, not the 16-bit numbers with rotated bits of this format")
    return (stored >> 3) | (stored << 13)


def _axis_share(height: int, width: int, focal: float) -> np.ndarray:
    """Depth along the axis / distance to the centre of a pinhole camera, per pixel (h, w); focal in image widths."""
    pixels = focal * width
    columns = np.arange(width, dtype=np.float32) + np.float32(0.5 - width / 2)
    rows = np.arange(height, dtype=np.float32) + np.float32(0.5 - height / 2)
    return np.float32(pixels) / np.sqrt(columns[None] ** 2 + rows[:, None] ** 2 + np.float32(pixels**2))
