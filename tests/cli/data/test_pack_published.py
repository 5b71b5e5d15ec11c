"""Packing published data sets: whatever their numbers, masks and files are, the shards hold plain metres x scale."""

from __future__ import annotations

from pathlib import Path

import cv2
import datasets
import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from disdepth_cli import pack
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source

HIGH, WIDE = 8, 12
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    """Counts stay in the test's folder."""
    monkeypatch.setenv("DISDEPTH_CACHE", str(tmp_path / "cache"))


def picture(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), RNG.integers(0, 255, (HIGH, WIDE, 3), np.uint8))


def stored(file: Path, values: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), values.astype(np.uint16))


def nyu_mat(root: Path) -> None:
    images = RNG.integers(0, 255, (4, 3, WIDE, HIGH), np.uint8)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = images
        file["depths"] = RNG.uniform(1, 9, (4, WIDE, HIGH)).astype(np.float32)
    scipy.io.savemat(root / "splits.mat", {"trainNdxs": [[1], [3]], "testNdxs": [[2], [4]]})


def sunrgbd(root: Path) -> None:
    for number in range(10):
        folder = root / f"kv2/kinect2data/{number:03d}"
        picture(folder / "image/a.jpg")
        millimetres = RNG.integers(800, 8000, (HIGH, WIDE)).astype(np.uint16)
        stored(folder / "depth_bfx/a.png", (millimetres << 3) | (millimetres >> 13))


def vkitti2(root: Path) -> None:
    for scene in ("Scene01", "Scene02"):
        place = f"{scene}/clone/frames/{{}}/Camera_0"
        picture(root / "vkitti_2.0.3_rgb" / place.format("rgb") / "rgb_00000.jpg")
        centimetres = RNG.integers(300, 7000, (HIGH, WIDE))
        centimetres[0] = 65535  # the sky
        stored(root / "vkitti_2.0.3_depth" / place.format("depth") / "depth_00000.png", centimetres)


def ibims(root: Path) -> None:
    for name in ("a", "b"):
        picture(root / f"rgb/{name}.png")
        stored(root / f"depth/{name}.png", RNG.integers(1000, 60000, (HIGH, WIDE)))
        for mask in ("mask_invalid", "mask_transp"):
            (root / mask).mkdir(exist_ok=True)
            cv2.imwrite(str(root / f"{mask}/{name}.png"), RNG.integers(0, 2, (HIGH, WIDE), np.uint8) * 255)


def hypersim(root: Path) -> None:
    for scene in ("ai_001_001", "ai_001_002"):
        picture(root / scene / "images/scene_cam_00_final_preview/frame.0000.tonemap.jpg")
        folder = root / scene / "images/scene_cam_00_geometry_hdf5"
        folder.mkdir(parents=True)
        distance = RNG.uniform(1, 15, (HIGH, WIDE)).astype(np.float16)
        distance[0, 0] = np.nan
        with h5py.File(folder / "frame.0000.depth_meters.hdf5", "w") as file:
            file["dataset"] = distance


def hub(root: Path) -> None:
    def rows(count: int) -> datasets.Dataset:
        images = [Image.fromarray(RNG.integers(0, 255, (HIGH, WIDE, 3), np.uint8)) for _ in range(count)]
        depths = [Image.fromarray(RNG.integers(800, 9000, (HIGH, WIDE), np.uint16)) for _ in range(count)]
        features = datasets.Features(image=datasets.Image(), depth=datasets.Image())
        return datasets.Dataset.from_dict({"image": images, "depth": depths}, features=features)

    datasets.DatasetDict(train=rows(3), validation=rows(2)).save_to_disk(str(root / "rows"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("build", "inside", "step"),
    [
        (nyu_mat, "", 1e-3), (sunrgbd, "", 0.0), (vkitti2, "", 0.0), (ibims, "", 1e-3), (hypersim, "", 1e-3),
        (hub, "rows", 0.0),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)  # fmt: skip
def test_shards_hold_the_same_pairs(build, inside, step, tmp_path) -> None:
    (tmp_path / "tree").mkdir()
    build(tmp_path / "tree")
    source = load_source(tmp_path / "tree" / inside)
    pack(data=tmp_path / "tree" / inside, output=tmp_path / "shards", workers=0, shuffle=False)
    shards = load_source(tmp_path / "shards")
    assert (shards.min_depth, shards.max_depth, shards.protocol) == (
        source.min_depth,
        source.max_depth,
        source.protocol,
    )
    for ours, theirs in ((source.train, shards.train), (source.val, shards.val)):
        assert len(ours) == len(theirs)
        for before, after in zip(ours, theirs, strict=True):
            image, depth = read_pair(before, source.coding)
            packed_image, packed_depth = read_pair(after, shards.coding)
            assert (packed_image == image).all()
            assert ((packed_depth > 0) == (depth > 0)).all() and (depth > 0).any()
            assert np.abs(packed_depth - depth).max() <= step / 2 + 1e-6
