"""Pack: any data set into tar shards in WebDataset's layout, with an index beside them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from disdepth_cli.config import PackConfig
from disdepth_cli.data.batches.order import Order
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.images import read_stored
from disdepth_cli.data.files.item import extra_flags, few_labelled
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.data.shards.encode import PackDataset, PackedSample, Packing, pack_loader
from disdepth_cli.data.shards.index import INDEX, record_of, write_index
from disdepth_cli.data.shards.items import Shard
from disdepth_cli.data.shards.journal import Journal
from disdepth_cli.data.shards.writer import Samples, write_shard
from disdepth_cli.errors import DataError, DisdepthError, Interrupted
from disdepth_cli.machine.signals import WORKERS_GONE, StopSignal
from disdepth_cli.observer import SILENT, Observer
from disdepth_cli.results.data import PackResult

SPLITS: tuple[Literal["train", "val"], ...] = ("train", "val")
_KNOWN_SCALES = (1000.0, 256.0, 100.0)


def pack(config: PackConfig, observer: Observer = SILENT) -> PackResult:
    """Write a data set as shards: `train-000000.tar`, ..., `val-000000.tar`, ..., and `index.json`.

    The same data and options give the same bytes.

    Raises:
        DisdepthError: of any kind; its message is one line for the user.
    """
    source = load_source(config.data)
    if not len(source.train) + len(source.val):
        raise DataError(f"{source.root}: no images to pack")
    packing = Packing(config.depth, _scale(config, source), config.size, config.quality)
    journal = Journal.open(config, {split: len(getattr(source, split)) for split in SPLITS}, packing.scale)
    for message in _oddities(config, source, packing):
        observer.on_warning(message)
    began, done = time.monotonic(), journal.done
    with StopSignal() as stop:
        _Packer(config, source, packing, journal, stop, observer).run()
    index = _index(config, source, packing, journal)
    write_index(config.output / INDEX, index)
    journal.remove()
    seconds = time.monotonic() - began
    return PackResult(
        output=str(config.output),
        index=str(config.output / INDEX),
        train=_totals(journal.shards["train"]),
        val=_totals(journal.shards["val"]),
        depth={"format": config.depth, "scale": packing.scale},
        skipped=journal.skipped,
        seconds=round(seconds, 1),
        images_per_second=round((journal.done - done) / max(seconds, 1e-9), 1),
    )


class _Packer:
    """Fills shard after shard; after each the journal says how far it is."""

    def __init__(
        self,
        config: PackConfig,
        source: DataSource,
        packing: Packing,
        journal: Journal,
        stop: StopSignal,
        observer: Observer,
    ) -> None:
        self.config, self.source, self.packing = config, source, packing
        self.journal, self.stop, self.observer = journal, stop, observer
        self.count, self.total = 0, sum(journal.lengths.values()) - journal.done

    def run(self) -> None:
        """Pack what is not packed yet.

        Raises:
            Interrupted: stopped by a signal; the shards that are whole stay.
            DataError: depth that does not fit, or too many files that cannot be read.
        """
        for split in SPLITS:
            if self.journal.lengths[split]:
                self._pack_split(split)

    def _pack_split(self, split: Literal["train", "val"]) -> None:
        items, done = self.source.items(split), self.journal.reached[split]
        order = _order(self.config, self.source, split)[done:]
        loader = pack_loader(PackDataset(items, self.source, self.packing), order.tolist(), self.config.workers)
        samples = Samples(self._watched(iter(loader)))
        most_bytes = self.config.shard_size * 1e6
        while True:
            file = self.config.output / f"{split}-{len(self.journal.shards[split]):06d}.tar"
            shard = write_shard(file, samples, most_bytes, self.config.shard_count, self._skip)
            self.journal.add(split, shard, done + samples.taken)
            if shard is None:
                return

    def _watched(self, samples: Iterator[PackedSample]) -> Iterator[PackedSample]:
        while True:
            try:
                sample = next(samples, None)
            except WORKERS_GONE:  # the signal has ended the workers too
                if not self.stop.requested:
                    raise
            if self.stop.requested:
                raise Interrupted(
                    f"stopped after {self.journal.done} of {sum(self.journal.lengths.values())} images, in whole "
                    f"shards; go on with --resume -o {self.config.output}"
                )
            if sample is None:
                return
            if sample.refused:
                raise DataError(sample.error or sample.key)
            self.count += 1
            self.observer.on_image(self.count, self.total)
            yield sample

    def _skip(self, sample: PackedSample) -> None:
        reason = sample.error or sample.key
        self.journal.skip(reason)
        self.observer.on_warning(f"skipped: {reason}")
        skipped = len(self.journal.skipped)
        if skipped > self.config.max_corrupt:
            raise DataError(
                f"{skipped} images cannot be packed, more than --max-corrupt {self.config.max_corrupt}; "
                f"the last: {reason}"
            )


def _order(config: PackConfig, source: DataSource, split: Literal["train", "val"]) -> np.ndarray:
    """(n,) indices in the order they are packed: training images shuffled, extra images after the others."""
    items = source.items(split)
    order = np.arange(len(items))
    if split == "train" and config.shuffle:
        views = Order(source.train_blocks or (len(items),), config.seed).stream(0)
        order = np.fromiter((index for _, index in islice(views, len(items))), np.int64, len(items))
    extra = extra_flags(items)[order]
    return np.concatenate([order[~extra], order[extra]])


def _scale(config: PackConfig, source: DataSource) -> float:
    """Stored = metres x scale: the one asked for, the data's if its depth is whole numbers, or one that fits."""
    if config.depth == "npy":
        return 1.0
    if config.depth_scale is not None:
        return config.depth_scale
    for item in [*few_labelled(source.train, 1), *few_labelled(source.val, 1)]:
        try:
            if item.depth and source.coding.is_plain and read_stored(item.depth).dtype.kind == "u":
                return source.depth_scale
        except DisdepthError:
            continue
    return next((scale for scale in _KNOWN_SCALES if source.max_depth * scale <= 65535), 65535 // source.max_depth)


def _oddities(config: PackConfig, source: DataSource, packing: Packing) -> Iterator[str]:
    if config.size is not None and source.protocol not in (None, "plain"):
        yield f"--size changes what {source.protocol} is measured on: scores are not those of the full images"
    if config.depth == "png" and source.max_depth * packing.scale > 65535:
        yield (
            f"depth beyond {65535 / packing.scale:.4g} m does not fit, and the data's goes up to "
            f"{source.max_depth:g} m; an image that has any stops the packing (--depth-scale)"
        )


def _index(config: PackConfig, source: DataSource, packing: Packing, journal: Journal) -> dict[str, Any]:
    def records(split: str) -> list[dict[str, Any]]:
        return [record_of(shard, Path(shard.location).name) for shard in journal.shards[split]]

    return {
        "wids_version": 1,
        "name": source.name,
        "description": "made by `disdepth pack`: KEY.jpg or KEY.png, and KEY.depth.png (16 bit, metres = stored / "
        "depth_scale, 0: none) or KEY.depth.npy (float16 metres)",
        "depth_scale": packing.scale,
        "min_depth": source.min_depth,
        "max_depth": source.max_depth,
        "protocol": source.protocol,
        "shardlist": records("train"),
        "val_shardlist": records("val"),
    }


def _totals(shards: Sequence[Shard]) -> dict[str, int]:
    return {
        "images": sum(shard.count for shard in shards),
        "labelled": sum(shard.labelled for shard in shards),
        "shards": len(shards),
        "bytes": sum(shard.size or 0 for shard in shards),
    }
