"""Data sets in HDF5: NYU's labelled MATLAB file, and Hypersim's distances to the camera's centre."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.hdf5 import Hdf5Member
from disdepth_cli.data.files.images import read_depth
from disdepth_cli.data.files.matlab import read_matlab
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError

HIGH, WIDE, COUNT = 6, 9, 4


def matlab_order(pictures: np.ndarray) -> np.ndarray:
    """(N, H, W, ...) as MATLAB 7.3 stores (H, W, ..., N): all axes but the first reversed."""
    return np.ascontiguousarray(pictures.transpose(0, *range(pictures.ndim - 1, 0, -1)))


@pytest.fixture
def nyu(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """The folder, images (N, H, W, 3) and depths (N, H, W) [m] of a tiny labelled file."""
    rng = np.random.default_rng(3)
    pictures = rng.integers(0, 256, (COUNT, HIGH, WIDE, 3), dtype=np.uint8)
    depths = rng.uniform(1, 9, (COUNT, HIGH, WIDE)).astype(np.float32)
    raw = depths.copy()
    raw[:, 2] = 0
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"], file["depths"] = matlab_order(pictures), matlab_order(depths)
        file["rawDepths"] = matlab_order(raw)
        assert file["images"].shape == (COUNT, 3, WIDE, HIGH) and file["depths"].shape == (COUNT, WIDE, HIGH)
    scipy.io.savemat(tmp_path / "splits.mat", {"trainNdxs": [[1], [3]], "testNdxs": [[2], [4]]})
    return tmp_path, pictures, depths


def test_nyu_mat_turns_the_axes_and_counts_from_one(nyu):
    folder, pictures, depths = nyu
    source = load_source(folder)
    for split, numbers in (("train", (0, 2)), ("val", (1, 3))):
        assert len(source.items(split)) == 2
        for item, number in zip(source.items(split), numbers, strict=True):
            image, depth = read_pair(item, source.coding)
            assert (image == pictures[number]).all() and image.flags.c_contiguous
            expected = depths[number].copy()
            if split == "val":
                expected[2] = 0  # as measured, with its holes
            assert (depth == expected).all()
    assert source.key(source.val[0]) == "nyu_depth_v2_labeled.mat:images/1"
    assert (source.format, source.recognised, source.max_depth, source.protocol) == ("nyu-mat", True, 10, "nyu-eigen")


def test_nyu_mat_without_raw_depth_takes_what_there_is(nyu):
    folder, _, depths = nyu
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "a") as file:
        del file["rawDepths"]
    source = load_source(folder)
    assert (read_pair(source.val[1], source.coding)[1] == depths[3]).all()


def test_nyu_mat_that_is_not_whole(nyu):
    folder, _, _ = nyu
    scipy.io.savemat(folder / "splits.mat", {"trainNdxs": [[1], [5]], "testNdxs": [[2]]})
    with pytest.raises(DataError, match=r"splits\.mat: names images .*nyu_depth_v2_labeled\.mat does not.*1 to 4"):
        load_source(folder)
    scipy.io.savemat(folder / "splits.mat", {"trainNdxs": [[0], [1]], "testNdxs": [[2]]})
    with pytest.raises(DataError, match=r"splits\.mat: names images"):
        load_source(folder)
    scipy.io.savemat(folder / "splits.mat", {"trainNdxs": [[1]]})
    with pytest.raises(DataError, match=r"splits\.mat: has no testNdxs"):
        load_source(folder)
    (folder / "splits.mat").write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(DataError, match=r"splits\.mat: is not a MATLAB file"):
        load_source(folder)
    (folder / "splits.mat").unlink()
    with pytest.raises(DataError, match=r"splits\.mat: does not exist; the official split"):
        load_source(folder)
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "a") as file:
        del file["depths"]
    scipy.io.savemat(folder / "splits.mat", {"trainNdxs": [[1]], "testNdxs": [[2]]})
    with pytest.raises(DataError, match=r"labeled\.mat: has no depths; it holds images, rawDepths"):
        load_source(folder)
    (folder / "nyu_depth_v2_labeled.mat").write_bytes(b"not HDF5 at all")
    with pytest.raises(DataError, match=r"labeled\.mat: is not an HDF5 file"):
        load_source(folder)


def test_entries_that_are_not_there(nyu):
    file = str(nyu[0] / "nyu_depth_v2_labeled.mat")
    with pytest.raises(DataError, match=r"has no dephts/0; it holds depths, images, rawDepths"):
        Hdf5Member(file, "dephts/0").read()
    with pytest.raises(DataError, match=r"labeled\.mat:depths/9: cannot be read"):
        Hdf5Member(file, "depths/9").read()
    with pytest.raises(DataError, match=r"gone\.hdf5: does not exist"):
        Hdf5Member(str(nyu[0] / "gone.hdf5"), "dataset").read()
    with pytest.raises(DataError, match=r"gone\.mat: cannot be read"):
        read_matlab(nyu[0] / "gone.mat", "x")
    (nyu[0] / "torn.hdf5").write_bytes(Path(file).read_bytes()[:900])
    with pytest.raises(DataError, match=r"torn\.hdf5:dataset: cannot be read"):
        Hdf5Member(str(nyu[0] / "torn.hdf5"), "dataset").read()


def test_threads_read_their_own_rows(nyu):
    source = load_source(nyu[0])
    items = [*source.train, *source.val]
    expected = [read_pair(item, source.coding) for item in items]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda item: read_pair(item, source.coding), items * 25))
    for number, pair in enumerate(found):
        for one, other in zip(pair, expected[number % len(items)], strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_process_that_is_not_forked_reads_them_too(nyu, tmp_path):
    """It gets the items alone, as loader workers do where processes are started afresh."""
    (tmp_path / "item.pickle").write_bytes(pickle.dumps(load_source(nyu[0]).train[0]))
    script = """
import pickle, sys
from disdepth_cli.data.files.pair import read_pair
print(read_pair(pickle.load(open(sys.argv[1], "rb")), 1.0)[0].shape)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "item.pickle")]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stdout == f"({HIGH}, {WIDE}, 3)\n"


# distances along rays


def test_distance_to_a_plane_becomes_its_depth():
    """A wall at 3 m, seen by a camera of 886.81 pixels in 1024 x 768: planar depth is 3 m at every pixel."""
    height, width, focal = 768, 1024, 886.81
    columns, rows = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    rays = np.stack([columns, rows, np.full_like(columns, focal)], -1)
    distance = np.linalg.norm(rays * (3 / focal), axis=-1)
    assert distance[0, 0] == pytest.approx(3.70, abs=0.01)
    coding = DepthCoding(1, "along-ray", focal_share=focal / width)
    assert coding.metres(distance) == pytest.approx(3, rel=1e-6)
    # A slanted plane x + y + 4 z = 12, at half the size: the focal length goes with the width.
    half = rays[1::2, 1::2] - [0.5, 0.5, 0]
    half[..., 2] = focal
    depth = 12 / (4 + (half[..., 0] + half[..., 1]) / focal)
    distance = depth * np.linalg.norm(half / focal, axis=-1)
    assert coding.metres(distance.astype(np.float32)) == pytest.approx(depth, rel=1e-5)


def hypersim_frame(write, scene: str, camera: str, frame: int, distance: np.ndarray) -> str:
    name = f"{scene}/images/scene_{camera}_final_preview/frame.{frame:04d}.tonemap.jpg"
    write(name)
    write(f"{scene}/images/scene_{camera}_final_preview/frame.{frame:04d}.color.jpg")
    write(f"{scene}/images/scene_{camera}_geometry_hdf5/frame.{frame:04d}.depth_meters.hdf5", distance)
    return name


def test_hypersim_reads_distances_and_the_official_split(write, tmp_path):
    distance = np.full((8, 12), 5, np.float16)
    distance[0, 0] = np.nan
    known = {}
    for scene, camera, frame, part, public in (
        ("ai_001_001", "cam_00", 0, "train", "True"),
        ("ai_001_001", "cam_00", 1, "train", "False"),
        ("ai_001_002", "cam_01", 0, "val", "True"),
        ("ai_001_003", "cam_00", 0, "test", "True"),
    ):
        known[part if public == "True" else "left out"] = hypersim_frame(write, scene, camera, frame, distance)
    head = "scene_name,camera_name,frame_id,included_in_public_release,exclude_reason,split_partition_name\n"
    rows = "ai_001_001,cam_00,0,True,,train\nai_001_001,cam_00,1,False,black,\nai_001_002,cam_01,0,True,,val\n"
    table = write("metadata_images_split_scene_v1.csv", head + rows + "ai_001_003,cam_00,0,True,,test\n")
    source = load_source(tmp_path / "tree")
    assert [source.key(item) for item in source.train] == [known["train"]]
    assert [source.key(item) for item in source.val] == [known["val"]]
    depth = read_pair(source.val[0], source.coding)[1]
    focal = 886.81 / 1024 * 12
    assert depth[0, 0] == 0 and depth[4, 6] == pytest.approx(5 * focal / np.hypot(focal, np.sqrt(0.5)), rel=1e-3)
    assert [skip.reason.split(" of its")[0] for skip in source.skipped] == [
        f"{table.name}: is of none",
        f"{table.name}: is test",
    ]
    assert (source.format, source.recognised, source.protocol) == ("hypersim", True, "hypersim")
    (tmp_path / "data.yaml").write_text("path: tree\nformat: hypersim-test\n")
    assert [source.key(item) for item in load_source(tmp_path).val] == [known["test"]]
    table.write_text("scene,camera\na,b\n")
    with pytest.raises(DataError, match=r"v1\.csv: is not Hypersim's table of splits \(no column '"):
        load_source(tmp_path / "tree")
    table.unlink()
    assert [source.key(item) for item in load_source(tmp_path / "tree").val] == [known["test"]]  # the last scene


def test_metres_keep_what_they_were_without_a_focal_length(write):
    file = write("one.npy", np.full((4, 6), 5.0))
    assert read_depth(file, DepthCoding(1)) == pytest.approx(5)
    assert (read_depth(file, DepthCoding(1, "along-ray", focal_share=0.9)) < 5).all()
