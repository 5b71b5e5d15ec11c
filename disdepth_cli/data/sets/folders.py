"""Folders of images, with or without depth: which files belong together, and which of them are train and val."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from disdepth_cli.data.files.dataset import Split
from disdepth_cli.data.files.image_decoders import kind_of
from disdepth_cli.data.files.images import DEPTH_SUFFIXES, IMAGE_SUFFIXES
from disdepth_cli.data.files.item import DataItem, Skipped
from disdepth_cli.data.sets.found_items import Listing
from disdepth_cli.data.sets.pair_names import (
    DEPTH_FOLDERS,
    IMAGE_FOLDERS,
    TRAIN_FOLDERS,
    VAL_FOLDERS,
    counterpart_key,
    depth_beside,
    name_of,
    subfolder,
)
from disdepth_cli.errors import DataError, DisdepthError
from disdepth_cli.reading import read_bytes

Stems = list[tuple[str, Path]]
"""(path without suffix relative to a folder, path), sorted."""

_GREY = ("1", "L", "I", "F")  # Pillow's names of pixels of one channel; those of 16 bits begin with `I;`
_LOOKED_AT = 32  # groups of files of one name


def scan_splits(folder: Path, beside: bool = False) -> dict[Split, Listing]:
    """The parts of a folder by split, where folders called train, val, test ... say so; else empty.

    They may lie in `images/` (with `depth/` laid out alike, or flat), or in the folder itself, each as `scan_folder`
    reads it. Of several folders for val the first of val, valid, validation, dev, test, testing is it. beside: as
    `scan_folder` has it.

    Raises:
        DataError: as `scan_folder`.
    """
    images = subfolder(folder, IMAGE_FOLDERS)
    inside = images or folder
    names: dict[Split, tuple[str, ...]] = {"train": TRAIN_FOLDERS, "val": VAL_FOLDERS}
    folders = {split: subfolder(inside, wanted) for split, wanted in names.items()}
    if not any(folders.values()) or _has_files(inside):
        return {}
    depth = subfolder(folder, DEPTH_FOLDERS) if images else None
    parts: dict[Split, Listing] = {
        split: _part(one, depth, split) if depth else scan_folder(one, split, beside)
        for split, one in folders.items()
        if one
    }
    first = next(iter(parts.values()))
    first.skipped += [
        Skipped("", str(other), "is neither the train nor the val folder; name it in a data.yaml if it should be")
        for other in sorted(inside.iterdir())
        if other.is_dir() and other not in folders.values() and not other.name.startswith(".") and other != depth
    ]
    return parts


def scan_folder(folder: Path, split: str = "", beside: bool = False) -> Listing:
    """The images of a folder, sorted by name, each with its depth where there is any.

    `rgb/`, `images/`, `color/` ... are paired with `depth/`, `gt/` ... by stem; files of one folder by name, as
    `1_rgb.png` and `1_depth.png`, or `1.jpg` and `1.npy`. What is without its counterpart then is skipped and counted.
    beside: a folder that is `images/`, or lies below it, is paired with the one that lies likewise in `depth/`.

    Raises:
        DataError: nothing is there, nothing matches, or what lies where is ambiguous.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is not a folder")
    images, depth = subfolder(folder, IMAGE_FOLDERS), subfolder(folder, DEPTH_FOLDERS)
    if images is None and depth is not None and not _has_files(folder):
        these = ", ".join(f"{name}/" for name in IMAGE_FOLDERS[:4])
        raise DataError(f"{folder}: has {depth.name}/ but none of {these}; put the images there, named as the depth")
    inside = images or folder
    if depth is None and beside:
        depth = depth_beside(inside)
    if depth is not None:
        return _match(inside, depth, split)
    return _named_pairs(inside, split) or _plain(inside, _images(inside))


def scan_images(folder: Path) -> Listing:
    """The images of a folder, or of its `rgb/`, `images/` ..., sorted by name; depth beside them is left alone.

    Raises:
        DataError: no image is there.
    """
    inside = subfolder(folder, IMAGE_FOLDERS) or folder
    found = _images(inside)
    pairs = _named_pairs(inside, "")
    return Listing([DataItem(item.image, None) for item in pairs.items]) if pairs else _plain(inside, found)


def _part(path: Path, depth: Path, split: Split) -> Listing:
    """One split's folder of images, and its part of the folder of depth, or all of that where it has no parts."""
    own = subfolder(depth, (path.name.lower(), *(TRAIN_FOLDERS if split == "train" else VAL_FOLDERS)))
    return _match(path, own or depth, split, all_depth=own is not None)


def _match(images: Path, depth: Path, split: str, all_depth: bool = True) -> Listing:
    """Images and depth of one stem, or, where none has, of one name apart from a word such as rgb and depth.

    all_depth: depth without an image is told of.
    """
    found, depths = _images(images), _files(depth, DEPTH_SUFFIXES)
    if not {stem for stem, _ in found} & {stem for stem, _ in depths}:
        found = [(counterpart_key(stem), path) for stem, path in found]
        geometric = any(path.name.lower().endswith(".geometric.bin") for _, path in depths)
        depths = [
            (counterpart_key(stem), path)
            for stem, path in depths
            if not (geometric and path.name.lower().endswith(".photometric.bin"))
        ]
    by_stem = _by_stem(depth, depths)
    listing = Listing()
    for stem, path in found:
        if stem in by_stem:
            listing.items.append(DataItem(path, by_stem.pop(stem)))
        else:
            listing.skipped.append(Skipped(split, str(path), f"no {stem}.* in {depth}"))
    if not listing.items:
        raise DataError(
            f"{images.parent}: none of {len(listing.skipped)} images in {images.name}/ has a depth file of the "
            f"same stem in {depth.name}/ ({len(depths)} depth files); name them alike, as 0001.jpg and 0001.png"
        )
    if all_depth:
        listing.skipped += [Skipped(split, str(path), f"no {stem}.* in {images}") for stem, path in by_stem.items()]
    return listing


def _by_stem(folder: Path, files: Stems) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for stem, path in files:
        if stem in found:
            raise DataError(f"{folder}: {found[stem].name} and {path.name} have the same stem; keep one of them")
        found[stem] = path
    return found


def _named_pairs(folder: Path, split: str) -> Listing | None:
    """Images and depth of one folder, told apart by their names; None: no depth is among them."""
    images: dict[str, Path] = {}
    depths: Stems = []
    for stem, path in _files(folder, IMAGE_SUFFIXES | DEPTH_SUFFIXES):
        above, slash, name = stem.rpartition("/")
        role, key = name_of(name)
        image = path.suffix.lower() in IMAGE_SUFFIXES
        if path.suffix.lower() in DEPTH_SUFFIXES and (role == "depth" or (role == "plain" and not image)):
            depths.append((above + slash + key, path))
        elif image and (role == "image" or above + slash + key not in images):
            images[above + slash + key] = path
    depths = [(key, path) for key, path in depths if key in images]
    if not depths:
        return None
    worded = {key for key, path in depths if name_of(path.stem).role == "depth"}
    by_key = _by_stem(folder, [(key, p) for key, p in depths if key not in worded or name_of(p.stem).role == "depth"])
    listing = Listing([DataItem(images.pop(key), depth) for key, depth in sorted(by_key.items())])
    listing.skipped = [Skipped(split, str(path), f"no depth of {key} beside it") for key, path in images.items()]
    return listing


def _plain(folder: Path, found: Stems) -> Listing:
    """Images without depth.

    Raises:
        DataError: some are depth: named so, or grey and of the name of a colour one.
    """
    by_name: dict[str, list[Path]] = {}
    for _, path in found:
        by_name.setdefault(name_of(path.stem).key, []).append(path)
    several = [paths for paths in by_name.values() if len(paths) > 1]
    for paths in several[:: -(-len(several) // _LOOKED_AT) or 1]:
        depths = [path for path in paths if name_of(path.stem).role == "depth"]
        depths = depths or [path for path in paths if path.suffix.lower() in DEPTH_SUFFIXES and _is_grey(path)]
        images = [path for path in paths if path not in depths and not _is_grey(path)]
        if depths and images:
            raise DataError(
                f"{folder}: {_inside(depths[0], folder)} looks like the depth of {_inside(images[0], folder)}, but it "
                "would be taken for an image; put images into rgb/ and depth into depth/ (16-bit PNG or another of "
                f"{', '.join(sorted(DEPTH_SUFFIXES))}), or list `image depth` rows, and say depth_scale in a data.yaml "
                "(Kaggle's NYU: 8 bits, 25.5)"
            )
    return Listing([DataItem(path, None) for _, path in found])


def _is_grey(path: Path) -> bool:
    try:
        kind = kind_of(read_bytes(path))
    except (DisdepthError, OSError, ValueError, SyntaxError):
        return False  # whoever needs it says what is wrong
    return kind in _GREY or kind.startswith("I;")


def _inside(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _images(folder: Path) -> Stems:
    found = _files(folder, IMAGE_SUFFIXES)
    if not found:
        kinds = ", ".join(sorted(IMAGE_SUFFIXES))
        raise DataError(f"{folder}: no images ({kinds}) in it or its folders")
    return found


def _files(folder: Path, suffixes: frozenset[str]) -> Stems:
    """The files directly inside, or of all folders below if none is."""
    found: Stems = []
    for target, names in _walk(folder):
        for name in names:
            path = target / name
            if path.suffix.lower() in suffixes and not name.startswith("."):
                found.append((path.relative_to(folder).with_suffix("").as_posix(), path))
        if found and target == folder:
            break
    return sorted(found)


def _has_files(folder: Path) -> bool:
    """Whether images lie directly in a folder."""
    return any(
        entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".") and entry.is_file()
        for entry in folder.iterdir()
    )


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """os.walk through links as well, each real folder once, so that a loop of links ends."""
    seen: set[str] = set()
    for target, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(target)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield Path(target), names
        lower = {name.lower() for name in folders}
        if lower & set(DEPTH_FOLDERS[:6]) or (lower & set(DEPTH_FOLDERS) and lower & set(IMAGE_FOLDERS)):
            raise DataError(  # only reached when the folder itself has no images: depth would be taken for them
                f"{folder}: has images and depth further down ({target}); name that folder, "
                "or write a data.yaml with `train: [folder, folder]`"
            )
        folders[:] = sorted(name for name in folders if not name.startswith("."))
