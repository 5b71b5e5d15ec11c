"""Depth maps that another tool wrote of a data set's images, found by the images' names."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from disdepth_cli.data.files.images import DEPTH_SUFFIXES, read_stored
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.location import Member
from disdepth_cli.errors import DataError

ENDINGS = ("", "_depth", "-depth")
"""What other tools put behind an image's stem."""


@dataclass(frozen=True)
class StoredMaps:
    """The map (1, h, w) float32 of an image: the file whose stem is the image's, in the same folder below, or the only
    one of that stem. number = stored / scale; NaN where it is `invalid` or not finite."""

    folder: Path
    scale: float
    invalid: float | None
    files: dict[str, Path | None]

    @classmethod
    def of(cls, folder: Path, scale: float, invalid: float | None) -> StoredMaps:
        """Those of a folder and below."""
        files: dict[str, Path | None] = {}
        for target, _, names in os.walk(folder):
            for name in sorted(names, key=lambda name: (Path(name).stem, Path(name).suffix == ".png")):
                path = Path(target) / name
                if path.suffix.lower() not in DEPTH_SUFFIXES or name.startswith("."):
                    continue
                stem = path.relative_to(folder).with_suffix("").as_posix()
                files.setdefault(stem, path)  # of several suffixes, not the PNG, which may be a picture
                if (short := stem.rpartition("/")[2]) != stem:
                    known = files.get(short, path)
                    files[short] = path if known is not None and known.parent == path.parent else None
        return cls(folder, scale, invalid, files)

    def find(self, item: DataItem) -> Path | None:
        """The file of an image's map; None where there is none, or more than one may be meant."""
        image = item.image
        path = PurePosixPath(image.entry if isinstance(image, Member) else image.as_posix())
        parts = path.with_suffix("").parts
        for first in range(len(parts)):
            stem = "/".join(parts[first:])
            for ending in ENDINGS:
                if (found := self.files.get(stem + ending)) is not None:
                    return found
        return None

    def missing(self, items: Iterable[DataItem]) -> list[DataItem]:
        """The images without a map."""
        return [item for item in items if self.find(item) is None]

    def __call__(self, item: DataItem, image: np.ndarray) -> Tensor:
        """The map of an image.

        Raises:
            DataError: it is missing, cannot be read, or is of another shape than the image.
        """
        file = self.find(item)
        if file is None:
            raise DataError(f"{item.image}: has no stored depth of its name in {self.folder}")
        stored = read_stored(file)
        height, width = image.shape[:2]
        if abs(stored.shape[1] * height / (stored.shape[0] * width) - 1) > 0.02:
            raise DataError(
                f"{file}: is {stored.shape[0]}x{stored.shape[1]}, but its image {item.image} is {height}x{width}; the "
                "stored depth must show the whole image"
            )
        numbers = stored.astype(np.float32)
        unknown = ~np.isfinite(numbers)
        if self.invalid is not None:
            unknown |= stored == self.invalid
        return torch.from_numpy(np.where(unknown, np.float32(np.nan), numbers / np.float32(self.scale))[None])
