"""The focal length: where data state it, and what it is in a view."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.loader import EvalDataset, TrainDataset
from disdepth_cli.data.batches.origin import Origins
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError
from disdepth_cli.types import StoredBatch
from disdepth_cli.working_size import WorkingSize


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for stem in ("a", "b", "c"):
        for part, depth in (("rgb", False), ("depth", True)):
            (tmp_path / part).mkdir(exist_ok=True)
            shape = (48, 96) if depth else (48, 96, 3)
            cv2.imwrite(str(tmp_path / part / f"{stem}.png"), np.full(shape, 2000 if depth else 90, np.uint16))
    return tmp_path


def described(folder: Path, text: str, **lists: str):
    for name, rows in lists.items():
        (folder / f"{name}.txt").write_text(rows)
    (folder / "data.yaml").write_text(text)
    return load_source(folder)


LISTS = "train: train.txt\nval: val.txt\n"


def test_a_list_states_it_line_by_line_and_data_yaml_for_the_rest(folder: Path) -> None:
    train = "rgb/a.png depth/a.png 518.8579\nrgb/b.png depth/b.png\n"
    source = described(folder, LISTS + "focal: 700\n", train=train, val="rgb/c.png depth/c.png nonsense\n")
    assert [source.focal_of(item) for item in (*source.train, *source.val)] == [518.8579, 700, 700]
    bare = described(folder, LISTS, train=train, val="rgb/c.png depth/c.png -3\n")
    assert [bare.focal_of(item) for item in (*bare.train, *bare.val)] == [518.8579, None, None]


def test_unlabelled_images_have_theirs(folder: Path) -> None:
    source = described(
        folder,
        LISTS + "unlabeled: more.txt\n",
        train="rgb/a.png depth/a.png 500\n",
        val="rgb/c.png depth/c.png 500\n",
        more="rgb/b.png None 600\n",
    )
    assert [(item.depth is None, item.focal) for item in source.train] == [(False, 500), (True, 600)]


@pytest.mark.parametrize("wrong", ["0", "-500", "wide"])
def test_nonsense_in_data_yaml(folder: Path, wrong: str) -> None:
    with pytest.raises(DataError, match="focal"):
        described(folder, f"focal: {wrong}\n")


@pytest.mark.parametrize("scale", [1.0, 1.3])
def test_a_views_focal_length_is_that_at_which_its_depth_is_right(folder: Path, scale: float) -> None:
    """A thing of 1 m at 2 m spans focal / 2 pixels of the image; the view's focal over the view's depth is the same."""
    source = described(folder, LISTS, train="rgb/a.png depth/a.png 80\n", val="rgb/c.png depth/c.png 80\n")
    view = TrainView(AugmentConfig(scale=scale), (32, 64), WorkingSize(36, 72), None, 0, 1e-3, 10.0)
    dataset = TrainDataset(source.train, source, view, Origins({}))
    for epoch in range(5):
        sample = StoredBatch.collate([dataset[(epoch, 0)]]).to(torch.device("cpu"))
        window, _ = view.window_at(48, 96, epoch, 0)
        pixels_in_image = 80 / 2.0
        pixels_in_view = pixels_in_image * 64 / window.width
        depth = float(sample.depth[sample.valid].median())
        assert float(sample.origin.focal) / depth == pytest.approx(pixels_in_view, rel=1e-3)
        assert float(sample.origin.focal) == pytest.approx(80 * 72 / 96, rel=0.03)  # zoom is depth's affair


def test_a_whole_image_is_scaled_with_its_focal_length(folder: Path) -> None:
    source = described(folder, LISTS, train="rgb/a.png depth/a.png 80\n", val="rgb/c.png depth/c.png 80\n")
    item = EvalDataset(source.val, source, WorkingSize(24, 40), Origins({}))[0]
    assert item.image.shape[-2:] == (32, 64)  # 24x48, padded
    assert float(item.origin.focal) == pytest.approx(80 * 48 / 96)
    top, left, height, width = item.origin.box[0].tolist()
    assert (top, left, height, width) == pytest.approx((-4 / 24, -8 / 48, 32 / 24, 64 / 48))


def test_none_is_nan_and_nobody_asks_nothing_is_made(folder: Path) -> None:
    source = described(folder, LISTS, train="rgb/a.png depth/a.png\n", val="rgb/c.png depth/c.png 80\n")
    view = TrainView(AugmentConfig(), (32, 64), WorkingSize(36, 72), None, 0, 1e-3, 10.0)
    assert bool(torch.isnan(TrainDataset(source.train, source, view, Origins({}))[(0, 0)].origin.focal))
    assert TrainDataset(source.train, source, view)[(0, 0)].origin is None
