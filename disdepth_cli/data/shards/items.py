"""The samples of tar shards as a sequence that is never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np

from disdepth_cli.data.files.item import BlockItems, DataItem
from disdepth_cli.data.files.location import Encoded, Member
from disdepth_cli.data.shards.address import is_remote
from disdepth_cli.data.shards.reader import ShardReaders
from disdepth_cli.errors import DataError

WINDOW = 8  # files whose entries are shuffled together
_OPEN = 2 * WINDOW  # shards: those of this window, and those of the last that other workers still read
_LOOKED_INTO = 2  # remote shards from which a few samples are taken, each of which may be downloaded for it


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of a data set.

    location: its path or address. count: its samples. depths: which of them have depth, one bit a sample, the first
    the lowest; None: all. size [bytes] and sha256 where they are known. extra: as `DataItem.foreign`.
    images_only: depth in it is left alone.
    """

    location: str
    count: int
    depths: int | None = None
    size: int | None = None
    sha256: str | None = None
    extra: bool = False
    images_only: bool = False

    @property
    def labelled(self) -> int:
        """How many of its samples have depth."""
        return self.count if self.depths is None else self.depths.bit_count()

    def positions(self) -> np.ndarray:
        """Which samples have depth, in order."""
        if self.depths is None:
            return np.arange(self.count)
        packed = np.frombuffer(self.depths.to_bytes(-(-self.count // 8), "little"), np.uint8)
        return np.flatnonzero(np.unpackbits(packed, count=self.count, bitorder="little"))


@dataclass(frozen=True, slots=True)
class ShardMember(Member):
    """One image or depth map of a shard. reason: why it cannot be read, where its shard could not be opened."""

    shard: Shard = field(compare=False, repr=False)
    readers: ShardReaders = field(compare=False, repr=False)
    reason: str | None = field(default=None, compare=False)

    def read(self) -> Encoded:
        """The bytes as they are stored.

        Raises:
            DataError: they cannot be read.
        """
        if self.reason is not None:
            raise DataError(self.reason)
        return self.readers.get(self.file, self.shard.size, self.shard.sha256).read(self.entry)


class ShardItems(BlockItems):
    """The samples of shards, in order. What is in a shard is looked up when one of its samples is asked for.

    A shard that cannot be opened gives items that cannot be read: the error comes where the image would be decoded.
    """

    def __init__(
        self, shards: Sequence[Shard], labelled_only: bool = False, readers: ShardReaders | None = None
    ) -> None:
        """labelled_only: samples without depth are left out. readers: those of items of the same shards."""
        self.labelled_only = labelled_only
        self.readers = readers or ShardReaders(_OPEN)
        self.shards = tuple(shard for shard in shards if not labelled_only or shard.labelled)
        self.blocks = tuple(shard.labelled if labelled_only else shard.count for shard in self.shards)
        self._ends = np.cumsum(np.asarray(self.blocks, np.int64))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @overload
    def __getitem__(self, index: int) -> DataItem: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[DataItem]: ...

    def __getitem__(self, index: int | slice) -> DataItem | Sequence[DataItem]:
        if isinstance(index, slice):
            return _Stretch(self, range(*index.indices(len(self))))
        number, position = self._locate(index)
        shard = self.shards[number]

        def member(entry: str, reason: str | None = None) -> ShardMember:
            return ShardMember(shard.location, entry, shard, self.readers, reason)

        try:
            image, depth = self._entries(shard, position)
        except DataError as error:
            return DataItem(member(f"#{position}", str(error)), None, shard.extra)
        return DataItem(member(image), None if depth is None else member(depth), shard.extra)

    def __iter__(self) -> Iterator[DataItem]:
        return (self[index] for index in range(len(self)))

    @property
    def labelled(self) -> int:
        """How many samples have depth; nothing is opened."""
        return sum(shard.labelled for shard in self.shards)

    @property
    def remote(self) -> bool:
        """Whether any shard has to be downloaded."""
        return any(is_remote(shard.location) for shard in self.shards)

    def extra_flags(self) -> np.ndarray:
        """(n,) bool: which samples are extra images."""
        return np.repeat([shard.extra for shard in self.shards], self.blocks)

    def only_labelled(self) -> ShardItems:
        """The samples with depth."""
        return self if self.labelled == len(self) else ShardItems(self.shards, True, self.readers)

    def few(self, count: int) -> Sequence[DataItem]:
        """Up to `count` samples with depth, spread evenly; of remote shards, over the first ones alone."""
        known = self.only_labelled()
        size = len(known)
        if known.remote:
            size = sum(known.blocks[:_LOOKED_INTO])
        chosen = np.unique(np.linspace(0, size - 1, min(count, size), dtype=np.int64))
        return tuple(known[int(index)] for index in chosen)

    def _locate(self, index: int) -> tuple[int, int]:
        """(number of the shard, position in it)."""
        length = len(self)
        index = index + length if index < 0 else index
        if not 0 <= index < length:
            raise IndexError(index)
        number = int(np.searchsorted(self._ends, index, side="right"))
        position = index - int(self._ends[number] - self.blocks[number])
        if self.labelled_only:
            position = int(self.shards[number].positions()[position])
        return number, position

    def _entries(self, shard: Shard, position: int) -> tuple[str, str | None]:
        """Names of a sample's image and depth."""
        table = self.readers.get(shard.location, shard.size, shard.sha256).table
        if len(table) != shard.count:
            raise DataError(
                f"{shard.location}: holds {len(table)} samples, but its index says {shard.count}; pack it again"
            )
        image, depth = table.entries(position)
        return image, None if shard.images_only else depth


class _Stretch(Sequence[DataItem]):
    """Some of the samples of shards, looked up as they are asked for."""

    def __init__(self, items: ShardItems, positions: range) -> None:
        self.items, self.positions = items, positions

    def __len__(self) -> int:
        return len(self.positions)

    @overload
    def __getitem__(self, index: int) -> DataItem: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[DataItem]: ...

    def __getitem__(self, index: int | slice) -> DataItem | Sequence[DataItem]:
        chosen = self.positions[index]
        return _Stretch(self.items, chosen) if isinstance(chosen, range) else self.items[chosen]
