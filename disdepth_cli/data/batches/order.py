"""In which order a run sees its images: a function of (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from disdepth_cli.data.shards.items import WINDOW
from disdepth_cli.errors import DataError

_ORDER_STREAM = 1  # keeps the random stream of the order apart from those of the views


class Order:
    """The permutation of an epoch, drawn piece by piece: memory does not grow with the data set.

    Entries of one file (a block) stay near each other, so that few files are open, or on disk, at a time: the blocks
    are shuffled, and then the entries of every `window` blocks together. One block is one plain permutation.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        seed: int,
        window: int = WINDOW,
        on_window: Callable[[Sequence[int], Sequence[int]], None] | None = None,
    ) -> None:
        """blocks: how many consecutive items each file holds. on_window: told, whenever the order comes to other
        files, their numbers and those of the files that come next.

        Raises:
            DataError: there is not one item.
        """
        self.ends = np.cumsum(np.asarray(blocks, np.int64))
        if not len(self.ends) or self.ends[-1] < 1:
            raise DataError("there are no images to train on")
        self.sizes = np.diff(self.ends, prepend=0)
        self.seed, self.window, self.on_window = seed, window, on_window

    def __len__(self) -> int:
        return int(self.ends[-1])

    def stream(self, start: int) -> Iterator[tuple[int, int]]:
        """(epoch, index) from the run's `start`-th view on, without end: every epoch is each index once."""
        epoch, skip = divmod(start, len(self))
        while True:
            for index in self._epoch(epoch, skip):
                yield epoch, index
            epoch, skip = epoch + 1, 0

    def _epoch(self, epoch: int, skip: int) -> Iterator[int]:
        """The indices of an epoch less the first `skip`; the windows that are skipped are not drawn."""
        blocks = self._files(epoch)
        for number, first in enumerate(range(0, len(blocks), self.window)):
            chosen = blocks[first : first + self.window]
            count = int(self.sizes[chosen].sum())
            if skip >= count:
                skip -= count
                continue
            if self.on_window is not None:
                upcoming = blocks[first + self.window :][: self.window]
                upcoming = upcoming if len(upcoming) else self._files(epoch + 1)[: self.window]
                self.on_window(chosen.tolist(), upcoming.tolist())
            members = np.concatenate([np.arange(self.ends[b] - self.sizes[b], self.ends[b]) for b in chosen])
            part = None if len(self.sizes) == 1 else number
            yield from members[self._shuffled(epoch, part, count)][skip:].tolist()
            skip = 0

    def _files(self, epoch: int) -> np.ndarray:
        """The numbers of the files in an epoch's order."""
        return self._shuffled(epoch, None, len(self.sizes)) if len(self.sizes) > 1 else np.zeros(1, np.int64)

    def _shuffled(self, epoch: int, part: int | None, count: int) -> np.ndarray:
        """A permutation of `count`, of its own for every epoch and part."""
        key = (_ORDER_STREAM,) if part is None else (_ORDER_STREAM, part)
        entropy = np.random.SeedSequence([self.seed, epoch], spawn_key=key)
        return np.random.Generator(np.random.Philox(entropy)).permutation(count)
