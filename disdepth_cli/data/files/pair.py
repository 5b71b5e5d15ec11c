"""One image with its depth, checked to show the same view."""

from __future__ import annotations

import numpy as np

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.images import read_depth, read_image, read_mask
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.errors import DataError

_ASPECT_TOLERANCE = 0.01


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

    Depth that the item's masks leave out is 0 too.

    Raises:
        DataError: a file cannot be read, or the two have different aspect ratios.
    """
    image = read_image(item.image)
    if item.depth is None:
        return image, None
    depth = read_depth(item.depth, coding)
    (height, width), (rows, columns) = image.shape[:2], depth.shape
    if abs(columns * height / (rows * width) - 1) > _ASPECT_TOLERANCE:
        raise DataError(
            f"{item.image} is {height}x{width} but its depth {item.depth} is {rows}x{columns} (height x width): "
            "the aspect ratios differ; the depth must show the same view"
        )
    for place in item.masks:
        mask = read_mask(place)
        if mask.shape != depth.shape:
            raise DataError(
                f"{place}: the mask is {mask.shape[0]}x{mask.shape[1]} but its depth {item.depth} is {rows}x{columns}"
            )
        depth[~mask] = 0
    return image, depth
