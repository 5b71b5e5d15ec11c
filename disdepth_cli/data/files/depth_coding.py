"""What stored depth means: from the numbers in a file to metres."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from disdepth_cli.errors import DataError

DepthKind = Literal["depth", "disparity", "inverse", "along-ray"]
Encoding = Literal["carla", "rgb24"]
CARLA_SCALE = (256**3 - 1) / 1000.0


@dataclass(frozen=True)
class DepthCoding:
    """How stored numbers become metres.

    kind, scale: `depth`: metres = stored / scale; `along-ray`: the same, of the distance to the camera's centre, not
    along its axis; `inverse` (stored / scale = 1 / metres) and `disparity` (scale = focal length x baseline): metres =
    scale / stored.
    invalid: stored numbers that are no measurement (Virtual KITTI 2 stores the sky as 65535). encoding: how three
    8-bit channels make one number: `carla` R + 256 G + 65536 B, `rgb24` 65536 R + 256 G + B. rotated: 16-bit numbers
    whose bits are rotated left by 3, as SUN RGB-D stores them.
    focal: focal length [pixels of the image], for `along-ray` and for teachers that ask for it; or focal_share [of the
    image's width]. The principal point is the image's centre.
    """

    scale: float = 1000.0
    kind: DepthKind = "depth"
    invalid: tuple[float, ...] = ()
    encoding: Encoding | None = None
    rotated: bool = False
    focal: float | None = None
    focal_share: float | None = None

    @property
    def is_inverse(self) -> bool:
        """Whether larger numbers are nearer."""
        return self.kind in ("disparity", "inverse")

    @property
    def is_plain(self) -> bool:
        """Whether a stored number is metres x scale."""
        return not self.is_inverse and self.encoding is None

    @property
    def meaning(self) -> str:
        """What a depth in metres is, in words."""
        numbers = {"carla": "(R + 256 G + 65536 B)", "rgb24": "(65536 R + 256 G + B)"}.get(
            self.encoding or "", "stored"
        )
        if self.is_inverse:
            return f"{self.scale:g} / {numbers}"
        return f"{numbers} / {self.scale:g}" + (", along the ray" if self.kind == "along-ray" else "")

    def decoded(self, colours: np.ndarray) -> np.ndarray:
        """colours (h, w, 3 or 4) uint8, blue first, -> the numbers that they encode, (h, w) uint32.

        Raises:
            ValueError: it is no picture of three channels.
        """
        if colours.ndim != 3 or colours.shape[2] not in (3, 4) or colours.dtype != np.uint8:
            raise ValueError(f"three 8-bit channels encode a number, but this is {colours.dtype} of {colours.shape}")
        blue, green, red = (colours[..., channel].astype(np.uint32) for channel in range(3))
        high, low = (blue, red) if self.encoding == "carla" else (red, blue)
        return (high << 16) + (green << 8) + low

    def metres(self, stored: np.ndarray, image_side: int | None = None) -> np.ndarray:
        """stored (h, w), any kind of number -> float32 [m], 0 = invalid (not finite, or not positive).

        image_side: the image's longer side, where it is not the map's.

        Raises:
            DataError: rotated bits are asked for, but the numbers are not unsigned 16-bit.
        """
        numbers = _rotated_right(stored) if self.rotated else stored
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            metres = numbers.astype(np.float32)
            scale = np.float32(self.scale)
            np.divide(scale, metres, out=metres) if self.is_inverse else np.divide(metres, scale, out=metres)
            if self.kind == "along-ray":
                metres *= _axis_share(metres.shape[0], metres.shape[1], self._focal_pixels(stored.shape, image_side))
            metres[~(np.isfinite(metres) & (metres > 0))] = 0
            for value in self.invalid:
                metres[stored == value] = 0
        return metres

    def _focal_pixels(self, shape: tuple[int, ...], image_side: int | None) -> float:
        """The focal length in pixels of a map of that shape."""
        if self.focal is not None:
            return self.focal * max(shape) / (image_side or max(shape))
        assert self.focal_share is not None
        return self.focal_share * shape[1]


def _rotated_right(stored: np.ndarray) -> np.ndarray:
    """Every 16-bit number with its lowest 3 bits moved to the top (SUNRGBDtoolbox, read3dPoints.m)."""
    if stored.dtype != np.uint16:
        raise DataError(f"its depth is {stored.dtype}, not the 16-bit numbers with rotated bits of this format")
    return (stored >> 3) | (stored << 13)


def _axis_share(height: int, width: int, focal: float) -> np.ndarray:
    """Depth along the axis / distance to the centre of a pinhole camera, per pixel (h, w); focal in pixels."""
    columns = np.arange(width, dtype=np.float32) + np.float32(0.5 - width / 2)
    rows = np.arange(height, dtype=np.float32) + np.float32(0.5 - height / 2)
    return np.float32(focal) / np.sqrt(columns[None] ** 2 + rows[:, None] ** 2 + np.float32(focal**2))
