"""How people name images and their depth; and depth maps that would be taken for photographs."""

from __future__ import annotations

import numpy as np
import pytest

from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError

DEPTH = np.full((8, 12), 2000, np.uint16)


@pytest.mark.parametrize(
    ("image", "depth"),
    [
        ("rgb/{0}.jpg", "depth/{0}.png"),
        ("RGB/{0}.jpg", "Depth/{0}.png"),
        ("Images/{0}.jpg", "depth_maps/{0}.png"),
        ("color/frame-{0}.color.jpg", "depth/frame-{0}.depth.png"),
        ("rgb/{0}.png", "gt/{0}.png"),
        ("rgb/rgb_{0}.png", "depth/depth_{0}.png"),
        ("image/{0}.png", "ground_truth/{0}_gt.npy"),
        ("seq-01/frame-{0}.color.png", "seq-01/frame-{0}.depth.png"),
        ("{0}_colors.png", "{0}_depth.png"),
        ("rgb_{0}.jpg", "depth_{0}.png"),
        ("rgb{0}.jpg", "depth{0}.png"),
        ("{0}.jpg", "{0}_depth.png"),
        ("{0}.jpg", "{0}.npy"),
        ("images/{0}.jpg", "images/{0}.npy"),
        ("{0}.jpg", "depth/{0}.png"),
    ],
)
def test_pairs_as_people_name_them(write, tmp_path, image: str, depth: str) -> None:
    for number in range(12):
        name = f"{number:06d}"
        write(image.format(name), np.full((8, 12, 3), number, np.uint8))
        write(depth.format(name), DEPTH + number if depth.endswith(".png") else (DEPTH + number).astype(np.float32))
    source = load_source(tmp_path / "tree")
    assert (source.counts(), len(source.val), source.skipped) == ((11, 0), 1, ())
    for item in (*source.train, *source.val):
        pixels, metres = read_pair(item, 1000)
        assert metres[0, 0] == pytest.approx(2 + round(pixels.mean()) / 1000)


def test_masks_beside_pairs_are_left_out(write, tmp_path) -> None:
    for name in "abc":
        write(f"{name}.png")
        write(f"{name}_depth.png", DEPTH)
        write(f"{name}_mask.png", np.full((8, 12), 255, np.uint8))
    source = load_source(tmp_path / "tree")
    assert len(source.train) + len(source.val) == 3 and len(source.skipped) == 3
    assert all("_mask" in skip.where for skip in source.skipped)


@pytest.mark.parametrize(
    ("image", "depth", "stored"),
    [
        ("{0}.jpg", "{0}.png", np.uint8),  # Kaggle's NYU
        ("{0}.jpg", "{0}.png", np.uint16),
        ("left/{0}.png", "lidar/{0}.png", np.uint16),
        ("left/{0}.png", "lidar/{0}.png", np.uint8),
        ("{0}.jpg", "{0}_depth.jpg", np.uint8),
    ],
)
def test_depth_is_never_taken_for_photographs(write, tmp_path, image: str, depth: str, stored: type) -> None:
    for number in range(6):
        write(image.format(number), np.dstack([np.full((8, 12), value, np.uint8) for value in (9, 99, 199)]))
        write(depth.format(number), np.full((8, 12), 200, stored))
    with pytest.raises(
        DataError, match=r"looks like the depth of .* put images into rgb/ and depth into depth/"
    ) as error:
        load_source(tmp_path / "tree")
    assert depth.format(0) in str(error.value) and image.format(0) in str(error.value)


def test_grey_photographs_are_photographs(write, tmp_path) -> None:
    for folder in "ab":
        for number in range(3):
            write(f"{folder}/{number}.png", np.full((8, 12), 50, np.uint8))
    assert len(load_source(tmp_path / "tree").train) == 5
