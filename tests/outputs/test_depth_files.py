"""Depth files: what is read back is what was written, and the file says its own unit."""

import numpy as np
import pytest
from PIL import Image

from disdepth_cli.errors import DataError, DisdepthError
from disdepth_cli.outputs.depth_files import read_depth_png, write_depth_numpy, write_depth_png

RANDOM = np.random.default_rng(2)


@pytest.mark.parametrize(("max_depth", "scale"), [(10.0, 1000.0), (65.0, 1000.0), (65.1, 256.0), (80.0, 256.0)])
def test_roundtrip_is_within_half_a_step(tmp_path, max_depth, scale):
    depth = RANDOM.uniform(1e-3, max_depth, (48, 64)).astype(np.float32)
    assert write_depth_png(tmp_path / "a.png", depth, max_depth) == scale
    read, read_scale = read_depth_png(tmp_path / "a.png")
    assert read_scale == scale
    assert read.dtype == np.float32
    assert np.abs(read - depth).max() <= 0.5 / scale + 1e-5


def test_png_is_uint16_and_says_its_scale_and_unit(tmp_path):
    write_depth_png(tmp_path / "a.png", np.full((2, 3), 1.5, dtype=np.float32), 10.0)
    with Image.open(tmp_path / "a.png") as image:
        assert image.text == {"disdepth:scale": "1000", "disdepth:unit": "stored / scale = metres"}
        stored = np.asarray(image)
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, np.full((2, 3), 1500))


def test_what_does_not_fit_is_clipped_and_what_is_not_finite_is_zero(tmp_path):
    depth = np.array([[np.nan, np.inf, -np.inf, -1.0, 1e9, 300.0]], dtype=np.float32)
    write_depth_png(tmp_path / "a.png", depth, 80.0)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), [[0, 0, 0, 0, 65535, 65535]])


@pytest.mark.parametrize("kind", ["disparity", "relative_depth"])
def test_a_relative_map_never_claims_metres(tmp_path, kind):
    scale = write_depth_png(tmp_path / "a.png", np.array([[2.0, 3.0, 6.0, np.nan]]), 10.0, kind=kind)
    with Image.open(tmp_path / "a.png") as image:
        assert "metres" not in image.text["disdepth:unit"]
        assert image.text["disdepth:unit"].endswith("no unit")
    read, _ = read_depth_png(tmp_path / "a.png")
    np.testing.assert_allclose(read, [[0, 0.25, 1, 0]], atol=1 / scale)


@pytest.mark.parametrize("value", [3.0, np.nan])
def test_a_constant_relative_map_is_zero(tmp_path, value):
    write_depth_png(tmp_path / "a.png", np.full((2, 2), value), 10.0, kind="disparity")
    assert not read_depth_png(tmp_path / "a.png")[0].any()


def test_foreign_files_are_refused(tmp_path):
    Image.fromarray(np.zeros((2, 2), dtype=np.uint16)).save(tmp_path / "plain.png")
    with pytest.raises(DataError, match="no disdepth:scale"):
        read_depth_png(tmp_path / "plain.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_depth_png(tmp_path / "torn.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_depth_png(tmp_path / "missing.png")


def test_numpy_roundtrip(tmp_path):
    depth = RANDOM.random((4, 5))
    write_depth_numpy(tmp_path / "new" / "a_depth.npy", depth)
    read = np.load(tmp_path / "new" / "a_depth.npy")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, depth.astype(np.float32))


def test_writes_leave_nothing_beside_the_file(tmp_path):
    write_depth_png(tmp_path / "a.png", np.ones((2, 2)), 10.0)
    write_depth_numpy(tmp_path / "a.npy", np.ones((2, 2)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npy", "a.png"]


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DisdepthError, match="cannot be written"):
        write_depth_png(tmp_path / "file" / "a.png", np.ones((2, 2)), 10.0)
