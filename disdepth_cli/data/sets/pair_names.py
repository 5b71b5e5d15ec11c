"""How files and folders of images and depth are called: `rgb_1.jpg` and `depth_1.png`, `RGB/` and `Depth/`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

IMAGE_WORDS = frozenset({"rgb", "color", "colors", "colour", "colours", "image", "images", "img", "photo", "rgbs"})
DEPTH_WORDS = frozenset({"depth", "depths", "depthmap", "gt", "groundtruth"})

IMAGE_FOLDERS = ("rgb", "images", "image", "color", "colour", "colors", "colours", "img", "imgs", "rgbs")
DEPTH_FOLDERS = (
    *("depth", "depths", "depth_map", "depth_maps", "depthmap", "depthmaps", "depth_gt", "gt_depth", "gt"),
    *("ground_truth", "groundtruth", "ground-truth"),
)
"""Names of folders, in any case; of several that are there, the first one counts."""

TRAIN_FOLDERS = ("train", "training")
VAL_FOLDERS = ("val", "valid", "validation", "dev", "test", "testing")
"""Names of folders that are a split; of several for val, the first one is it."""

Role = Literal["image", "depth", "plain"]
_WORD = "|".join(sorted(IMAGE_WORDS | DEPTH_WORDS, key=len, reverse=True))
_FIRST = re.compile(rf"(?P<word>{_WORD})(?:[._ -]|(?=\d))(?P<rest>.+)", re.IGNORECASE)
_LAST = re.compile(rf"(?P<rest>.+?)(?:[._ -]|(?<=\d))(?P<word>{_WORD})", re.IGNORECASE)
_COLMAP = re.compile(r"(?P<rest>.+)\.(geometric|photometric)", re.IGNORECASE)
_IMAGE_SUFFIX = re.compile(r"\.(jpe?g|png|bmp|webp|tiff?)$", re.IGNORECASE)


class Name(NamedTuple):
    """What a file's stem says of itself: its role, and what it shares with its counterpart."""

    role: Role
    key: str


def name_of(stem: str) -> Name:
    """A stem that begins or ends with a word for an image or for depth says its role; any other is plain."""
    found = _LAST.fullmatch(stem) or _FIRST.fullmatch(stem)
    if found is None:
        return Name("plain", stem)
    return Name("depth" if found["word"].lower() in DEPTH_WORDS else "image", found["rest"])


def counterpart_key(stem: str) -> str:
    """What an image and its depth share, where their stems differ: `a/rgb_1` and `a/depth_1`, `1` and
    `1.jpg.geometric` (COLMAP)."""
    folder, slash, name = stem.rpartition("/")
    if (found := _COLMAP.fullmatch(name)) is not None:
        return folder + slash + _IMAGE_SUFFIX.sub("", found["rest"])
    return folder + slash + name_of(name).key


def subfolder(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The folder inside that has the first of the names that any has, in any case."""
    try:
        inside = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    except OSError:
        return None
    for name in names:
        for entry in inside:
            if entry.name.lower() == name:
                return entry
    return None


def depth_beside(images: Path) -> Path | None:
    """The folder of depth that goes with a folder of images: `depth/train` with `images/train`."""
    parts = images.absolute().parts
    for index in range(len(parts) - 1, 0, -1):
        if parts[index].lower() in IMAGE_FOLDERS:
            depth = subfolder(Path(*parts[:index]), DEPTH_FOLDERS)
            rest = Path(*parts[index + 1 :])
            if depth is not None and (depth / rest).is_dir():
                return depth / rest
    return None
