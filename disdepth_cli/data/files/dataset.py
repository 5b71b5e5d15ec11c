"""A data set as the commands see it: named items in two splits, and what their numbers mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.item import DataItem, Skipped, blocks_of, labelled_count
from disdepth_cli.errors import DataError

Split = Literal["train", "val"]


@dataclass(frozen=True)
class DataSource:
    """Files of a data set and the meaning of their depth.

    coding: how stored depth becomes metres; depth counts where min_depth < depth < max_depth [m]. `skipped` are rows
    and files without ground truth that were left out. An item of `train` without depth learns from the teacher alone.
    missing: list entries that point nowhere; slashed: how many had a leading slash that was dropped.
    `format`: the published layout that it was read as, None for lists and plain folders; `recognised`: by its looks.
    """

    name: str
    root: Path
    train: Sequence[DataItem]
    val: Sequence[DataItem]
    coding: DepthCoding = field(default_factory=DepthCoding)
    min_depth: float = 1e-3
    max_depth: float = 10.0
    protocol: str | None = None
    skipped: tuple[Skipped, ...] = ()
    missing: tuple[Skipped, ...] = ()
    leading_slashes: int = 0
    format: str | None = None
    recognised: bool = False

    @property
    def train_blocks(self) -> tuple[int, ...]:
        """How many consecutive items of `train` lie in one file; empty where each has files of its own."""
        return blocks_of(self.train)

    @property
    def depth_scale(self) -> float:
        """metres = stored / depth_scale."""
        return self.coding.scale

    def items(self, split: Split) -> Sequence[DataItem]:
        """The items of a split.

        Raises:
            DataError: it is empty.
        """
        items = self.train if split == "train" else self.val
        if not items:
            other = "val" if split == "train" else "train"
            left_out = sum(skip.split == split for skip in self.skipped)
            why = f" ({left_out} rows without ground truth were skipped)" if left_out else ""
            raise DataError(
                f"{self.root}: no images to use as {split}{why}, {len(self.train) + len(self.val)} as {other}; "
                f"name a list or folder as `{split}:` in a data.yaml"
            )
        return items

    def labelled(self, split: Split) -> bool:
        """Whether any item of the split has ground truth; False for an empty split."""
        return labelled_count(self.train if split == "train" else self.val) > 0

    def counts(self) -> tuple[int, int]:
        """Training images with ground truth, and without."""
        labelled = labelled_count(self.train)
        return labelled, len(self.train) - labelled

    def focal_of(self, item: DataItem) -> float | None:
        """Focal length of an image [pixels]; None where nobody states it."""
        return item.focal or self.coding.focal

    def key(self, item: DataItem) -> str:
        """What an item is called in reports and caches: its path relative to the root, or all of it."""
        location = str(item.image)
        return location.removeprefix(f"{self.root}{os.sep}")
