"""Lists of images and their depth: a row each, in the forms that people and programs write."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from disdepth_cli.data.files.item import DataItem, Skipped
from disdepth_cli.data.sets.found_items import Listing
from disdepth_cli.data.sets.pair_names import DEPTH_WORDS, IMAGE_WORDS
from disdepth_cli.data.sets.patterns import Folders
from disdepth_cli.errors import DataError
from disdepth_cli.reading import read_bytes, reading

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_FILE_NAME = re.compile(r"[^,;]*\.\w{2,5}\s*")
_COLUMN_WORD = re.compile(r"[^a-z]+")
_SHOWN = 160  # characters of a row in an error


class Columns(NamedTuple):
    """Which field of a row is which; None where no field is."""

    image: int = 0
    depth: int | None = 1
    focal: int | None = 2


class Row(NamedTuple):
    """One row of a list: its line number, from 1, its fields, and the line as it was read."""

    number: int
    fields: list[str]
    line: str


def read_list(file: Path, root: Path, split: str, images_only: bool = False) -> Listing:
    """A list of `image depth focal` rows, relative to `root`. Depth and focal length [pixels] may be left out.

    Fields are set apart by blanks, tabs or commas, and quoted where they hold blanks. A first row of names, such as
    `image,depth`, says which column is which. images_only: only images are read, and no depth is looked for.

    The NYU list has leading slashes that do not mean absolute: they are dropped first, and an entry is only
    taken as absolute when nothing lies there. A depth of `None` (KITTI) is skipped; `#` starts a comment line. What
    points nowhere is `missing`, for the caller to refuse.

    Raises:
        DataError: the list cannot be read or is empty.
    """
    listing, folders, columns = Listing(), Folders(), Columns()
    for offset, row in enumerate(_rows(file)):
        if offset == 0 and (named := _columns(row.fields)) is not None:
            columns = named
            continue
        fields = _chosen(row, columns, images_only)
        if without_depth(fields):
            reason = f"{fields[0]} has no ground truth (None)"
            listing.skipped.append(Skipped(split, f"{file}:{row.number}", reason))
            continue
        found = [_find(folders, root, entry) for entry in fields]
        if None in found:  # tabs or commas that were none
            words = [_find(folders, root, entry) for entry in row.line.split()[: len(fields)]]
            found = found if None in words else words
        if None in found:
            entry = fields[found.index(None)]
            gone = f"{root / entry.lstrip('/')} does not exist{_read_as(row)}"
            listing.missing.append(Skipped(split, f"{file}:{row.number}", gone))
        elif found[0] is not None:
            depth = found[1] if len(found) > 1 else None
            listing.items.append(DataItem(found[0], depth, focal=stated_focal(row.fields, columns.focal)))
            listing.leading_slashes += fields[0].startswith("/") and str(found[0]) != fields[0]
    if not listing.items and not listing.skipped and not listing.missing:
        raise DataError(f"{file}: lists no images; write one `image depth` pair a line")
    return listing


def _chosen(row: Row, columns: Columns, images_only: bool) -> list[str]:
    """A row's image, which may be empty, and its depth where there is any."""
    image, depth = (_field(row, column) for column in columns[:2])
    return [image, depth] if depth and not images_only else [image]


def _field(row: Row, column: int | None) -> str:
    return row.fields[column] if column is not None and column < len(row.fields) else ""


def rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, its fields) of a list, without empty lines and those that start with `#`.

    Raises:
        DataError: it cannot be read, or is not text.
    """
    return ((row.number, row.fields) for row in _rows(file))


def stated_focal(fields: Sequence[str], column: int | None = Columns().focal) -> float | None:
    """The focal length [pixels] that a row states; None where its column holds no positive number."""
    try:
        focal = float(fields[column]) if column is not None else 0.0
    except (IndexError, ValueError):
        return None
    return focal if 0 < focal < float("inf") else None


def without_depth(fields: list[str]) -> bool:
    """Whether a row says that there is no ground truth, as 45 of KITTI's test list do."""
    return len(fields) > 1 and fields[1].lower() == "none"


def _rows(file: Path) -> Iterator[Row]:
    """The rows of a list. The first one says how all of them are set apart, where it has tabs or commas."""
    lines = ((number, line) for number, line in enumerate(_lines(file), start=1) if line.strip())
    apart: str | None = None
    for number, line in lines:
        if line.lstrip().startswith("#"):
            continue
        apart = apart or _set_apart_by(line, file.suffix.lower())
        with reading(f"{file}:{number}", "is no row of a list"):
            yield Row(number, _fields(line, apart), line.strip())


def _set_apart_by(line: str, suffix: str) -> str:
    """A tab, comma, semicolon or blank: what stands between the fields of a row."""
    if "\t" in line.strip():
        return "\t"
    for mark in (",", ";"):
        parts = line.split(mark)
        if len(parts) > 1 and (suffix == ".csv" or _is_header(parts) or all(map(_FILE_NAME.fullmatch, parts[:2]))):
            return mark
    return " "


def _fields(line: str, apart: str) -> list[str]:
    """The fields of a line, without quotes; runs of blanks count once."""
    if apart == " " and '"' not in line:
        return line.split()
    (fields,) = csv.reader([line.strip(" \r\n")], delimiter=apart, skipinitialspace=True, strict=True)
    fields = [field.strip() for field in fields]
    return [field for field in fields if field] if apart == " " else fields


def _columns(fields: list[str]) -> Columns | None:
    """Which columns are image, depth and focal length, where a row names them."""
    if not _is_header(fields):
        return None
    words = [_words(field) for field in fields]
    depth = next((index for index, held in enumerate(words) if held & DEPTH_WORDS), None)
    image = next((p for p, held in enumerate(words) if held & (IMAGE_WORDS | {"filename", "file"}) and p != depth), 0)
    return Columns(image, depth, next((index for index, held in enumerate(words) if "focal" in held), None))


def _is_header(fields: Sequence[str]) -> bool:
    """Whether fields are names of columns: words for an image or depth, and no name of a file."""
    if any("." in field or "/" in field or "\\" in field for field in fields):
        return False
    return any(_words(field) & (IMAGE_WORDS | DEPTH_WORDS) for field in fields)


def _words(field: str) -> set[str]:
    return set(_COLUMN_WORD.split(field.lower()))


def _lines(file: Path) -> list[str]:
    data = read_bytes(file)
    if data.startswith(_UTF16):
        with reading(file, "is not a text file", advice="a list has one `image depth` pair a line"):
            return data.decode("utf-16").splitlines()
    try:
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not a text file; a list has one `image depth` pair a line") from None


def _read_as(row: Row) -> str:
    """The line that was read, and how a path with blanks is written where it may hold some."""
    blanks = "; quote paths that hold blanks" if len(row.fields) > 3 and not {'"', "\t"} & set(row.line) else ""
    return f" (the line: {row.line[:_SHOWN]}{blanks})"


def _find(folders: Folders, root: Path, entry: str) -> Path | None:
    """The file an entry of a list means, or None."""
    for name in dict.fromkeys((entry, entry.replace("\\", "/"))):
        inside = root / name.lstrip("/")
        if folders.is_file(inside):
            return inside
        if name.startswith("/") and folders.is_file(Path(name)):
            return Path(name)
    return None
