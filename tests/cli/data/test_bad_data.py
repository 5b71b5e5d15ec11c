"""Data that is missing, wrong or damaged: named, skipped where it can be, refused where it cannot."""

from __future__ import annotations

import csv
import math
import shutil

import cv2
import numpy as np
import pytest
import safetensors.torch
import yaml


@pytest.fixture
def train(short, tmp_path):
    """`train(data, *more)` -> arguments of a control run."""

    def args(data, *more):
        return ("distill", "--no-distill", "--data", data, "-o", tmp_path / "run", *short, *more)

    return args


@pytest.fixture
def evaluation(student):
    """`evaluation(data, *more)` -> arguments of evaluate."""

    def args(data, *more):
        return ("evaluate", student, "--data", data, "--device", "cpu", "--workers", "0", *more)

    return args


def edit(file, **changes):
    """Change keys of a data.yaml; None removes one."""
    values = yaml.safe_load(file.read_text()) | changes
    file.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))


@pytest.mark.parametrize("verb", ["train", "evaluation"])
def test_places_that_hold_no_data(verb, refused, train, evaluation, tmp_path):
    command = {"train": train, "evaluation": evaluation}[verb]
    empty = tmp_path / "empty"
    empty.mkdir()
    refused(1, (empty, "no images", ".jpg"), *command(empty))
    refused(1, (tmp_path / "no" / "data.yaml", "does not exist", "data.yaml"), *command(tmp_path / "no" / "data.yaml"))
    (tmp_path / "notes.txt").write_text("nothing")
    refused(1, (tmp_path / "notes.txt", "not a data set"), *command(tmp_path / "notes.txt"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "nowhere"}, ("path:", "not a folder")),
        ({"train": "nowhere.txt"}, ("train:", "nowhere.txt does not exist")),
        ({"depth_scale": 0}, ("depth_scale", "greater than 0")),
        ({"depth_scale": "mm"}, ("depth_scale", "'mm'")),
        ({"max_depth": 0.0001}, ("min_depth", "below max_depth")),
        ({"depth_scal": 2}, ("'depth_scal'", "did you mean depth_scale")),
    ],
)
def test_a_wrong_data_yaml_is_named_with_its_key(changes, words, refused, train, own_rooms):
    edit(own_rooms, **changes)
    refused(1, (own_rooms, *words), *train(own_rooms))


def test_an_unknown_protocol_is_refused_with_a_near_name(refused, train, evaluation, own_rooms):
    edit(own_rooms, protocol="nyu-eigne")
    refused(2, ("nyu-eigne", "did you mean nyu-eigen"), *train(own_rooms))
    refused(2, ("--protocol kitti", "did you mean kitti-eigen"), *evaluation(own_rooms, "--protocol", "kitti-eige"))


def test_list_lines_that_point_nowhere(refused, train, own_rooms):
    lines = (own_rooms.parent / "train.txt").read_text().splitlines()
    lines[2] = lines[2].replace("depth/", "depht/")
    lines[5] = "rgb/gone.png depth/gone.png 1"
    (own_rooms.parent / "train.txt").write_text("\n".join(lines))
    refused(1, ("train.txt:3", "depht", "does not exist", "1 more lines", "relative to `path`"), *train(own_rooms))


def test_an_empty_or_missing_val_is_an_error(refused, train, evaluation, own_rooms):
    edit(own_rooms, val=None)
    for command in (train, evaluation):
        refused(1, (own_rooms.parent, "no images to use as val", "`val:`"), *command(own_rooms))
    (own_rooms.parent / "none.txt").write_text("# nothing\n")
    edit(own_rooms, val="none.txt")
    refused(1, ("none.txt", "lists no images"), *train(own_rooms))


def test_a_doubtful_depth_scale_is_warned_of_and_used(cli, train, evaluation, own_rooms):
    edit(own_rooms, depth_scale=100_000)
    for command in (train(own_rooms, "--json"), evaluation(own_rooms, "--json")):
        outcome = cli(*command)
        assert outcome.code == 0, outcome.err
        (warning,) = [line for line in outcome.err.splitlines() if line.startswith("warning:")]
        assert "at depth_scale 100000" in warning and "looks wrong" in warning and " 0.0" in warning


def test_a_scale_that_leaves_no_depth_in_range_is_an_error(refused, evaluation, own_rooms):
    edit(own_rooms, depth_scale=1)
    refused(1, ("no image could be scored", "no valid ground truth", "10 m"), *evaluation(own_rooms))


def test_holes_in_depth_are_masked_and_training_stays_finite(cli, train, rooms, tmp_path):
    folder = tmp_path / "holes"
    shutil.copytree(rooms.parent / "rgb", folder / "rgb")
    (folder / "depth").mkdir()
    for number, file in enumerate(sorted((rooms.parent / "depth").iterdir())):
        metres = cv2.imread(str(file), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        metres[::3], metres[1::3, ::2], metres[:, 5] = np.nan, np.inf, -1
        if number in (2, 3):
            metres[:] = np.nan  # not one valid pixel
        np.save(folder / "depth" / f"{file.stem}.npy", metres)
    (folder / "data.yaml").write_text("depth_scale: 1\n")
    outcome = cli(*train(folder, "--json", "--max-steps", "6"))
    assert outcome.code == 0 and outcome.json["skipped_steps"] == 0 and outcome.json["corrupt_files"] == []
    with open(tmp_path / "run" / "metrics.csv", newline="") as handle:
        losses = [float(row["loss"]) for row in csv.DictReader(handle) if row["split"] == "train"]
    assert losses and all(map(math.isfinite, losses))
    weights = safetensors.torch.load_file(tmp_path / "run" / "student.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())


def test_a_corrupt_training_file_is_named_and_skipped(cli, refused, train, own_rooms, tmp_path):
    folder = own_rooms.parent
    rows = [line.split() for line in (folder / "train.txt").read_text().splitlines()]
    (folder / rows[0][0]).write_bytes(b"no image")
    (folder / rows[1][1]).write_bytes((folder / rows[1][1]).read_bytes()[:200])
    outcome = cli(*train(own_rooms, "--json", "--max-steps", "9"))
    assert outcome.code == 0, outcome.err
    assert sorted(outcome.json["corrupt_files"]) == sorted([rows[0][0], rows[1][0]])
    for name in (rows[0][0], rows[1][1]):
        assert outcome.err.count(f"warning: skipped: {folder / name}") == 1
    shutil.rmtree(tmp_path / "run")
    words = ("2 training files cannot be read", "--max-corrupt 1", "the last:", folder)
    refused(1, words, *train(own_rooms, "--max-corrupt", "1", "--max-steps", "9"))


def test_a_corrupt_file_is_left_out_of_a_score_and_named(cli, refused, evaluation, own_rooms):
    folder = own_rooms.parent
    rows = [line.split() for line in (folder / "val.txt").read_text().splitlines()]
    (folder / rows[0][0]).write_bytes(b"no image")
    outcome = cli(*evaluation(own_rooms, "--json"))
    assert outcome.code == 0 and outcome.json["images"] == 2
    (error,) = outcome.json["errors"]
    assert str(folder / rows[0][0]) in error and f"warning: {error}" in outcome.err
    for row in rows:
        (folder / row[1]).write_bytes(b"no depth")
    refused(1, ("no image could be scored", folder, "replace or remove"), *evaluation(own_rooms))


def test_image_and_depth_of_different_views_are_both_named(cli, evaluation, train, own_rooms):
    folder = own_rooms.parent
    for split, command in (("val", evaluation), ("train", train)):
        image, depth, _ = (folder / f"{split}.txt").read_text().splitlines()[0].split()
        stored = cv2.imread(str(folder / depth), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(folder / depth), stored[:, :48])
        outcome = cli(*command(own_rooms, *(("--max-steps", "9") if split == "train" else ())))
        assert outcome.code == 0
        (warning,) = [line for line in outcome.err.splitlines() if line.startswith("warning:") and image in line]
        for word in (folder / image, folder / depth, "64x96", "64x48", "aspect ratios differ"):
            assert str(word) in warning
