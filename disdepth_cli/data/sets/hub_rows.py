"""Rows of a Hub data set, or of a local folder in the same forms, as images with depth: read when they are needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, overload

import numpy as np

from disdepth_cli.data.files.images import read_stored
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.location import Encoded, Location, Member
from disdepth_cli.data.files.signatures import suffix_of_bytes
from disdepth_cli.data.sets.data_yaml import DataFile
from disdepth_cli.data.sets.found_items import every_tenth
from disdepth_cli.errors import DataError, MissingError, near_names, one_line
from disdepth_cli.hub.fetch import is_hub_id
from disdepth_cli.packages import INSTALL, optional

_SAVED = ("dataset_dict.json", "state.json")  # what save_to_disk writes: several splits, or one
_IMAGE_NAMES = ("image", "rgb", "img", "color", "pixel_values")
_VAL_SPLITS = ("validation", "val", "valid", "test")


class HubColumns:
    """The columns of `owner/name` or of a folder, opened once by every process that reads them, for any number of
    threads. Each data set that is opened has its own, so what was saved again is read anew."""

    def __init__(self, location: str) -> None:
        self.location = location
        self._process: int | None = None
        self._splits: Any = None
        self._columns: dict[tuple[str, str], Any] = {}

    def __reduce__(self) -> tuple[type[HubColumns], tuple[str]]:
        return HubColumns, (self.location,)

    @property
    def splits(self) -> Any:
        """Split -> rows.

        Raises:
            DataError: it cannot be opened.
        """
        if self._process != os.getpid():
            self._splits, self._columns = _opened(self.location), {}
            self._process = os.getpid()
        return self._splits

    def column(self, split: str, name: str) -> Any:
        """One column alone, so that no other is read: images as their bytes, anything else as arrays.

        Raises:
            DataError: as `splits`.
        """
        splits = self.splits
        found = self._columns.get((split, name))
        if found is None:  # several threads may make it; each is as good
            found = self._columns[split, name] = _column(splits[split], name)
        return found


@dataclass(frozen=True, slots=True)
class HubMember(Member):
    """One column of one row: `SPLIT/COLUMN/ROW`."""

    columns: HubColumns = field(compare=False, repr=False)

    def read(self) -> Encoded | np.ndarray:
        """The bytes of an image, or an array.

        Raises:
            DataError: the data set cannot be opened, nothing is there, or it names a file that is not its own.
        """
        split, rest = self.entry.split("/", 1)
        column, row = rest.rsplit("/", 1)
        held = self.columns.column(split, column)[int(row)][column]
        if held is None:
            raise DataError(f"{self}: there is nothing in this row")
        if isinstance(held, np.ndarray):
            return held
        data = held["bytes"] if held["bytes"] is not None else self._file(held["path"]).read_bytes()
        return Encoded(data, suffix_of_bytes(data) or PurePosixPath(held["path"] or "").suffix.lower())

    def _file(self, path: str) -> Path:
        """The file that a row names. What was downloaded names what was downloaded, not other files of this machine."""
        from datasets import config
        from huggingface_hub import constants

        caches = (config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH, constants.HF_HUB_CACHE)
        file = Path(path).resolve()
        if Path(self.file).is_dir() or any(file.is_relative_to(Path(cache).resolve()) for cache in caches):
            return file
        raise DataError(f"{self}: names {path}, which did not come with the data set; do not trust it")


class HubRows(Sequence[DataItem]):
    """Rows of one split. An item names its row; nothing is read here."""

    def __init__(self, columns: HubColumns, split: str, rows: Sequence[int], image: str, depth: str | None) -> None:
        self.columns, self.split, self.rows, self.image, self.depth = columns, split, rows, image, depth

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> DataItem: ...
    @overload
    def __getitem__(self, index: slice) -> HubRows: ...
    def __getitem__(self, index: int | slice) -> DataItem | HubRows:
        if isinstance(index, slice):
            return HubRows(self.columns, self.split, self.rows[index], self.image, self.depth)
        row = int(self.rows[index])
        depth = self._member(self.depth, row) if self.depth is not None else None
        return DataItem(self._member(self.image, row), depth)

    def _member(self, column: str, row: int) -> Member:
        return HubMember(self.columns.location, f"{self.split}/{column}/{row}", self.columns)


@dataclass(frozen=True)
class HubSplits:
    """Both splits, and the scale of depth where data.yaml gives none: metres = stored / scale."""

    train: HubRows
    val: HubRows
    scale: float


def looks_like(folder: Path) -> bool:
    """Whether a folder is what `save_to_disk` wrote, or holds parquet files as the Hub does."""
    if any((folder / name).is_file() for name in _SAVED):
        return True
    return any(next(path.glob("*.parquet"), None) is not None for path in (folder, folder / "data"))


def open_rows(location: str, described: DataFile) -> HubSplits:
    """The rows of `owner/name` or of a folder; `train`, `val` and `columns` of data.yaml name splits and columns.

    Without them: train is the split of that name, val the one called validation, val, valid or test (else every 10th
    row of the only split), and the columns are found by name and kind.

    Raises:
        DataError: it cannot be opened, or a split or column is missing or not clear.
    """
    columns = HubColumns(location)
    held = columns.splits
    train, val = _split_names(location, held, described)
    image, depth = _columns(location, held[train or val].features, described.columns or {})

    def rows(split: str | None, chosen: Sequence[int] | None = None) -> HubRows:
        name = split or ""
        return HubRows(columns, name, range(len(held[name]) if name else 0) if chosen is None else chosen, image, depth)

    if val is None and train is not None:
        held_out = every_tenth(len(held[train]))
        train_rows = rows(train, [row for row in range(len(held[train])) if row not in held_out])
        val_rows = rows(train, held_out)
    else:
        train_rows, val_rows = rows(train), rows(val)
    first = next((part[0].depth for part in (train_rows, val_rows) if len(part)), None)
    return HubSplits(train_rows, val_rows, 1.0 if first is not None and _in_metres(first) else 1000.0)


def _split_names(location: str, held: Any, described: DataFile) -> tuple[str | None, str | None]:
    for name in (described.train, described.val):
        if name is not None and (not isinstance(name, str) or name not in held):
            raise DataError(f"{location}: has no split {name!r}; it has {', '.join(held)}")
    train, val = described.train, described.val
    if train is None:
        train = "train" if "train" in held else next((name for name in held if len(held) == 1 and name != val), None)
    if val is None:
        val = next((name for name in _VAL_SPLITS if name in held and name != train), None)
    if train is None and val is None:
        raise DataError(
            f"{location}: has the splits {', '.join(held)}; say which as `train:` and `val:` in a data.yaml"
        )
    return train, val  # type: ignore[return-value]  # lists are refused above


def _columns(location: str, features: Any, named: dict[str, str]) -> tuple[str, str | None]:
    """The columns of image and depth: as named, else by name and kind. No depth at all is allowed."""
    for key, column in named.items():
        if key not in ("image", "depth"):
            raise DataError(f"columns: {key}: is not one of image and depth")
        if column not in features:
            raise DataError(
                f"{location}: has no column {column!r}{near_names(column, features)}; it has {_said(features)}"
            )
    pictures = [name for name in features if _is_picture(features[name])]
    depths = [name for name in features if "depth" in name.lower() and name != named.get("image")]
    depth = named.get("depth") or (depths[0] if len(depths) == 1 else None)
    others = [name for name in pictures if name != depth and name not in depths]
    image = named.get("image") or next((name for name in _IMAGE_NAMES if name in others), None)
    image = image or (others[0] if len(others) == 1 else None)
    if image is None or (depth is None and depths):
        what = "image" if image is None else "depth"
        raise DataError(
            f"{location}: which column is the {what} is not clear; name it as `columns: {{{what}: NAME}}` in "
            f" a data.yaml; it has {_said(features)}"
        )
    return image, depth


def _said(features: Any) -> str:
    return ", ".join(f"{name} ({type(kind).__name__})" for name, kind in features.items())


def _is_picture(kind: Any) -> bool:
    return type(kind).__name__ == "Image"


def _in_metres(first: Location) -> bool:
    """Whether depth is stored as floating-point numbers, which are taken for metres: those of the first row."""
    try:
        return read_stored(first).dtype.kind == "f"
    except DataError:
        return False  # whoever needs the row says what is wrong with it


def _column(rows: Any, column: str) -> Any:
    rows = rows.select_columns([column])
    if not _is_picture(rows.features[column]):
        return rows.with_format("numpy")
    from datasets import Image

    return rows.cast_column(column, Image(decode=False))


def _opened(location: str) -> Any:
    """Split -> rows."""
    if not (Path(location).is_dir() or is_hub_id(location)):
        raise DataError(f"{location}: is neither a folder nor a data set on the Hub (OWNER/NAME)")
    datasets = optional("datasets", "format hub", DataError)
    if int(datasets.__version__.split(".")[0]) < 4:  # those run code that comes with a data set
        raise MissingError(f"format hub: needs datasets, version 4 or later; {INSTALL['datasets']}")
    try:
        if any((Path(location) / name).is_file() for name in _SAVED):
            held = datasets.load_from_disk(location)
        else:
            held = datasets.load_dataset(location)
    except Exception as error:  # the library raises anything: FileNotFoundError, DatasetNotFoundError, pyarrow's, ...
        raise DataError(f"{location}: cannot be opened as a Hub data set ({one_line(error)})") from None
    return held if isinstance(held, datasets.DatasetDict) else {str(held.split or "train"): held}
