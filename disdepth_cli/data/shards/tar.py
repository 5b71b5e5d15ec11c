"""Samples of a tar shard in WebDataset's layout: which members are an image and its depth, and where their bytes lie.

Members of one key, the name up to its first dot, are one sample. Nothing is ever extracted, so a member's name is a
name and never a path. https://github.com/webdataset/webdataset says how such files are made.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from disdepth_cli.data.files.images import DEPTH_SUFFIXES, IMAGE_SUFFIXES
from disdepth_cli.errors import DataError

_NAME = re.compile(r"^((?:.*/)?[^./][^./]*)\.([^/]+)$", re.DOTALL)
_BLOCK = 512
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_IMAGE_WORDS = frozenset({"image", "img", "rgb", "color", "colour", "photo"})
_ARRAYS = frozenset({"npy", "npz", "exr"})


@dataclass(frozen=True)
class Table:
    """Where the images and depth maps of one shard lie. Names are sorted; offsets and sizes [bytes] go with them.

    images, depths: rows of `names`, one a sample in the shard's order; a depth of -1: the sample has none.
    """

    names: np.ndarray
    offsets: np.ndarray
    sizes: np.ndarray
    images: np.ndarray
    depths: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    @property
    def labelled(self) -> np.ndarray:
        """(n,) bool: which samples have depth."""
        return self.depths >= 0

    def entries(self, position: int) -> tuple[str, str | None]:
        """Names of a sample's image and depth."""
        image, depth = int(self.images[position]), int(self.depths[position])
        return self._name(image), self._name(depth) if depth >= 0 else None

    def find(self, name: str) -> tuple[int, int] | None:
        """(offset, size) of a member's bytes; None: there is no such image or depth map."""
        wanted = name.encode("utf-8", "surrogateescape")
        row = int(np.searchsorted(self.names, np.bytes_(wanted)))
        if row == len(self.names) or self.names[row] != wanted:
            return None
        return int(self.offsets[row]), int(self.sizes[row])

    def _name(self, row: int) -> str:
        return bytes(self.names[row]).decode("utf-8", "surrogateescape")


def read_table(file: BinaryIO, shown: str) -> Table:
    """Read the headers of an open shard. shown: what errors call it.

    Raises:
        DataError: it is compressed, cut off, no tar file, or its members cannot be told apart.
    """
    found: dict[str, dict[str, tuple[str, int, int]]] = {}
    try:
        _refuse_compressed(file, shown)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps an object for every member
                parts = _NAME.match(member.name) if member.isreg() and not member.issparse() else None
                if parts is None or parts[1].startswith("__MACOSX/"):
                    continue
                fields = found.setdefault(parts[1], {})
                if parts[2].lower() in fields:
                    raise DataError(f"{shown}: holds {member.name} twice; pack it again")
                fields[parts[2].lower()] = (member.name, member.offset_data, member.size)
            _check_end(file, tar.offset, shown)
    except OSError as error:
        raise DataError(f"{shown}: cannot be read ({error.strerror or error})") from None
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise DataError(f"{shown}: is not a whole tar file ({error}); copy or pack it again") from None
    return _table(found, shown)


def _table(found: dict[str, dict[str, tuple[str, int, int]]], shown: str) -> Table:
    members: list[tuple[str, int, int]] = []
    images: list[int] = []
    depths: list[int] = []
    for key, fields in found.items():
        image, depth = _image_and_depth(fields, f"{shown}: {key}")
        if image is None:
            continue
        images.append(len(members))
        members.append(fields[image])
        depths.append(len(members) if depth else -1)
        if depth:
            members.append(fields[depth])
    if not images:
        kinds = sorted({field for fields in found.values() for field in fields})[:8]
        raise DataError(f"{shown}: holds no images (its fields: {', '.join(kinds) or 'none'}); name them KEY.jpg")
    names = np.array([name.encode("utf-8", "surrogateescape") for name, _, _ in members])
    order = np.argsort(names, kind="stable")
    rows = np.empty(len(order) + 1, np.int32)
    rows[order], rows[-1] = np.arange(len(order)), -1
    positions = np.array([(offset, size) for _, offset, size in members], np.int64)[order]
    return Table(names[order], positions[:, 0].copy(), positions[:, 1].copy(), rows[images], rows[depths])


def _image_and_depth(fields: Iterable[str], shown: str) -> tuple[str | None, str | None]:
    """Which of a sample's fields is its image and which its depth.

    Depth says so (`depth.png`, `depth`, `depth.npy`), is an array (`npy`), or is the `png` beside a `jpg`.
    """
    depths = [field for field in fields if _says_depth(field)] or [field for field in fields if field in _ARRAYS]
    images = [f for f in fields if f not in depths and f".{f.rpartition('.')[2]}" in IMAGE_SUFFIXES]
    plain = [field for field in images if "." not in field]
    if not depths and len(plain) == 2 and "png" in plain:
        depths, plain = ["png"], [field for field in plain if field != "png"]
    named = plain or [field for field in images if _IMAGE_WORDS & set(field.split("."))]
    chosen = named or images
    for kind, several in (("image", chosen), ("depth map", depths)):
        if len(several) > 1:
            raise DataError(
                f"{shown}: which is the {kind}: {', '.join(sorted(several))}? name one KEY.jpg, KEY.depth.png"
            )
    return chosen[0] if chosen else None, depths[0] if depths else None


def _says_depth(field: str) -> bool:
    *words, last = field.split(".")
    if last == "depth":
        return True
    return any(word == "depth" or word.startswith("depth_") for word in words) and f".{last}" in DEPTH_SUFFIXES


def _refuse_compressed(file: BinaryIO, shown: str) -> None:
    start = file.read(8)
    file.seek(0)
    kind = next((name for magic, name in _COMPRESSED.items() if start.startswith(magic)), None)
    if kind:
        raise DataError(
            f"{shown}: is compressed ({kind}), and its samples cannot be reached one by one; unpack it to .tar"
        )


def _check_end(file: BinaryIO, offset: int, shown: str) -> None:
    """A tar file ends with blocks of zeros; tarfile takes a cut after a whole member for the end.

    Raises:
        DataError: none is there.
    """
    file.seek(offset)
    rest = file.read(_BLOCK)
    if rest != bytes(_BLOCK):
        raise DataError(f"{shown}: is cut off (the tar file's end is missing); copy or pack it again")
