"""Training views: a random window of an image and its depth, a function of (seed, epoch, index) alone.

Teacher and student, first run and resumed run, any number of workers: all see the same views.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, floor, log, sqrt

import numpy as np

from disdepth_cli.config import AugmentConfig
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.working_size import WorkingSize, resize_image

Border = Callable[[int, int], tuple[int, int, int, int]]
"""(height, width) of an image -> (top, bottom, left, right): rows top:bottom and columns left:right are used."""

_STRIDE = 32
LEAST, MOST = 6.104e-05, 65504.0  # [m] that float16 holds to its full precision


@dataclass(frozen=True)
class Window:
    """Rows top:top + height and columns left:left + width of an image [pixels].

    `zoom` is the magnification the window gets over the model's working scale.
    """

    top: int
    left: int
    height: int
    width: int
    zoom: float


@dataclass(frozen=True)
class TrainView:
    """Makes the training view of an image. Picklable when `border` is.

    crop_size (height, width), multiples of 32; working: the model's scale, at which zoom is 1; min_depth and
    max_depth [m]: depth counts strictly between them, after zooming.
    """

    augment: AugmentConfig
    crop_size: tuple[int, int]
    working: WorkingSize
    border: Border | None
    seed: int
    min_depth: float
    max_depth: float

    def __post_init__(self) -> None:
        if any(side < _STRIDE or side % _STRIDE for side in self.crop_size):
            height, width = self.crop_size
            raise ConfigError(f"crop size {height}x{width}: both sides must be multiples of {_STRIDE}")

    def __call__(
        self, image: np.ndarray, depth: np.ndarray | None, epoch: int, index: int, bordered: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The view of image (H, W, 3) uint8 and depth (h, w) [m, 0 = invalid] that (epoch, index) get.

        bordered: False takes the window from the whole image, border or not.

        Returns:
            pixels (ch, cw, 3) uint8; colours (3, 256) float32, what they become in [0, 1]; depth (ch, cw) float16 [m],
            precise to 0.05 %, 0 where it is not valid, which is everywhere without depth. Every random number is drawn
            whatever the options are, so that changing one option leaves the rest of the view as it was.
        """
        rng = self._random(epoch, index)
        window, flip = self._window(image.shape[0], image.shape[1], rng, bordered)
        table = _colour_table(self.augment, rng)

        bottom, right = window.top + window.height, window.left + window.width
        pixels = resize_image(image[window.top : bottom, window.left : right], self.crop_size)
        metres = np.zeros(self.crop_size, np.float32)
        if depth is not None:
            metres = _sample_depth(depth, (image.shape[0], image.shape[1]), window, self.crop_size)
            metres = metres / np.float32(window.zoom)
        if flip:
            pixels, metres = pixels[:, ::-1], metres[:, ::-1]
        valid = (metres > self.min_depth) & (metres < self.max_depth)
        stored = np.where(valid, metres.clip(LEAST, MOST), np.float32(0)).astype(np.float16)
        return np.ascontiguousarray(pixels), table, stored

    def window_at(self, height: int, width: int, epoch: int, index: int, bordered: bool = True) -> tuple[Window, bool]:
        """The window, and whether it is mirrored, that (epoch, index) get of an image of the given size."""
        return self._window(height, width, self._random(epoch, index), bordered)

    def _random(self, epoch: int, index: int) -> np.random.Generator:
        turn = epoch % self.augment.views if self.augment.views else epoch
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, turn, index])))

    def _window(self, height: int, width: int, rng: np.random.Generator, bordered: bool) -> tuple[Window, bool]:
        window = self.window(height, width, rng, bordered)
        return window, rng.random() < self.augment.flip

    def window(self, height: int, width: int, rng: np.random.Generator, bordered: bool = True) -> Window:
        """A random window, inside the border, of an image of the given size.

        At zoom 1 the window covers as much of the scene as the crop covers at the model's working scale; more
        zoom takes a smaller window. Zooms lie evenly about 1 (else the student would see its scenes nearer, or
        farther, than they are when it is used) but are at least what keeps the window inside the border.
        """
        top, bottom, left, right = inside(self.border if bordered else None, height, width)
        rows, columns = self.working.scaled(height, width)
        full_height = self.crop_size[0] * height / rows
        full_width = self.crop_size[1] * width / columns
        zoom = exp(rng.uniform(-1, 1) * log(self.augment.scale))
        zoom = max(zoom, full_height / (bottom - top), full_width / (right - left))
        window_height = min(max(round(full_height / zoom), 1), bottom - top)
        window_width = min(max(round(full_width / zoom), 1), right - left)
        return Window(
            top=top + int(rng.random() * (bottom - top - window_height + 1)),
            left=left + int(rng.random() * (right - left - window_width + 1)),
            height=window_height,
            width=window_width,
            zoom=sqrt(full_height / window_height * full_width / window_width),  # what whole pixels give
        )


def default_crop(working: WorkingSize, border: Border | None, reference: tuple[int, int]) -> tuple[int, int]:
    """Training crop (height, width): the working size of a reference image (H, W) less the border, down to 32s.

    Down, so that the crop fits in at zoom 1 and some way below.
    """
    top, bottom, left, right = inside(border, *reference)
    rows, columns = working.scaled(*reference)
    height, width = (bottom - top) * rows / reference[0], (right - left) * columns / reference[1]
    return _stride_below(height), _stride_below(width)


def _stride_below(side: float) -> int:
    return max(floor(side / _STRIDE + 1e-6), 1) * _STRIDE


def inside(border: Border | None, height: int, width: int) -> tuple[int, int, int, int]:
    """The border's rows and columns, kept inside the image."""
    if border is None:
        return 0, height, 0, width
    top, bottom, left, right = border(height, width)
    top, bottom, left, right = max(top, 0), min(bottom, height), max(left, 0), min(right, width)
    if top >= bottom or left >= right:
        raise DataError(f"an image of {height}x{width} pixels has nothing inside the protocol's border crop")
    return top, bottom, left, right


def _sample_depth(depth: np.ndarray, image_size: tuple[int, int], window: Window, size: tuple[int, int]) -> np.ndarray:
    """Depth (h, w) under the window, at `size`: the nearest stored value, from the map's own resolution."""
    rows = window.top + (np.arange(size[0]) + 0.5) * (window.height / size[0])
    columns = window.left + (np.arange(size[1]) + 0.5) * (window.width / size[1])
    rows = np.minimum((rows * (depth.shape[0] / image_size[0])).astype(np.intp), depth.shape[0] - 1)
    columns = np.minimum((columns * (depth.shape[1] / image_size[1])).astype(np.intp), depth.shape[1] - 1)
    return depth[rows[:, None], columns]


def _colour_table(augment: AugmentConfig, rng: np.random.Generator) -> np.ndarray:
    """Gamma, brightness and channel factors as one table: (3, 256) float32, stored value -> [0, 1]."""
    chosen = rng.random(3) < augment.colour_probability
    gamma, brightness = rng.uniform(*augment.gamma), rng.uniform(*augment.brightness)
    factors = rng.uniform(*augment.colour, size=3)
    values = np.linspace(0, 1, 256)
    if chosen[0]:
        values = values**gamma
    if chosen[1]:
        values = values * brightness
    table = np.outer(factors if chosen[2] else np.ones(3), values)
    return np.clip(table, 0, 1).astype(np.float32)
