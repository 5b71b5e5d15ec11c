"""From DATA on the command line to a data set: what kind of place it is, and what it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from disdepth_cli.data.files.dataset import DataSource, Split
from disdepth_cli.data.files.item import DataItem, Skipped
from disdepth_cli.data.sets import hub_rows
from disdepth_cli.data.sets.catalogue import HUB, get_format, recognise
from disdepth_cli.data.sets.data_yaml import DataFile, read_description
from disdepth_cli.data.sets.folders import scan_folder, scan_images, scan_splits
from disdepth_cli.data.sets.found_items import Listing, every_tenth
from disdepth_cli.data.sets.layouts import Splits
from disdepth_cli.data.sets.lists import read_list
from disdepth_cli.data.shards.address import checked, is_remote
from disdepth_cli.data.shards.from_yaml import joined, said_by_index, shards_of, shared_shard
from disdepth_cli.data.shards.index import has_index, names_shards, open_shards
from disdepth_cli.data.shards.items import ShardItems
from disdepth_cli.errors import DataError
from disdepth_cli.reading import reading


def load_source(data: Path | str, strict: bool = True) -> DataSource:
    """A data set from a `data.yaml`, a folder that holds one, a published data set's folder, `rgb/` + `depth/`, a
    folder of images, or shards.

    Folders called train, val, test ... are the split; without them every 10th file by name, at least one, is val.
    strict: list entries that point nowhere are an error; else they are the source's `missing`.

    Raises:
        DataError: a path is missing, data.yaml is wrong, nothing is found, or list entries point nowhere.
    """
    with reading(data, "cannot be opened as a data set"):
        location = checked(str(data))
        source = _from_shards(location) if _are_shards(location) else _load(Path(location).expanduser())
    if strict and source.missing:
        first, more = source.missing[0], len(source.missing) - 1
        further = f" ({more} more lines point nowhere)" if more else ""
        raise DataError(f"{first.where}: {first.reason}{further}; entries are relative to `path` in data.yaml")
    return source


def _are_shards(location: str) -> bool:
    """Whether shards are meant: not by the archives that a published data set was unpacked from, left beside it."""
    if not names_shards(location):
        return False
    return has_index(location) or not Path(location).is_dir() or recognise(Path(location)) is None


def _load(data: Path) -> DataSource:
    if data.is_dir():
        file = data / "data.yaml"
        return _from_file(file) if file.is_file() else _from_bare(data)
    if data.is_file() and data.suffix.lower() in (".yaml", ".yml"):
        return _from_file(data)
    wanted = "give a data.yaml, a folder with rgb/ (or images/) and depth/, a folder of images, or shards"
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
    further, missing = _unlabelled(file, root, described)
    if described.format is None and described.train is None and described.val is None:
        return _split(root.name, root, described, Listing([*further])) if further else _from_folder(root, described)
    lists = (described.train, described.val, described.unlabeled)
    given = described.model_dump(include=described.model_fields_set)
    described = described.model_copy(update=said_by_index(file, given, lists, root))
    splits = Splits.of(_collect(file, root, "train", described.train), _collect(file, root, "val", described.val))
    splits.train = shards_of(file, "train", described.train, root) or splits.train
    splits.val = shards_of(file, "val", described.val, root) or splits.val
    if described.format is not None and (described.train is None or described.val is None):
        root, found = get_format(described.format).collect(root)
        splits = _fill_in(splits, found, described)
    _check_held_out(file, further, splits.val)
    splits.train = joined(file, splits.train, further)
    splits.missing = splits.missing + missing
    return _source(file.resolve().parent.name, root, described, splits)


def _unlabelled(file: Path, root: Path, described: DataFile) -> tuple[Sequence[DataItem], list[Skipped]]:
    """Images without depth, and list entries that point nowhere. Whatever lies beside them is left alone."""
    if (shards := shards_of(file, "unlabeled", described.unlabeled, root)) is not None:
        return shards, []
    unpaired = _collect(file, root, None, described.unlabeled)
    return [DataItem(item.image, None, extra=True, focal=item.focal) for item in unpaired.items], unpaired.missing


def _from_shards(location: str) -> DataSource:
    found = open_shards(location)
    root = Path(location) if is_remote(location) else Path(location).expanduser().absolute()
    root = root if root.is_dir() or is_remote(location) else root.parent
    return _source(found.name, root, DataFile(**found.says), Splits(ShardItems(found.train), ShardItems(found.val)))


def _fill_in(given: Splits, found: Splits, described: DataFile) -> Splits:
    """A format's splits where data.yaml names none of its own, without the images that it names for the other."""
    named = {item.image for item in (*given.train, *given.val)}
    train = given.train if described.train is not None else [item for item in found.train if item.image not in named]
    val = given.val if described.val is not None else [item for item in found.val if item.image not in named]
    leading_slashes = given.leading_slashes + found.leading_slashes
    return Splits(train, val, given.skipped + found.skipped, given.missing + found.missing, leading_slashes)


def _from_hub(where: Path, described: DataFile) -> DataSource:
    """where: the data.yaml, or the folder itself, as errors name it."""
    if described.unlabeled is not None:
        raise DataError(f"{where}: unlabeled: does not go with `format: {HUB}`; use a `train` split without depth")
    target = described.path
    folder = (where if where.is_dir() else where.parent) / Path(target).expanduser()
    try:
        rows = hub_rows.open_rows(str(folder.resolve()) if folder.is_dir() else target, described)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if "depth_scale" not in described.model_fields_set:
        described = described.model_copy(update={"depth_scale": rows.scale})
    root = folder.resolve() if folder.is_dir() else Path(target)
    return _source(root.name, root, described, Splits(rows.train, rows.val))


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
    """A folder of images: the split that its folders say, else every 10th."""
    name, parts = folder.resolve().name, scan_splits(folder)
    if parts and list(parts) != ["train"]:
        splits = Splits.of(parts.get("train", Listing()), parts.get("val", Listing()))
        return _source(name, folder, described, splits)
    return _split(name, folder, described, parts.get("train") or scan_folder(folder))


def _split(name: str, root: Path, described: DataFile, listing: Listing) -> DataSource:
    """Items without a split: every 10th, at least one, is val."""
    items = listing.items
    val = [items[position] for position in every_tenth(len(items))]
    held_out = set(val)
    train = [item for item in items if item not in held_out]
    return _source(name, root, described, Splits.of(replace(listing, items=train), Listing(val)))


def _source(name: str, root: Path, described: DataFile, splits: Splits) -> DataSource:
    return DataSource(
        name=name,
        root=root,
        train=tuple(splits.train) if isinstance(splits.train, list) else splits.train,
        val=_scaled(splits.val, described, root),
        coding=described.coding(),
        min_depth=described.min_depth,
        max_depth=described.max_depth,
        protocol=described.protocol,
        skipped=tuple(splits.skipped),
        missing=tuple(splits.missing),
        leading_slashes=splits.leading_slashes,
        format=described.format,
    )


def _scaled(val: Sequence[DataItem], described: DataFile, root: Path) -> Sequence[DataItem]:
    """The val items, with their own scale where data.yaml gives one.

    Raises:
        DataError: they are of a kind that has one scale alone.
    """
    scale = described.val_depth_scale
    if scale is None or scale == described.depth_scale:
        return tuple(val) if isinstance(val, list) else val
    if isinstance(val, ShardItems) or described.format == HUB:
        raise DataError(f"{root}: depth_scale: shards and Hub data sets have one number for both splits")
    return tuple(replace(item, scale=scale) for item in val)


def _collect(file: Path, root: Path, split: Split | None, entries: str | list[str] | None) -> Listing:
    """All items that one of data.yaml's `train`, `val` and `unlabeled` (split None) names."""
    listing = Listing()
    for entry in [entries] if isinstance(entries, str) else entries or []:
        path = root / Path(entry).expanduser()
        if names_shards(entry if is_remote(entry) else str(path)):
            continue  # `shards_of` reads these
        if not path.exists():
            key = split or "unlabeled"
            raise DataError(f"{file}: {key}: {path} does not exist; it is relative to `path`, here {root}")
        listing.add(_unpaired(path, root) if split is None else _paired(path, root, split))
    return listing


def _paired(path: Path, root: Path, split: Split) -> Listing:
    if not path.is_dir():
        return read_list(path, root, split)
    parts = scan_splits(path, beside=True)
    return parts[split] if split in parts else scan_folder(path, split, beside=True)


def _unpaired(path: Path, root: Path) -> Listing:
    """The images of a folder or list, whatever depth they have: none is needed, and rows without any count too."""
    return scan_images(path) if path.is_dir() else read_list(path, root, "", images_only=True)
