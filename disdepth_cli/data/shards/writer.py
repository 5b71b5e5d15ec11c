"""Writing tar shards: the same samples give the same bytes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from disdepth_cli.data.shards.cache import sha256_of
from disdepth_cli.data.shards.encode import PackedSample
from disdepth_cli.data.shards.index import pack_bits
from disdepth_cli.data.shards.items import Shard
from disdepth_cli.files import write_atomic

_BLOCK = tarfile.BLOCKSIZE


class Samples:
    """Samples that are asked for one by one, with a look at the next: whether it still fits is seen before."""

    def __init__(self, samples: Iterator[PackedSample]) -> None:
        self._samples = samples
        self._next: PackedSample | None = None
        self.taken = 0

    def peek(self) -> PackedSample | None:
        """The next one, which stays; None at the end."""
        if self._next is None:
            self._next = next(self._samples, None)
        return self._next

    def take(self) -> PackedSample | None:
        """The next one, which is gone then; None at the end."""
        sample, self._next = self.peek(), None
        self.taken += sample is not None
        return sample


def write_shard(
    file: Path, samples: Samples, most_bytes: float, most_samples: int, skip: Callable[[PackedSample], object]
) -> Shard | None:
    """Fill one shard until it is full or there are no more samples; None, and no file, where none is left.

    The file appears whole or not at all. Samples of one shard are all extra images, or none is. skip: told of
    those that cannot be packed.
    """
    written: list[PackedSample] = []

    def fill(temporary: Path) -> None:
        with tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
            names: set[str] = set()
            while (sample := samples.peek()) is not None:
                if sample.error is None:
                    size = sum(_taken(data) for data in sample.files.values())
                    full = len(written) >= most_samples or tar.offset + size > most_bytes
                    if written and (full or sample.extra != written[0].extra):
                        return
                samples.take()
                if sample.error is not None:
                    skip(sample)
                    continue
                _add(tar, _unused(sample.key, names), sample.files)
                written.append(PackedSample(sample.key, dict.fromkeys(sample.files, b""), sample.extra))

    if _only_skipped(samples, skip):
        return None
    write_atomic(file, fill)
    labelled = np.array([sample.labelled for sample in written])
    return Shard(str(file), len(written), pack_bits(labelled), file.stat().st_size, sha256_of(file), written[0].extra)


def _only_skipped(samples: Samples, skip: Callable[[PackedSample], object]) -> bool:
    """Pass samples that cannot be packed; whether there were no others."""
    while (sample := samples.peek()) is not None:
        if sample.error is None:
            return False
        samples.take()
        skip(sample)
    return True


def _add(tar: tarfile.TarFile, key: str, files: dict[str, bytes]) -> None:
    for extension, data in files.items():
        member = tarfile.TarInfo(f"{key}.{extension}")  # no time and no owner: nothing of when and where it was made
        member.size, member.mode = len(data), 0o644
        tar.addfile(member, io.BytesIO(data))


def _unused(key: str, names: set[str]) -> str:
    """Two keys may become one, as a.b and a_b do."""
    found, number = key, 2
    while found in names:
        found, number = f"{key}-{number}", number + 1
    names.add(found)
    return found


def _taken(data: bytes) -> int:
    """Bytes that a file takes in a tar file."""
    return _BLOCK + -(-len(data) // _BLOCK) * _BLOCK
