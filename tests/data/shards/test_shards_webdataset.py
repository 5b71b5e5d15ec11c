"""The webdataset library and disdepth read each other's shards."""

from __future__ import annotations

import gc
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import pack
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source

# The library leaves the files it reads to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
wds = pytest.importorskip("webdataset", reason="the webdataset library is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("depth", ["png", "npy"])
def test_webdataset_reads_packed_shards(depth, make_pairs, tmp_path) -> None:
    folder = make_pairs(12, stored=2345)
    pack(data=folder, output=tmp_path / "shards", shard_count=4, depth=depth, workers=0)
    loose = load_source(folder)
    expected = {f"rgb/{Path(loose.key(item)).stem}": read_pair(item, loose.coding) for item in loose.train}
    files = [str(tmp_path / "shards" / f"train-{number:06d}.tar") for number in range(3)]
    samples = list(wds.WebDataset(files, shardshuffle=False, empty_check=False))
    gc.collect()
    for sample in samples:
        image, metres = expected.pop(sample["__key__"])
        found = cv2.imdecode(np.frombuffer(sample["png"], np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        np.testing.assert_array_equal(found, image)
        if depth == "png":
            stored = cv2.imdecode(np.frombuffer(sample["depth.png"], np.uint8), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(stored, np.rint(metres * 1000))
        else:
            np.testing.assert_array_equal(np.load(io.BytesIO(sample["depth.npy"])), metres.astype(np.float16))
    assert not expected


def test_webdatasets_shards_are_read(tmp_path) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (7, 16, 24, 3), dtype=np.uint8)
    depths = random.uniform(1, 9, (7, 16, 24)).astype(np.float32)
    (tmp_path / "theirs").mkdir()
    for split, numbers in (("train", range(5)), ("val", range(5, 7))):
        with wds.TarWriter(str(tmp_path / "theirs" / f"{split}-0.tar")) as writer:
            for number in numbers:
                writer.write({"__key__": f"s{number}", "png": images[number], "depth.npy": depths[number]})
    (tmp_path / "data.yaml").write_text("train: theirs/train-0.tar\nval: theirs/val-0.tar\ndepth_scale: 1\n")
    source = load_source(tmp_path / "data.yaml")
    assert (len(source.train), len(source.val)) == (5, 2)
    for number, item in enumerate([*source.train, *source.val]):
        image, metres = read_pair(item, source.coding)
        np.testing.assert_array_equal(image, images[number])
        np.testing.assert_array_equal(metres, depths[number])
        assert item.image.entry == f"s{number}.png"
