"""Labels of the wrong kind or unit: what is said of them, and what data.yaml may say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli import pack
from disdepth_cli.data.files.depth_coding import CARLA_SCALE, DepthCoding
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError
from disdepth_cli.inspection.labels import LOOKED_AT, Label, label_of, look_at_labels, oddities
from disdepth_cli.inspection.scale import scale_warning

HIGH, WIDE = 24, 32
RAMP = np.linspace(4.0, 1.5, HIGH)[:, None] * np.ones((1, WIDE))  # a floor: near at the bottom


def label(median: float, split: str = "train", **more) -> Label:
    return replace(Label("a", "train", median, False, True, -1), split=split, **more)  # type: ignore[arg-type]


def said(labels: Sequence[Label]) -> str:
    return " | ".join(oddities(labels))


# a map alone, and a few maps


def test_a_map_in_few_numbers() -> None:
    found = label_of(RAMP.astype(np.float32), "a", "val", 1e-3, 10)
    assert (found.same, found.used, found.slope) == (False, True, -1) and found.median == pytest.approx(2.75, rel=0.02)
    assert label_of(RAMP[::-1].astype(np.float32), "a", "val", 1e-3, 1).slope == 1
    assert not label_of(RAMP.astype(np.float32), "a", "val", 1e-3, 1).used
    assert label_of(np.full((9, 9), 2.0), "a", "val", 1e-3, 10) == Label("a", "val", 2.0, True, True, 0)
    assert label_of(np.zeros((9, 9)), "a", "val", 1e-3, 10).median == 0
    lonely = np.zeros((400, 400), np.float32)
    lonely[201, 203] = 3  # between the steps
    assert label_of(lonely, "a", "val", 1e-3, 10).median == 3


def test_few_files_are_read_and_spread_over_all(make_pairs) -> None:
    source = load_source(make_pairs(110, size=(4, 4)))
    labels = look_at_labels(source, "train", source.train, 1e-3, 10)
    assert LOOKED_AT / 2 < len(labels) <= LOOKED_AT and labels[-1].key > "rgb/0090"


@pytest.mark.parametrize("factor", [10, 25.6, 1000])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_two_units_are_told(factor: float, share: float) -> None:
    rng = np.random.default_rng(0)
    medians = 2.5 * np.exp(rng.normal(0, 0.3, 40))
    assert said([label(median) for median in medians]) == ""
    medians[: int(40 * share)] /= factor
    words = said([label(median) for median in medians])
    assert "of two groups" in words and "depth_scale in data.yaml" in words
    assert f"may be {factor:.3g} apart" in words


def test_rooms_and_streets_are_no_two_units() -> None:
    rng = np.random.default_rng(0)
    assert said([label(m) for m in (*2.5 * np.exp(rng.normal(0, 0.4, 30)), *12 * np.exp(rng.normal(0, 0.5, 30)))]) == ""
    assert (
        said([label(m) for m in (2, 2.1, 2.2, 2.4, 2.5, 2.6, 2.7, 2.2, 2.3, 2.8, 25)]) == ""
    )  # one view out of a window


def test_two_splits_of_two_units_are_told() -> None:
    words = said([*(label(m) for m in (2, 2.2, 2.4, 2.6)), *(label(m / 3.9, "val") for m in (2, 2.5))])
    assert "median depth of train is 2.3 m, that of val 0.577 m" in words and "{train: ..., val: ...}" in words


def test_inverse_depth_is_told() -> None:
    assert "farther at the bottom" in said([label(2.0, slope=1)] * 7 + [label(2.0)])
    assert said([label(2.0, slope=1)] * 6 + [label(2.0)] * 4) == said([label(2.0, slope=1)] * 3) == ""


def test_one_value_everywhere_is_told() -> None:
    assert "1 depth maps hold one value everywhere" in said([label(2.0), label(2.0, same=True)])


@pytest.mark.parametrize(
    ("median", "words"),
    [(0.05, "looks wrong"), (0.3, "suspiciously near"), (2.0, None), (50, None), (300, "looks wrong")],
)
def test_a_median_that_no_scene_has(median: float, words: str | None) -> None:
    warning = scale_warning([label(median)] * 3, DepthCoding(1000))
    assert warning is None if words is None else words in str(warning) and "set depth_scale" in str(warning)


def test_no_depth_at_all() -> None:
    assert "no valid depth in 2 files" in str(scale_warning([label(0), label(0)], DepthCoding()))
    assert scale_warning([], DepthCoding()) is None


# what data.yaml says


def described(tmp_path: Path, keys: str, *maps: np.ndarray, suffix: str = ".npy") -> list[np.ndarray]:
    """Metres of maps that are stored so, under those keys."""
    for folder in ("rgb", "depth"):
        (tmp_path / folder).mkdir()
    for number, stored in enumerate(maps):
        cv2.imwrite(str(tmp_path / f"rgb/{number}.png"), np.zeros((HIGH, WIDE, 3), np.uint8))
        file = tmp_path / f"depth/{number}{suffix}"
        if suffix == ".npy":
            np.save(file, stored)
        else:
            assert cv2.imwrite(str(file), stored)
    (tmp_path / "train.txt").write_text("".join(f"rgb/{n}.png depth/{n}{suffix}\n" for n in range(len(maps) - 1)))
    (tmp_path / "val.txt").write_text(f"rgb/{len(maps) - 1}.png depth/{len(maps) - 1}{suffix}\n")
    (tmp_path / "data.yaml").write_text(f"train: train.txt\nval: val.txt\n{keys}\n")
    source = load_source(tmp_path)
    return [read_pair(item, source.coding)[1] for item in (*source.train, *source.val)]  # type: ignore[misc]


def test_inverse_depth_and_disparity(tmp_path: Path) -> None:
    depth = RAMP.copy()
    depth[0, 0] = np.inf
    seen = described(tmp_path, "depth_kind: inverse\ndepth_scale: 2", 2 / depth, 2 / depth)
    assert seen[0][0, 0] == 0
    np.testing.assert_allclose(seen[0][1:], RAMP[1:], rtol=1e-6)


def test_disparity_of_a_stereo_camera(tmp_path: Path) -> None:
    """KITTI's: focal length 721.5 pixels, baseline 0.54 m, stored times 256."""
    stored = np.rint(721.5 * 0.54 / (8 * RAMP) * 256).astype(np.uint16)
    keys = f"depth_kind: disparity\ndepth_scale: {721.5 * 0.54 * 256}"
    np.testing.assert_allclose(described(tmp_path, keys, stored, stored, suffix=".png")[0], 8 * RAMP, rtol=2e-4)


def test_distance_along_the_ray(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:HIGH, :WIDE]
    share = np.sqrt((columns + 0.5 - WIDE / 2) ** 2 + (rows + 0.5 - HIGH / 2) ** 2 + 30**2) / 30
    seen = described(
        tmp_path, "depth_kind: along-ray\nfocal: 30\ndepth_scale: 1", RAMP * share, (RAMP * share)[::2, ::2]
    )
    np.testing.assert_allclose(seen[0], RAMP, rtol=1e-5)
    assert np.abs(seen[1] / RAMP[::2, ::2] - 1).max() < 0.02  # focal is in pixels of the image, which is twice as large


def test_numbers_that_are_no_measurement(tmp_path: Path) -> None:
    stored = (RAMP * 100).astype(np.uint16)
    stored[0], stored[1] = 65535, 9999
    seen = described(tmp_path, "depth_scale: 100\nmax_depth: 800\ninvalid_value: [65535, 9999]", stored, stored)
    assert not seen[0][:2].any() and (seen[0][2:] > 0).all()


def test_one_number_that_is_no_measurement(tmp_path: Path) -> None:
    stored = RAMP.copy()
    stored[0] = -999.9
    stored[1] = 123.456
    seen = described(tmp_path, "depth_scale: 1\nmax_depth: 800\ninvalid_value: 123.456", stored, stored)
    assert not seen[0][:2].any() and (seen[0][2:] > 0).all()


def test_a_scale_for_each_split(tmp_path: Path) -> None:
    keys = "depth_scale: {train: 1000, val: 256}"
    stored = [np.rint(RAMP * scale).astype(np.uint16) for scale in (1000, 1000, 256)]
    for seen in described(tmp_path, keys, *stored, suffix=".png"):
        np.testing.assert_allclose(seen, RAMP, atol=0.003)


@pytest.mark.parametrize(("encoding", "scale", "order"), [("carla", CARLA_SCALE, 1), ("rgb24", 1000.0, -1)])
def test_numbers_in_three_channels(tmp_path: Path, encoding: str, scale: float, order: int) -> None:
    numbers = np.rint(RAMP * scale).astype(np.uint32)
    bytes_ = [(numbers >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)]  # red is the lowest of CARLA's
    stored = np.dstack(bytes_[::order])[..., ::-1]  # OpenCV writes blue first
    with_alpha = np.dstack([stored, np.full((HIGH, WIDE), 255, np.uint8)])
    for seen in described(tmp_path, f"encoding: {encoding}", stored, with_alpha, suffix=".png"):
        np.testing.assert_allclose(seen, RAMP, atol=1e-3)


def test_an_encoding_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"0\.png: .*three 8-bit channels.*is `encoding` right"):
        described(tmp_path, "encoding: carla", np.ones((HIGH, WIDE), np.uint16), np.ones((2, 2)), suffix=".png")


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("depth_kind: metres", "depth_kind: Input should be 'depth', 'disparity', 'inverse' or 'along-ray'"),
        ("depth_kind: disparity", "needs depth_scale, the focal length"),
        ("depth_kind: inverse", "needs depth_scale: metres = depth_scale / stored"),
        ("depth_kind: along-ray", "needs focal"),
        ("depth_scale: {train: 1000}", "must be a number, or {train: NUMBER, val: NUMBER}"),
        ("depth_scale: {train: 1000, val: 0}", "val_depth_scale: Input should be greater than 0"),
        ("invalid_value: none", "invalid_value: .*valid number"),
        ("encoding: rgb", "encoding: Input should be 'carla' or 'rgb24'"),
        ("train: a\ntrain: b", "'train' is there twice, on lines 1 and 2"),
    ],
)
def test_keys_that_make_no_sense(tmp_path: Path, keys: str, words: str) -> None:
    (tmp_path / "data.yaml").write_text(keys)
    with pytest.raises(DataError, match=words) as error:
        load_source(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/data.yaml: ") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("keys", "stored", "suffix"),
    [
        ("depth_kind: inverse\ndepth_scale: 20000", np.rint(20000 / RAMP).astype(np.uint16), ".png"),
        ("encoding: rgb24", np.dstack([np.rint(RAMP * 1000).astype(np.uint32) >> s & 255 for s in (0, 8, 16)]), ".png"),
        ("depth_scale: {train: 1000, val: 250}", np.rint(RAMP * 1000).astype(np.uint16), ".png"),
    ],
)
def test_packed_shards_hold_metres(tmp_path: Path, keys: str, stored: np.ndarray, suffix: str) -> None:
    stored = stored.astype(np.uint8) if stored.ndim == 3 else stored
    seen = described(tmp_path, keys, stored, stored, suffix=suffix)
    pack(data=tmp_path, output=tmp_path / "shards", workers=0)
    source = load_source(tmp_path / "shards")
    for metres, item in zip(seen, (*source.train, *source.val), strict=True):
        np.testing.assert_allclose(read_pair(item, source.coding)[1], metres, atol=6e-4)
