"""Local copies of shards that lie elsewhere: downloaded whole, once for all workers and processes, and bounded.

`DISDEPTH_CACHE` names the folder (default: `disdepth` in the user's cache folder) and `DISDEPTH_CACHE_GB` how much the
copies may take (default 50). The copy that was used longest ago goes first. A file that is open stays readable after
that. fsspec opens the addresses: http(s)://, hf://, s3://, ...
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

from disdepth_cli.data.shards.address import checked
from disdepth_cli.data.shards.eviction import cache_folder, lock_of, make_room, part_of, touch
from disdepth_cli.errors import DataError, DisdepthError, first_line
from disdepth_cli.files import disk_errors

TRIES = 5
BACKOFF = 0.5  # seconds before the second try, doubled each time
_PIECE = 1 << 20
_FINAL = (401, 403, 404, 410)  # answers of web servers that stay what they are
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "http": "aiohttp"}
_PACKAGES |= {"https": "aiohttp"}


def read_remote(url: str) -> bytes:
    """A small file, such as an index, read anew.

    Raises:
        DataError: it cannot be reached.
    """
    filesystem, path = _filesystem(url)
    return _with_patience(url, lambda: filesystem.cat_file(path))


def copy_of(url: str, sha256: str | None = None) -> Path:
    """Where the local copy of a shard lies, or will lie. Nothing of the address becomes a folder.

    sha256: what an index says of it; a shard that was packed again gets another copy.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", url.rpartition("/")[2].removesuffix(".tar"))[:60]
    digest = hashlib.sha256(f"{url} {sha256}".encode() if sha256 else url.encode()).hexdigest()[:20]
    return cache_folder() / "shards" / f"{digest}-{name}.tar"


def local_copy(url: str, size: int | None = None, sha256: str | None = None) -> Path:
    """The shard's copy on this machine, downloaded if need be. size [bytes] and sha256: what it must have, if known.

    A download that was cut off goes on where it stopped; several processes share one.

    Raises:
        DataError: it cannot be reached, or is not what it should be.
    """
    copy = copy_of(url, sha256)
    if not _is_whole(copy, size):
        with disk_errors(copy):
            (copy.parent / "locks").mkdir(parents=True, exist_ok=True)
            with lock_of(copy):
                if not _is_whole(copy, size):  # another process may have been faster
                    _download(url, copy, size, sha256)
    touch(copy)
    return copy


def _is_whole(copy: Path, size: int | None) -> bool:
    """Copies are moved into place whole; one of another size is of an older shard."""
    try:
        return size in (None, copy.stat().st_size)
    except OSError:
        return False


def _download(url: str, copy: Path, size: int | None, sha256: str | None) -> None:
    filesystem, path = _filesystem(url)
    known: int | None = _with_patience(url, lambda: filesystem.size(path)) or size
    if size is not None and known != size:
        raise DataError(f"{url}: has {known} bytes, but its index says {size}; copy shards and index again")
    part = part_of(copy, known)
    part.touch()
    make_room(part)

    def fetch() -> None:
        _fetch(filesystem, path, part, known)
        if sha256 and sha256_of(part) != sha256:
            part.unlink()
            raise OSError("it arrived damaged (sha256 differs from the index)")

    _with_patience(url, fetch)
    os.replace(part, copy)


def _fetch(filesystem: Any, path: str, part: Path, size: int | None) -> None:
    """Copy what is missing of `path` behind what `part` has."""
    with open(part, "ab") as local:
        have = local.tell()
        if size is not None and have > size:
            local.truncate(have := 0)
        try:
            with filesystem.open(path, "rb") as remote:
                if have:
                    remote.seek(have)
                shutil.copyfileobj(remote, local, _PIECE)
        except ValueError:  # a server that gives whole files only, which shows at the second block that is asked for
            local.truncate(0)
            with filesystem.open(path, "rb", block_size=0) as remote:  # as one stream
                shutil.copyfileobj(remote, local, _PIECE)
        local.flush()
        have = os.fstat(local.fileno()).st_size
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
    return first_line(error)


def _filesystem(url: str) -> tuple[Any, str]:
    import fsspec  # loading these takes a moment, and most data is local
    from huggingface_hub import constants

    scheme = checked(url).partition("://")[0].lower()  # whoever names the address: nothing else reaches fsspec
    if constants.HF_HUB_OFFLINE:
        raise DataError(f"{url}: needs the network, and --offline (HF_HUB_OFFLINE) forbids it; copy it here first")
    try:
        return fsspec.core.url_to_fs(url)
    except ImportError as error:
        what = f"pip install {_PACKAGES[scheme]}" if scheme in _PACKAGES else str(error)
        raise DataError(f"{url}: {scheme}:// needs a further package; {what}") from None
    except ValueError as error:
        raise DataError(f"{url}: is not a whole address ({_reason(error)})") from None


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file, read piece by piece."""
    digest = hashlib.sha256()
    with open(file, "rb") as handle:
        while piece := handle.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
