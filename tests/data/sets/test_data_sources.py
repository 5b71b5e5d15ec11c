"""data.yaml, lists, folders, the split, and what is said about wrong ones."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli.data.files.dataset import DataSource
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.pair import load_pair, read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError
from disdepth_cli.inspection.labels import look_at_labels
from disdepth_cli.inspection.scale import scale_warning


def plain_images(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        cv2.imwrite(str(folder / f"{number:03d}.png"), np.zeros((4, 4, 3), np.uint8))
    return folder


def write_yaml(root: Path, text: str) -> Path:
    file = root / "data.yaml"
    file.write_text(text)
    return file


# lists


def test_data_yaml_with_lists(make_pairs) -> None:
    root = make_pairs(4)
    (root / "train.txt").write_text("rgb/0000.png depth/0000.png 518.8\n\nrgb/0001.png depth/0001.png 518.8\n")
    (root / "val.txt").write_text("rgb/0003.png depth/0003.png 518.8\n")
    text = "path: .\ntrain: train.txt\nval: val.txt\ndepth_scale: 256\nmax_depth: 80\nprotocol: kitti-eigen-garg\n"
    for given in (write_yaml(root, text), root):
        source = load_source(given)
        assert [item.image.name for item in source.train] == ["0000.png", "0001.png"]
        assert source.val == (DataItem(root / "rgb/0003.png", root / "depth/0003.png", focal=518.8),)
        assert (source.depth_scale, source.min_depth, source.max_depth) == (256, 1e-3, 80)
        assert (source.protocol, source.name, source.root) == ("kitti-eigen-garg", "set", root)
        assert source.key(source.val[0]) == "rgb/0003.png"
        assert source.skipped == ()


def test_leading_slash_is_relative_to_the_root(make_pairs) -> None:
    root = make_pairs(1)
    (root / "train.txt").write_text("/rgb/0000.png /depth/0000.png 518.8\n")
    (item,) = load_source(write_yaml(root, "train: train.txt")).train
    assert item == DataItem(root / "rgb/0000.png", root / "depth/0000.png", focal=518.8)


def test_absolute_entries_are_a_last_resort(make_pairs, tmp_path: Path) -> None:
    root = make_pairs(1)
    (root / "train.txt").write_text(f"{root}/rgb/0000.png {root}/depth/0000.png\n")
    source = load_source(write_yaml(tmp_path, "path: set\ntrain: train.txt"))
    assert source.train[0].depth == root / "depth/0000.png"


def test_rows_without_ground_truth_are_skipped_and_counted(make_pairs) -> None:
    root = make_pairs(2)
    (root / "val.txt").write_text("rgb/0000.png None 721.5\nrgb/0001.png depth/0001.png 721.5\n")
    source = load_source(write_yaml(root, "val: val.txt"))
    assert len(source.val) == 1
    assert [(skip.split, skip.where) for skip in source.skipped] == [("val", f"{root}/val.txt:1")]
    (root / "val.txt").write_text("rgb/0000.png None 721.5\n")
    with pytest.raises(DataError, match=r"no images to use as val \(1 rows without ground truth"):
        load_source(root).items("val")


def test_image_only_rows_are_unlabelled(make_pairs) -> None:
    root = make_pairs(2)
    (root / "train.txt").write_text("\ufeffrgb/0000.png\n# a comment\n  rgb/0001.png  \n", encoding="utf-8")
    source = load_source(write_yaml(root, "train: train.txt"))
    assert [item.depth for item in source.train] == [None, None]
    assert not source.labelled("train")
    assert not source.labelled("val")


def test_missing_entries_are_one_error(make_pairs) -> None:
    root = make_pairs(1)
    good = "rgb/0000.png depth/0000.png 1\n"
    (root / "train.txt").write_text(good + "/rgb/nope.png depth/0000.png 1\n" + "rgb/0000.png depth/gone.png 1\n" * 3)
    with pytest.raises(DataError) as caught:
        load_source(write_yaml(root, "train: train.txt"))
    message = str(caught.value)
    assert f"{root}/train.txt:2: {root}/rgb/nope.png does not exist" in message
    assert "(the line: /rgb/nope.png depth/0000.png 1) (3 more lines" in message
    assert "\n" not in message
    (root / "train.txt").write_text(good + "rgb/0000.png depth/gone.png 1\n")
    with pytest.raises(DataError, match=r"train\.txt:2: .*depth/gone\.png does not exist \(the line: .*\);"):
        load_source(root)


def test_empty_list_and_binary_list(make_pairs) -> None:
    root = make_pairs(1)
    write_yaml(root, "train: train.txt")
    (root / "train.txt").write_text("\n")
    with pytest.raises(DataError, match=r"train\.txt: lists no images"):
        load_source(root)
    (root / "train.txt").write_bytes(b"\xff\x00\x80")
    with pytest.raises(DataError, match=r"train\.txt: is not a text file"):
        load_source(root)


# folders


def test_pairs_are_matched_by_stem(make_pairs) -> None:
    root = make_pairs(3)
    np.save(root / "depth/0001.npy", np.ones((48, 64)))
    (root / "depth/0001.png").unlink()
    (root / "depth/notes.txt").write_text("")
    (root / "rgb/._0001.png").write_text("what macOS leaves behind")
    (root / "depth/0002.png").unlink()
    source = load_source(root)
    assert [(item.image.name, item.depth.name) for item in source.train + source.val if item.depth] == [
        ("0000.png", "0000.png"),
        ("0001.png", "0001.npy"),
    ]
    assert [skip.where for skip in source.skipped] == [str(root / "rgb/0002.png")]
    assert source.labelled("train")
    assert (source.depth_scale, source.min_depth, source.max_depth, source.protocol) == (1000, 1e-3, 10, None)


def test_images_folder_is_rgb_too(make_pairs) -> None:
    root = make_pairs(2)
    (root / "rgb").rename(root / "images")
    assert load_source(root).train[0].depth == root / "depth/0000.png"


def test_folders_that_make_no_sense(make_pairs, tmp_path: Path) -> None:
    root = make_pairs(2)
    np.save(root / "depth/0001.npy", np.ones((48, 64)))
    with pytest.raises(DataError, match=r"0001\.npy and 0001\.png have the same stem"):
        load_source(root)
    for depth in list((root / "depth").iterdir()):
        depth.unlink()
    np.save(root / "depth/other.npy", np.ones((48, 64)))
    with pytest.raises(DataError, match=r"none of 2 images in rgb/ .*\(1 depth files\)"):
        load_source(root)
    (root / "rgb").rename(root / "pictures")
    with pytest.raises(DataError, match="has depth/ but none of rgb/, images/"):
        load_source(root)
    with pytest.raises(DataError, match="does not exist; give a data.yaml"):
        load_source(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is not a data set; give a data.yaml"):
        load_source(plain_images(tmp_path / "plain", 1) / "000.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no images"):
        load_source(tmp_path / "empty")


def test_depth_maps_are_never_taken_for_images(make_pairs, tmp_path: Path) -> None:
    make_pairs(2, name="scenes/one")
    with pytest.raises(DataError, match=r"depth further down .*scenes/one"):
        load_source(tmp_path / "scenes")
    write_yaml(tmp_path / "scenes", "train: [one]")
    assert [item.depth is None for item in load_source(tmp_path / "scenes").train] == [False, False]


def test_plain_images_recursive_only_when_none_is_inside(tmp_path: Path) -> None:
    plain_images(tmp_path / "b/x", 2)
    plain_images(tmp_path / "a", 1)
    os.symlink(tmp_path, tmp_path / "a" / "loop")
    source = load_source(tmp_path)
    assert [source.key(item) for item in source.train + source.val] == ["a/000.png", "b/x/000.png", "b/x/001.png"]
    plain_images(tmp_path, 1)
    assert [source.key(item) for item in load_source(tmp_path).val] == ["000.png"]


@pytest.mark.parametrize(("count", "val"), [(1, [0]), (2, [1]), (9, [8]), (10, [9]), (19, [9]), (25, [9, 19])])
def test_every_tenth_is_val(tmp_path: Path, count: int, val: list[int]) -> None:
    source = load_source(plain_images(tmp_path / "plain", count))
    assert [int(item.image.stem) for item in source.val] == val
    assert [int(item.image.stem) for item in source.train] == [n for n in range(count) if n not in val]
    assert not source.labelled("val")
    if count == 1:
        with pytest.raises(DataError, match=r"no images to use as train, 1 as val; name a list or folder"):
            source.items("train")


def test_yaml_with_folders(make_pairs, tmp_path: Path) -> None:
    make_pairs(2, name="one")
    make_pairs(1, name="two")
    plain_images(tmp_path / "three", 1)
    file = write_yaml(tmp_path, f"train: [one, {tmp_path / 'two'}, three]\nval: one\n")
    source = load_source(file)
    assert [source.key(item) for item in source.train] == [
        "one/rgb/0000.png",
        "one/rgb/0001.png",
        "two/rgb/0000.png",
        "three/000.png",
    ]
    assert [item.depth is None for item in source.train] == [False, False, False, True]
    assert len(source.val) == 2


def test_yaml_may_only_describe_a_folder(make_pairs) -> None:
    root = make_pairs(11)
    source = load_source(write_yaml(root, "depth_scale: 5000"))
    assert (len(source.train), len(source.val), source.depth_scale) == (10, 1, 5000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depth_scal: 3", r"data\.yaml: unknown key 'depth_scal'; did you mean depth_scale"),
        ("depth_scale: 0", r"depth_scale: Input should be greater than 0 \(got 0\)"),
        ("depth_scale: .nan", r"depth_scale: .*finite"),
        ("min_depth: 11", r"min_depth 11 must be below max_depth 10"),
        ("train: 3", r"train: "),
        ("train: nowhere", r"train: .*nowhere does not exist; it is relative to `path`"),
        ("path: nowhere", r"path: .*nowhere is not a folder"),
        ("- 3", r"must be a mapping"),
        ("", r"must be a mapping"),
        ("a: [", r"is not valid YAML"),
    ],
)
def test_wrong_yaml(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_source(write_yaml(tmp_path, text))
    assert "\n" not in str(caught.value)
    assert "data.yaml" in str(caught.value)


# pairs


def source_of(item: DataItem, **options: float) -> DataSource:
    return DataSource("one", item.image.parent, (item,), (), **options)


def test_load_pair_masks_strictly(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((2, 4, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "d.png"), np.array([[0, 1, 2, 5000], [9999, 10000, 10001, 1]], np.uint16))
    item = DataItem(tmp_path / "a.png", tmp_path / "d.png")
    image, depth = load_pair(item, source_of(item))
    assert image.shape == (2, 4, 3)
    np.testing.assert_allclose(depth, [[0, 0, 0.002, 5], [9.999, 0, 0, 0]], rtol=1e-6)
    _, stored = read_pair(item, 1000)
    np.testing.assert_allclose(stored, [[0, 0.001, 0.002, 5], [9.999, 10, 10.001, 0.001]], rtol=1e-6)
    assert load_pair(DataItem(item.image, None), source_of(item))[1] is None


def test_aspect_mismatch_names_both_files(tmp_path: Path) -> None:
    item = DataItem(tmp_path / "a.png", tmp_path / "d.npy")
    cv2.imwrite(str(item.image), np.zeros((48, 64, 3), np.uint8))
    for size, fits in (((24, 32), True), ((375, 502), True), ((64, 48), False), ((48, 66), False)):
        np.save(tmp_path / "d.npy", np.ones(size))
        if fits:
            assert load_pair(item, source_of(item))[1].shape == size
        else:
            with pytest.raises(DataError, match=rf"a\.png is 48x64 but its depth .*d\.npy is {size[0]}x{size[1]}"):
                load_pair(item, source_of(item))


# real data


def test_nyu_labelled(real_data: Path) -> None:
    source = load_source(real_data / "nyu_labeled" / "data.yaml")
    assert (len(source.items("train")), len(source.items("val"))) == (690, 105)
    assert source.protocol == "nyu-eigen"
    labels = look_at_labels(source, "val", source.val, source.min_depth, source.max_depth)
    assert scale_warning(labels, source.coding) is None
    image, depth = load_pair(source.val[0], source)
    assert depth is not None
    assert image.shape == (*depth.shape, 3) == (480, 640, 3)
    assert 0.5 < np.median(depth[depth > 0]) < 9
