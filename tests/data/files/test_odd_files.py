"""Small files that declare a lot, numbers that lie in other files, and images too large to be decoded as they are."""

from __future__ import annotations

import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import cv2
import h5py
import numpy as np
import OpenEXR
import pytest
from PIL import Image

from disdepth_cli.data.files import image_decoders
from disdepth_cli.data.files.hdf5 import Hdf5Member
from disdepth_cli.data.files.images import read_depth, read_image
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.errors import ConfigError, DataError

SIDE = 40_000  # 1600 megapixels


def png(height: int, width: int, depth: int = 8, colour: int = 2) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 100))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48)).save(file, kind, **options)  # type: ignore[arg-type]
    return file.getvalue()


def patched(data: bytes, place: int, layout: str, *sides: int) -> bytes:
    return data[:place] + struct.pack(layout, *sides) + data[place + struct.calcsize(layout) :]


def tiff() -> bytes:
    data = encoded("TIFF")
    for old in ((256, 64), (257, 48)):  # width, height
        for kind, layout in ((3, "<HHIHxx"), (4, "<HHII")):
            data = data.replace(struct.pack(layout, old[0], kind, 1, old[1]), struct.pack("<HHII", old[0], 4, 1, SIDE))
    return data


def jpeg() -> bytes:
    data = encoded("JPEG")
    return patched(data, data.index(b"\xff\xc0") + 5, ">HH", SIDE, SIDE)


IMAGES = {
    "a.png": png(SIDE, SIDE),
    "a.jpg": jpeg(),
    "a.bmp": patched(encoded("BMP"), 18, "<ii", SIDE, SIDE),
    "a.tif": tiff(),
    "a.ppm": f"P6 {SIDE} {SIDE} 255\n".encode() + b"abc",
}


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_that_declares_too_much_is_not_decoded(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(IMAGES[name])
    with pytest.raises(
        DataError, match=rf"{name}: .*{SIDE}x{SIDE}, 1600 megapixels, and at most 256 are read"
    ) as error:
        read_image(tmp_path / name)
    assert "DISDEPTH_MAX_MEGAPIXELS" in str(error.value)


def npy_header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue()


def npz_of_zeros(gigabytes: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("depth.npy", "w") as member:
        member.write(npy_header((gigabytes * 16384, 16384)))
        for _ in range(gigabytes * 8):
            member.write(bytes(2**24))
    return file.getvalue()


DEPTHS = {
    "a.png": png(SIDE, SIDE, 16, 0),
    "a.npy": npy_header((SIDE, SIDE)) + b"\0" * 100,
    "wide.npy": npy_header((1, 10**12)),
    "a.npz": npz_of_zeros(3),
    "a.pgm": f"P5 {SIDE} {SIDE} 65535\n".encode() + b"abc",
    "a.pfm": f"Pf\n{SIDE} {SIDE}\n-1.0\n".encode() + b"abc",
    "a.dpt": struct.pack("<fii", 202021.25, SIDE, SIDE) + b"abc",
    "a.bin": f"{SIDE}&{SIDE}&1&".encode() + b"abc",
    "a.tif": tiff(),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_that_declares_too_much_is_not_decoded(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(DEPTHS[name])
    tracemalloc.start()
    with pytest.raises(DataError, match=rf"{name}: .*at most (256|1024 MB) are read"):
        read_depth(tmp_path / name, 1)
    assert tracemalloc.get_traced_memory()[1] < len(DEPTHS[name]) * 3 + 10e6
    tracemalloc.stop()


def test_an_exr_that_declares_too_much(tmp_path: Path) -> None:
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Z": np.ones((48, 64), np.float32)}).write(str(tmp_path / "a.exr"))
    data = (tmp_path / "a.exr").read_bytes()
    place = data.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    (tmp_path / "a.exr").write_bytes(patched(data, place, "<iiii", 0, 0, SIDE - 1, SIDE - 1))
    with pytest.raises(DataError, match=r"a\.exr: is not a readable depth map"):
        read_depth(tmp_path / "a.exr", 1)


def test_the_limit_may_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((100, 200, 3), np.uint8))
    np.save(tmp_path / "a.npy", np.ones((100, 200)))
    monkeypatch.setenv("DISDEPTH_MAX_MEGAPIXELS", "0.019")
    for read in (lambda: read_image(tmp_path / "a.png"), lambda: read_depth(tmp_path / "a.npy", 1)):
        with pytest.raises(DataError, match="DISDEPTH_MAX_MEGAPIXELS"):
            read()
    monkeypatch.setenv("DISDEPTH_MAX_MEGAPIXELS", "0.041")
    assert read_image(tmp_path / "a.png").shape == (100, 200, 3) and read_depth(tmp_path / "a.npy", 1).all()
    monkeypatch.setenv("DISDEPTH_MAX_MEGAPIXELS", "many")
    with pytest.raises(ConfigError, match="DISDEPTH_MAX_MEGAPIXELS=many: is not a number"):
        read_image(tmp_path / "a.png")


def test_a_file_that_goes_on_and_on(tmp_path: Path) -> None:
    with open(tmp_path / "a.png", "wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match=r"a\.png: has 1099512 MB, at most"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_numpys_advice_is_not_passed_on(tmp_path: Path, suffix: str, share: float) -> None:
    path = tmp_path / f"a{suffix}"
    values = np.random.default_rng(0).random((30, 40))
    np.savez(path, depth=values) if suffix == ".npz" else np.save(path, values)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    for name in (path.name, "text.npz"):
        (tmp_path / "text.npz").write_text("no archive")
        with pytest.raises(DataError, match=name) as error:
            read_depth(tmp_path / name, 1)
        assert "pickle" not in str(error.value)


# HDF5


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret.bin"
    file.write_bytes(bytes(range(256)) * 16)
    with h5py.File(tmp_path / "other.hdf5", "w") as other:
        other["depth"] = np.ones((8, 8), np.float32)
    return file


def external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset("dataset", (8, 8), "<f4", external=[(str(secret), 0, 256)])


def external_link(file: h5py.File, secret: Path) -> None:
    file["dataset"] = h5py.ExternalLink(str(secret.with_name("other.hdf5")), "depth")


def virtual(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((8, 8), "<f4")
    layout[:] = h5py.VirtualSource(str(secret.with_name("other.hdf5")), "depth", (8, 8))
    file.create_virtual_dataset("dataset", layout)


@pytest.mark.parametrize("make", [external_storage, external_link, virtual])
@pytest.mark.parametrize("entry", ["dataset", "dataset/3"])
def test_numbers_of_other_files_are_never_read(tmp_path: Path, secret: Path, make, entry: str) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        make(file, secret)
    with pytest.raises(DataError, match=r"a\.hdf5:dataset.*its numbers lie in another file, which is never read"):
        Hdf5Member(str(tmp_path / "a.hdf5"), entry).read()


def test_an_hdf5_entry_that_declares_too_much(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file.create_dataset("dataset", (SIDE, SIDE), "<f4", chunks=(64, 64))
        file.create_group("group")
    with pytest.raises(DataError, match="1600 megapixels"):
        Hdf5Member(str(tmp_path / "a.hdf5"), "dataset").read()
    assert Hdf5Member(str(tmp_path / "a.hdf5"), "dataset/5").read().shape == (SIDE,)
    with pytest.raises(DataError, match="group is no array"):
        Hdf5Member(str(tmp_path / "a.hdf5"), "group").read()


# large photographs


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`large(suffix, limit)`: a smooth picture of 320x480, where more than `limit` pixels are large."""

    def make(suffix: str, limit: float) -> Path:
        monkeypatch.setattr(image_decoders, "LARGE", limit)
        rows, columns = np.mgrid[:320, :480]
        picture = np.dstack([rows / 320 * 255, columns / 480 * 255, 0 * rows + 90]).astype(np.uint8)
        options = {".jpg": {"quality": 98}, ".webp": {"lossless": True}}.get(suffix, {})
        Image.fromarray(picture).save(tmp_path / f"a{suffix}", **options)
        return tmp_path / f"a{suffix}"

    return make


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp", ".gif"])
@pytest.mark.parametrize(("limit", "shrink"), [(153_600, 1), (153_599, 2), (38_399, 4), (9_599, 8), (100, 8)])
def test_large_images_are_decoded_smaller(large, suffix: str, limit: float, shrink: int) -> None:
    image = read_image(large(suffix, limit))
    assert image.shape == (320 // shrink, 480 // shrink, 3)
    expected = (np.arange(320 // shrink) + 0.5) * shrink / 320 * 255
    assert np.abs(image[..., 0].mean(axis=1) - expected).max() < (12 if suffix == ".gif" else 4)


def test_depth_of_a_large_image_still_belongs_to_it(large, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((320, 480)))
    image, depth = read_pair(DataItem(large(".jpg", 100_000), tmp_path / "a.npy"), 1)
    assert (image.shape, depth.shape) == ((160, 240, 3), (320, 480))


def test_pillows_own_guard_is_left_as_it_is(large, monkeypatch: pytest.MonkeyPatch) -> None:
    file = large(".tif", 1e9)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(file).shape == (320, 480, 3)
    assert Image.MAX_IMAGE_PIXELS == 1000
