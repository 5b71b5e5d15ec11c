"""What a data set holds, in a few words that stay the same where it is moved and change where it changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from typing import Any

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.location import Location
from disdepth_cli.data.shards.items import ShardItems


def entries_of(source: DataSource) -> dict[str, Any]:
    """{"train": {"images", "digest"}, "val": {...}, "depth": what stored depth means}.

    A digest is of the names of images and depth below the data's root, in their order; files are not read.
    """
    splits: dict[str, Sequence[DataItem]] = {"train": source.train, "val": source.val}
    named = {split: {"images": len(items), "digest": _digest(source, items)} for split, items in splits.items()}
    return {**named, "depth": f"{source.coding.meaning}, {source.min_depth:g} to {source.max_depth:g} m"}


def _digest(source: DataSource, items: Sequence[DataItem]) -> str:
    digest = hashlib.sha256()
    for line in _lines(source, items):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\n")
    return digest.hexdigest()[:32]


def _lines(source: DataSource, items: Sequence[DataItem]) -> Iterator[str]:
    if isinstance(items, ShardItems):
        for shard in items.shards:
            name = shard.location.replace("\\", "/").rpartition("/")[2]
            yield f"{name} {shard.count} {shard.depths} {shard.extra} {shard.images_only} {items.labelled_only}"
        return
    for item in items:
        depth = "" if item.depth is None else _named(source, item.depth)
        yield f"{_named(source, item.image)}\0{depth}\0{item.extra}\0{item.scale}"


def _named(source: DataSource, location: Location) -> str:
    return str(location).removeprefix(f"{source.root}{os.sep}").replace(os.sep, "/")
