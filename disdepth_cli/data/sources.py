"""A data set as the commands see it: named files in two splits, and what their numbers mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from disdepth_cli.data.coding import DepthCoding
from disdepth_cli.data.listing import DataItem, Listing, Skipped, read_list, scan_folder, scan_images
from disdepth_cli.data.shard_cache import is_remote
from disdepth_cli.data.shard_index import names_shards, open_shards
from disdepth_cli.data.shard_source import joined, said_by_index, shards_of, shared_shard
from disdepth_cli.data.shards import ShardItems, blocks_of, labelled_count
from disdepth_cli.errors import DataError, near_names

__all__ = ["DataItem", "DataSource", "Skipped", "Split", "load_source"]

Split = Literal["train", "val"]

_VAL_EVERY = 10


class DataFile(BaseModel):
    """The keys of data.yaml."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    path: str = "."
    train: str | list[str] | None = None
    val: str | list[str] | None = None
    unlabeled: str | list[str] | None = None
    depth_scale: float = Field(default=1000.0, gt=0)
    min_depth: float = Field(default=1e-3, ge=0)
    max_depth: float = Field(default=10.0, gt=0)
    protocol: str | None = None

    @model_validator(mode="after")
    def _ordered(self) -> DataFile:
        if self.min_depth >= self.max_depth:
            raise ValueError(f"min_depth {self.min_depth:g} must be below max_depth {self.max_depth:g}")
        return self


@dataclass(frozen=True)
class DataSource:
    """Files of a data set and the meaning of their depth.

    coding: how stored depth becomes metres; depth counts where min_depth < depth < max_depth [m]. `skipped` are rows
    and files without ground truth that were left out. An item of `train` without depth learns from the teacher alone.
    `train_blocks`: how many consecutive items of `train` lie in one file; empty where each has files of its own.
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
    train_blocks: tuple[int, ...] = ()

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

    def key(self, item: DataItem) -> str:
        """What an item is called in reports and caches: its path relative to the root, or all of it."""
        place = str(item.image)
        return place.removeprefix(f"{self.root}{os.sep}")


def load_source(data: Path | str) -> DataSource:
    """A data set from a `data.yaml`, a folder that holds one, `rgb/` + `depth/`, a folder of images, or shards.

    A folder without a split: every 10th file by name, at least one, is val.

    Raises:
        DataError: a path is missing, data.yaml is wrong, nothing is found, or list entries point nowhere.
    """
    if names_shards(str(data)):
        return _from_shards(str(data))
    data = Path(data).expanduser()
    if data.is_dir():
        file = data / "data.yaml"
        return _from_file(file) if file.is_file() else _from_folder(data, DataFile())
    if data.is_file() and data.suffix.lower() in (".yaml", ".yml"):
        return _from_file(data)
    wanted = "give a data.yaml, a folder with rgb/ (or images/) and depth/, a folder of images, or shards"
    raise DataError(f"{data}: {'is not a data set' if data.exists() else 'does not exist'}; {wanted}")


def _from_file(file: Path) -> DataSource:
    described = _read_description(file)
    root = (file.parent / Path(described.path).expanduser()).resolve()
    if not root.is_dir():
        raise DataError(f"{file}: path: {root} is not a folder; `path` is relative to data.yaml")
    further = shards_of(file, "unlabeled", described.unlabeled, root) or _further(file, root, described)
    if described.train is None and described.val is None:
        return _split(root.name, root, described, further) if further else _from_folder(root, described)
    lists = (described.train, described.val, described.unlabeled)
    given = described.model_dump(include=described.model_fields_set)
    described = described.model_copy(update=said_by_index(file, given, lists, root))
    train, train_skipped = _named(file, root, "train", described.train)
    val, val_skipped = _named(file, root, "val", described.val)
    _check_held_out(file, further, val)
    name = file.resolve().parent.name
    return _source(name, root, described, joined(file, train, further), val, train_skipped + val_skipped)


def _further(file: Path, root: Path, described: DataFile) -> list[DataItem]:
    """Images without depth; whatever lies beside them, they are used without it."""
    unpaired = _collect(file, root, None, described.unlabeled).items
    return [DataItem(item.image, None, foreign=True) for item in unpaired]


def _named(
    file: Path, root: Path, split: Split, entries: str | list[str] | None
) -> tuple[Sequence[DataItem], list[Skipped]]:
    """The items of a split that data.yaml names: files, or samples of shards."""
    shards = shards_of(file, split, entries, root)
    if shards is not None:
        return shards, []
    listing = _collect(file, root, split, entries)
    return listing.items, listing.skipped


def _from_shards(place: str) -> DataSource:
    found = open_shards(place)
    root = Path(place) if is_remote(place) else Path(place).expanduser().absolute()
    root = root if root.is_dir() or is_remote(place) else root.parent
    return _source(found.name, root, DataFile(**found.says), ShardItems(found.train), ShardItems(found.val), ())


def _check_held_out(file: Path, further: Sequence[DataItem], val: Sequence[DataItem]) -> None:
    """Refuse unlabelled images that are val images too: the score would be of images that were trained on.

    Raises:
        DataError: there is one.
    """
    if (shard := shared_shard(val, further)) is not None:
        raise DataError(f"{file}: unlabeled: {shard} is named as val too; name other shards")
    if isinstance(val, ShardItems) or isinstance(further, ShardItems):
        return
    held_out = {item.image for item in val}
    both = next((item.image for item in further if item.image in held_out), None)
    if both is not None:
        raise DataError(f"{file}: unlabeled: {both} is a val image too; name a folder or list without it")


def _from_folder(folder: Path, described: DataFile) -> DataSource:
    listing = scan_folder(folder)
    return _split(folder.resolve().name, folder, described, listing.items, listing.skipped)


def _split(
    name: str, root: Path, described: DataFile, items: Sequence[DataItem], skipped: Sequence[Skipped] = ()
) -> DataSource:
    """Items without a split: every 10th, at least one, is val."""
    val = items[_VAL_EVERY - 1 :: _VAL_EVERY] or items[-1:]
    held_out = set(val)
    train = [item for item in items if item not in held_out]
    return _source(name, root, described, train, val, skipped)


def _source(
    name: str,
    root: Path,
    described: DataFile,
    train: Sequence[DataItem],
    val: Sequence[DataItem],
    skipped: Sequence[Skipped],
) -> DataSource:
    return DataSource(
        name=name,
        root=root,
        train=train if isinstance(train, ShardItems) else tuple(train),
        val=val if isinstance(val, ShardItems) else tuple(val),
        train_blocks=blocks_of(train),
        coding=DepthCoding(described.depth_scale),
        min_depth=described.min_depth,
        max_depth=described.max_depth,
        protocol=described.protocol,
        skipped=tuple(skipped),
    )


def _collect(file: Path, root: Path, split: Split | None, entries: str | list[str] | None) -> Listing:
    """All items that one of data.yaml's `train`, `val` and `unlabeled` (split None) names."""
    listing = Listing()
    for entry in [entries] if isinstance(entries, str) else entries or []:
        place = root / Path(entry).expanduser()
        if not place.exists():
            key = split or "unlabeled"
            raise DataError(f"{file}: {key}: {place} does not exist; it is relative to `path`, here {root}")
        part = _unpaired(place, root) if split is None else _paired(place, root, split)
        listing.items += part.items
        listing.skipped += part.skipped
    return listing


def _paired(place: Path, root: Path, split: Split) -> Listing:
    return scan_folder(place, split) if place.is_dir() else read_list(place, root, split)


def _unpaired(place: Path, root: Path) -> Listing:
    """The images of a folder or list, whatever depth they have: none is needed, and rows without any count too."""
    return scan_images(place) if place.is_dir() else read_list(place, root, "", images_only=True)


def _read_description(file: Path) -> DataFile:
    try:
        values: Any = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: is not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise DataError(f"{file}: must be a mapping with keys such as {', '.join(DataFile.model_fields)}")
    for key in values:
        if key not in DataFile.model_fields:
            raise DataError(
                f"{file}: unknown key {str(key)!r}{near_names(str(key), DataFile.model_fields)}"
                f" (known: {', '.join(DataFile.model_fields)})"
            )
    try:
        return DataFile.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = f"{first['loc'][0]}: " if first["loc"] else ""
        got = f" (got {first['input']!r})" if first["loc"] else ""
        raise DataError(f"{file}: {key}{first['msg'].removeprefix('Value error, ')}{got}") from None
