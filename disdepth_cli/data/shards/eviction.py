"""The folder of local copies, and what has to go when it is full."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from disdepth_cli.errors import ConfigError

_FOREIGN_PINS = 24 * 3600.0  # seconds for which the word of a process on another machine counts
_GIVEN_UP = 24 * 3600.0  # seconds after which a download that nobody goes on with is removed


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


def make_room(copy: Path, size: int) -> None:
    """Remove the copies that were used longest ago until `size` more bytes fit, or only those in use are left.

    What other downloads are about to take counts too, unless they were given up.
    """
    folder, wanted = copy.parent, copy.with_suffix(".wanted")
    with FileLock(folder / "locks" / "evict.lock"):
        wanted.write_text(str(size))
        for file in (*folder.glob("*.wanted"), *folder.glob("*.part")):
            if time.time() - _status(file)[0] > _GIVEN_UP:
                file.unlink(missing_ok=True)
        used = sum(map(_noted, folder.glob("*.wanted")))
        copies = sorted((*_status(file), file) for file in folder.glob("*.tar"))
        used, limit = used + sum(taken for _, taken, _ in copies), cache_limit()
        kept = _pinned()
        for _, taken, file in copies:
            if used <= limit:
                return
            if file.name not in kept:
                file.unlink(missing_ok=True)
                used -= taken


def _pinned() -> set[str]:
    """Names of the copies that running processes need now. Notes of processes that ended are removed."""
    names: set[str] = set()
    for note in (cache_folder() / "pins").glob("*.json"):
        host, _, process = note.stem.rpartition("-")
        try:
            here = host == socket.gethostname() and os.name == "posix"
            alive = _runs(int(process)) if here else time.time() - note.stat().st_mtime < _FOREIGN_PINS
            if alive:
                names |= set(json.loads(note.read_text(encoding="utf-8")))
            else:
                note.unlink(missing_ok=True)
        except (OSError, ValueError):
            continue
    return names


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def bytes_of(files: Iterable[Path]) -> int:
    return sum(_status(file)[1] for file in files)


def _noted(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # the download has just ended, or just begins
        return 0


def _status(file: Path) -> tuple[float, int]:
    """(time of last use [s], bytes); now and 0 for a file that is gone."""
    try:
        found = file.stat()
    except OSError:
        return time.time(), 0
    return found.st_mtime, found.st_size
