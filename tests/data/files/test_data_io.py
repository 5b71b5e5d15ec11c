"""Every kind of image and depth file, and what is wrong with broken ones."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.images import read_depth, read_image
from disdepth_cli.errors import DataError

COLOURS = np.zeros((24, 32, 3), np.uint8)
COLOURS[:, 16:] = (200, 100, 50)
COLOURS[:12, :, 2] = 250
METRES = np.linspace(0.5, 9.5, 12 * 16, dtype=np.float32).reshape(12, 16)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("name", "options", "tolerance"),
    [
        ("a.png", {}, 0),
        ("a.bmp", {}, 0),
        ("a.ppm", {}, 0),
        ("a.tif", {}, 0),
        ("lzw.tiff", {"compression": "tiff_lzw"}, 0),
        ("a.webp", {"lossless": True}, 0),
        ("a.jpg", {"quality": 98, "subsampling": 0}, 6),
        ("progressive.jpeg", {"quality": 98, "subsampling": 0, "progressive": True}, 6),
    ],
)
def test_image_formats_are_rgb(tmp_path: Path, name: str, options: dict, tolerance: int) -> None:
    image = read_image(save(tmp_path / name, Image.fromarray(COLOURS), **options))
    assert image.dtype == np.uint8
    assert image.flags["C_CONTIGUOUS"]
    np.testing.assert_allclose(image.astype(int), COLOURS.astype(int), atol=tolerance)


@pytest.mark.parametrize("kind", ["L", "LA", "1", "RGBA", "P"])
def test_modes_become_rgb(tmp_path: Path, kind: str) -> None:
    image = Image.fromarray(COLOURS)
    expected = COLOURS
    if kind in ("L", "1"):
        image = image.convert(kind)
        expected = np.asarray(image.convert("RGB"))
    elif kind == "LA":
        grey = COLOURS[..., 2]
        image = Image.fromarray(np.dstack([grey, np.zeros_like(grey)]))
        expected = np.dstack([grey] * 3)
    elif kind == "RGBA":
        image = Image.fromarray(np.dstack([COLOURS, np.zeros((24, 32), np.uint8)]))
    else:
        image = image.quantize(16)
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", image)), expected)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bit_images_are_scaled_not_clipped(tmp_path: Path, suffix: str, channels: int) -> None:
    stored = (np.arange(24 * 32).reshape(24, 32) * 85).astype(np.uint16)
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), stored if channels == 1 else np.dstack([stored] * 3))
    image = read_image(path)
    assert image.shape == (24, 32, 3)
    np.testing.assert_allclose(image[..., 1], stored / 257, atol=1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_orientation_is_applied(as_stored, tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = Image.fromarray(COLOURS)
    stored = as_stored(upright, orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a{suffix}", stored, exif=exif, **({"quality": 98} if suffix != ".tif" else {}))
    image = read_image(path)
    assert image.shape == COLOURS.shape
    assert np.abs(image.astype(int) - COLOURS).mean() < 6


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, "one byte"])
@pytest.mark.parametrize("name", ["a.jpg", "progressive.jpg", "a.png", "a.webp", "a.tif", "a.bmp"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning", "ignore:Truncated File Read:UserWarning")
def test_truncated_images_are_errors(tmp_path: Path, name: str, share: float | str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / name
    save(path, Image.fromarray(noise), **({"progressive": True} if "progressive" in name else {}))
    assert read_image(path).shape == (64, 64, 3)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)] if isinstance(share, float) else data[:-1])
    with pytest.raises(DataError, match=name):
        read_image(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_truncation_is_seen_without_the_decoders_help(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV 4 fills what is missing with grey and returns an image: the end markers must be what tells."""
    path = save(tmp_path / name, Image.fromarray(COLOURS))
    path.write_bytes(path.read_bytes()[:-4])
    monkeypatch.setattr(cv2, "imdecode", lambda data, flags: np.full((24, 32, 3), 128, np.uint8))
    with pytest.raises(DataError, match=r"truncated"):
        read_image(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_zeroed_tail_is_an_error(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / name, Image.fromarray(noise))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    with pytest.raises(DataError, match=name):
        read_image(path)


def test_a_thumbnails_end_is_not_the_images_end(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "JPEG")
    application = b"\xff\xe1" + (len(buffer.getvalue()) + 2).to_bytes(2, "big") + buffer.getvalue()
    data = buffer.getvalue()[:2] + application + buffer.getvalue()[2:]
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert read_image(path).shape == (24, 32, 3)
    path.write_bytes(data[:-30] + bytes(30))
    with pytest.raises(DataError, match="truncated"):
        read_image(path)


def test_jpeg_followed_by_other_data_is_read(tmp_path: Path) -> None:
    """Phones append a video or a second picture."""
    path = save(tmp_path / "a.jpg", Image.fromarray(COLOURS), quality=98, subsampling=0)
    path.write_bytes(path.read_bytes() + b"trailer \xff\xda trailer")
    np.testing.assert_allclose(read_image(path).astype(int), COLOURS.astype(int), atol=6)


def test_other_broken_images(tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("not an image at all")
    for path in (text, tmp_path / "missing.png", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            read_image(path)
    with pytest.raises(DataError, match="float"):
        read_image(save(tmp_path / "float.tif", Image.fromarray(METRES)))


def _write_depth(path: Path, stored: np.ndarray) -> Path:
    if path.suffix == ".npy":
        np.save(path, stored)
    elif path.suffix == ".exr":
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        name = "RGB" if stored.ndim == 3 else "Z"
        OpenEXR.File(header, {name: stored}).write(str(path))
    else:
        assert cv2.imwrite(str(path), stored)
    return path


@pytest.mark.parametrize(
    ("name", "dtype", "scale"),
    [
        ("a.png", np.uint16, 1000.0),
        ("kitti.png", np.uint16, 256.0),
        ("a.png", np.uint8, 25.0),
        ("a.tif", np.uint16, 1000.0),
        ("a.TIFF", np.float32, 1.0),
        ("a.tif", np.float64, 1.0),
        ("a.npy", np.float32, 1.0),
        ("a.npy", np.float64, 1.0),
        ("a.npy", np.int32, 1000.0),
        ("a.exr", np.float32, 1.0),
        ("a.exr", np.float16, 2.0),
    ],
)
def test_depth_formats(tmp_path: Path, name: str, dtype: type, scale: float) -> None:
    stored = (METRES * scale).astype(dtype)
    depth = read_depth(_write_depth(tmp_path / name, stored), scale)
    assert depth.dtype == np.float32
    np.testing.assert_allclose(depth, stored.astype(np.float64) / scale, rtol=1e-6)
    assert np.abs(depth - METRES).max() <= max(1 / scale, 0.01)


def test_npz_takes_depth_or_its_only_array(tmp_path: Path) -> None:
    other = np.ones((3, 3), np.float32)
    np.savez(tmp_path / "named.npz", confidence=other, depth=METRES)
    np.savez(tmp_path / "predicted.npz", intrinsics=other, Pred_Depth=METRES)
    np.savez_compressed(tmp_path / "alone.npz", METRES)
    np.savez(tmp_path / "none.npz")
    for name in ("named.npz", "predicted.npz", "alone.npz"):
        np.testing.assert_array_equal(read_depth(tmp_path / name, 1.0), METRES)
    for held in ({"confidence": other, "a": METRES}, {"conf": other}, {"intrinsics": other}):
        np.savez(tmp_path / "unclear.npz", **held)
        with pytest.raises(DataError, match=f"unclear.npz: .*is not clear: {', '.join(sorted(held))}; call it depth"):
            read_depth(tmp_path / "unclear.npz", 1.0)
    np.savez(tmp_path / "stereo.npz", disparity=2 / METRES)
    with pytest.raises(DataError, match="disparity: say `depth_kind: disparity` or `inverse` in data.yaml"):
        read_depth(tmp_path / "stereo.npz", 1.0)
    np.testing.assert_allclose(read_depth(tmp_path / "stereo.npz", DepthCoding(2, "disparity")), METRES, rtol=1e-6)
    with pytest.raises(DataError, match=r"none\.npz.*no array"):
        read_depth(tmp_path / "none.npz", 1.0)


def test_exr_channels(tmp_path: Path) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    junk = np.zeros_like(METRES)
    OpenEXR.File(header, {"A": junk, "Depth": METRES}).write(str(tmp_path / "named.exr"))
    np.testing.assert_array_equal(read_depth(tmp_path / "named.exr", 1.0), METRES)
    with pytest.raises(DataError, match=r"rgb\.exr.*channels b, g, r"):
        read_depth(_write_depth(tmp_path / "rgb.exr", np.dstack([METRES] * 3)), 1.0)


@pytest.mark.parametrize("suffix", [".npy", ".exr", ".tif"])
def test_not_finite_and_not_positive_depth_is_invalid(tmp_path: Path, suffix: str) -> None:
    stored = METRES.copy()
    stored[0, :5] = (np.nan, np.inf, -np.inf, -1, 0)
    depth = read_depth(_write_depth(tmp_path / f"a{suffix}", stored), 1.0)
    assert (depth[0, :5] == 0).all()
    np.testing.assert_array_equal(depth[0, 5:], METRES[0, 5:])


def test_depth_too_large_for_float32_is_invalid(tmp_path: Path) -> None:
    stored = np.array([[1e300, 2.0]])
    np.testing.assert_array_equal(read_depth(_write_depth(tmp_path / "a.npy", stored), 1.0), [[0, 2]])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
def test_three_channel_depth_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = _write_depth(tmp_path / f"a{suffix}", np.dstack([METRES.astype(np.uint16)] * 3))
    with pytest.raises(DataError, match=rf"a\{suffix}: .*one channel.*\(12, 16, 3\)"):
        read_depth(path, 1.0)


def test_wrong_arrays_are_errors(tmp_path: Path) -> None:
    for stored in (np.ones(5), np.ones((2, 2, 2)), np.ones((0, 3)), np.ones((2, 2), bool), np.ones((2, 2), complex)):
        with pytest.raises(DataError, match="one channel of numbers"):
            read_depth(_write_depth(tmp_path / "a.npy", stored), 1.0)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"a\.npy"):
        read_depth(path, 1.0)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".npz", ".exr"])
@pytest.mark.parametrize("share", [0.0, 0.6, "junk"])
def test_broken_depth_names_the_file(tmp_path: Path, suffix: str, share: float | str) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".npz":
        np.savez(path, METRES)
    else:
        _write_depth(path, METRES if suffix in (".npy", ".exr") else (METRES * 1000).astype(np.uint16))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)] if isinstance(share, float) else b"junk" * 40)
    with pytest.raises(DataError, match=rf"a\{suffix}"):
        read_depth(path, 1.0)


def test_other_kinds_of_depth_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.jpg: is not a depth file; depth is read from \.bin, \.dpt, \.exr"):
        read_depth(save(tmp_path / "a.jpg", Image.fromarray(COLOURS)), 1.0)
    with pytest.raises(DataError, match=r"missing\.png: cannot be read"):
        read_depth(tmp_path / "missing.png", 1.0)


def test_png_end_is_found_before_a_long_trailer(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(COLOURS).save(buffer, "PNG")
    path = tmp_path / "a.png"
    path.write_bytes(buffer.getvalue() + bytes(100_000))
    np.testing.assert_array_equal(read_image(path), COLOURS)
