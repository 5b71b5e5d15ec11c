"""How an image of any size becomes a model's input, and its depth comes back: one path for all commands.

A depth network is tied to the image scale it was trained at: trained at 240x320 and run at full size it gets
distances wrong. So the size, the resize rule and the padding belong to the model (they are stored in the
checkpoint), and validation, evaluate and predict all come through `fit` and `restore`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

ScaleRule = Literal["short-side", "cover", "stretch", "least-change", "as-it-is"]


@dataclass(frozen=True)
class WorkingSize:
    """A model's working size [pixels] and how images are brought to it.

    scale_rule:
        short-side: keep the aspect, the shorter side becomes the shorter side of the working size.
        cover: keep the aspect, just cover height x width (the DPT image processor's rule when shrinking).
        stretch: exactly height x width, aspect ignored.
        least-change, as-it-is: rules of teachers alone, see `teachers/preprocessing.py`.
    multiple: both sides of the input are made a multiple of this.
    pad: True pads (edge values) up to the multiple; False rounds the resize itself to it.
    area_limit: the resized image has at most area_limit * height * width pixels, so that thin images (100 x
        5000) do not explode in memory.
    """

    height: int
    width: int
    multiple: int = 32
    scale_rule: ScaleRule = "short-side"
    pad: bool = True
    area_limit: float = 2.0

    def scaled(self, height: int, width: int) -> tuple[int, int]:
        """Size (height, width) that an image of the given size is resized to, before padding."""
        if self.scale_rule == "stretch":
            return self.height, self.width
        if self.scale_rule == "short-side":
            scale = min(self.height, self.width) / min(height, width)
        else:
            scale = max(self.height / height, self.width / width)
        area = self.area_limit * self.height * self.width
        scale = min(scale, (area / (height * width)) ** 0.5, area / self.multiple / max(height, width))
        step = 1 if self.pad else self.multiple
        return _round_to(height * scale, step), _round_to(width * scale, step)

    def padded(self, height: int, width: int) -> tuple[int, int]:
        """Size (height, width) of the network's input for an image of the given size."""
        height, width = self.scaled(height, width)
        return -(-height // self.multiple) * self.multiple, -(-width // self.multiple) * self.multiple

    def gives(self, height: int, width: int) -> bool:
        """Whether some image is brought to a network's input of this size.

        Where the aspect is kept: the shorter side is the working size's, or less where `area_limit` makes a thin image
        smaller.
        """
        own = self.padded(self.height, self.width)
        if self.scale_rule != "short-side" or height % self.multiple or width % self.multiple:
            return (height, width) == self.padded(height, width)
        shorter, longer = sorted((height, width))
        most, rounded = self.area_limit * self.height * self.width, (1 if self.pad else self.multiple) / 2
        thin = (shorter + rounded) * (longer + rounded) >= most or longer + rounded >= most / self.multiple
        return shorter == min(own) or (shorter < min(own) and thin)

    def fit(self, image: np.ndarray) -> tuple[np.ndarray, Placement]:
        """An image (H, W, 3) uint8 at the network's input size; the padding repeats the edge pixels."""
        original = (image.shape[0], image.shape[1])
        scaled, padded = self.scaled(*original), self.padded(*original)
        image, offset = centred(resize_image(image, scaled), padded)
        return image, Placement(original, scaled, offset)


@dataclass(frozen=True)
class Placement:
    """Where the image lies in the network's input: original size, resized size, offset (top, left) [pixels].

    margin: rows and columns [pixels of the original] that were added on each side before it was resized. bicubic: how
    the depth comes back; bilinear otherwise.
    """

    original: tuple[int, int]
    scaled: tuple[int, int]
    offset: tuple[int, int]
    margin: tuple[int, int] = (0, 0)
    bicubic: bool = False


def fit(image: np.ndarray, size: WorkingSize) -> tuple[np.ndarray, Placement]:
    """Bring an image (H, W, 3) uint8 to the network's input size, by the size's own rule."""
    return size.fit(image)


def to_pixels(image: np.ndarray) -> np.ndarray:
    """What a network takes: image (h, w, 3) uint8 -> (1, 3, h, w) float32 in [0, 1]."""
    return np.divide(image.transpose(2, 0, 1)[None], np.float32(255), dtype=np.float32, order="C")


def restore(depth: np.ndarray, placement: Placement) -> np.ndarray:
    """Bring depth (h, w) of the network's input back to the original size (H, W)."""
    (top, left), (height, width) = placement.offset, placement.scaled
    (rows, columns), (above, beside) = placement.original, placement.margin
    depth = np.ascontiguousarray(depth[top : top + height, left : left + width], dtype=np.float32)
    whole = (rows + 2 * above, columns + 2 * beside)
    if depth.shape != whole:
        how = cv2.INTER_CUBIC if placement.bicubic else cv2.INTER_LINEAR
        depth = cv2.resize(depth, whole[::-1], interpolation=how)
    return np.ascontiguousarray(depth[above : above + rows, beside : beside + columns])


def centred(
    image: np.ndarray, size: tuple[int, int], colour: tuple[int, int, int] | None = None
) -> tuple[np.ndarray, tuple[int, int]]:
    """An image (H, W, 3) in the middle of `size`, at least its own, and its offset (top, left). Around it the colour,
    or else its edge pixels again."""
    below, right = size[0] - image.shape[0], size[1] - image.shape[1]
    top, left = below // 2, right // 2
    edges = (top, below - top, left, right - left)
    if colour is None:
        return cv2.copyMakeBorder(image, *edges, cv2.BORDER_REPLICATE), (top, left)
    return cv2.copyMakeBorder(image, *edges, cv2.BORDER_CONSTANT, value=colour), (top, left)


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image (H, W, C) to (height, width): area averaging when it shrinks, bilinear otherwise."""
    if image.shape[:2] == tuple(size):
        return image
    shrinks = size[0] < image.shape[0] and size[1] < image.shape[1]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size[::-1], interpolation=interpolation)


def _round_to(value: float, step: int) -> int:
    return max(round(value / step), 1) * step
