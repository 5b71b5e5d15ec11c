"""Samples of tar shards: found by their offsets, each once an epoch, and the same whoever reads them."""

from __future__ import annotations

import builtins
import io
import json
import pickle
import shutil
import tarfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from disdepth_cli import distill, pack
from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.loader import TrainBatches, TrainDataset, train_loader
from disdepth_cli.data.batches.order import Order
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import few_labelled, only_labelled
from disdepth_cli.data.files.location import fetch
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.data.shards.items import ShardItems
from disdepth_cli.data.shards.reader import ShardReaders
from disdepth_cli.errors import DataError
from disdepth_cli.files import write_text
from disdepth_cli.inspection.labels import look_at_labels
from disdepth_cli.inspection.scale import scale_warning
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize

pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning"),  # machines with one core
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),  # Python 3.12+
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> Path:
    """A cache of this test's own."""
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def packed(make_pairs, tmp_path) -> Path:
    """40 pairs as shards of at most 5: eight of train, one of val."""
    pack(data=make_pairs(40, size=(32, 48)), output=tmp_path / "shards", shard_count=5, workers=0)
    return tmp_path / "shards"


def png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


def npy(values: np.ndarray) -> bytes:
    with io.BytesIO() as file:
        np.save(file, values)
        return file.getvalue()


GREY, DEEP = png(np.full((8, 12, 3), 90, np.uint8)), png(np.full((8, 12), 3000, np.uint16))


def write_tar(file: Path, members: dict[str, bytes], mode: str = "w") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, mode) as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file


def batches_of(
    source: DataSource, workers: int = 0, start: int = 0, total: int = 9, rank: int = 0, world: int = 1
) -> list[DepthBatch]:
    view = TrainView(AugmentConfig(), (32, 32), WorkingSize(32, 48), None, 7, source.min_depth, source.max_depth)
    dataset = TrainDataset(source.train, source, view)
    order = Order(source.train_blocks or (len(source.train),), 3, window=3)
    stored = train_loader(dataset, TrainBatches(order, 4, start, total, rank, world), workers)
    return [batch.to(torch.device("cpu")) for batch in stored]


def same(one: DepthBatch, other: DepthBatch) -> bool:
    tensors = ("image", "depth", "valid", "labelled")
    return one.keys == other.keys and all(torch.equal(getattr(one, n), getattr(other, n)) for n in tensors)


def test_packed_samples_are_those_of_the_files(packed, tmp_path) -> None:
    loose, source = load_source(tmp_path / "set"), load_source(packed)
    assert (len(source.train), len(source.val), source.train_blocks) == (36, 4, (5,) * 7 + (1,))
    assert source.counts() == (36, 0) and source.labelled("val")
    for split in ("train", "val"):
        expected = {Path(loose.key(item)).stem: read_pair(item, loose.coding) for item in loose.items(split)}
        for item in source.items(split):
            image, depth = read_pair(item, source.coding)
            wanted = expected.pop(Path(item.image.entry).stem)
            np.testing.assert_array_equal(image, wanted[0])
            np.testing.assert_array_equal(depth, wanted[1])
        assert not expected
    assert source.key(source.train[0]).startswith("train-000000.tar:rgb/00")
    assert source.key(source.val[0]) == "val-000000.tar:rgb/0009.png"


def test_an_epoch_over_ranks_and_workers_is_every_sample_once(packed) -> None:
    source = load_source(packed)
    everything = Counter(source.key(item) for item in source.train)
    for world, workers in ((1, 0), (1, 2), (3, 2)):
        per_rank = len(source.train) // (4 * world)
        batches = [b for rank in range(world) for b in batches_of(source, workers, 0, per_rank, rank, world)]
        assert Counter(key for batch in batches for key in batch.keys) == everything


def test_resume_and_workers_change_nothing(packed) -> None:
    source = load_source(packed)
    whole = batches_of(source, 0, total=14)  # into the second epoch
    keys = [key for batch in whole[:3] for key in batch.keys]
    assert keys != sorted(keys)
    for start, workers in ((0, 2), (5, 0), (5, 2), (10, 3)):
        rest = batches_of(source, workers, start, total=14)
        assert len(rest) == 14 - start
        assert all(same(one, other) for one, other in zip(whole[start:], rest, strict=True)), (start, workers)
    assert len({key.partition(":")[0] for key in keys}) == 3  # a window's shards, mixed


def test_few_shards_are_open_and_counts_need_none(packed, open_files) -> None:
    source = load_source(packed)
    assert (len(source.train), source.counts(), source.labelled("train")) == (36, (36, 0), True)
    assert len(only_labelled(source.train)) == 36
    assert open_files(packed) == []
    few = ShardItems(source.train.shards, readers=ShardReaders(2))
    for item in few:
        fetch(item.image)
    assert open_files(packed) == ["train-000006.tar", "train-000007.tar"]
    del few, item
    assert open_files(packed) == []
    assert len(few_labelled(source.train, 4)) == 4
    labels = look_at_labels(source, "train", source.train, source.min_depth, source.max_depth)
    assert len(labels) > 4 and scale_warning(labels, source.coding) is None
    tiny = [replace(label, median=label.median / 1000) for label in labels]
    assert scale_warning(tiny, source.coding) is not None
    assert isinstance(pickle.loads(pickle.dumps(source)).train, ShardItems)  # workers that are not forked


def test_a_stretch_of_the_samples_opens_no_shard_before_its_time(packed, monkeypatch) -> None:
    items = load_source(packed).train
    expected = [str(items[place].image) for place in range(2, 9)]
    asked: list[int] = []
    look_up = ShardItems.__getitem__

    def counted(self: ShardItems, index: int | slice) -> object:
        if isinstance(index, int):
            asked.append(index)
        return look_up(self, index)

    monkeypatch.setattr(ShardItems, "__getitem__", counted)
    stretch = items[2:9]
    assert len(stretch) == 7 and asked == []
    assert [str(item.image) for item in stretch] == expected and asked == list(range(2, 9))
    assert [str(item.image) for item in stretch[1::2]] == expected[1::2]


def test_an_archive_beside_photos_is_left_alone(packed, make_pairs) -> None:
    photos = make_pairs(3, name="photos") / "rgb"
    shutil.copy(next(packed.glob("*.tar")), photos / "backup.tar")
    source = load_source(photos)
    assert sorted(item.image.name for item in (*source.train, *source.val)) == ["0000.png", "0001.png", "0002.png"]


def test_samples_with_and_without_depth_in_one_shard(tmp_path) -> None:
    members: dict[str, bytes] = {}
    for number in range(11):
        members[f"{number:02d}.png"] = GREY
        if number % 3:
            members[f"{number:02d}.depth.png"] = DEEP
    write_tar(tmp_path / "set" / "train-0.tar", members)
    source = load_source(tmp_path / "set")
    assert (len(source.train), source.counts()) == (11, (7, 4))
    assert [item.depth is not None for item in source.train] == [number % 3 > 0 for number in range(11)]
    known = only_labelled(source.train)
    assert [item.image.entry for item in known] == [f"{n:02d}.png" for n in range(11) if n % 3]
    assert (known.blocks, known[-1].image.entry) == ((7,), "10.png")
    with pytest.raises(IndexError):
        known[7]
    pack(data=tmp_path / "set", output=tmp_path / "again", shard_count=4, workers=0, shuffle=False)
    again = load_source(tmp_path / "again")
    assert again.counts() == (7, 4)
    assert [item.depth is not None for item in again.train] == [number % 3 > 0 for number in range(11)]
    assert [shard.labelled for shard in again.train.shards] == [2, 3, 2]


@pytest.mark.parametrize(
    ("fields", "image", "depth"),
    [
        ({"jpg": GREY, "depth.png": DEEP}, "jpg", "depth.png"),
        ({"png": GREY, "depth.npy": npy(np.full((8, 12), 3000.0))}, "png", "depth.npy"),
        ({"jpg": GREY, "npy": npy(np.full((8, 12), 3000.0)), "json": b"{}"}, "jpg", "npy"),
        ({"jpg": GREY, "png": DEEP}, "jpg", "png"),
        ({"jpg": GREY, "depth": DEEP, "seg.png": GREY, "cls": b"3"}, "jpg", "depth"),
        ({"rgb.jpg": GREY, "normal.png": GREY, "depth_map.png": DEEP, "pose.npy": b"x"}, "rgb.jpg", "depth_map.png"),
        ({"JPG": GREY, "Depth.PNG": DEEP}, "JPG", "Depth.PNG"),
        ({"webp": GREY, "txt": b"a room"}, "webp", None),
    ],
)
def test_fields_of_other_peoples_shards(fields, image, depth, tmp_path) -> None:
    members = {f"a/{number:03d}.{field}": data for number in range(3) for field, data in fields.items()}
    members |= {"README.md": b"x", "._a.jpg": b"x", "__MACOSX/b.jpg": b"x", "notes": b"x"}
    write_tar(tmp_path / "shards" / "part-0.tar", members)
    source = load_source(tmp_path / "shards" / "part-{0..0}.tar")
    assert [item.image.entry for item in source.train] == [f"a/{number:03d}.{image}" for number in range(3)]
    _, metres = read_pair(source.train[2], source.coding)
    assert (metres is None) == (depth is None)
    assert metres is None or (metres == 3).all()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"a.left.png": GREY, "a.right.png": GREY}, ("which is the image", "left.png, right.png", "KEY.jpg")),
        ({"a.jpg": GREY, "a.depth.png": DEEP, "a.depth.npy": DEEP}, ("which is the depth map",)),
        ({"a.txt": b"x", "b.json": b"x"}, ("holds no images", "json, txt")),
        ({}, ("holds no images",)),
    ],
)
def test_shards_that_hold_no_samples(members, words, tmp_path) -> None:
    file = write_tar(tmp_path / "a.tar", members)
    with pytest.raises(DataError) as refusal:
        load_source(file)
    for word in (str(file), *words):
        assert word in str(refusal.value)


def test_a_folder_without_an_index_may_be_named_relative_to_here(packed, monkeypatch) -> None:
    (packed / "index.json").unlink()
    monkeypatch.chdir(packed.parent)
    for place in ("shards", "./shards/", str(packed), "."):
        if place == ".":
            monkeypatch.chdir(packed)
        source = load_source(place)
        assert (source.name, len(source.train), len(source.val)) == ("shards", 36, 4)


def test_shards_that_cannot_be_read(tmp_path) -> None:
    members = {f"{number}.png": GREY for number in range(9)}
    whole = write_tar(tmp_path / "whole.tar", members).read_bytes()
    for mode in ("gz", "bz2", "xz"):
        with pytest.raises(DataError, match=r"is compressed .*unpack it to \.tar"):
            load_source(write_tar(tmp_path / f"packed.tar.{mode}", members, f"w:{mode}"))
    member = 512 + -(-len(GREY) // 512) * 512
    for cut in (5 * member, 5 * member + 100, 5 * member + 600, 512, 100, 0):
        (tmp_path / "cut.tar").write_bytes(whole[:cut])
        with pytest.raises(DataError, match=r"cut\.tar: is (cut off|not a whole tar file)"):
            load_source(tmp_path / "cut.tar")
    with tarfile.open(tmp_path / "twice.tar", "w") as tar:
        for _ in range(2):
            info = tarfile.TarInfo("a.png")
            info.size = len(GREY)
            tar.addfile(info, io.BytesIO(GREY))
    with pytest.raises(DataError, match=r"twice\.tar: holds a\.png twice"):
        load_source(tmp_path / "twice.tar")
    with pytest.raises(DataError, match=r"gone\.tar: cannot be read \(No such file"):
        load_source(tmp_path / "gone.tar")
    with pytest.raises(DataError, match=r"no-\*\.tar: no shards of that name"):
        load_source(str(tmp_path / "no-*.tar"))


def test_no_pickle_and_nothing_outside(tmp_path) -> None:
    """A pickled array is refused; a name that climbs out of its folder is a name."""

    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    names = ("../../../climbs", "/absolute")
    members = {f"{name}.png": GREY for name in names} | {"x.jpg": GREY, "x.pkl": pickle.dumps(Evil())}
    members["x.depth.npy"] = npy_of_objects(Evil())
    source = load_source(write_tar(tmp_path / "deep" / "evil.tar", members))
    before = {file for file in tmp_path.rglob("*") if "cache" not in file.parts}
    for item in source.train:
        if item.depth is None:
            assert read_pair(item, 1000)[0].shape == (8, 12, 3)
            continue
        with pytest.raises(DataError, match="Python objects, which are never loaded"):
            read_pair(item, 1000)
    pack(data=tmp_path / "deep" / "evil.tar", output=tmp_path / "deep" / "out", workers=0)
    with tarfile.open(tmp_path / "deep" / "out" / "train-000000.tar") as tar:
        assert not [name for name in tar.getnames() if ".." in name or name.startswith("/")]
    now = {file for file in tmp_path.rglob("*") if "cache" not in file.parts}
    assert {file.name for file in now - before} == {"out", "train-000000.tar", "index.json"}


def npy_of_objects(thing: object) -> bytes:
    with io.BytesIO() as file:
        np.save(file, np.array([thing], dtype=object), allow_pickle=True)
        return file.getvalue()


def test_a_damaged_shard_is_named_for_each_of_its_samples(packed) -> None:
    source = load_source(packed)
    shard = packed / "train-000003.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    batches = batches_of(source, 2)
    failures = [failure for batch in batches for failure in batch.failures]
    assert len(failures) == len({key for key, _ in failures}) == 5
    assert all("train-000003.tar: is" in reason for _, reason in failures)
    assert sum(len(batch) for batch in batches) == 31
    shutil.copy(packed / "train-000007.tar", packed / "train-000004.tar")
    other = load_source(packed)
    with pytest.raises(DataError, match=r"train-000004\.tar: holds 1 samples, but its index says 5"):
        read_pair(other.train[20], other.coding)


def test_an_index_is_read_once_for_a_run_and_again_when_it_changes(packed, tmp_path, monkeypatch) -> None:
    """A data.yaml with three entries of shards."""
    shutil.copytree(packed, tmp_path / "more")
    (tmp_path / "data.yaml").write_text("train: shards\nval: shards\nunlabeled: more\n")
    opened, whole = [], builtins.open

    def counting(file, *args, **options):
        opened.append(str(file))
        return whole(file, *args, **options)

    monkeypatch.setattr(builtins, "open", counting)
    options = {"input_size": (32, 64), "batch_size": 2, "workers": 0, "device": "cpu", "pretrained": False}
    run = distill(data=tmp_path / "data.yaml", output=tmp_path / "run", distill=False, max_steps=1, **options)
    assert run["steps"] == 1
    indices = [tmp_path / name / "index.json" for name in ("shards", "more")]
    assert sorted(file for file in opened if file.endswith("index.json")) == sorted(map(str, indices))
    index = json.loads(indices[0].read_text())
    del index["shardlist"][0]
    before = len(load_source(tmp_path / "data.yaml").train)
    write_text(indices[0], json.dumps(index))
    assert len(load_source(tmp_path / "data.yaml").train) == before - 5


def test_data_yaml_names_shards(packed, make_pairs, tmp_path) -> None:
    def load(text: str) -> DataSource:
        (tmp_path / "data.yaml").write_text(text)
        return load_source(tmp_path / "data.yaml")

    source = load("train: shards/train-{000000..000006}.tar\nval: [shards/val-000000.tar]\n")
    assert (len(source.train), len(source.val), source.max_depth) == (35, 4, 10)
    assert len(load("train: shards/index.json\nval: shards\n").val) == 4
    more = load("train: shards/train-*.tar\nunlabeled: shards/val-*.tar\nval: set\nmax_depth: 5\n")
    assert (more.counts(), len(more.val), more.max_depth) == ((36, 4), 40, 5)
    assert [item.extra for item in more.train] == [False] * 36 + [True] * 4
    assert more.train[-1].depth is None and more.train_blocks == (5,) * 7 + (1, 4)
    assert len(only_labelled(more.train)) == 36
    wrong = {
        "train: shards/train-{000000..000009}.tar\n": r"train-000008\.tar: cannot be read",
        "train: shards/train-{3..1}.tar\n": r"\{3\.\.1\}: is not a range of shards",
        "train: [shards/train-000000.tar, set]\n": r"data\.yaml: train: names shards .* and other things",
        "train: shards/train-*.tar\nunlabeled: set\n": r"data\.yaml: train and unlabeled: must both be shards",
        "train: shards/index.json\ndepth_scale: 256\n": r"depth_scale is 256, but the index of .* says 1000",
        "train: shards\nval: shards/val-*.tar\nunlabeled: shards/val-*.tar\n": r"val-000000\.tar is named as val too",
    }
    for text, words in wrong.items():
        with pytest.raises(DataError, match=words):
            load(text)


def test_the_index_is_checked_and_read_as_others_write_it(packed, tmp_path, own_cache) -> None:
    index = json.loads((packed / "index.json").read_text())
    assert index["wids_version"] == 1
    assert [(shard["url"], shard["nsamples"]) for shard in index["shardlist"]][-1] == ("train-000007.tar", 1)
    other = {"wids_version": 1, "shardlist": [{k: s[k] for k in ("url", "nsamples")} for s in index["shardlist"]]}
    (packed / "index.json").write_text(json.dumps(other))
    source = load_source(packed)
    assert (len(source.train), source.counts()) == (36, (36, 0))
    for text, words in (
        ("{", "Expecting property name"),
        ("{}", "a `shardlist`"),
        ('{"shardlist": [{}]}', "url: Field required"),
    ):
        (packed / "index.json").write_text(text)
        with pytest.raises(DataError, match=f"index.json: is not an index of shards .*{words}"):
            load_source(packed)
    (packed / "index.json").unlink()
    assert len(load_source(packed).train) == 36
    notes = sorted((own_cache / "counts").iterdir())
    assert len(notes) == 9
