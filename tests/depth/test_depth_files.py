"""Depth files: what is read back is what was written, and the file says its own unit."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from disdepth_cli.depth.depth import Depth
from disdepth_cli.depth.depth_files import (
    DepthMap,
    read_depth_file,
    read_depth_png,
    write_depth,
    write_depth_numpy,
    write_depth_png,
)
from disdepth_cli.errors import DataError, DisdepthError

RANDOM = np.random.default_rng(2)


@pytest.mark.parametrize(("max_depth", "scale"), [(10.0, 1000.0), (65.0, 1000.0), (65.1, 256.0), (None, 256.0)])
def test_roundtrip_is_within_half_a_step(tmp_path, max_depth, scale):
    depth = RANDOM.uniform(1e-3, max_depth or 80, (48, 64)).astype(np.float32)
    assert write_depth_png(tmp_path / "a.png", DepthMap(depth, max_depth=max_depth)).scale == scale
    read, read_scale = read_depth_png(tmp_path / "a.png")
    assert read_scale == scale
    assert read.values.dtype == np.float32 and read[1:] == ("metric_depth", None, max_depth)
    assert np.abs(read.values - depth).max() <= 0.5 / scale + 1e-5


def test_png_is_uint16_and_says_its_scale_and_unit(tmp_path):
    write_depth_png(tmp_path / "a.png", DepthMap(np.full((2, 3), 1.5, dtype=np.float32), max_depth=10.0))
    with Image.open(tmp_path / "a.png") as image:
        assert image.text == {
            "disdepth:scale": "1000",
            "disdepth:unit": "stored / scale = metres",
            "disdepth:meaning": '{"kind": "metric_depth", "min_depth": null, "max_depth": 10.0}',
        }
        stored = np.asarray(image)
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored, np.full((2, 3), 1500))


def test_what_does_not_fit_is_clipped_and_what_is_not_finite_is_zero(tmp_path):
    depth = np.array([[np.nan, np.inf, -np.inf, -1.0, 1e9, 300.0]], dtype=np.float32)
    write_depth_png(tmp_path / "a.png", DepthMap(depth, max_depth=80.0))
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), [[0, 0, 0, 0, 65535, 65535]])


@pytest.mark.parametrize("kind", ["disparity", "relative_depth"])
def test_a_relative_map_never_claims_metres(tmp_path, kind):
    values = np.array([[2.0, 3.0, 6.0, np.nan]])
    write_depth_png(tmp_path / "a.png", DepthMap(values, kind))
    with Image.open(tmp_path / "a.png") as image:
        assert "metres" not in str(image.text)
        assert image.text["disdepth:unit"].endswith("no unit")
        stored = np.asarray(image)
    assert stored.min() == 0 and stored.max() == 65535  # its own range over all of uint16, 0 where there is no number
    read, scale = read_depth_png(tmp_path / "a.png")
    np.testing.assert_allclose(read.values, values, atol=0.5 / scale + 1e-6)
    assert read.kind == kind


def test_relative_maps_of_a_known_range_have_one_scale(tmp_path):
    for name, low in (("a", 0.0), ("b", 0.4)):
        values = RANDOM.uniform(low, 0.5, (3, 4))
        coding = write_depth_png(tmp_path / f"{name}.png", DepthMap(values, "disparity", 0.0, 1.0))
        assert coding == (65535.0, 0.0, False)
        assert np.abs(read_depth_png(tmp_path / f"{name}.png")[0].values - values).max() < 1e-5


@pytest.mark.parametrize("value", [3.0, -7.5, np.nan])
def test_a_constant_relative_map_comes_back(tmp_path, value):
    write_depth_png(tmp_path / "a.png", DepthMap(np.full((2, 2), value), "disparity"))
    np.testing.assert_allclose(read_depth_png(tmp_path / "a.png")[0].values, value)


def test_a_png_of_before_files_said_more_is_read(tmp_path):
    for kind, unit in (("metric_depth", "stored / scale = metres"), ("disparity", "relative disparity, no unit")):
        from PIL import PngImagePlugin

        text = PngImagePlugin.PngInfo()
        text.add_text("disdepth:scale", "1000")
        text.add_text("disdepth:unit", unit)
        Image.fromarray(np.full((2, 3), 1500, np.uint16)).save(tmp_path / "a.png", pnginfo=text)
        read = read_depth_file(tmp_path / "a.png")
        assert read.kind == kind and (read.values == 1.5).all()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".exr"])
@pytest.mark.parametrize("kind", ["metric_depth", "disparity", "relative_depth"])
def test_float_formats_keep_every_number_and_its_meaning(tmp_path, suffix, kind):
    values = RANDOM.normal(size=(5, 7)).astype(np.float32)
    values[0, :2] = np.nan, np.inf
    depth_map = DepthMap(values, kind, 0.25, None if kind == "relative_depth" else 12.5)
    write_depth(tmp_path / "new" / f"a{suffix}", depth_map)
    read = read_depth_file(tmp_path / "new" / f"a{suffix}")
    np.testing.assert_array_equal(read.values, values)
    assert read[1:] == depth_map[1:]
    assert [path.name for path in (tmp_path / "new").iterdir()] == [f"a{suffix}"]


def test_numpy_alone_reads_the_numbers(tmp_path):
    depth = RANDOM.random((4, 5))
    write_depth_numpy(tmp_path / "a.npy", DepthMap(depth))
    read = np.load(tmp_path / "a.npy")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, depth.astype(np.float32))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy", mmap_mode="r"), read)
    write_depth(tmp_path / "a.npz", DepthMap(depth))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npz")["depth"], read)


def test_data_sets_read_what_was_written(tmp_path):
    from disdepth_cli.data.files.images import read_depth

    depth = RANDOM.uniform(0.5, 9, (4, 5)).astype(np.float32)
    for suffix in (".npy", ".npz", ".exr"):
        write_depth(tmp_path / f"a{suffix}", DepthMap(depth))
        np.testing.assert_array_equal(read_depth(tmp_path / f"a{suffix}", 1.0), depth)


def test_foreign_files_are_refused(tmp_path):
    Image.fromarray(np.zeros((2, 2), dtype=np.uint16)).save(tmp_path / "plain.png")
    with pytest.raises(DataError, match="no disdepth:scale"):
        read_depth_png(tmp_path / "plain.png")
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match=r"torn\.png: is not a readable depth file \(cannot identify image file\)"):
        read_depth_png(tmp_path / "torn.png")
    with pytest.raises(DataError, match="cannot be read"):
        read_depth_png(tmp_path / "missing.png")
    np.save(tmp_path / "plain.npy", np.zeros((2, 2)))
    np.savez(tmp_path / "plain.npz", depth=np.zeros((2, 2)))
    for name in ("plain.npy", "plain.npz"):
        with pytest.raises(DataError, match=rf"{name}: does not say what its numbers are"):
            read_depth_file(tmp_path / name)
    np.savez(tmp_path / "other.npz", depth=np.zeros((2, 2)), meaning=np.array('{"kind": "wrong"}'))
    with pytest.raises(DataError, match=r"other\.npz: does not say what its numbers are"):
        read_depth_file(tmp_path / "other.npz")


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".exr"])
def test_damaged_and_missing_files_are_one_line(tmp_path, suffix):
    file = tmp_path / f"a{suffix}"
    with pytest.raises(DataError, match="cannot be read"):
        read_depth_file(file)
    write_depth(file, DepthMap(RANDOM.random((40, 50)), max_depth=10.0))
    whole = file.read_bytes()
    for share in (0.1, 0.5, 0.9):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DataError, match=str(file)) as refused:
            read_depth_file(file)
        assert "\n" not in str(refused.value)


def test_another_suffix_is_refused_with_those_there_are(tmp_path):
    for name in ("a.jpg", "a"):
        with pytest.raises(DataError, match=r"saved as \.png, \.npy, \.npz, \.exr"):
            write_depth(tmp_path / name, DepthMap(np.ones((2, 2))))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for suffix in (".png", ".npy", ".npz", ".exr"):
        with pytest.raises(DisdepthError, match="cannot be written"):
            write_depth(tmp_path / "file" / f"a{suffix}", DepthMap(np.ones((2, 2))))


def _png_of(scale: str) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("disdepth:scale", scale)
    file = io.BytesIO()
    Image.fromarray(np.ones((4, 4), np.uint16)).save(file, "PNG", pnginfo=text)
    return file.getvalue()


@pytest.mark.parametrize("scale", ["0", "-1000", "nan", "inf", "x", ""])
def test_a_scale_that_is_none_gives_no_depth(tmp_path, scale):
    (tmp_path / "a.png").write_bytes(_png_of(scale))
    with pytest.raises(DataError, match=r"a\.png: is not a readable depth file"):
        Depth.load(tmp_path / "a.png")


def test_a_small_file_that_declares_much_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setenv("DISDEPTH_MAX_MEGAPIXELS", "0.1")
    for suffix in (".png", ".npz", ".exr", ".npy"):
        file = tmp_path / f"a{suffix}"
        Depth(np.ones((600, 600), np.float32), "metric_depth").save(file)
        with pytest.raises(DataError, match="DISDEPTH_MAX_MEGAPIXELS"):
            Depth.load(file)


def test_objects_of_python_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{}], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", depth=np.array([{}], object), meaning=np.array("x"))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match=r"is not a readable depth file \(it is no file of plain numbers\)"):
            Depth.load(tmp_path / name)
