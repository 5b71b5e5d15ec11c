"""Files that are either whole or not there: written beside their place, flushed, then moved into it."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from disdepth_cli.errors import DisdepthError

_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.tmp(\.[^.]*)?")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Word the operating system's refusal to write `path` as one line.

    Raises:
        DisdepthError: the disk is full, or the file cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DisdepthError(f"{path}: the disk is full; nothing was lost, free some space and run again") from error
        raise DisdepthError(f"{path}: cannot be written ({error.strerror or error})") from error


def write_atomic(path: Path | str, write: Callable[[Path], object]) -> None:
    """Call `write(temporary)` and move the temporary file to `path` with `os.replace`.

    A kill at any moment leaves the previous file whole. The temporary keeps `path`'s suffix, since writers
    choose their format by it.

    Raises:
        DisdepthError: the disk is full, or the file cannot be written.
    """
    path = Path(path)
    with _written_beside(path, write) as temporary:
        os.replace(temporary, path)


def write_first(path: Path | str, write: Callable[[Path], object]) -> bool:
    """As `write_atomic`, but what is there already stays, also where several processes come at once.

    Returns whether `path` is the file written now.

    Raises:
        DisdepthError: the disk is full, or the file cannot be written.
    """
    path = Path(path)
    with _written_beside(path, write) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links
            if path.exists():
                return False
            os.replace(temporary, path)
    return True


@contextmanager
def _written_beside(path: Path, write: Callable[[Path], object]) -> Iterator[Path]:
    """A temporary file beside `path`, written and flushed; gone afterwards."""
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}.tmp{path.suffix}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            with open(temporary, "rb+") as handle:
                os.fsync(handle.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that killed writes have left in a folder nobody else writes into."""
    for file in folder.glob(".*.tmp*"):
        if is_unfinished(file):
            file.unlink(missing_ok=True)


def is_unfinished(file: Path) -> bool:
    """Whether a file has the name of a temporary one."""
    return _TEMPORARY.fullmatch(file.name) is not None


def check_writable(path: Path | str) -> None:
    """Refuse a place that cannot be written now, rather than after the work. Makes its folder.

    Raises:
        DisdepthError: it cannot be written.
    """
    path = Path(path)
    probe = path.with_name(f".{uuid.uuid4().hex[:8]}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()


def as_json(values: Any, indent: int | None = None) -> str:
    """JSON text; JSON has no NaN and no infinity, so they are null."""
    return json.dumps(_finite(values), indent=indent)


def _finite(values: Any) -> Any:
    if isinstance(values, float):
        return values if math.isfinite(values) else None
    if isinstance(values, dict):
        return {name: _finite(value) for name, value in values.items()}
    return [_finite(value) for value in values] if isinstance(values, list | tuple) else values


def write_text(path: Path | str, text: str) -> None:
    """Write `text` to `path` atomically, as UTF-8; odd bytes of a file's name, which have no code, are escaped."""
    write_atomic(path, lambda temporary: temporary.write_text(text, "utf-8", "backslashreplace"))
