"""Folders called train and val are the split, in either arrangement, and the depth beside them is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError

DEPTH = np.full((8, 12), 2000, np.uint16)
TRAIN, VAL = 20, 4


@pytest.fixture
def tree(write):
    """`tree(image, depth)`: 20 train and 4 val pairs below those patterns of {split} and {name}."""

    def make(image: str, depth: str | None, val: str = "val", train: str = "train") -> Path:
        for split, count in ((train, TRAIN), (val, VAL)):
            for number in range(count):
                names = {"split": split, "name": f"{split}{number:02d}"}
                write(image.format(**names))
                if depth is not None:
                    write(depth.format(**names), DEPTH)
        return write("notes.txt", "").parent

    return make


@pytest.mark.parametrize(
    ("image", "depth"),
    [
        ("images/{split}/{name}.png", "depth/{split}/{name}.png"),
        ("rgb/{split}/{name}.jpg", "depth/{split}/{name}.png"),
        ("{split}/images/{name}.jpg", "{split}/depth/{name}.png"),
        ("{split}/rgb/{name}.jpg", "{split}/gt/{name}.npy"),
        ("images/{split}/scene/{name}.jpg", "depth/{split}/scene/{name}.png"),
        ("images/{split}/{name}.jpg", "depth/{name}.png"),
        ("{split}/{name}_rgb.png", "{split}/{name}_depth.png"),
    ],
)
def test_split_folders_are_the_split(tree, image: str, depth: str) -> None:
    source = load_source(tree(image, depth))
    assert (len(source.train), len(source.val)) == (TRAIN, VAL)
    assert source.counts() == (TRAIN, 0) and source.labelled("val") and not source.skipped
    for split, items in (("train", source.train), ("val", source.val)):
        for item in items:
            assert item.image.name.startswith(split) and item.depth.name.startswith(split)
            assert read_pair(item, 1000)[1].mean() == 2


@pytest.mark.parametrize("val", ["val", "valid", "validation", "test", "Val"])
def test_other_names_of_the_val_folder(tree, val: str) -> None:
    source = load_source(tree("images/{split}/{name}.png", "depth/{split}/{name}.png", val=val))
    assert [item.image.parent.name for item in source.val] == [val] * VAL and len(source.train) == TRAIN


def test_images_alone_are_split_too(tree) -> None:
    source = load_source(tree("{split}/{name}.png", None))
    assert (len(source.train), len(source.val)) == (TRAIN, VAL) and source.counts() == (0, TRAIN)


def test_a_third_folder_is_left_out_and_told(tree, write) -> None:
    root = tree("images/{split}/{name}.png", "depth/{split}/{name}.png")
    write("images/test/a.png")
    source = load_source(root)
    assert (len(source.train), len(source.val)) == (TRAIN, VAL)
    assert [skip.where for skip in source.skipped] == [str(root / "images/test")]


def test_a_train_folder_alone_is_split_as_any(tree) -> None:
    source = load_source(tree("images/{split}/{name}.png", "depth/{split}/{name}.png", val="train"))
    assert (len(source.train), len(source.val)) == (TRAIN - 2, 2) and source.labelled("val")


def test_a_benchmark_has_no_train_folder(tree) -> None:
    source = load_source(tree("{split}/rgb/{name}.png", "{split}/depth/{name}.png", val="test", train="test"))
    assert len(source.val) == TRAIN
    with pytest.raises(DataError, match="no images to use as train"):
        source.items("train")


@pytest.mark.parametrize(
    ("image", "depth", "train", "val"),
    [
        ("images/{split}/{name}.png", "depth/{split}/{name}.png", "images/train", "images/val"),
        ("images/{split}/{name}.png", "depth/{split}/{name}.png", "images", "images"),
        ("{split}/images/{name}.png", "{split}/depth/{name}.png", "train/images", "val/images"),
        ("{split}/images/{name}.png", "{split}/depth/{name}.png", "train", "val"),
    ],
)
def test_data_yaml_names_folders_of_images(tree, image: str, depth: str, train: str, val: str) -> None:
    root = tree(image, depth)
    (root / "data.yaml").write_text(f"train: {train}\nval: {val}\n")
    source = load_source(root)
    assert (source.counts(), len(source.val)) == ((TRAIN, 0), VAL) and source.labelled("val")
    assert {item.image.name[:3] for item in source.val} == {"val"}


def test_unlabelled_images_keep_their_depth_to_themselves(tree) -> None:
    root = tree("images/{split}/{name}.png", "depth/{split}/{name}.png")
    (root / "data.yaml").write_text("unlabeled: images/train\nval: images/val\n")
    source = load_source(root)
    assert source.counts() == (0, TRAIN) and source.labelled("val")


def test_a_folder_of_images_that_is_named_itself_has_no_depth(tree) -> None:
    root = tree("images/{split}/{name}.png", "depth/{split}/{name}.png")
    source = load_source(root / "images")
    assert source.counts() == (0, TRAIN) and not source.labelled("val")
