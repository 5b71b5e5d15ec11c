"""Shards behind an address: downloaded once, whole, again after a failure, and never more than may be kept."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import random
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import huggingface_hub
import numpy as np
import pytest
import torch

from disdepth_cli.config import DistillConfig
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.data.shards import cache as shard_cache
from disdepth_cli.data.shards.cache import copy_of, local_copy
from disdepth_cli.data.shards.eviction import lock_of, part_of
from disdepth_cli.data.shards.items import Shard, ShardItems
from disdepth_cli.data.shards.prefetch import Prefetch, prefetch_of
from disdepth_cli.data.shards.reader import ShardReaders
from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.training.prepare import prepare_data
from disdepth_cli.types import DepthBatch

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # machines with one core
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12+
]
SHARDS, BYTES = 6, 20480


@pytest.fixture(autouse=True)
def quick(tmp_path, monkeypatch) -> None:
    """A cache of this test's own, short pauses, and leave to ask the (local) network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(shard_cache, "BACKOFF", 0.01)


@pytest.fixture
def site(tmp_path, serve_files) -> Iterator[Any]:
    """A server of six shards of two samples each, with their index."""
    folder, records = tmp_path / "www", []
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(SHARDS):
        with tarfile.open(folder / f"train-{number:06d}.tar", "w") as tar:
            for sample in range(2):
                image = random.integers(0, 256, (40, 50, 3), dtype=np.uint8)
                for field, pixels in (("png", image), ("depth.png", np.full((40, 50), 1000 + number, np.uint16))):
                    data = cv2.imencode(".png", pixels)[1].tobytes()
                    member = tarfile.TarInfo(f"{number}-{sample}.{field}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        assert (folder / f"train-{number:06d}.tar").stat().st_size == BYTES
        records.append({"url": f"train-{number:06d}.tar", "nsamples": 2, "labelled": 2, "filesize": BYTES})
    (folder / "index.json").write_text(
        json.dumps({"wids_version": 1, "shardlist": records[:-1], "val_shardlist": records[-1:], "depth_scale": 500})
    )
    with serve_files(folder) as served:
        yield served


def shard(site: Any, number: int) -> str:
    return f"{site.url}/train-{number:06d}.tar"


@pytest.mark.parametrize("place", ["/index.json", "", "/"])
def test_data_behind_an_address(place, site) -> None:
    source = load_source(site.url + place)
    assert (len(source.train), len(source.val), source.counts(), source.train_blocks) == (10, 2, (10, 0), (2,) * 5)
    assert site.gets["index.json"] >= 1 and not site.gets["train-000000.tar"]
    image, depth = read_pair(source.train[5], source.coding)
    assert depth is not None and (depth == 1002 / 500).all() and image.shape == (40, 50, 3)
    assert source.key(source.train[5]) == f"{site.url}/train-000002.tar:2-1.png"
    assert {name for name, count in site.gets.items() if count} == {"index.json", "train-000002.tar"}


def test_addresses_in_data_yaml_and_without_an_index(site, tmp_path) -> None:
    (tmp_path / "www" / "index.json").unlink()
    (tmp_path / "data.yaml").write_text(
        f"train: {site.url}/train-{{000000..000004}}.tar\nval: {shard(site, 5)}\ndepth_scale: 500\n"
    )
    assert load_source(tmp_path / "data.yaml").counts() == (10, 0)
    assert all(site.gets[f"train-{number:06d}.tar"] for number in range(SHARDS))
    sent = site.sent
    assert load_source(tmp_path / "data.yaml").counts() == (10, 0)  # the counts are kept
    assert site.sent == sent


def test_what_is_refused_is_asked_again(site) -> None:
    site.refuse = 3
    copy = local_copy(shard(site, 0))
    assert copy.read_bytes() == (site.folder / "train-000000.tar").read_bytes()
    site.refuse = 1000
    items = ShardItems([Shard(shard(site, 1), 2)])
    with pytest.raises(DataError, match=r"train-000001\.tar: cannot be downloaded \(503.*5 tries\); check the network"):
        read_pair(items[0], 500)
    before = site.refuse
    with pytest.raises(DataError, match="5 tries"):
        read_pair(items[1], 500)
    assert site.refuse == before  # an address that failed is left alone for a while
    site.refuse = 0
    with pytest.raises(DataError, match=r"gone\.tar: does not exist; check the address"):
        local_copy(f"{site.url}/gone.tar")


@pytest.mark.parametrize(("ranges", "lengths"), [(True, True), (False, True), (False, False)])
def test_a_cut_download_is_seen_and_repeated(ranges, lengths, site) -> None:
    site.ranges, site.lengths = ranges, lengths
    site.cut = 2
    items = ShardItems([Shard(shard(site, 0), 2)])
    _, depth = read_pair(items[1], 500)
    assert depth is not None and (depth == 2).all()
    assert copy_of(shard(site, 0)).read_bytes() == (site.folder / "train-000000.tar").read_bytes()


@pytest.mark.parametrize("had", [0, 7_000_000])
def test_a_large_file_of_a_server_that_gives_whole_files_only(had, site) -> None:
    """More than one block of 5 MiB, of which the second is asked for by its range."""
    whole = np.random.default_rng(0).bytes(11_000_000)
    (site.folder / "large.tar").write_bytes(whole)
    site.ranges = False
    if had:
        partial = part_of(copy_of(f"{site.url}/large.tar"), len(whole))
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(whole[:had])
    assert local_copy(f"{site.url}/large.tar").read_bytes() == whole


def test_a_length_that_only_the_index_knows(site) -> None:
    site.ranges, site.lengths, site.cut = False, False, 3
    whole = (site.folder / "train-000000.tar").read_bytes()
    assert local_copy(shard(site, 0), size=BYTES).read_bytes() == whole


def test_a_download_goes_on_where_it_stopped(site) -> None:
    whole = (site.folder / "train-000000.tar").read_bytes()
    partial = part_of(copy_of(shard(site, 0)), BYTES)
    partial.parent.mkdir(parents=True)
    partial.write_bytes(whole[:15000])
    assert local_copy(shard(site, 0)).read_bytes() == whole
    assert site.sent < 10000 and not partial.exists()


def test_what_differs_from_the_index_is_refused(site) -> None:
    with pytest.raises(DataError, match=r"has 20480 bytes, but its index says 999"):
        local_copy(shard(site, 0), size=999)
    with pytest.raises(DataError, match=r"arrived damaged \(sha256 differs from the index\)"):
        local_copy(shard(site, 1), sha256="0" * 64)
    assert not copy_of(shard(site, 1), "0" * 64).exists()


def test_a_copy_of_an_older_shard_of_the_same_size_is_not_used(site) -> None:
    file, url = site.folder / "train-000000.tar", shard(site, 0)
    old = file.read_bytes()
    local_copy(url, size=BYTES, sha256=hashlib.sha256(old).hexdigest())
    new = bytes(reversed(old))
    file.write_bytes(new)
    digest = hashlib.sha256(new).hexdigest()
    assert local_copy(url, size=BYTES, sha256=digest).read_bytes() == new
    assert local_copy(url, size=BYTES, sha256=digest).read_bytes() == new and site.gets[file.name] == 2


def test_processes_share_a_download(site) -> None:
    script = f"from disdepth_cli.data.shards.cache import local_copy; local_copy({shard(site, 0)!r})"
    processes = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert BYTES <= site.sent < 2 * BYTES


def test_the_copy_used_longest_ago_makes_room(site, monkeypatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE_GB", str(3.5 * BYTES / 1e9))
    for number in range(3):
        local_copy(shard(site, number))
        time.sleep(0.02)
    local_copy(shard(site, 0))  # used again
    time.sleep(0.02)
    local_copy(shard(site, 3))
    assert [copy_of(shard(site, n)).exists() for n in range(4)] == [True, False, True, True]
    monkeypatch.setenv("DISDEPTH_CACHE_GB", "much")
    with pytest.raises(ConfigError, match="DISDEPTH_CACHE_GB=much: is not a number"):
        local_copy(shard(site, 4))


def test_what_is_open_stays_readable_when_it_makes_room(site, monkeypatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE_GB", str(2.5 * BYTES / 1e9))
    items = ShardItems([Shard(shard(site, number), 2, size=BYTES) for number in range(SHARDS)])
    held = [items[0], items[2]]
    list(items)
    assert [copy_of(shard(site, number)).exists() for number in range(SHARDS)] == [False] * 4 + [True] * 2
    for number, item in enumerate(held):
        _, depth = read_pair(item, 500)
        assert depth is not None and (depth == (1000 + number) / 500).all()
    assert [site.gets[f"train-{number:06d}.tar"] for number in range(SHARDS)] == [1] * SHARDS


def test_downloads_count_at_their_whole_size_and_stay_while_they_go_on(site, monkeypatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE_GB", str(3.5 * BYTES / 1e9))
    under_way, given_up = (part_of(copy_of(shard(site, number)), BYTES) for number in (4, 5))
    local_copy(shard(site, 0))
    (nameless := given_up.with_name("another-tool.part")).write_bytes(b"x")
    for part in (under_way, given_up):
        part.write_bytes(b"x")
        os.utime(part, (0, 0))  # used before anything else
    with lock_of(under_way):
        local_copy(shard(site, 1))
        assert under_way.exists() and not given_up.exists()
        assert copy_of(shard(site, 0)).exists() and copy_of(shard(site, 1)).exists()
        time.sleep(0.02)
        local_copy(shard(site, 2))
        assert under_way.exists() and not copy_of(shard(site, 0)).exists()
    local_copy(shard(site, 3))
    assert not under_way.exists() and nameless.exists()  # it is small, and newer than the others were
    assert [copy_of(shard(site, number)).exists() for number in (1, 2, 3)] == [True] * 3


def read_often(items: ShardItems, seed: int) -> None:
    """Read shards in an order of its own, of which one is open at a time."""
    for index in random.Random(seed).choices(range(len(items)), k=60):
        _, depth = read_pair(items[index], 500)
        assert depth is not None and (depth == (1000 + index // 2) / 500).all()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are not forked here")
def test_processes_that_download_at_once_keep_to_the_limit(site, monkeypatch) -> None:
    """Six shards, three processes, room for three: whenever one looks, there are no more than three copies."""
    monkeypatch.setenv("DISDEPTH_CACHE_GB", str(3.5 * BYTES / 1e9))
    shards = [Shard(shard(site, number), 2, size=BYTES) for number in range(SHARDS)]
    items = ShardItems(shards, readers=ShardReaders(1))
    start = multiprocessing.get_context("fork").Process
    processes = [start(target=read_often, args=(items, seed), daemon=True) for seed in range(3)]

    def copies() -> set[tuple[str, int]]:
        folder = copy_of("x").parent
        held = os.scandir(folder) if folder.is_dir() else ()
        return {(entry.name, entry.inode()) for entry in held if entry.name.endswith(".tar")}

    for process in processes:
        process.start()
    most, until = 0, time.monotonic() + 60
    while any(process.is_alive() for process in processes) and time.monotonic() < until:
        most = max(most, len(copies() & copies()))  # those that were there between the two looks, at one moment
        time.sleep(0.001)
    for process in processes:
        process.kill()
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0] and most == 3


def wait_for(copies: list[Path]) -> None:
    deadline = time.monotonic() + 20
    while not all(copy.exists() for copy in copies):
        assert time.monotonic() < deadline, copies
        time.sleep(0.01)


def test_the_next_shards_are_there_before_they_are_needed(site, monkeypatch) -> None:
    shards = [Shard(shard(site, number), 2, size=BYTES) for number in range(SHARDS)]
    monkeypatch.setenv("DISDEPTH_CACHE_GB", str(4.2 * BYTES / 1e9))
    ahead = Prefetch(shards)
    ahead.plan([3, 1], [0, 2])
    wait_for([copy_of(shard(site, number)) for number in (3, 1, 0, 2)])
    ahead.plan([0, 2], [4, 5])  # beside this window and the one before, whose last batches are read, none fits in
    time.sleep(0.3)
    assert [copy_of(shard(site, n)).exists() for n in range(SHARDS)] == [True, True, True, True, False, False]
    ahead.plan([4, 5], [1, 3])
    wait_for([copy_of(shard(site, number)) for number in (4, 5)])
    assert [copy_of(shard(site, n)).exists() for n in range(SHARDS)] == [True, False, True, False, True, True]
    monkeypatch.setenv("DISDEPTH_CACHE_GB", str(6.2 * BYTES / 1e9))  # all fit in beside each other
    ahead.plan([0, 2], [4, 5])
    ahead.plan([4, 5], [1, 3])
    wait_for([copy_of(shard(site, number)) for number in range(SHARDS)])
    assert prefetch_of(ShardItems([Shard("/here.tar", 2)])) is None
    assert prefetch_of(ShardItems(shards)) is not None


def test_what_a_window_needs_makes_no_room_for_the_rest_of_it(site, monkeypatch) -> None:
    """Four downloads begin before anybody looks at the fifth shard, whose copy was used longest ago."""
    monkeypatch.setenv("DISDEPTH_CACHE_GB", str(5.2 * BYTES / 1e9))
    for number in (5, 4):
        local_copy(shard(site, number))
    with site.lock:  # no bytes are sent
        Prefetch([Shard(shard(site, number), 2, size=BYTES) for number in range(SHARDS)]).plan([0, 1, 2, 3, 5], [])
        wait_for([part_of(copy_of(shard(site, number)), BYTES) for number in range(4)])
        time.sleep(0.2)
    wait_for([copy_of(shard(site, number)) for number in (0, 1, 2, 3, 5)])
    assert not copy_of(shard(site, 4)).exists() and site.gets["train-000005.tar"] == 1


def test_a_run_over_the_network_is_a_run_on_the_disk(site) -> None:
    """The same batches, from the start and from the middle, whatever the number of workers; each shard comes once."""

    def batches(data: object, first: int, workers: int) -> list[DepthBatch]:
        config = DistillConfig(data=data, batch_size=3, input_size="32x64", workers=workers, distill=False, max_depth=9)
        config.data.augment.crop_size = (32, 32)
        drawn = prepare_data(config).batches(config.loop.batch_size, 0, 1, 4)(first, 9)
        return [one.to(torch.device("cpu")) for one in drawn]

    here = batches(site.folder, 0, 0)
    for first, workers in ((0, 2), (4, 1), (4, 0)):
        there = batches(site.url, first, workers)
        assert len(there) == 9 - first
        for one, other in zip(here[first:], there, strict=True):
            assert [key.rpartition("/")[2] for key in other.keys] == [key.rpartition("/")[2] for key in one.keys]
            assert torch.equal(one.image, other.image) and torch.equal(one.depth, other.depth)
            assert len(other) == 3 and not other.failures
    assert [site.gets[f"train-{number:06d}.tar"] for number in range(5)] == [1] * 5


def test_shards_that_are_gone_become_failures_that_are_counted(site) -> None:
    (site.folder / "train-000002.tar").unlink()
    source = load_source(site.url)
    for index in (4, 5):
        with pytest.raises(DataError, match=r"train-000002\.tar: does not exist"):
            read_pair(source.train[index], source.coding)
    assert source.key(source.train[4]) != source.key(source.train[5])


def test_schemes_that_need_more(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(DataError, match=r"s3:// needs a further package; pip install s3fs"):
        load_source("s3://bucket/shards")


def test_offline_asks_no_address_but_reads_what_is_here(site, tmp_path, monkeypatch) -> None:
    shard = f"{site.url}/train-000000.tar"
    local_copy(shard)
    sent = site.sent
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert local_copy(shard).stat().st_size == BYTES
    for address in (f"{site.url}/train-000001.tar", f"{site.url}/index.json"):
        with pytest.raises(DataError, match="needs the network, and --offline"):
            load_source(address)
    assert site.sent == sent


def test_an_address_never_becomes_a_path(tmp_path) -> None:
    inside = tmp_path / "cache" / "shards"
    for url in (
        "http://x/../../../etc/a.tar",
        "http://x/..%2f..%2fa.tar",
        "http://x/a\\..\\b.tar",
        f"http://x/{'a' * 400}",
    ):
        assert copy_of(url).resolve().parent == inside.resolve() and len(copy_of(url).name) < 100
