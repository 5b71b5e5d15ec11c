"""Which shards a data set has: from the index that lies beside them, or counted once where there is none.

The index is the JSON that WebDataset's random access tools read (`shardlist` with `url` and `nsamples`), with what
depth needs beside it. Counts of shards without an index are kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from disdepth_cli.data.files.images import IMAGE_SUFFIXES
from disdepth_cli.data.shards.address import beneath, is_remote
from disdepth_cli.data.shards.cache import read_remote
from disdepth_cli.data.shards.eviction import cache_folder
from disdepth_cli.data.shards.items import Shard
from disdepth_cli.data.shards.reader import open_shard
from disdepth_cli.errors import DataError, DisdepthError
from disdepth_cli.files import write_text
from disdepth_cli.reading import read_bytes, reading

INDEX = "index.json"
JOURNAL = ".packing.json"  # there while a folder is being packed
MOST_SHARDS, MOST_SAMPLES = 100_000, 10_000_000  # of a pattern, and of one shard
_BRACES = re.compile(r"\{([^{}]*)\}")
_UNSAFE = re.compile(r"[^\w. -]+")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")  # the compressed ones are refused by name
_read_here = lru_cache(maxsize=16)(lambda location, stamp: _parsed(location, read_bytes(Path(location))))


class ShardRecord(BaseModel):
    """A shard in an index. depths: hex of `Shard.depths`, where some samples have depth and others not."""

    model_config = ConfigDict(extra="ignore")

    url: str = Field(min_length=1)
    nsamples: int = Field(ge=0, le=MOST_SAMPLES)
    filesize: int | None = Field(default=None, ge=0)
    sha256: str | None = None
    labelled: int | None = Field(default=None, ge=0)
    depths: str | None = Field(default=None, pattern=r"^[0-9a-f]+$")
    extra: bool = Field(default=False, alias="foreign")


class IndexFile(BaseModel):
    """index.json: WebDataset's keys for the training shards, and what else a depth data set says of itself."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    wids_version: int = 1
    name: str | None = None
    shardlist: list[ShardRecord] = []
    val_shardlist: list[ShardRecord] = []
    depth_scale: float | None = Field(default=None, gt=0)
    min_depth: float | None = Field(default=None, ge=0)
    max_depth: float | None = Field(default=None, gt=0)
    protocol: str | None = None


@dataclass(frozen=True)
class ShardSet:
    """The shards of a data set by split, and what its index says of their depth; None: it says nothing."""

    name: str
    train: tuple[Shard, ...]
    val: tuple[Shard, ...]
    says: dict[str, Any]


def names_shards(location: str) -> bool:
    """Whether a place is an address, an index, shards by name or pattern, or a folder of shards."""
    if is_remote(location) or location.lower().endswith(_TAR) or Path(location).name == INDEX:
        return True
    folder = Path(location)
    return folder.is_dir() and (has_index(location) or (_has_tars(folder) and not _has_images(folder)))


def has_index(location: str) -> bool:
    """Whether a folder here has an index, or is being packed and will have one."""
    return any((Path(location) / name).is_file() for name in (INDEX, JOURNAL))


def open_shards(location: str) -> ShardSet:
    """The shards that a place names: a folder, an index or a pattern, here or elsewhere.

    Raises:
        DataError: nothing is there, or it cannot be read.
    """
    if location.lower().endswith(_TAR):
        return _by_name(find_shards([location], Path()), Path(location).parent.name)
    if is_remote(location):
        return _read_index(location if location.endswith(".json") else f"{location.rstrip('/')}/{INDEX}")
    path = Path(location).expanduser()
    if (path / JOURNAL).is_file():
        raise DataError(f"{path}: is not packed to its end; go on with disdepth pack DATA --resume -o {path}")
    if path.is_dir() and not (path / INDEX).is_file():
        return _by_name(find_shards(["*.tar"], path), path.resolve().name)
    return _read_index(str(path / INDEX if path.is_dir() else path))


def find_shards(entries: Iterable[str], root: Path) -> tuple[Shard, ...]:
    """The shards of paths, addresses and patterns such as `train-{000000..000012}.tar`, relative to `root`.

    An index beside them says what they hold; without one each is opened and counted, once.

    Raises:
        DataError: one does not exist or cannot be read.
    """
    locations = [location for entry in entries for location in _expand(entry, root)]
    known: dict[str, dict[str, Shard]] = {}
    found = []
    for location in locations:
        folder = location.rpartition("/")[0]
        if folder not in known:
            index = _index_of(folder)
            known[folder] = {shard.location: shard for shard in (index.train + index.val if index else ())}
        found.append(known[folder].get(location))
    return _counted(locations, found)


def index_beside(entries: Sequence[str], root: Path) -> ShardSet | None:
    """What the index beside the first shard says, if there is one."""
    first = next((location for entry in entries for location in _expand(entry, root)), None)
    return _index_of(first.rpartition("/")[0]) if first else None


def write_index(file: Path, index: dict[str, Any]) -> None:
    """Write an index after checking it."""
    IndexFile.model_validate(index)
    write_text(file, json.dumps(index, indent=1) + "\n")


def record_of(shard: Shard, url: str) -> dict[str, Any]:
    """A shard as an index has it."""
    record: dict[str, Any] = {"url": url, "nsamples": shard.count, "labelled": shard.labelled}
    if shard.depths is not None and 0 < shard.labelled < shard.count:
        record["depths"] = f"{shard.depths:x}"
    record |= {"filesize": shard.size, "sha256": shard.sha256}
    return record | ({"foreign": True} if shard.extra else {})


def pack_bits(labelled: np.ndarray) -> int | None:
    """(n,) bool as `Shard.depths`."""
    if labelled.all():
        return None
    return int.from_bytes(np.packbits(labelled, bitorder="little").tobytes(), "little")


def _read_index(location: str) -> ShardSet:
    """An index; one that lies here is read once, until its file changes."""
    if is_remote(location):
        return _parsed(location, read_remote(location))
    with reading(location, "cannot be read"):
        status = os.stat(location)
    return _read_here(location, (status.st_ino, status.st_size, status.st_mtime_ns))


def _parsed(location: str, text: bytes) -> ShardSet:
    with reading(location, "is not an index of shards"):
        try:
            index = IndexFile.model_validate(json.loads(text))
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if index.wids_version != 1 or not index.shardlist + index.val_shardlist:
        raise DataError(f"{location}: is not an index of shards (a `shardlist`, version 1)")
    base = location.rpartition("/")[0]
    splits = [
        _counted([beneath(base, record.url) for record in records], [shard_of(base, record) for record in records])
        for records in (index.shardlist, index.val_shardlist)
    ]
    says = {name: getattr(index, name) for name in ("depth_scale", "min_depth", "max_depth", "protocol")}
    name = _UNSAFE.sub("_", index.name or base.rpartition("/")[2])[:80] or "shards"  # files are called by it
    return ShardSet(name, splits[0], splits[1], {key: value for key, value in says.items() if value is not None})


def shard_of(base: str, record: ShardRecord) -> Shard:
    """A shard as an index has it. Its depths are -1 where the index is of another tool and says nothing of them."""
    partly = record.labelled is not None and record.labelled < record.nsamples
    depths = -1 if record.labelled is None else int(record.depths or "0", 16) if partly else None
    location = beneath(base, record.url)
    return Shard(location, record.nsamples, depths, record.filesize, record.sha256, record.extra)


def _counted(locations: Sequence[str], known: Sequence[Shard | None]) -> tuple[Shard, ...]:
    """The shards, with what is not known of them looked up: a shard's samples, or which of them have depth.

    Where only depth is unknown, the first such shard speaks for all, if all or none of its samples have it.
    """
    shards, first = [], None
    for location, shard in zip(locations, known, strict=True):
        if shard is None:
            shards.append(_count(location))
        elif shard.depths != -1:
            shards.append(shard)
        else:
            first = first or _count(location)
            uniform = first.labelled in (0, first.count)
            depths = (0 if first.labelled == 0 else None) if uniform else _count(location).depths
            shards.append(replace(shard, depths=depths))
    return tuple(shards)


def _count(location: str) -> Shard:
    """Open a shard and count, unless that was done before."""
    size, stamp = None, ""
    if not is_remote(location):
        try:
            status = Path(location).stat()
        except OSError as error:
            raise DataError(f"{location}: cannot be read ({error.strerror or error})") from None
        size, stamp = status.st_size, f"{status.st_size} {status.st_mtime_ns} "
    note = cache_folder() / "counts" / f"{hashlib.sha256((stamp + location).encode()).hexdigest()[:32]}.json"
    try:
        count, depths = json.loads(note.read_text(encoding="utf-8"))
        return Shard(location, int(count), None if depths is None else int(depths, 16), size)
    except (OSError, ValueError, TypeError):
        pass
    table = open_shard(location).table
    bits = pack_bits(table.labelled)
    with suppress(DisdepthError):  # a cache that cannot be written costs time only
        write_text(note, json.dumps([len(table), None if bits is None else f"{bits:x}"]))
    return Shard(location, len(table), bits, size)


def _expand(entry: str, root: Path) -> list[str]:
    """Locations of an entry: braces expanded, `*` looked up in local folders."""
    parts = _BRACES.split(entry)
    choices = [_choices(part) if number % 2 else [part] for number, part in enumerate(parts)]
    locations = ["".join(chosen) for chosen in itertools.islice(itertools.product(*choices), MOST_SHARDS + 1)]
    if len(locations) > MOST_SHARDS:
        raise DataError(f"{entry}: names more than {MOST_SHARDS} shards; write it as {{000000..000012}}")
    if is_remote(entry):
        return locations
    found: list[str] = []
    for location in locations:
        path = root / Path(location).expanduser()
        matches = (
            sorted(file for file in path.parent.glob(path.name) if file.name[0] != ".") if "*" in path.name else [path]
        )
        if not matches:
            raise DataError(f"{path}: no shards of that name")
        found += [str(match.absolute()) for match in matches]
    return found


def _choices(inside: str) -> list[str]:
    """`000..012` or `a,b`."""
    span = _RANGE.fullmatch(inside)
    if span is None:
        return inside.split(",")
    first, last = int(span[1]), int(span[2])
    if last < first or last - first >= MOST_SHARDS:
        raise DataError(f"{{{inside}}}: is not a range of shards; write it as {{000000..000012}}")
    return [str(number).zfill(len(span[1])) for number in range(first, last + 1)]


def _index_of(folder: str) -> ShardSet | None:
    path = f"{folder}/{INDEX}"
    if not is_remote(path):
        return _read_index(path) if Path(path).is_file() else None
    try:
        return _read_index(path)
    except DataError:
        return None


def _by_name(shards: Sequence[Shard], name: str) -> ShardSet:
    """Shards whose names begin with `val` are val."""
    val = tuple(shard for shard in shards if shard.location.rpartition("/")[2].startswith("val"))
    says = _index_of(shards[0].location.rpartition("/")[0]) if shards else None
    train = tuple(shard for shard in shards if shard not in val)
    return ShardSet(name or "shards", train, val, says.says if says else {})


def _has_tars(folder: Path) -> bool:
    return next(folder.glob("*.tar"), None) is not None


def _has_images(folder: Path) -> bool:
    """Images are there as files, and an archive beside them is not what is meant."""
    if any((folder / name).exists() for name in ("data.yaml", "rgb", "images")):
        return True
    suffixes = Counter(file.suffix.lower() for file in folder.iterdir())
    return sum(suffixes[suffix] for suffix in IMAGE_SUFFIXES) > suffixes[".tar"]
