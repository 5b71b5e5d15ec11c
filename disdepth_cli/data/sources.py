"""A data set as the commands see it: named files in two splits, and what their numbers mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from disdepth_cli.data import hub_rows
from disdepth_cli.data.coding import DepthCoding
from disdepth_cli.data.description import DataFile, read_description
from disdepth_cli.data.formats import HUB, get_format, recognise
from disdepth_cli.data.layouts import Splits
from disdepth_cli.data.listing import DataItem, Listing, Skipped, read_list, scan_folder, scan_images
from disdepth_cli.errors import DataError

__all__ = ["DataItem", "DataSource", "Skipped", "Split", "load_source"]

Split = Literal["train", "val"]

_VAL_EVERY = 10


@dataclass(frozen=True)
class DataSource:
    """Files of a data set and the meaning of their depth.

    coding: how stored depth becomes metres; depth counts where min_depth < depth < max_depth [m]. `skipped` are rows
    and files without ground truth that were left out. An item of `train` without depth learns from the teacher alone.
    missing: list entries that point nowhere; slashed: how many had a leading slash that was dropped.
    `train_blocks`: how many consecutive items of `train` lie in one file; empty where each has files of its own.
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
    slashed: int = 0
    train_blocks: tuple[int, ...] = ()
    format: str | None = None
    recognised: bool = False

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
        return any(item.depth is not None for item in (self.train if split == "train" else self.val))

    def counts(self) -> tuple[int, int]:
        """Training images with ground truth, and without."""
        labelled = sum(item.depth is not None for item in self.train)
        return labelled, len(self.train) - labelled

    def key(self, item: DataItem) -> str:
        """What an item is called in reports and caches: its path relative to the root, or all of it."""
        place = str(item.image)
        return place.removeprefix(f"{self.root}{os.sep}")


def load_source(data: Path | str, strict: bool = True) -> DataSource:
    """A data set from a `data.yaml`, a folder that holds one, a published data set's folder, `rgb/` + `depth/`, or a
    folder of images.

    A folder without a split: every 10th file by name, at least one, is val. strict: list entries that point nowhere
    are an error; else they are the source's `missing`.

    Raises:
        DataError: a path is missing, data.yaml is wrong, nothing is found, or list entries point nowhere.
    """
    source = _load(Path(data).expanduser())
    if strict and source.missing:
        first, more = source.missing[0], len(source.missing) - 1
        further = f" ({more} more lines point nowhere)" if more else ""
        raise DataError(f"{first.where}: {first.reason}{further}; entries are relative to `path` in data.yaml")
    return source


def _load(data: Path) -> DataSource:
    if data.is_dir():
        file = data / "data.yaml"
        return _from_file(file) if file.is_file() else _from_bare(data)
    if data.is_file() and data.suffix.lower() in (".yaml", ".yml"):
        return _from_file(data)
    wanted = "give a data.yaml, a folder with rgb/ (or images/) and depth/, or a folder of images"
    raise DataError(f"{data}: {'is not a data set' if data.exists() else 'does not exist'}; {wanted}")


def _from_bare(folder: Path) -> DataSource:
    """A folder without a data.yaml: what it looks like decides."""
    if (known := recognise(folder)) is not None:
        described = DataFile.model_validate(known.defaults)
        root, splits = known.collect(folder)
        return replace(_source(folder.resolve().name, root, described, splits), recognised=True)
    if hub_rows.looks_like(folder):
        return replace(_from_hub(folder, DataFile(format=HUB, path=str(folder.resolve()))), recognised=True)
    return _from_folder(folder, DataFile())


def _from_file(file: Path) -> DataSource:
    described = read_description(file)
    if described.format == HUB:
        return _from_hub(file, described)
    if described.columns is not None:
        raise DataError(f"{file}: columns: goes with `format: {HUB}`")
    root = (file.parent / Path(described.path).expanduser()).resolve()
    if not root.is_dir():
        raise DataError(f"{file}: path: {root} is not a folder; `path` is relative to data.yaml")
    # Whatever lies beside these images, they are used without it.
    unpaired = _collect(file, root, None, described.unlabeled)
    further = replace(unpaired, items=[DataItem(item.image, None, foreign=True) for item in unpaired.items])
    if described.format is None and described.train is None and described.val is None:
        return _split(root.name, root, described, further) if further.items else _from_folder(root, described)
    splits = Splits.of(_collect(file, root, "train", described.train), _collect(file, root, "val", described.val))
    if described.format is not None and (described.train is None or described.val is None):
        root, found = get_format(described.format).collect(root)
        splits = _fill_in(splits, found, described)
    _check_held_out(file, further.items, splits.val)
    splits.train = [*splits.train, *further.items]
    splits.missing = splits.missing + further.missing
    return _source(file.resolve().parent.name, root, described, splits)


def _fill_in(given: Splits, found: Splits, described: DataFile) -> Splits:
    """A format's splits where data.yaml names none of its own, without the images that it names for the other."""
    named = {item.image for item in (*given.train, *given.val)}
    train = given.train if described.train is not None else [item for item in found.train if item.image not in named]
    val = given.val if described.val is not None else [item for item in found.val if item.image not in named]
    slashed = given.slashed + found.slashed
    return Splits(train, val, given.skipped + found.skipped, given.missing + found.missing, slashed)


def _from_hub(where: Path, described: DataFile) -> DataSource:
    """where: the data.yaml, or the folder itself, as errors name it."""
    if described.unlabeled is not None:
        raise DataError(f"{where}: unlabeled: does not go with `format: {HUB}`; use a `train` split without depth")
    place = described.path
    folder = (where if where.is_dir() else where.parent) / Path(place).expanduser()
    try:
        rows = hub_rows.open_rows(str(folder.resolve()) if folder.is_dir() else place, described)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if "depth_scale" not in described.model_fields_set:
        described = described.model_copy(update={"depth_scale": rows.scale})
    root = folder.resolve() if folder.is_dir() else Path(place)
    return _source(root.name, root, described, Splits(rows.train, rows.val))


def _check_held_out(file: Path, further: Sequence[DataItem], val: Sequence[DataItem]) -> None:
    """Refuse unlabelled images that are val images too: the score would be of images that were trained on.

    Raises:
        DataError: there is one.
    """
    held_out = {item.image for item in val}
    both = next((item.image for item in further if item.image in held_out), None)
    if both is not None:
        raise DataError(f"{file}: unlabeled: {both} is a val image too; name a folder or list without it")


def _from_folder(folder: Path, described: DataFile) -> DataSource:
    return _split(folder.resolve().name, folder, described, scan_folder(folder))


def _split(name: str, root: Path, described: DataFile, listing: Listing) -> DataSource:
    """Items without a split: every 10th, at least one, is val."""
    items = listing.items
    val = items[_VAL_EVERY - 1 :: _VAL_EVERY] or items[-1:]
    held_out = set(val)
    train = [item for item in items if item not in held_out]
    return _source(name, root, described, Splits.of(replace(listing, items=train), Listing(val)))


def _source(name: str, root: Path, described: DataFile, splits: Splits) -> DataSource:
    known = described.format
    coding = DepthCoding() if known in (None, HUB) else get_format(known).coding
    return DataSource(
        name=name,
        root=root,
        train=tuple(splits.train) if isinstance(splits.train, list) else splits.train,
        val=tuple(splits.val) if isinstance(splits.val, list) else splits.val,
        coding=replace(coding, scale=described.depth_scale),
        min_depth=described.min_depth,
        max_depth=described.max_depth,
        protocol=described.protocol,
        skipped=tuple(splits.skipped),
        missing=tuple(splits.missing),
        slashed=splits.slashed,
        format=known,
    )


def _collect(file: Path, root: Path, split: Split | None, entries: str | list[str] | None) -> Listing:
    """All items that one of data.yaml's `train`, `val` and `unlabeled` (split None) names."""
    listing = Listing()
    for entry in [entries] if isinstance(entries, str) else entries or []:
        place = root / Path(entry).expanduser()
        if not place.exists():
            key = split or "unlabeled"
            raise DataError(f"{file}: {key}: {place} does not exist; it is relative to `path`, here {root}")
        listing.add(_unpaired(place, root) if split is None else _paired(place, root, split))
    return listing


def _paired(place: Path, root: Path, split: Split) -> Listing:
    return scan_folder(place, split) if place.is_dir() else read_list(place, root, split)


def _unpaired(place: Path, root: Path) -> Listing:
    """The images of a folder or list, whatever depth they have: none is needed, and rows without any count too."""
    return scan_images(place) if place.is_dir() else read_list(place, root, "", images_only=True)
