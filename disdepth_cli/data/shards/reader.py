"""Shards that are open for reading: the few that were used last, each opened once however many threads ask for it."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import OrderedDict
from pathlib import Path

from disdepth_cli.data.files.images import DEPTH_SUFFIXES, IMAGE_SUFFIXES
from disdepth_cli.data.files.location import Encoded
from disdepth_cli.data.shards.address import is_remote
from disdepth_cli.data.shards.cache import TRIES, local_copy
from disdepth_cli.data.shards.tar import read_table
from disdepth_cli.errors import DataError

_FAILED_FOR = 60.0  # seconds for which an address that failed is not asked again
_MAGIC = {
    b"\x89PNG": ".png",
    b"\x93NUMPY": ".npy",
    b"PK\x03\x04": ".npz",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"\x76\x2f\x31\x01": ".exr",
}


class ShardReader:
    """An open shard: where its samples lie, and their bytes. Its file closes when nobody holds the reader any more.

    Threads and forked processes may read at once.
    """

    def __init__(self, file: Path | str, shown: str) -> None:
        """shown: what errors call the shard.

        Raises:
            OSError: it cannot be opened.
            DataError: it is compressed, cut off, no tar file, or its members cannot be told apart.
        """
        self._shown = shown
        self._descriptor = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._descriptor)
        self._position = threading.Lock()  # of the file, where the system cannot read without moving it
        with open(self._descriptor, "rb", closefd=False) as opened:
            self.table = read_table(opened, shown)

    def read(self, name: str) -> Encoded:
        """The bytes of a member.

        Raises:
            DataError: there is no such member, or the file is cut off.
        """
        index = self.table.find(name)
        if index is None:
            raise DataError(f"{self._shown}:{name}: is not in this shard")
        try:
            data = self._bytes(*index)
        except OSError as error:
            raise DataError(f"{self._shown}:{name}: cannot be read ({error.strerror or error})") from None
        if len(data) < index[1]:
            raise DataError(f"{self._shown}:{name}: the shard is cut off here; copy or pack it again")
        suffix = "." + name.rpartition(".")[2].lower()
        if suffix not in DEPTH_SUFFIXES | IMAGE_SUFFIXES:  # a field named `depth` says nothing of how it is stored
            suffix = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), suffix)
        return Encoded(data, suffix)

    def _bytes(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer at the end of the file."""
        data = b""
        while len(data) < size and (more := self._some(offset + len(data), size - len(data))):
            data += more
        return data

    def _some(self, offset: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, size, offset)
        with self._position:
            os.lseek(self._descriptor, offset, os.SEEK_SET)
            return os.read(self._descriptor, size)


class _Slot:
    """A place for one reader. Who holds the lock opens it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reader: ShardReader | None = None
        self.failed: tuple[float, str] | None = None  # when [s] and why


class _Slots:
    """What belongs to one process."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self.lock = threading.Lock()
        self.by_shard: OrderedDict[tuple[str, int | None, str | None], _Slot] = OrderedDict()


class ShardReaders:
    """The readers of a data set's shards, for any number of threads. The last `most` that were asked for stay open.

    An older one closes when the last thread that reads from it is done. In another process the readers start anew:
    a forked process lacks the threads that may hold the locks at that moment.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._slots = _Slots()

    def __reduce__(self) -> tuple[type[ShardReaders], tuple[int]]:
        return ShardReaders, (self._most,)

    def get(self, location: str, size: int | None = None, sha256: str | None = None) -> ShardReader:
        """The reader of a shard, a path or an address, which is downloaded if need be.

        size [bytes] and sha256: what a download must have, if known.

        Raises:
            DataError: it cannot be reached or read. An address that failed is not asked again for a minute.
        """
        slots = self._slots
        if slots.process != os.getpid():
            slots = self._slots = _Slots()
        with slots.lock:
            slot = slots.by_shard.setdefault((location, size, sha256), _Slot())
            slots.by_shard.move_to_end((location, size, sha256))
            if len(slots.by_shard) > self._most:
                slots.by_shard.popitem(last=False)
        with slot.lock:
            if slot.reader is None:
                slot.reader = _open(slot, location, size, sha256)
            return slot.reader


def open_shard(location: str, size: int | None = None, sha256: str | None = None) -> ShardReader:
    """A reader of a shard, opened for the caller alone; see `ShardReaders.get`.

    Raises:
        DataError: it cannot be reached or read.
    """
    try:
        return _open_copy(location, size, sha256) if is_remote(location) else ShardReader(location, location)
    except OSError as error:
        raise DataError(f"{location}: cannot be read ({error.strerror or error})") from None


def _open_copy(url: str, size: int | None, sha256: str | None) -> ShardReader:
    damaged = False
    for _ in range(TRIES):
        copy = local_copy(url, size, sha256)
        try:
            return ShardReader(copy, url)
        except FileNotFoundError:  # another process has just made room for its own
            continue
        except DataError:
            if damaged:
                raise
            damaged = True  # the address gave no length to check it by, or the disk spoiled it
            copy.unlink(missing_ok=True)
    raise DataError(f"{url}: its copy was removed {TRIES} times to make room; set a larger DISDEPTH_CACHE_GB")


def _open(slot: _Slot, location: str, size: int | None, sha256: str | None) -> ShardReader:
    if slot.failed and time.monotonic() - slot.failed[0] < _FAILED_FOR:
        raise DataError(slot.failed[1])
    try:
        return open_shard(location, size, sha256)
    except DataError as error:
        if is_remote(location):
            slot.failed = time.monotonic(), str(error)
        raise
