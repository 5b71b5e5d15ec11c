"""Batches for training, decoded in worker processes, and single images for evaluation, decoded in threads.

A file that cannot be read never raises in either: it comes out as a failure, and the caller counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from disdepth_cli.data.batches.order import Order
from disdepth_cli.data.batches.origin import Origins
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.pair import load_pair, read_pair
from disdepth_cli.data.files.workers import map_ahead, start_worker
from disdepth_cli.errors import DataError
from disdepth_cli.types import DepthSample, StoredBatch, ViewOrigin
from disdepth_cli.working_size import Placement, WorkingSize, fit, to_pixels

_PREFETCH = 4
BYTES_A_PIXEL = 5
PATIENCE = 300.0
"""Seconds that the loop waits for a batch. Less than processes wait for each other: the one without a batch speaks."""


class LoadFailure(NamedTuple):
    """An item that could not be read, and why."""

    key: str
    reason: str


@dataclass
class EvalItem:
    """An image as a model takes it, and its ground truth as it is stored.

    image (1, 3, h, w) float32 RGB in [0, 1]; placement brings a prediction back to the image's size; depth
    (H, W) float32 [m] at the ground truth's own size (which may not be the image's), 0 = invalid and otherwise
    as stored: the protocol says which range counts. None: no ground truth. `error` says why the item could not
    be read; image is then (1, 3, 0, 0) and depth None. origin: where a teacher asks for it.
    """

    image: Tensor
    placement: Placement
    depth: np.ndarray | None
    key: str
    error: str | None = None
    origin: ViewOrigin | None = None


class TrainDataset(Dataset[DepthSample | LoadFailure]):
    """Training views, by (epoch, index)."""

    def __init__(
        self, items: Sequence[DataItem], source: DataSource, view: TrainView, origins: Origins | None = None
    ) -> None:
        """origins: for teachers that need more of a view than its pixels."""
        self.items, self.source, self.view, self.origins = items, source, view, origins

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: tuple[int, int]) -> DepthSample | LoadFailure:
        epoch, index = number
        item = self.items[index]
        key = self.source.key(item)
        try:
            image, depth = load_pair(item, self.source)
            pixels, colours, metres = self.view(image, depth, epoch, index, bordered=not item.extra)
            ask = self.origins
            origin = None if ask is None else ask.of_view(item, image, self.source, self.view, epoch, index)
        except DataError as error:
            return LoadFailure(key, str(error))
        return DepthSample(pixels, colours, metres, key, depth is not None, origin)


class TrainBatches(Sampler[list[tuple[int, int]]]):
    """The (epoch, index) of batches start_batch to total_batches of a whole run; order from (seed, epoch) alone.

    A run is one stream: epoch after epoch, each a permutation, cut into batches without regard to where an epoch ends.
    So every image is seen once an epoch. Starting later gives exactly the tail, so a resumed run goes on as if it had
    not stopped. Ranks get disjoint parts of each step.
    """

    def __init__(
        self, order: Order, batch_size: int, start_batch: int, total_batches: int, rank: int = 0, world: int = 1
    ) -> None:
        self.order, self.batch_size = order, batch_size
        self.start_batch, self.total_batches = start_batch, total_batches
        self.rank, self.world = rank, world

    def __len__(self) -> int:
        return max(self.total_batches - self.start_batch, 0)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        step = self.batch_size * self.world
        views = self.order.stream(self.start_batch * step)
        own_rows = slice(self.rank * self.batch_size, (self.rank + 1) * self.batch_size)
        for _ in range(len(self)):
            yield list(islice(views, step))[own_rows]


def batches_per_epoch(length: int, batch_size: int, world: int = 1) -> int:
    """Batches that each of `world` ranks takes from one pass over `length` items; at least 1."""
    return max(length // (batch_size * world), 1)


def train_loader(
    dataset: TrainDataset, batches: TrainBatches, workers: int, pin_memory: bool = False
) -> DataLoader[StoredBatch]:
    """The batches of a run, in order, whatever the number of workers.

    A worker that gives nothing for `PATIENCE` seconds, or that is killed, raises a RuntimeError of PyTorch's.
    """
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # the loader's type is what comes out of the collate function
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate if workers == 0 else _collate_to_send,
        worker_init_fn=start_worker,
        persistent_workers=workers > 0,
        prefetch_factor=_PREFETCH if workers > 0 else None,
        pin_memory=pin_memory,
        timeout=PATIENCE if workers > 0 else 0,
        generator=torch.Generator(),  # else each loader draws from the global generator
    )


def shared_bytes(size: tuple[int, int], batch_size: int, workers: int) -> int:
    """Shared memory [bytes] that the batches of `workers` take at most, of views of that size [pixels]."""
    return BYTES_A_PIXEL * size[0] * size[1] * batch_size * (workers * _PREFETCH + 1)


class EvalDataset(Dataset[EvalItem]):
    """Whole images, fitted to a model's working size."""

    def __init__(
        self, items: Sequence[DataItem], source: DataSource, working: WorkingSize, origins: Origins | None = None
    ) -> None:
        self.items, self.source, self.working, self.origins = items, source, working, origins

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> EvalItem:
        item = self.items[index]
        key = self.source.key(item)
        try:
            image, depth = read_pair(item, self.source.coding)
            fitted, placement = fit(image, self.working)
            origin = None if self.origins is None else self.origins.of_whole(item, image, self.source, placement)
        except DataError as error:
            nowhere = Placement((0, 0), (0, 0), (0, 0))
            return EvalItem(torch.zeros(1, 3, 0, 0), nowhere, None, key, str(error))
        # NumPy's division: in a thread, torch would start more threads.
        return EvalItem(torch.from_numpy(to_pixels(fitted)), placement, depth, key, origin=origin)


def eval_loader(
    items: Sequence[DataItem], source: DataSource, working: WorkingSize, workers: int, origins: Origins | None = None
) -> Iterator[EvalItem]:
    """The items one at a time, in order, decoded ahead by that many threads; 0: each when it is asked for."""
    dataset = EvalDataset(items, source, working, origins)
    return map_ahead(dataset.__getitem__, range(len(dataset)), workers)


def _collate(loaded: list[DepthSample | LoadFailure]) -> StoredBatch:
    samples = [one for one in loaded if isinstance(one, DepthSample)]
    failures = [(one.key, one.reason) for one in loaded if isinstance(one, LoadFailure)]
    return StoredBatch.collate(samples, failures)


def _collate_to_send(loaded: list[DepthSample | LoadFailure]) -> StoredBatch:
    """In a worker. Here a lack of shared memory can be met; PyTorch would lose the batch, and the run would wait."""
    return _collate(loaded).in_shared_memory()
