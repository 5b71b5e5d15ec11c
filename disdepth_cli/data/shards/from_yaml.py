"""Shards where a data.yaml names them, and what their index adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.shards.index import find_shards, index_beside, names_shards, open_shards
from disdepth_cli.data.shards.items import Shard, ShardItems
from disdepth_cli.errors import DataError


def shards_of(file: Path, key: str, entries: str | list[str] | None, root: Path) -> ShardItems | None:
    """The samples of the shards that data.yaml's `train`, `val` or `unlabeled` names; None: it names no shards.

    Raises:
        DataError: it names shards and other things, or a shard cannot be found.
    """
    listed = [entries] if isinstance(entries, str) else entries or []
    named = [entry for entry in listed if names_shards(_located(entry, root))]
    if not named:
        return None
    if len(named) < len(listed):
        raise DataError(f"{file}: {key}: names shards ({named[0]}) and other things; pack them all, or none")
    shards: list[Shard] = []
    for entry in named:
        if ".tar" in entry:
            shards += find_shards([entry], root)
        else:
            found = open_shards(_located(entry, root))
            shards += found.val if key == "val" else found.train
    if key == "unlabeled":
        shards = [replace(shard, depths=0, extra=True, images_only=True) for shard in shards]
    return ShardItems(shards)


def joined(file: Path, train: Sequence[DataItem], further: Sequence[DataItem]) -> Sequence[DataItem]:
    """Training images and further ones without depth, both shards or both files.

    Raises:
        DataError: one is shards and the other is not.
    """
    if not further or not train:
        return train or further
    if isinstance(train, ShardItems) and isinstance(further, ShardItems):
        return ShardItems(train.shards + further.shards)
    if isinstance(train, ShardItems) or isinstance(further, ShardItems):
        raise DataError(f"{file}: train and unlabeled: must both be shards, or both files; pack the others too")
    return [*train, *further]


def shared_shard(val: Sequence[DataItem], further: Sequence[DataItem]) -> str | None:
    """A shard that is in both."""
    if not (isinstance(val, ShardItems) and isinstance(further, ShardItems)):
        return None
    return next(iter({shard.location for shard in val.shards} & {shard.location for shard in further.shards}), None)


def said_by_index(
    file: Path, given: dict[str, Any], lists: Sequence[str | list[str] | None], root: Path
) -> dict[str, Any]:
    """What the indices of the named shards say and data.yaml (`given`) does not.

    Raises:
        DataError: the depth scales differ.
    """
    says: dict[str, Any] = {}
    for entries in lists:
        for entry in [entries] if isinstance(entries, str) else entries or []:
            location = _located(entry, root)
            if not names_shards(location):
                continue
            beside = index_beside([entry], root) if ".tar" in entry else open_shards(location)
            found = beside.says if beside else {}
            scale = (given | says).get("depth_scale")
            if scale is not None and found.get("depth_scale", scale) != scale:
                raise DataError(
                    f"{file}: depth_scale is {scale:g}, but the index of {entry} says {found['depth_scale']:g}; "
                    "one data set has one scale"
                )
            says = found | says
    return {key: value for key, value in says.items() if key not in given}


def _located(entry: str, root: Path) -> str:
    return entry if "://" in entry else str(root / Path(entry).expanduser())
