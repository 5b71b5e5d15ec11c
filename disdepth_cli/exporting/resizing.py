"""What OpenCV does to an image that is brought to the working size, as layers that every runtime has.

The numbers are OpenCV's to the last grey level: INTER_AREA where both sides shrink, else INTER_LINEAR on 8-bit images.
A network sees the difference: other resizing moves the metres of the bundled student by 1 to 3 % in the mean.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SMALL = 1e-3  # OpenCV leaves out weights of a smaller part of a pixel
_FIXED = 2048  # OpenCV's weights for 8-bit images are multiples of 1 / 2048


def resize_layer(source: tuple[int, int], target: tuple[int, int]) -> nn.Module:
    """The layer for images of one size: (B, H, W, 3) uint8 -> whole grey levels (B, 3, h, w) float32."""
    (height, width), (rows, columns) = source, target
    if rows < height and columns < width:
        if height % rows == 0 and width % columns == 0:
            return _Blocks((height // rows, width // columns))
        return _Area(source, target)
    return _Linear(source, target) if source != target else _ChannelsFirst()


def order_matters(source: tuple[int, int], target: tuple[int, int]) -> bool:
    """Whether a runtime that fuses products with sums may round a few grey levels the other way."""
    return isinstance(resize_layer(source, target), _Area)


class _ChannelsFirst(nn.Module):
    """(B, H, W, 3) uint8 -> (B, 3, H, W) float32."""

    def forward(self, image: Tensor) -> Tensor:
        return image.permute(0, 3, 1, 2).float()


class _Blocks(_ChannelsFirst):
    """The mean of whole blocks of pixels."""

    def __init__(self, block: tuple[int, int]) -> None:
        super().__init__()
        self.block = block

    def forward(self, image: Tensor) -> Tensor:
        mean = F.avg_pool2d(super().forward(image), self.block)
        # OpenCV adds 2 and shifts in blocks of 2x2, and rounds a half to the even number in all others.
        return torch.floor(mean + 0.5) if self.block == (2, 2) else torch.round(mean)


class _Area(nn.Module):
    """The mean over the area of each new pixel: a product for each pixel that it touches, along the rows first.

    OpenCV multiplies and adds in this order; in another one, a few in 100,000 grey levels would be rounded the other
    way. The transpositions are for speed: runtimes gather whole rows fast.
    """

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        super().__init__()
        self.columns = _Touched(source[1], target[1])
        self.rows = _Touched(source[0], target[0])

    def forward(self, image: Tensor) -> Tensor:
        narrow = self.columns(image.transpose(1, 2)).transpose(1, 2)  # (B, H, w, 3)
        return torch.round(self.rows(narrow)).permute(0, 3, 1, 2)


class _Touched(nn.Module):
    """x (B, old, n, 3) -> (B, new, n, 3) float32: the weighted sum of the old pixels that each new one touches."""

    indices: Tensor
    weights: Tensor

    def __init__(self, old: int, new: int) -> None:
        super().__init__()
        matrix = _area_weights(old, new)
        count = int((matrix > 0).sum(axis=1).max())
        indices = (matrix > 0).argmax(axis=1) + np.arange(count)[:, None]  # (count, new)
        weights = np.where(indices < old, matrix[np.arange(new), indices.clip(max=old - 1)], 0).astype(np.float32)
        self.register_buffer("indices", torch.from_numpy(indices.clip(max=old - 1)), persistent=False)
        self.register_buffer("weights", torch.from_numpy(weights[:, :, None, None]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        pairs = zip(self.indices, self.weights, strict=True)
        return reduce(torch.add, [x.index_select(1, indices).float() * weights for indices, weights in pairs])


class _Linear(_ChannelsFirst):
    """Bilinear in OpenCV's fixed-point numbers, which are whole ones below 2^24 here: float32 holds them exactly."""

    left: Tensor
    right: Tensor
    across: Tensor
    above: Tensor
    below: Tensor
    down: Tensor

    def __init__(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        super().__init__()
        left, right, share = _taps(source[1], target[1])
        share[left == right] = 0  # at the border OpenCV forgets the share of a column, not that of a row
        above, below, low = _taps(source[0], target[0])
        for name, positions in (("left", left), ("right", right), ("above", above), ("below", below)):
            self.register_buffer(name, torch.from_numpy(positions), persistent=False)
        self.register_buffer("across", torch.from_numpy(np.rint(np.stack([1 - share, share]) * _FIXED)), False)
        self.register_buffer("down", torch.from_numpy(np.rint(np.stack([1 - low, low]) * _FIXED))[..., None], False)

    def forward(self, image: Tensor) -> Tensor:
        levels = super().forward(image)
        wide = (
            levels.index_select(-1, self.left) * self.across[0] + levels.index_select(-1, self.right) * self.across[1]
        )
        wide = torch.floor(wide / 16)
        upper = _upper_half(wide.index_select(-2, self.above), self.down[0])
        lower = _upper_half(wide.index_select(-2, self.below), self.down[1])
        return torch.floor((upper + lower + 2) / 4)


def _upper_half(levels: Tensor, weights: Tensor) -> Tensor:
    """floor(levels * weights / 65536) of whole numbers whose product float32 does not hold."""
    high = torch.floor(levels / 256)
    low = levels - 256 * high
    return torch.floor((weights * high + torch.floor(weights * low / 256)) / 256)


def _area_weights(old: int, new: int) -> np.ndarray:
    """INTER_AREA's weights (new, old) float32 of one side that shrinks."""
    scale = old / new
    weights = np.zeros((new, old), np.float32)
    for row in range(new):
        begin, end = row * scale, (row + 1) * scale
        covered = min(scale, old - begin)
        first, last = int(np.ceil(begin)), min(int(np.floor(end)), old - 1)
        first = min(first, last)
        if first - begin > _SMALL:
            weights[row, first - 1] = (first - begin) / covered
        weights[row, first:last] = 1 / covered
        if end - last > _SMALL:
            weights[row, last] = min(min(end - last, 1.0), covered) / covered
    return weights


def _taps(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """INTER_LINEAR's two pixels (new,) and the second one's share (new,) float32, of one side."""
    indices = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(indices).astype(np.int64)
    share = indices - first.astype(np.float32)
    return first.clip(0, old - 1), (first + 1).clip(0, old - 1), share
