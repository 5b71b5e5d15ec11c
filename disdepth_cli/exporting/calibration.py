"""The images that an export is fitted to and checked on: the user's where they were given, and one of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.images import read_image
from disdepth_cli.data.files.item import BlockItems, DataItem
from disdepth_cli.errors import DataError
from disdepth_cli.exporting.metadata import Calibration, ExportMetadata
from disdepth_cli.working_size import fit, resize_image, to_pixels

CALIBRATION_IMAGES, CHECK_IMAGES = 64, 8
ROOM = Path(__file__).parents[1] / "assets" / "room.jpg"
"""A real photo, not noise: on noise even exact rewrites of a network can differ by orders of magnitude."""


@dataclass(frozen=True)
class Samples:
    """Images (H, W, 3) uint8 RGB of any size, to fit int8 to and to check on."""

    calibration: list[np.ndarray]
    check: list[np.ndarray]

    def record(self) -> Calibration:
        """How many images int8 was fitted to, and the hash of their pixels."""
        digest = hashlib.sha256()
        for image in self.calibration:
            digest.update(f"{image.shape}".encode() + image.tobytes())
        return Calibration(images=len(self.calibration), sha256=digest.hexdigest())


def our_sample() -> Samples:
    """The photo that comes with the package, to check on."""
    return Samples([], [read_image(ROOM)])


def read_samples(source: DataSource) -> Samples:
    """Training images to fit to and val images to check on, each spread over all; depth is not needed.

    Raises:
        DataError: there is none, or an image cannot be read.
    """
    train, val = source.items("train") or source.items("val"), source.items("val") or source.items("train")
    if not train:
        raise DataError(f"--calibration {source.root}: holds no images")
    few, others = _few(train, CALIBRATION_IMAGES), _few(val, CHECK_IMAGES - 1)
    return Samples(
        [read_image(item.image) for item in few], our_sample().check + [read_image(item.image) for item in others]
    )


def as_inputs(images: Sequence[np.ndarray], about: ExportMetadata) -> list[np.ndarray]:
    """Images brought to the source's size, each as the graph takes it."""
    sized = [resize_image(image, about.source) for image in images]
    if about.input == "image":
        return [image[None] for image in sized]
    return [to_pixels(fit(image, about.rule())[0]) for image in sized]


def _few(items: Sequence[DataItem], count: int) -> Sequence[DataItem]:
    if isinstance(items, BlockItems) and items.labelled:
        return items.few(count)[:count]
    positions = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[position] for position in positions.tolist()]
