"""The folder of local copies, and what has to go when it is full."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from disdepth_cli.errors import ConfigError


def cache_folder() -> Path:
    """Where downloads and counts are kept."""
    chosen = os.environ.get("DISDEPTH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(chosen).expanduser() if chosen else Path(base) / "disdepth"


def cache_limit() -> int:
    """How many bytes the copies of shards may take.

    Raises:
        ConfigError: the environment names no number.
    """
    text = os.environ.get("DISDEPTH_CACHE_GB", "50")
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise ConfigError(f"DISDEPTH_CACHE_GB={text}: is not a number of gigabytes above 0")
    return int(limit * 1e9)


def part_of(copy: Path, size: int | None) -> Path:
    """Where a download is written. Its name says the size that it will have, so that others leave it that room."""
    return copy.with_name(f"{copy.stem}.{size or 0}.part")


def lock_of(file: Path) -> FileLock:
    """The lock that whoever downloads a copy holds; of the copy or of its part."""
    return FileLock(file.parent / "locks" / f"{file.name.partition('.')[0]}.lock")


def touch(copy: Path) -> None:
    """Note that a copy is in use now."""
    now = time.time_ns()  # what the system would put here may be some milliseconds old
    with suppress(OSError):  # it is gone, or belongs to somebody else
        os.utime(copy, ns=(now, now))


def make_room(part: Path) -> None:
    """Remove what was used longest ago until all copies, and all parts at their whole sizes, fit in the limit.

    `part`, which must be there, stays, and so does what another process downloads now. No lock is needed: each part
    is there before its process looks around, and processes that look at once remove the same files.
    """
    limit = cache_limit()
    kinds = ("*.part", "*.tar")  # in this order: a part that becomes a copy meanwhile is counted twice, not left out
    found = sorted((*use_of(file), file) for kind in kinds for file in part.parent.glob(kind))
    taken = sum(size for _, size, _ in found)
    for _, size, file in found:
        if taken <= limit:
            return
        if file != part and _removed(file):
            taken -= size


def use_of(file: Path) -> tuple[int, int]:
    """(time of last use [ns], bytes); zeros for a file that is gone."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    whole = file.stem.rpartition(".")[2]
    return found.st_mtime_ns, max(found.st_size, int(whole) if file.suffix == ".part" and whole.isdecimal() else 0)


def _removed(file: Path) -> bool:
    """Whether a file is gone. Not a part that is still written or has become a copy, nor what the system holds open."""
    try:
        if file.suffix == ".tar":
            file.unlink(missing_ok=True)
            return True
        with lock_of(file).acquire(timeout=0):
            file.unlink()
    except OSError:  # filelock's Timeout is one
        return False
    return True
