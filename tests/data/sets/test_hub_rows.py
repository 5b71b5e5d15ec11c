"""Hub data sets: saved to disk, or parquet files, read row by row and offline."""

from __future__ import annotations

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.loader import TrainBatches, TrainDataset, train_loader
from disdepth_cli.data.batches.order import Order
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.files.pair import read_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.errors import DataError, MissingError
from disdepth_cli.working_size import WorkingSize

datasets = pytest.importorskip("datasets", reason="needs the extra hub-data")

HIGH, WIDE = 32, 48


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    datasets.disable_progress_bars()


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.full((HIGH, WIDE, 3), 10 * number, np.uint8))


def millimetres(number: int) -> Image.Image:
    return Image.fromarray(np.full((HIGH, WIDE), 1000 + number, np.uint16))


def rows(count: int, image: str = "image", depth: str | None = "depth_map", floating: bool = False) -> datasets.Dataset:
    columns: dict[str, list] = {"scene": [f"room {n}" for n in range(count)], image: [picture(n) for n in range(count)]}
    kinds: dict[str, object] = {"scene": datasets.Value("string"), image: datasets.Image()}
    if depth is not None and floating:
        columns[depth] = [np.full((HIGH, WIDE), 1 + n / 8, np.float32) for n in range(count)]
        kinds[depth] = datasets.Array2D((HIGH, WIDE), "float32")
    elif depth is not None:
        columns[depth] = [millimetres(n) for n in range(count)]
        kinds[depth] = datasets.Image()
    return datasets.Dataset.from_dict(columns, features=datasets.Features(kinds))


def saved(folder: Path, **splits: datasets.Dataset) -> Path:
    datasets.DatasetDict(splits).save_to_disk(str(folder))
    return folder


def describe(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "data.yaml").write_text(text)
    return folder


def test_what_save_to_disk_wrote_is_recognised(tmp_path):
    folder = saved(tmp_path / "set", train=rows(3), validation=rows(2))
    source = load_source(folder)
    assert (len(source.train), len(source.val), source.depth_scale) == (3, 2, 1000)
    assert (source.format, source.recognised) == ("hub", True) and source.labelled("train") and source.labelled("val")
    image, depth = read_pair(source.train[2], source.coding)
    assert image.shape == (HIGH, WIDE, 3) and (image == 20).all() and depth == pytest.approx(1.002)
    assert source.key(source.val[1]).endswith("set:validation/image/1")
    assert source.items("train")[-1] == source.train[2] and list(source.train[1:]) == [source.train[1], source.train[2]]


def test_parquet_files_named_by_split(tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    rows(12).to_parquet(str(tmp_path / "set" / "data" / "train-00000-of-00001.parquet"))
    source = load_source(tmp_path / "set")
    # The only split: every 10th row is val.
    assert [item.image.entry for item in source.val] == ["train/image/9"]
    assert [item.image.entry.rsplit("/", 1)[1] for item in source.train] == [str(n) for n in range(12) if n != 9]
    assert read_pair(source.val[0], source.coding)[1] == pytest.approx(1.009)


def test_one_split_saved_alone(tmp_path):
    rows(2).save_to_disk(str(tmp_path / "set"))
    source = load_source(tmp_path / "set")
    assert (len(source.train), len(source.val)) == (1, 1)


def test_arrays_of_floats_are_metres_unless_told_otherwise(tmp_path):
    saved(tmp_path / "set", train=rows(3, floating=True), test=rows(1, floating=True))
    source = load_source(describe(tmp_path, "path: set\nformat: hub\n"))
    assert source.depth_scale == 1 and not source.recognised and len(source.val) == 1
    assert read_pair(source.train[2], source.coding)[1] == pytest.approx(1.25)
    source = load_source(describe(tmp_path, "path: set\nformat: hub\ndepth_scale: 0.5\nmax_depth: 80\n"))
    assert read_pair(source.train[2], source.coding)[1] == pytest.approx(2.5) and source.max_depth == 80


def test_columns_and_splits_by_name(tmp_path):
    one = rows(2, image="left", depth="ground_truth")
    right = rows(2, image="right", depth=None).remove_columns("scene")
    saved(tmp_path / "set", rest=datasets.concatenate_datasets([one, right], axis=1), best=one)
    with pytest.raises(
        DataError, match=r"which column is the image is not clear; .*columns: \{image: NAME\}.*left \(Im"
    ):
        load_source(describe(tmp_path, "path: set\nformat: hub\nval: rest\n"))
    text = "path: set\nformat: hub\ntrain: rest\nval: best\ncolumns: {image: left, depth: ground_truth}\n"
    source = load_source(describe(tmp_path, text))
    assert [item.image.entry for item in source.train] == ["rest/left/0", "rest/left/1"]
    assert read_pair(source.val[1], source.coding)[1] == pytest.approx(1.001)


def test_images_without_depth_teach_by_the_teacher_alone(tmp_path):
    saved(tmp_path / "set", train=rows(3, depth=None), test=rows(1, depth=None))
    source = load_source(tmp_path / "set")
    assert source.counts() == (0, 3) and read_pair(source.val[0], source.coding)[1] is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: trian", r"has no split 'trian'; it has train, test"),
        ("columns: {image: imag}", r"has no column 'imag'; did you mean image"),
        ("columns: {depht: depth_map}", r"columns: depht: is not one of image and depth"),
        ("unlabeled: more", r"unlabeled: does not go with `format: hub`"),
        ("path: nobody/nothing", r"nobody/nothing: cannot be opened as a Hub data set"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, text, words):
    saved(tmp_path / "set", train=rows(2), test=rows(1))
    path = "" if "path" in text else "path: set\n"
    with pytest.raises(DataError, match=words) as caught:
        load_source(describe(tmp_path, f"format: hub\n{path}{text}\n"))
    assert str(tmp_path / "data.yaml") in str(caught.value) and "\n" not in str(caught.value)


def test_splits_of_other_names_are_not_guessed(tmp_path):
    saved(tmp_path / "set", one=rows(2), two=rows(1))
    with pytest.raises(DataError, match=r"has the splits one, two; say which as `train:` and `val:`"):
        load_source(tmp_path / "set")


def test_a_missing_package_is_named_with_its_command(tmp_path, monkeypatch):
    folder = saved(tmp_path / "set", train=rows(2))
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingError, match=r"pip install 'disdepth\[hub-data\]'"):
        load_source(folder)


def test_a_row_without_its_image_is_that_rows_error(tmp_path):
    kinds = datasets.Features({"image": datasets.Image(), "depth": datasets.Image()})
    held = datasets.Dataset.from_dict({"image": [picture(1), None], "depth": [millimetres(1)] * 2}, features=kinds)
    source = load_source(saved(tmp_path / "set", train=held, test=held))
    with pytest.raises(DataError, match=r"train/image/1: there is nothing in this row"):
        read_pair(source.train[1], source.coding)


def test_worker_processes_read_rows(tmp_path):
    source = load_source(saved(tmp_path / "set", train=rows(6), test=rows(1)))
    assert pickle.loads(pickle.dumps(source.train))[5] == source.train[5]
    view = TrainView(AugmentConfig(), (32, 32), WorkingSize(32, 64), None, 0, 1e-3, 10.0)
    dataset = TrainDataset(source.items("train"), source, view)
    batches = list(train_loader(dataset, TrainBatches(Order([len(dataset)], 0), 3, 0, 2), 2))
    assert not [failure for batch in batches for failure in batch.failures]
    assert sorted(key for batch in batches for key in batch.keys) == sorted(map(source.key, source.train))


def test_versions_that_run_code_of_a_data_set_are_not_used(tmp_path, monkeypatch):
    folder = saved(tmp_path / "set", train=rows(2))
    monkeypatch.setattr(datasets, "__version__", "3.6.0")
    with pytest.raises(MissingError, match=r"version 4 or later; pip install"):
        load_source(folder)


def test_rows_that_were_saved_again_are_read_anew(tmp_path):
    """In the same folder and process."""
    for first in (0, 10):
        pictures = [picture(first + number) for number in range(3)]
        again = datasets.Dataset.from_dict({"image": pictures}, features=datasets.Features({"image": datasets.Image()}))
        source = load_source(saved(tmp_path / "set", train=again, validation=again))
        for number, item in enumerate(source.train):
            image, _ = read_pair(item, source.coding)
            assert (image == 10 * (first + number)).all()


def test_threads_read_their_own_rows(tmp_path):
    source = load_source(saved(tmp_path / "set", train=rows(20, floating=True), validation=rows(1, floating=True)))

    def wrong(index: int) -> bool:
        image, depth = read_pair(source.train[index], source.coding)
        return not (image == 10 * index).all() or not (depth == 1 + index / 8).all()

    with ThreadPoolExecutor(16) as pool:
        assert not any(pool.map(wrong, [*range(20)] * 10))
