"""One image with its depth, by where they lie; and sequences of them, as lists or as what lies many to a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from disdepth_cli.data.files.location import Location


@dataclass(frozen=True, slots=True)
class DataItem:
    """One image and its depth, each a file or an entry of one; None: an image without ground truth.

    extra: an image of an `unlabeled:` entry: the border crop of the protocol is not for it.
    masks: maps of the depth's size; depth counts where all of them are above 0. scale: of its depth, where it is not
    the data's. focal: focal length [pixels of the image], where its list states one.
    """

    image: Location
    depth: Location | None
    extra: bool = False
    masks: tuple[Location, ...] = ()
    scale: float | None = None
    focal: float | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row or file that is left out: split ("train", "val", or "" when it was not split), place, reason."""

    split: str
    where: str
    reason: str


class BlockItems(Sequence[DataItem], ABC):
    """Items that lie many to a file (a block), and what is known of them before a file is opened."""

    blocks: tuple[int, ...]
    """How many consecutive items lie in each file."""

    @property
    @abstractmethod
    def labelled(self) -> int:
        """How many items have depth."""

    @abstractmethod
    def extra_flags(self) -> np.ndarray:
        """(n,) bool: which items are extra images."""

    @abstractmethod
    def only_labelled(self) -> Sequence[DataItem]:
        """The items with depth."""

    @abstractmethod
    def few(self, count: int) -> Sequence[DataItem]:
        """Up to `count` items with depth, spread evenly."""


def labelled_count(items: Sequence[DataItem]) -> int:
    """How many items have depth."""
    return items.labelled if isinstance(items, BlockItems) else sum(item.depth is not None for item in items)


def only_labelled(items: Sequence[DataItem]) -> Sequence[DataItem]:
    """The items with depth; those of shards are not looked up."""
    return items.only_labelled() if isinstance(items, BlockItems) else [item for item in items if item.depth]


def blocks_of(items: Sequence[DataItem]) -> tuple[int, ...]:
    """How many consecutive items lie in one file; empty where each has files of its own."""
    return items.blocks if isinstance(items, BlockItems) else ()


def extra_flags(items: Sequence[DataItem]) -> np.ndarray:
    """(n,) bool: which items are extra images."""
    if isinstance(items, BlockItems):
        return items.extra_flags()
    return np.fromiter((item.extra for item in items), bool, len(items))


def first_without_focal(items: Sequence[DataItem]) -> DataItem | None:
    """The first item that states no focal length; of shards, which state none, the first of all."""
    some = items[:1] if isinstance(items, BlockItems) else items
    return next((item for item in some if item.focal is None), None)


def few_labelled(items: Sequence[DataItem], count: int) -> Sequence[DataItem]:
    """At least `count` items with depth, where there are so many, spread over all."""
    if isinstance(items, BlockItems):
        return items.few(count)
    known = only_labelled(items)
    return known[:: max(len(known) // count, 1)]
