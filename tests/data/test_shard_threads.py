"""Shards read from many threads and processes at once: always the bytes that were packed, and few files open."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import random
import re
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from disdepth_cli.data.files.location import Encoded, fetch
from disdepth_cli.data.shards.cache import copy_of, sha256_of
from disdepth_cli.data.shards.eviction import lock_of
from disdepth_cli.data.shards.items import Shard, ShardItems
from disdepth_cli.data.shards.reader import ShardReaders, open_shard
from disdepth_cli.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")  # Python 3.12+
SHARDS, SAMPLES, THREADS = 48, 3, 32
Packed = list[tuple[bytes, bytes]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    """A cache of this test's own, and leave to ask the (local) network."""
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads take turns as often as the interpreter allows, so that a race shows in seconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def write_shards(
    folder: Path, shards: int = SHARDS, samples: int = SAMPLES, seed: int = 0
) -> tuple[list[Shard], Packed]:
    """Shards of samples that all differ, and the (image, depth) bytes of each sample in order."""
    folder.mkdir(exist_ok=True)
    draw, packed, found = np.random.default_rng(seed), [], []
    for number in range(shards):
        file = folder / f"train-{number:06d}.tar"
        file.unlink(missing_ok=True)
        with tarfile.open(file, "w") as tar:
            for sample in range(samples):
                pair = draw.bytes(int(draw.integers(500, 3000))), draw.bytes(int(draw.integers(500, 3000)))
                packed.append(pair)
                for field, data in zip(("png", "depth.png"), pair, strict=True):
                    member = tarfile.TarInfo(f"{sample}.{field}")  # the same names in every shard
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        found.append(Shard(str(file), samples))
    return found, packed


def wrong_reads(items: ShardItems, packed: Packed, reads: int) -> list[str]:
    """What `THREADS` threads read wrong that each look at samples in an order of their own."""

    def read(seed: int) -> list[str]:
        wrong = []
        for index in random.Random(seed).choices(range(len(items)), k=reads):
            item = items[index]
            for place, expected in zip((item.image, item.depth), packed[index], strict=True):
                try:
                    found = fetch(place) if place is not None else None
                except Exception as error:  # whatever it is, a good file was called unreadable
                    wrong.append(f"{place}: {error}")
                    continue
                if not isinstance(found, Encoded) or found.data != expected:
                    wrong.append(f"{place}: other bytes")
        return wrong

    with ThreadPoolExecutor(THREADS) as pool:
        return [line for lines in pool.map(read, range(THREADS)) for line in lines]


@pytest.mark.usefixtures("frequent_switches")
def test_threads_read_what_was_packed(tmp_path, open_files) -> None:
    shards, packed = write_shards(tmp_path / "shards")
    items = ShardItems(shards)
    wrong = wrong_reads(items, packed, reads=100)
    assert not wrong, f"{len(wrong)} of {2 * THREADS * 100}: {wrong[:3]}"
    assert 0 < len(open_files(tmp_path / "shards")) < SHARDS
    del items
    assert not open_files(tmp_path / "shards")


@pytest.mark.usefixtures("frequent_switches")
def test_threads_read_what_was_packed_where_reading_moves_the_file(tmp_path, monkeypatch) -> None:
    monkeypatch.delattr(os, "pread", raising=False)
    shards, packed = write_shards(tmp_path / "shards", shards=3)
    wrong = wrong_reads(ShardItems(shards), packed, reads=100)
    assert not wrong, f"{len(wrong)} of {2 * THREADS * 100}: {wrong[:3]}"


def test_a_shard_is_opened_once_by_all_threads(tmp_path) -> None:
    (shard,), _ = write_shards(tmp_path, shards=1, samples=300)
    readers, start = ShardReaders(4), threading.Barrier(THREADS)

    def opened(_: int) -> int:
        start.wait()
        return id(readers.get(shard.location))

    with ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(opened, range(THREADS)))) == 1


def test_a_file_closes_when_its_last_reader_lets_go(tmp_path, open_files) -> None:
    shards, packed = write_shards(tmp_path, shards=3)
    readers = ShardReaders(1)
    first = readers.get(shards[0].location)
    readers.get(shards[1].location)
    assert open_files(tmp_path) == ["train-000000.tar", "train-000001.tar"]
    Path(shards[0].location).unlink()
    assert first.read("2.png").data == packed[2][0]
    del first
    assert open_files(tmp_path) == ["train-000001.tar"]
    open_shard(shards[2].location)
    assert open_files(tmp_path) == ["train-000001.tar"]


def test_shards_that_were_packed_again_are_read_anew(tmp_path) -> None:
    """The same names, in the same folder, in the same process."""
    for seed in (0, 1):
        shards, packed = write_shards(tmp_path / "shards", shards=2, seed=seed)
        assert not wrong_reads(ShardItems(shards), packed, reads=5)


def test_what_was_found_wrong_goes_with_the_item(tmp_path) -> None:
    """Also to a process that has not met the shard, and whatever other threads find wrong meanwhile."""
    shards, _ = write_shards(tmp_path, shards=4)
    for shard in shards[1:]:
        Path(shard.location).write_bytes(Path(shard.location).read_bytes()[:2000])
    items = ShardItems([*shards[1:], Shard(shards[0].location, 9)])
    names = [f"train-00000{1 + number // SAMPLES}.tar: is" for number in range(3 * SAMPLES)]
    words = [*names, *["train-000000.tar: holds 3 samples, but its index says 9"] * 9]
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(lambda number: items[number % len(items)], range(20 * len(items))))
    for number, item in enumerate(found):
        with pytest.raises(DataError, match=re.escape(words[number % len(items)])):
            fetch(item.image)
    script = f"""
import pickle
from disdepth_cli.data.files.location import fetch
fetch(pickle.loads({pickle.dumps(found[-1].image)!r}))
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert words[-1] in ended.stderr


def read_in_child(items: ShardItems, index: int, expected: bytes) -> None:
    found = fetch(items[index].image)
    os._exit(0 if isinstance(found, Encoded) and found.data == expected else 3)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here")
def test_a_process_forked_while_a_shard_is_downloaded(tmp_path, serve_files) -> None:
    """Its copy of the locks is held by a thread that it does not have."""
    _, packed = write_shards(tmp_path / "www", shards=1)
    with serve_files(tmp_path / "www") as site:
        items = ShardItems([Shard(f"{site.url}/train-000000.tar", SAMPLES)])
        lock = lock_of(copy_of(items.shards[0].location))
        Path(lock.lock_file).parent.mkdir(parents=True)
        with ThreadPoolExecutor(1) as pool:
            with lock:
                waiting = pool.submit(lambda: items[1])
                while waiting.running() is False:
                    pass
                child = multiprocessing.get_context("fork").Process(
                    target=read_in_child, args=(items, 2, packed[2][0]), daemon=True
                )
                child.start()
            assert fetch(waiting.result().image).data == packed[1][0]
        child.join(20)
        alive = child.is_alive()
        child.kill()
        child.join()
    assert not alive and child.exitcode == 0


def test_a_copy_is_checked_again_when_it_comes_again(tmp_path, serve_files, monkeypatch) -> None:
    """What an item needs of a shard does not depend on when the shard was opened."""
    monkeypatch.setattr("disdepth_cli.data.shards.cache.BACKOFF", 0.01)
    shards, _ = write_shards(tmp_path / "www", shards=2)
    with serve_files(tmp_path / "www") as site:
        files = [Path(shard.location) for shard in shards]
        remote = [Shard(f"{site.url}/{file.name}", SAMPLES, sha256=sha256_of(file)) for file in files]
        items = ShardItems(remote, readers=ShardReaders(1))
        item = items[0]
        fetch(items[SAMPLES].image)  # the other shard, which closes the first
        copy_of(remote[0].location, remote[0].sha256).unlink()
        write_shards(tmp_path / "www", shards=1, seed=1)
        with pytest.raises(DataError, match=r"train-000000\.tar: cannot be downloaded \(it arrived damaged"):
            fetch(item.image)
