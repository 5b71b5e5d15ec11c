"""Where a view comes from, for teachers that need more than its pixels: its whole image, its focal length, a map that
is stored beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.images import reduced_by
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.types import ViewOrigin
from disdepth_cli.working_size import Placement, WorkingSize, fit


class Reader(Protocol):
    """Gives what a teacher sees of a whole image: an item and its image (H, W, 3) uint8 -> (C, h, w). Picklable.

    Raises:
        DataError: it cannot be read.
    """

    def __call__(self, item: DataItem, image: np.ndarray) -> Tensor: ...


@dataclass(frozen=True)
class WholeImage:
    """The image itself, at a teacher's working size; uint8."""

    size: WorkingSize

    def __call__(self, item: DataItem, image: np.ndarray) -> Tensor:
        return self.of(image)

    def of(self, image: np.ndarray) -> Tensor:
        """(H, W, 3) uint8 -> (3, h, w) uint8."""
        return torch.from_numpy(np.ascontiguousarray(fit(image, self.size)[0].transpose(2, 0, 1)))


def _focal(source: DataSource, item: DataItem, image: np.ndarray) -> float | None:
    """Focal length [pixels] of an image (H, W, 3) as it was read: a huge one is decoded at a part of its size."""
    focal = source.focal_of(item)
    return focal if focal is None else focal * reduced_by(item.image, image)


@dataclass(frozen=True)
class Origins:
    """Makes the origins that some teachers ask for. readers: by the key of a teacher, what it sees of whole images."""

    readers: Mapping[str, Reader]

    def of_view(
        self, item: DataItem, image: np.ndarray, source: DataSource, view: TrainView, epoch: int, index: int
    ) -> ViewOrigin:
        """The origin of the training view that (epoch, index) get of an image (H, W, 3)."""
        height, width = image.shape[:2]
        window, mirrored = view.window_at(height, width, epoch, index, bordered=not item.extra)
        box = (window.top / height, window.left / width, window.height / height, window.width / width)
        focal = _focal(source, item, image)
        if focal is not None:
            focal *= view.crop_size[1] / window.width / window.zoom
        return ViewOrigin.of_one(box, bool(mirrored), window.zoom, focal, self._whole(item, image))

    def of_whole(self, item: DataItem, image: np.ndarray, source: DataSource, placement: Placement) -> ViewOrigin:
        """The origin of an image (H, W, 3) that was brought to a model's size."""
        (top, left), (height, width) = placement.offset, placement.scaled
        box = (-top / height, -left / width, 1 + 2 * top / height, 1 + 2 * left / width)
        focal = _focal(source, item, image)
        if focal is not None:
            focal *= width / (image.shape[1] + 2 * placement.margin[1])
        return ViewOrigin.of_one(box, False, 1.0, focal, self._whole(item, image))

    def of_unscaled(self, item: DataItem, image: np.ndarray, source: DataSource) -> ViewOrigin:
        """The origin of an image (H, W, 3) that is whole and of its own size."""
        return ViewOrigin.of_one(
            (0.0, 0.0, 1.0, 1.0), False, 1.0, _focal(source, item, image), self._whole(item, image)
        )

    def of_image(self, image: np.ndarray) -> ViewOrigin:
        """The origin of an image (H, W, 3) that is whole, and all that there is: no focal length, nothing stored."""
        whole = {key: read.of(image) for key, read in self.readers.items() if isinstance(read, WholeImage)}
        return ViewOrigin.of_one((0.0, 0.0, 1.0, 1.0), False, 1.0, None, whole)

    def _whole(self, item: DataItem, image: np.ndarray) -> dict[str, Tensor]:
        return {key: read(item, image) for key, read in self.readers.items()}
