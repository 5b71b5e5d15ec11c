"""One image with its depth, checked to show the same view."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.image_decoders import turned
from disdepth_cli.data.files.images import read_depth, read_image, read_mask, read_oriented
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.errors import DataError

_ASPECT_TOLERANCE = 0.01
SIDEWAYS = 5  # EXIF orientations from here on exchange height and width


def load_pair(item: DataItem, source: DataSource) -> tuple[np.ndarray, np.ndarray | None]:
    """`read_pair`, with the depth outside source.min_depth < depth < source.max_depth (strict) set to 0.

    Raises:
        DataError: a file cannot be read, or the two have different aspect ratios.
    """
    image, depth = read_pair(item, source.coding)
    if depth is not None:
        depth[~((depth > source.min_depth) & (depth < source.max_depth))] = 0
    return image, depth


def read_pair(item: DataItem, coding: DepthCoding | float) -> tuple[np.ndarray, np.ndarray | None]:
    """Image (H, W, 3) uint8 RGB and depth (h, w) float32 [m], 0 = invalid, at its own size; None: no ground truth.

    coding: of the data; an item's own scale wins. Depth that the item's masks leave out is 0 too. An image that EXIF
    turns has depth of either the upright image's shape or the stored one's, which is turned with it.

    Raises:
        DataError: a file cannot be read, the two have different aspect ratios, or EXIF leaves open how depth lies.
    """
    if item.depth is None:
        return read_image(item.image), None
    image, orientation = read_oriented(item.image)
    depth = read_depth(item.depth, coding_of(item, coding), max(image.shape[:2]))
    _mask(depth, item)
    return image, _upright(depth, image, orientation, item)


def read_label(item: DataItem, coding: DepthCoding | float) -> np.ndarray | None:
    """The depth (h, w) [m] of an item as `read_pair` has it, without a look at its image; None: no ground truth.

    Raises:
        DataError: a file cannot be read.
    """
    if item.depth is None:
        return None
    depth = read_depth(item.depth, coding_of(item, coding))
    _mask(depth, item)
    return depth


def coding_of(item: DataItem, coding: DepthCoding | float) -> DepthCoding:
    """What an item's stored depth means."""
    coding = coding if isinstance(coding, DepthCoding) else DepthCoding(scale=coding)
    return coding if item.scale is None else replace(coding, scale=item.scale)


def _mask(depth: np.ndarray, item: DataItem) -> None:
    """Set to 0 what a mask leaves out."""
    rows, columns = depth.shape
    for location in item.masks:
        mask = read_mask(location)
        if mask.shape != depth.shape:
            raise DataError(
                f"{location}: the mask is {mask.shape[0]}x{mask.shape[1]} but its depth {item.depth} is "
                f"{rows}x{columns}"
            )
        depth[~mask] = 0


def _upright(depth: np.ndarray, image: np.ndarray, orientation: int, item: DataItem) -> np.ndarray:
    """The depth as it belongs to the image, which is upright.

    Raises:
        DataError: its shape fits neither the upright image nor the stored one, or both.
    """
    (height, width), (rows, columns) = image.shape[:2], depth.shape
    fits = _alike(height / width, rows / columns)
    sideways = orientation >= SIDEWAYS and _alike(width / height, rows / columns)
    if orientation > 1 and fits and (sideways or orientation < SIDEWAYS):
        raise DataError(
            f"{item.image}: its EXIF orientation is {orientation}, and nothing says whether its depth {item.depth} is "
            "upright too; save the image upright, without EXIF"
        )
    if sideways:
        return turned(depth, orientation)
    if not fits:
        raise DataError(
            f"{item.image} is {height}x{width} but its depth {item.depth} is {rows}x{columns} (height x width): "
            "the aspect ratios differ; the depth must show the same view"
        )
    return depth


def _alike(one: float, other: float) -> bool:
    return abs(one / other - 1) <= _ASPECT_TOLERANCE
