"""Local copies of shards that lie elsewhere: downloaded whole, once for all workers and processes, and bounded.

`DISDEPTH_CACHE` names the folder (default: `disdepth` in the user's cache folder) and `DISDEPTH_CACHE_GB` how much the
copies may take (default 50). The copy that was used longest ago goes first, never one that a running training needs
now: every process writes down which ones those are. fsspec opens the addresses: http(s)://, hf://, s3://, ...
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import socket
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from filelock import FileLock

from disdepth_cli.data.shards.eviction import bytes_of, cache_folder, cache_limit, make_room
from disdepth_cli.errors import DataError, DisdepthError
from disdepth_cli.files import disk_errors, write_text

TRIES = 5
BACKOFF = 0.5  # seconds before the second try, doubled each time
_FAILED_FOR = 60.0  # seconds for which an address that failed is not asked again by this process
_PIECE = 1 << 20
_FINAL = (401, 403, 404, 410)  # answers of web servers that stay what they are
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "http": "aiohttp"}
_PACKAGES |= {"https": "aiohttp"}
_failed: dict[str, tuple[float, str]] = {}


def is_remote(place: str) -> bool:
    """Whether a place is an address rather than a file."""
    return "://" in place


def read_remote(url: str) -> bytes:
    """A small file, such as an index, read anew.

    Raises:
        DataError: it cannot be reached.
    """
    filesystem, path = _filesystem(url)
    return _with_patience(url, lambda: filesystem.cat_file(path))


def copy_of(url: str) -> Path:
    """Where the local copy of a shard lies, or will lie. Nothing of the address becomes a folder."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", url.rpartition("/")[2].removesuffix(".tar"))[:60]
    return cache_folder() / "shards" / f"{hashlib.sha256(url.encode()).hexdigest()[:20]}-{name}.tar"


def local_copy(url: str, size: int | None = None, sha256: str | None = None) -> Path:
    """The shard's copy on this machine, downloaded if need be. size [bytes] and sha256: what it must have, if known.

    A download that was cut off goes on where it stopped; several processes share one.

    Raises:
        DataError: it cannot be reached, or is not what it should be.
    """
    copy = copy_of(url)
    if _is_current(copy, size, sha256):
        os.utime(copy)
        return copy
    when, why = _failed.get(url, (0.0, ""))
    if time.monotonic() - when < _FAILED_FOR and why:
        raise DataError(why)
    with disk_errors(copy):
        (copy.parent / "locks").mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(copy.parent / "locks" / f"{copy.name}.lock"):
            if not _is_current(copy, size, sha256):  # another process may have been faster
                _download(url, copy, size, sha256)
    except DisdepthError as error:
        _failed[url] = (time.monotonic(), str(error))
        raise
    return copy


def pin(urls: Iterable[str]) -> None:
    """Write down which shards this process needs now; their copies stay. Replaces what it needed before."""
    file = cache_folder() / "pins" / f"{socket.gethostname()}-{os.getpid()}.json"
    write_text(file, json.dumps([copy_of(url).name for url in urls]))


def room_for(urls: Iterable[str], size: int) -> bool:
    """Whether `size` more bytes fit beside the copies of `urls` without passing the limit."""
    return bytes_of(copy_of(url) for url in urls) + size <= cache_limit()


def _is_current(copy: Path, size: int | None, sha256: str | None) -> bool:
    """Copies are moved into place whole; one of another size, or with another digest noted, is of an older shard."""
    if not copy.is_file() or size not in (None, bytes_of([copy])):
        return False
    note = copy.with_suffix(".sha256")
    return sha256 is None or (note.is_file() and note.read_text() == sha256)


def _download(url: str, copy: Path, size: int | None, sha256: str | None) -> None:
    filesystem, path = _filesystem(url)
    partial = copy.with_suffix(".part")
    known: int | None = _with_patience(url, lambda: filesystem.size(path)) or size
    if size is not None and known != size:
        raise DataError(f"{url}: has {known} bytes, but its index says {size}; copy shards and index again")
    make_room(copy, known or 0)

    def fetch() -> None:
        _fetch(filesystem, path, partial, known)
        if sha256 and sha256_of(partial) != sha256:
            partial.unlink()
            raise OSError("it arrived damaged (sha256 differs from the index)")

    try:
        _with_patience(url, fetch)
    finally:
        copy.with_suffix(".wanted").unlink(missing_ok=True)  # what is there counts itself now
    with disk_errors(copy):
        copy.with_suffix(".sha256").unlink(missing_ok=True)
        os.replace(partial, copy)
        if sha256:
            write_text(copy.with_suffix(".sha256"), sha256)


def _fetch(filesystem: Any, path: str, partial: Path, size: int | None) -> None:
    """Copy what is missing of `path` behind what `partial` has."""
    have = bytes_of([partial])
    if size is not None and have > size:
        partial.unlink()
        have = 0
    with open(partial, "ab") as local:
        try:
            with filesystem.open(path, "rb") as remote:
                if have:
                    remote.seek(have)
                shutil.copyfileobj(remote, local, _PIECE)
        except ValueError:  # a server that gives whole files only, which shows at the second block that is asked for
            local.truncate(0)
            with filesystem.open(path, "rb", block_size=0) as remote:  # as one stream
                shutil.copyfileobj(remote, local, _PIECE)
    have = bytes_of([partial])
    if size is not None and have != size:
        raise OSError(f"the download ended after {have} of {size} bytes")


def _with_patience(url: str, act: Any) -> Any:
    """`act()`, tried again with growing pauses.

    Raises:
        DataError: it failed each time, or will always fail.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return act()
        except DisdepthError:
            raise
        except Exception as error:  # every file system has errors of its own
            if _is_final(error):
                raise DataError(f"{url}: {_reason(error)}; check the address, and your access to it") from None
            if attempt == TRIES or getattr(error, "errno", None) == 28:
                raise DataError(
                    f"{url}: cannot be downloaded ({_reason(error)}; {attempt} tries); check the network, "
                    "what arrived is kept and a new run goes on from there"
                ) from None
        time.sleep(BACKOFF * 2 ** (attempt - 1) * random.uniform(0.75, 1.25))
    raise AssertionError("unreachable")


def _is_final(error: BaseException) -> bool:
    """Whether to ask again is in vain. fsspec says of whatever a web server answers that the file is not found."""
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        return _is_final(error.__cause__)
    return isinstance(error, FileNotFoundError | PermissionError) or getattr(error, "status", None) in _FINAL


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist" if error.__cause__ is None else _reason(error.__cause__)
    status = getattr(error, "status", None)
    if status in _FINAL:
        return "does not exist" if status in (404, 410) else f"access is refused ({status})"
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec  # loading these takes a moment, and most data is local
    from huggingface_hub import constants

    scheme = url.partition("://")[0].lower()
    if constants.HF_HUB_OFFLINE and scheme not in ("file", "memory"):
        raise DataError(f"{url}: needs the network, and --offline (HF_HUB_OFFLINE) forbids it; copy it here first")
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        what = f"pip install {_PACKAGES[scheme]}" if scheme in _PACKAGES else str(error)
        raise DataError(f"{url}: {scheme}:// needs a further package; {what}") from None
    except ValueError as error:
        raise DataError(f"{url}: {_reason(error)}; addresses start with http(s)://, hf:// or s3://") from None


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, read piece by piece."""
    digest = hashlib.sha256()
    with open(file, "rb") as handle:
        while piece := handle.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
