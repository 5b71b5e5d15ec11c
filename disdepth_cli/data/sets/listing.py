"""Which files belong to a data set: lists of pairs, and folders of images with or without depth beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from disdepth_cli.data.files.images import DEPTH_SUFFIXES, IMAGE_SUFFIXES
from disdepth_cli.data.files.item import DataItem, Skipped
from disdepth_cli.data.sets.patterns import Folders
from disdepth_cli.errors import DataError

TENTH = 10


@dataclass
class Listing:
    """What a list or folder holds, in order.

    missing: rows that point nowhere; skipped: what has no ground truth. slashed: rows whose leading slash was dropped.
    """

    items: list[DataItem] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    missing: list[Skipped] = field(default_factory=list)
    slashed: int = 0

    def add(self, other: Listing) -> None:
        """Append another listing."""
        self.items += other.items
        self.skipped += other.skipped
        self.missing += other.missing
        self.slashed += other.slashed


def every_tenth(count: int) -> range:
    """Which of `count` things are val where nobody says: every 10th, at least the last; none of none."""
    return range(count)[TENTH - 1 :: TENTH] or range(count)[-1:]


def read_list(file: Path, root: Path, split: str, images_only: bool = False) -> Listing:
    """A BTS list: `image depth focal` a line, relative to `root`. Depth and focal length [pixels] may be left out.

    images_only: no depth is looked for.

    The NYU list has leading slashes that do not mean absolute: they are dropped first, and an entry is only
    taken as absolute when nothing lies there. A depth of `None` (KITTI) is skipped; `#` starts a comment line. What
    points nowhere is `missing`, for the caller to refuse.

    Raises:
        DataError: the list cannot be read or is empty.
    """
    listing, folders = Listing(), Folders()
    for number, fields in rows(file):
        focal = stated_focal(fields)
        fields = fields[:1] if images_only else fields
        if without_depth(fields):
            listing.skipped.append(Skipped(split, f"{file}:{number}", f"{fields[0]} has no ground truth (None)"))
            continue
        found = [_find(folders, root, entry) for entry in fields[:2]]
        if None in found:
            entry = fields[found.index(None)]
            listing.missing.append(Skipped(split, f"{file}:{number}", f"{root / entry.lstrip('/')} does not exist"))
        elif found[0] is not None:
            listing.items.append(DataItem(found[0], found[1] if len(found) > 1 else None, focal=focal))
            listing.slashed += fields[0].startswith("/") and str(found[0]) != fields[0]
    if not listing.items and not listing.skipped and not listing.missing:
        raise DataError(f"{file}: lists no images; write one `image depth` pair a line")
    return listing


def rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, its words) of a list, without empty lines and those that start with `#`.

    Raises:
        DataError: it cannot be read, or is not text.
    """
    for number, line in enumerate(_read_lines(file), start=1):
        fields = line.split()
        if fields and not fields[0].startswith("#"):
            yield number, fields


def stated_focal(fields: list[str]) -> float | None:
    """The third entry of a row, where it is a positive number."""
    try:
        focal = float(fields[2])
    except (IndexError, ValueError):
        return None
    return focal if 0 < focal < float("inf") else None


def without_depth(fields: list[str]) -> bool:
    """Whether a row says that there is no ground truth, as 45 of KITTI's test list do."""
    return len(fields) > 1 and fields[1].lower() == "none"


def scan_folder(folder: Path, split: str = "") -> Listing:
    """The images of a folder, sorted by name: `rgb/` (or `images/`) paired with `depth/` by stem, or plain.

    What lies in `rgb/` or `depth/` without its counterpart is skipped and counted.

    Raises:
        DataError: nothing is there, nothing matches, or what lies where is ambiguous.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder")
    images = next((folder / name for name in ("rgb", "images") if (folder / name).is_dir()), None)
    depth = folder / "depth"
    if not depth.is_dir():
        return Listing([DataItem(path, None) for _, path in _images(images or folder)])
    if images is None:
        raise DataError(f"{folder}: has depth/ but no rgb/ or images/; put the images there, named as the depth")
    return _match(images, depth, split)


def scan_images(folder: Path) -> Listing:
    """The images of a folder, or of its `rgb/` or `images/`, sorted by name; depth beside them is left alone.

    Raises:
        DataError: no image is there.
    """
    inside = next((folder / name for name in ("rgb", "images") if (folder / name).is_dir()), folder)
    return Listing([DataItem(path, None) for _, path in _images(inside)])


def _match(images: Path, depth: Path, split: str) -> Listing:
    depths: dict[str, Path] = {}
    for stem, path in _files(depth, DEPTH_SUFFIXES):
        if stem in depths:
            raise DataError(f"{depth}: {depths[stem].name} and {path.name} have the same stem; keep one of them")
        depths[stem] = path
    listing = Listing()
    for stem, path in _images(images):
        if stem in depths:
            listing.items.append(DataItem(path, depths.pop(stem)))
        else:
            listing.skipped.append(Skipped(split, str(path), f"no {stem}.* in {depth}"))
    if not listing.items:
        raise DataError(
            f"{images.parent}: none of {len(listing.skipped)} images in {images.name}/ has a depth file of the "
            f"same stem in depth/ ({len(depths)} depth files); name them alike, as 0001.jpg and 0001.png"
        )
    listing.skipped += [Skipped(split, str(path), f"no {stem}.* in {images}") for stem, path in depths.items()]
    return listing


def _images(folder: Path) -> list[tuple[str, Path]]:
    found = _files(folder, IMAGE_SUFFIXES)
    if not found:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{folder}: no images ({kinds}) in it or its folders")
    return found


def _files(folder: Path, suffixes: frozenset[str]) -> list[tuple[str, Path]]:
    """(stem relative to folder, path), sorted: the files directly inside, or of all folders below if none is."""
    found: list[tuple[str, Path]] = []
    for place, names in _walk(folder):
        for name in names:
            path = place / name
            if path.suffix.lower() in suffixes and not name.startswith("."):
                found.append((path.relative_to(folder).with_suffix("").as_posix(), path))
        if found and place == folder:
            break
    return sorted(found)


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """os.walk through links as well, each real folder once, so that a loop of links ends."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield Path(place), names
        if "depth" in folders:  # only reached when the folder itself has no images: depth would be taken for them
            raise DataError(
                f"{folder}: has images and depth further down ({place}); name that folder, "
                "or write a data.yaml with `train: [folder, folder]`"
            )
        folders[:] = sorted(name for name in folders if not name.startswith("."))


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not a text file; a list has one `image depth` pair a line") from None


def _find(folders: Folders, root: Path, entry: str) -> Path | None:
    """The file an entry of a list means, or None."""
    inside = root / entry.lstrip("/")
    if folders.is_file(inside):
        return inside
    return Path(entry) if entry.startswith("/") and folders.is_file(Path(entry)) else None
