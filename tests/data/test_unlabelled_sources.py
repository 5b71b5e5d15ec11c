"""`unlabeled:` of data.yaml: more training images, without their depth, and never a val image."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.loader import TrainDataset
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError
from disdepth_cli.working_size import WorkingSize


@pytest.fixture
def mixed(rooms, tmp_path) -> Path:
    """The rooms with their split, and copies of a few in `more/` (with depth beside) and `photos/`."""
    folder = Path(shutil.copytree(rooms.parent, tmp_path / "rooms"))
    images = sorted((folder / "rgb").iterdir())
    for name, chosen in (("more/rgb", images[:3]), ("photos", images[3:5])):
        (folder / name).mkdir(parents=True)
        for image in chosen:
            shutil.copy(image, folder / name)
    shutil.copytree(folder / "depth", folder / "more" / "depth")
    return folder


def describe(folder: Path, **changes: object) -> Path:
    file = folder / "data.yaml"
    values = yaml.safe_load(file.read_text()) | changes
    file.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
    return file


def test_more_images_without_their_depth(mixed):
    before = load_source(mixed)
    source = load_source(describe(mixed, unlabeled=["more", "photos"]))
    assert source.counts() == (len(before.train), 5) and before.counts()[1] == 0
    further = source.train[len(before.train) :]
    assert all(item.depth is None and item.extra for item in further)
    assert source.train[: len(before.train)] == before.train and source.val == before.val
    assert not any(item.extra for item in before.train)


def test_a_list_counts_with_rows_that_have_no_ground_truth(mixed):
    (mixed / "more.txt").write_text("photos/a.png None 1.0\n/photos/b.png\n# a comment\n")
    for name, image in zip("ab", sorted((mixed / "photos").iterdir()), strict=True):
        image.rename(mixed / "photos" / f"{name}.png")
    source = load_source(describe(mixed, unlabeled="more.txt"))
    assert [item.image.name for item in source.train if item.extra] == ["a.png", "b.png"]


def test_unlabelled_alone_is_split_by_every_tenth(mixed):
    source = load_source(describe(mixed, train=None, val=None, unlabeled="rgb"))
    assert not source.labelled("train") and not source.labelled("val")
    assert (len(source.train), len(source.val)) == (18, 2)
    assert not {item.image for item in source.train} & {item.image for item in source.val}


def test_val_images_are_held_out(mixed):
    with pytest.raises(DataError, match="is a val image too"):
        load_source(describe(mixed, unlabeled="rgb"))


@pytest.mark.parametrize(("key", "value", "words"), [
    ("unlabeled", "nowhere", "unlabeled: .*nowhere does not exist"),
    ("unlabelled", "photos", "unknown key 'unlabelled'; did you mean unlabeled"),
])  # fmt: skip
def test_mistakes_are_one_line(mixed, key, value, words):
    with pytest.raises(DataError, match=words) as caught:
        load_source(describe(mixed, **{key: value}))
    assert "\n" not in str(caught.value)


def test_the_border_crop_is_for_the_labelled_images(mixed):
    """A border that leaves the left half: foreign images are seen whole, labelled ones never beyond it."""
    source = load_source(describe(mixed, unlabeled="photos"))
    augment = AugmentConfig(flip=0, scale=1, colour_probability=0)
    seen = {}
    for bordered in (True, False):
        view = TrainView(augment, (32, 32), WorkingSize(32, 48), lambda h, w: (0, h, 0, w // 2), 0, 0.1, 10.0)
        windows = [view.window(64, 96, np.random.default_rng(i), bordered) for i in range(40)]
        seen[bordered] = max(window.left + window.width for window in windows)
    assert seen[True] <= 48 < seen[False]
    sample = TrainDataset(source.train, source, view)[(0, len(source.train) - 1)]
    assert not sample.labelled and not sample.depth.any()
