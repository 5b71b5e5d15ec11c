"""Images that EXIF turns, and the depth that belongs to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disdepth_cli.data.files.image_decoders import orientation_of
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.errors import DataError


@pytest.fixture
def phone(as_stored, tmp_path: Path):
    """`phone(orientation, size, upright)`: a pair whose grey levels are its depth in centimetres; the depth lies as the
    image is stored, or upright."""

    def make(orientation: int, size: tuple[int, int], upright: bool = False, suffix: str = ".png") -> DataItem:
        centimetres = np.add.outer(np.arange(size[0]), 3 * np.arange(size[1])).astype(np.uint8) + 20
        picture, metres = Image.fromarray(np.dstack([centimetres] * 3)), Image.fromarray(centimetres)
        picture = as_stored(picture, orientation)
        metres = metres if upright else as_stored(metres, orientation)
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {".webp": {"lossless": True}, ".jpg": {"quality": 100, "subsampling": 0}}.get(suffix, {})
        picture.save(tmp_path / f"a{suffix}", exif=exif, **options)
        np.save(tmp_path / "a.npy", np.asarray(metres) / np.float32(100))
        return DataItem(tmp_path / f"a{suffix}", tmp_path / "a.npy")

    return make


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_read_from_every_kind(phone, orientation: int, suffix: str) -> None:
    item = phone(orientation, (24, 32), suffix=suffix)
    assert orientation_of(item.image.read_bytes()) == orientation


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("orientation", [1, 5, 6, 7, 8])
def test_depth_is_turned_where_its_shape_says_so(phone, orientation: int, upright: bool) -> None:
    image, metres = read_pair(phone(orientation, (24, 32), upright), 1)
    assert image.shape == (24, 32, 3) and metres.shape == (24, 32)
    np.testing.assert_allclose(metres, image[..., 0] / 100, atol=1e-6)


@pytest.mark.parametrize(("orientation", "size"), [(2, (24, 32)), (3, (24, 32)), (4, (24, 32)), (6, (24, 24))])
@pytest.mark.parametrize("upright", [False, True])
def test_a_pair_that_may_lie_either_way_is_an_error(phone, orientation: int, size, upright: bool) -> None:
    with pytest.raises(
        DataError, match=rf"a\.png: its EXIF orientation is {orientation}, .*a\.npy is upright too; save"
    ):
        read_pair(phone(orientation, size, upright), 1)


def test_without_depth_an_orientation_is_no_problem(phone) -> None:
    assert read_pair(DataItem(phone(3, (24, 32)).image, None), 1)[1] is None


@pytest.mark.parametrize(
    "data", [b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"II", b"", b"RIFFxxxxWEBPEXIF"]
)
def test_damaged_exif_is_none(data: bytes) -> None:
    assert orientation_of(data) == 1
