"""The ways in which published data sets lay out their files; `catalogue` says which data set uses which, and how."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from disdepth_cli.data.files.hdf5 import Hdf5Member, MatlabMember, names
from disdepth_cli.data.files.item import DataItem, Skipped
from disdepth_cli.data.files.location import Location
from disdepth_cli.data.files.matlab import read_matlab
from disdepth_cli.data.sets.found_items import Listing
from disdepth_cli.data.sets.lists import rows, stated_focal, without_depth
from disdepth_cli.data.sets.patterns import Folders, fitting
from disdepth_cli.data.sets.splits import Found, SplitRule
from disdepth_cli.errors import DataError


@dataclass
class Splits:
    """What a layout or a data.yaml holds: the items of both splits, and what was left out (see `Listing`)."""

    train: Sequence[DataItem] = ()
    val: Sequence[DataItem] = ()
    skipped: list[Skipped] = field(default_factory=list)
    missing: list[Skipped] = field(default_factory=list)
    leading_slashes: int = 0

    @classmethod
    def of(cls, train: Listing, val: Listing) -> Splits:
        """Two listings together."""
        both = Listing()
        both.add(train)
        both.add(val)
        return cls(train.items, val.items, both.skipped, both.missing, both.leading_slashes)


class Layout(Protocol):
    """Finds the images of a data set below its root, and their depth."""

    def collect(self, root: Path) -> Splits: ...


@dataclass(frozen=True)
class Paired:
    """Every image of a pattern, its depth and masks at patterns with the same named parts (see `patterns`).

    depth: the first that is there counts. inside: depth is this array of an HDF5 file.
    """

    image: str
    depth: tuple[str, ...]
    split: SplitRule
    masks: tuple[str, ...] = ()
    inside: str | None = None

    def collect(self, root: Path) -> Splits:
        splits, folders = Splits(), Folders()
        found = []
        for fit in fitting(self.image, root, folders):
            depth = _first(self.depth, root, folders, fit.fields)
            masks = [_first((mask,), root, folders, fit.fields) for mask in self.masks]
            if depth is None or None in masks:
                wanted = self.depth[0] if depth is None else self.masks[masks.index(None)]
                splits.skipped.append(Skipped("", str(fit.path), f"no {_filled(wanted, fit.fields)} in {root}"))
                continue
            stored: Location = Hdf5Member(str(depth), self.inside) if self.inside else depth
            found.append((DataItem(fit.path, stored, masks=tuple(m for m in masks if m)), fit.fields))
        return _split(self.split, root, found, splits)


@dataclass(frozen=True)
class Listed:
    """Lists of `image depth focal` rows. They may lie in `places`; each entry lies in the first folder that has it.

    `{date}` in a folder is what an entry's first folder begins with: KITTI's drives are named by their date.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    train_folders: tuple[str, ...]
    val_folders: tuple[str, ...]
    folders: tuple[str, ...] = ("", "train_test_inputs", "data_splits")

    def collect(self, root: Path) -> Splits:
        train = self._read(root, "train", self.train, self.train_folders)
        return Splits.of(train, self._read(root, "val", self.val, self.val_folders))

    def _read(self, root: Path, split: str, lists: tuple[str, ...], below: tuple[str, ...]) -> Listing:
        listing, folders = Listing(), Folders()
        files = [root / folder / name for folder in self.folders for name in lists]
        file = next((file for file in files if file.is_file()), None)
        for number, words in rows(file) if file else ():
            where = f"{file}:{number}"
            if without_depth(words):
                listing.skipped.append(Skipped(split, where, f"{words[0]} has no ground truth (None)"))
                continue
            pair = [_below(root, below, entry, folders) for entry in words[:2]]
            if len(pair) == 2 and pair[0] and pair[1]:
                listing.items.append(DataItem(pair[0], pair[1], focal=stated_focal(words)))
                listing.leading_slashes += words[0].startswith("/")
            else:
                gone = words[pair.index(None)] if None in pair else "the depth of a row with one entry"
                listing.skipped.append(Skipped(split, where, f"{gone.lstrip('/')} is not in {root}"))
        return listing


@dataclass(frozen=True)
class ByTime:
    """Images and depth that two lists name with the time of each [s]; nearest pairs within `within` belong together."""

    images: str
    depth: str
    within: float
    split: SplitRule

    def collect(self, root: Path) -> Splits:
        splits, folders = Splits(), Folders()
        found: list[tuple[DataItem, Mapping[str, str]]] = []
        for fit in fitting(f"{{sequence:path}}/{self.images}", root, folders):
            images, depths = _timed(fit.path), _timed(fit.path.parent / self.depth)
            partner = nearest([time for time, _ in images], [time for time, _ in depths], self.within)
            for number, (time, image) in enumerate(images):
                depth = depths[partner[number]][1] if number in partner else None
                gone = next((path for path in (image, depth) if path and not folders.is_file(path)), None)
                if depth is None or gone is not None:
                    why = f"{gone} does not exist" if gone else f"no depth within {self.within:g} s of {time:.6f}"
                    splits.skipped.append(Skipped("", str(image), why))
                else:
                    found.append((DataItem(image, depth), fit.fields))
        return _split(self.split, root, found, splits)


@dataclass(frozen=True)
class MatlabFile:
    """Images and depth as arrays of one MATLAB 7.3 file, and their split, counted from 1, in another.

    depth, val_depth: the arrays for train and for val; val takes `depth` where the other is missing.
    """

    file: str
    splits: str
    images: str
    depth: str
    val_depth: str
    train_rows: str
    val_rows: str

    def collect(self, root: Path) -> Splits:
        file = root / self.file
        if not file.is_file():
            return Splits()
        if not (root / self.splits).is_file():
            raise DataError(f"{root / self.splits}: does not exist; the official split is published beside {file.name}")
        shapes = names(file)
        for wanted in (self.images, self.depth):
            if wanted not in shapes:
                raise DataError(f"{file}: has no {wanted}; it holds {', '.join(sorted(shapes)) or 'no arrays'}")
        val_depth = self.val_depth if self.val_depth in shapes else self.depth
        train, val = read_matlab(root / self.splits, self.train_rows, self.val_rows)
        count = shapes[self.images][0]
        if max(train.max(initial=0), val.max(initial=0)) > count or min(train.min(initial=1), val.min(initial=1)) < 1:
            raise DataError(
                f"{root / self.splits}: names images that {file.name} does not hold (it holds 1 to {count})"
            )
        return Splits(_members(file, self.images, self.depth, train), _members(file, self.images, val_depth, val))


def nearest(first: list[float], second: list[float], within: float) -> dict[int, int]:
    """Index in `first` -> index in `second`: pairs less than `within` apart, nearest first, each used once.

    As the benchmark's associate.py does (TUM RGB-D).
    """
    order = np.argsort(second, kind="stable")
    times = np.asarray(second, float)[order]
    pairs = []
    for index, time in enumerate(first):
        low, high = np.searchsorted(times, [time - within, time + within])
        close = range(low, min(high + 1, len(times)))
        near = ((abs(time - times[number]), index, int(order[number])) for number in close)
        pairs += [pair for pair in near if pair[0] < within]
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, index, other in sorted(pairs):
        if index not in taken and other not in used:
            taken[index] = other
            used.add(other)
    return taken


def _timed(file: Path) -> list[tuple[float, Path]]:
    """(time [s], file) of a list such as TUM's rgb.txt."""
    timed = []
    for number, words in rows(file):
        try:
            timed.append((float(words[0]), file.parent / words[1]))
        except (ValueError, IndexError):
            raise DataError(f"{file}:{number}: must be a time in seconds and a file") from None
    return timed


def _members(file: Path, images: str, depth: str, chosen: np.ndarray) -> list[DataItem]:
    def member(name: str, number: int) -> MatlabMember:
        return MatlabMember(str(file), f"{name}/{number}")

    return [DataItem(member(images, number), member(depth, number)) for number in (int(row) - 1 for row in chosen)]


def _split(rule: SplitRule, root: Path, found: Found, splits: Splits) -> Splits:
    chosen: dict[str, list[DataItem]] = {"train": [], "val": []}
    for (item, _), label in zip(found, rule(root, found), strict=True):
        if label in chosen:
            chosen[label].append(item)
        else:
            splits.skipped.append(Skipped("", str(item.image), label))
    splits.train, splits.val = chosen["train"], chosen["val"]
    return splits


def _first(templates: tuple[str, ...], root: Path, folders: Folders, fields: Mapping[str, str]) -> Path | None:
    """The one file that fits the first template that any fits."""
    for template in templates:
        fits = list(fitting(template, root, folders, fields))
        if len(fits) == 1 and folders.is_file(fits[0].path):
            return fits[0].path
    return None


def _filled(template: str, fields: Mapping[str, str]) -> str:
    return template.replace(":path}", "}").format_map(fields).lstrip("/")


def _below(root: Path, below: tuple[str, ...], entry: str, folders: Folders) -> Path | None:
    """Where an entry of a list lies, in the first of the folders that has it."""
    inside = entry.lstrip("/")
    for path in _candidates(root, below, inside):
        if folders.is_file(path):
            return path
    return None


def _candidates(root: Path, below: tuple[str, ...], inside: str) -> Iterator[Path]:
    date = inside[: len("2011_09_26")]
    for folder in below:
        yield root / folder.replace("{date}", date) / inside
