"""evaluate: one JSON object with the contract's keys, for every kind of model."""

from __future__ import annotations

import csv
import math
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from disdepth_cli.config import types

METRICS = set(types.METRICS)
PROTOCOL = ("name", "min_depth", "max_depth", "crop", "align", "space", "resize", "tta")


@pytest.fixture
def scored(cli, rooms):
    """`scored(model, *more)` -> the JSON of evaluate on the rooms."""

    def run(model, *more):
        outcome = cli("evaluate", model, "--data", rooms, "--device", "cpu", "--workers", 0, "--json", *more)
        assert outcome.code == 0, outcome.err
        assert "{" not in outcome.err and outcome.out.count("\n") == 1
        return outcome.json

    return run


def check_contract(result, model):
    assert result["model"] == str(model)
    assert tuple(result["protocol"]) == PROTOCOL
    assert set(result) >= METRICS and all(math.isfinite(result[name]) for name in METRICS)
    assert result["rmse"] > 0 and 0 <= result["delta1"] <= result["delta2"] <= result["delta3"] <= 1
    assert result["images"] == 3 and result["errors"] == [] and result["warnings"] == []


def test_a_student_file_a_run_folder_and_its_metrics_agree(scored, student, control):
    of_file, of_run = scored(student), scored(control)
    check_contract(of_file, student)
    assert of_file["protocol"] == {
        "name": "plain",
        "min_depth": 0.001,
        "max_depth": 10.0,
        "crop": "none",
        "align": "none",
        "space": "depth",
        "resize": "bilinear",
        "tta": False,
    }
    assert {name: of_file[name] for name in METRICS} == {name: of_run[name] for name in METRICS}


def test_an_acclimated_run_and_a_metric_teacher(scored, acclimated, tiny_teacher):
    for model in (acclimated, tiny_teacher):
        result = scored(model)
        check_contract(result, model)
        assert result["protocol"]["space"] == "depth" and result["protocol"]["align"] == "none"


def test_a_relative_teacher_needs_an_alignment(scored, refused, rooms, tiny_relative_teacher):
    refused(2, ("--align scale-shift",), "evaluate", tiny_relative_teacher, "--data", rooms, "--device", "cpu")
    result = scored(tiny_relative_teacher, "--align", "scale-shift")
    check_contract(result, tiny_relative_teacher)
    assert result["protocol"]["space"] == "disparity" and result["protocol"]["align"] == "scale-shift"


def test_a_changed_protocol_loses_its_name(scored, student):
    assert scored(student, "--protocol", "nyu-eigen")["protocol"]["name"] == "nyu-eigen"
    changed = scored(student, "--protocol", "nyu-eigen", "--max-depth", "5")["protocol"]
    assert changed["name"] == "custom" and changed["max_depth"] == 5 and changed["crop"] == "nyu-eigen"
    assert scored(student, "--tta")["protocol"]["name"] == "custom"


def test_a_benchmark_on_other_images_says_so(cli, student, rooms):
    outcome = cli("evaluate", student, "--data", rooms, "--protocol", "nyu-eigen", "--json", "--workers", 0)
    assert "warning: nyu-eigen has 654 images, here are 3" in outcome.err
    assert outcome.json["warnings"] and outcome.json["images"] == 3


def test_the_table_names_protocol_images_and_metrics(cli, student, rooms):
    outcome = cli("evaluate", student, "--data", rooms, "--split", "train", "--workers", 0, "--device", "cpu")
    assert outcome.code == 0 and "protocol plain: 0.001 m < gt < 10 m" in outcome.out and "17 images" in outcome.out
    for name in METRICS:
        assert name in outcome.out
    assert "17/17" in outcome.err
    quiet = cli("evaluate", student, "--data", rooms, "--quiet", "--workers", 0, "--device", "cpu")
    assert quiet.err == "" and "abs_rel" in quiet.out


def test_rows_per_image_have_the_reported_mean(scored, student, tmp_path):
    rows = tmp_path / "new" / "rows.csv"
    result = scored(student, "--per-image", rows)
    with open(rows, newline="") as handle:
        table = list(csv.DictReader(handle))
    assert [row["image"] for row in table] == sorted(row["image"] for row in table) and len(table) == 3
    for name in METRICS:
        assert sum(float(row[name]) for row in table) / 3 == pytest.approx(result[name])


DETAILS = {f"{bucket}_{name}" for bucket in ("near", "middle", "far") for name in ("abs_rel", "rmse", "delta1")}
DETAILS |= {"pair_accuracy", "boundary_f1"}


def rows_of(file):
    with open(file, newline="") as handle:
        return list(csv.DictReader(handle))


def truth_of(rooms, row, low=1e-3, high=10.0):
    """The valid depth [m] of a CSV row's image, read without the package."""
    depth = cv2.imread(str(rooms.parent / row["ground_truth"]), cv2.IMREAD_UNCHANGED).astype(np.float64) / 1000
    return depth[(depth > low) & (depth < high)]


def test_the_rows_have_every_metric_and_say_what_was_scored(scored, student, rooms, tmp_path):
    result = scored(student, "--per-image", tmp_path / "rows.csv", "--no-baselines")
    rows = rows_of(tmp_path / "rows.csv")
    assert set(rows[0]) == {"image", "ground_truth", "valid_pixels", "valid_share"} | METRICS | DETAILS
    for row in rows:
        assert int(row["valid_pixels"]) == truth_of(rooms, row).size
        assert float(row["valid_share"]) == pytest.approx(truth_of(rooms, row).size / (64 * 96), abs=1e-5)
    for name in METRICS | DETAILS:
        known = [float(row[name]) for row in rows if row[name]]
        assert result[name] == (pytest.approx(np.mean(known)) if known else None)
    assert result["images_with"]["near_rmse"] == sum(bool(row["near_rmse"]) for row in rows)
    assert result["buckets"] == [2.5, 5.0] and result["baselines"] == {}


def test_the_constant_is_the_best_one_and_scored_on_the_same_pixels(scored, student, rooms, tmp_path):
    constant = scored(student, "--per-image", tmp_path / "rows.csv")["baselines"]["constant"]
    truths = [truth_of(rooms, row) for row in rows_of(tmp_path / "rows.csv")]

    def abs_rel(depth):
        return np.mean([np.mean(np.abs(depth - truth) / truth) for truth in truths])

    assert constant["abs_rel"] == pytest.approx(abs_rel(constant["depth"]), rel=1e-5)
    assert constant["abs_rel"] <= min(abs_rel(depth) for depth in np.linspace(0.5, 9, 300)) * 1.001
    rmse = np.mean([np.sqrt(np.mean((constant["depth"] - truth) ** 2)) for truth in truths])
    assert constant["rmse"] == pytest.approx(rmse, rel=1e-5) and constant["pair_accuracy"] == 0


def test_the_mean_map_is_that_of_the_training_images(scored, student, rooms):
    listed = [line.split()[1] for line in (rooms.parent / "train.txt").read_text().splitlines()]
    val = [line.split()[1] for line in (rooms.parent / "val.txt").read_text().splitlines()]

    def read(name):
        return cv2.imread(str(rooms.parent / name), cv2.IMREAD_UNCHANGED).astype(np.float64) / 1000

    mean = np.mean([read(name) for name in listed], axis=0)
    rmse = np.mean([np.sqrt(np.mean((mean - read(name)) ** 2)) for name in val])
    mean_map = scored(student)["baselines"]["mean_map"]
    assert (mean_map["images"], mean_map["of"]) == (17, 17)
    assert mean_map["rmse"] == pytest.approx(rmse, rel=0.02)  # it is kept in another grid
    few = scored(student, "--mean-map-images", 4)["baselines"]["mean_map"]
    assert (few["images"], few["of"]) == (4, 17) and few["rmse"] != mean_map["rmse"]
    assert few == scored(student, "--mean-map-images", 4, "--workers", 2)["baselines"]["mean_map"]


def test_intervals_hold_the_mean_and_a_difference_its_own(scored, student):
    result = scored(student)
    assert set(result["intervals"]) == METRICS | DETAILS
    for name in METRICS:
        low, high = result["intervals"][name]
        assert low < result[name] < high
    for baseline in (result["baselines"]["constant"], result["baselines"]["mean_map"]):
        for name, (low, high) in baseline["difference"].items():
            assert low <= result[name] - baseline[name] <= high and low < high


def test_workers_change_nothing(scored, student, tmp_path):
    results = []
    for workers in (0, 1, 3):
        rows = tmp_path / f"{workers}.csv"
        result = scored(student, "--split", "train", "--workers", workers, "--per-image", rows)
        results.append(({**result, "seconds": 0}, rows.read_text()))
    assert results[0] == results[1] == results[2] and results[0][0]["images"] == 17


def test_the_teacher_that_is_named_has_the_metrics_of_an_evaluation_of_its_own(scored, student, tiny_teacher):
    alone = scored(tiny_teacher)
    beside = scored(student, "--teacher", tiny_teacher)["baselines"]["teacher"]
    assert {name: beside[name] for name in METRICS} == {name: alone[name] for name in METRICS}
    assert "is a teacher itself" in alone["baselines"]["teacher"]["unavailable"]
    assert scored(student, "--no-teacher")["baselines"]["teacher"] == {"unavailable": "left out by --no-teacher"}


@pytest.mark.slow
def test_an_acclimated_run_brings_its_teacher_and_so_does_its_student(
    scored, acclimated, tiny_teacher, rooms, tiny, tmp_path
):
    from disdepth_cli import distill

    alone = scored(tiny_teacher)
    of_run = scored(acclimated)["baselines"]["teacher"]
    assert {name: of_run[name] for name in METRICS} == {name: alone[name] for name in METRICS}
    distill(data=rooms, teacher=str(acclimated), output=tmp_path / "run", **tiny)
    of_student = scored(tmp_path / "run")["baselines"]["teacher"]
    assert {name: of_student[name] for name in METRICS} == {name: alone[name] for name in METRICS}
    moved = shutil.copy(tmp_path / "run" / "student.safetensors", tmp_path / "alone.safetensors")
    assert "is not on this machine" in scored(moved)["baselines"]["teacher"]["unavailable"]


def test_a_teacher_that_cannot_be_had_is_a_reason_and_no_failure(cli, student, rooms, tmp_path):
    run = ("evaluate", student, "--data", rooms, "--device", "cpu", "--offline")
    outcome = cli(*run, "--teacher", tmp_path / "nowhere", "--json")
    assert outcome.code == 0 and "no such folder" in outcome.json["baselines"]["teacher"]["unavailable"]
    assert "warning: the teacher is not scored" in outcome.err
    assert "trained without a teacher" in cli(*run, "--json").json["baselines"]["teacher"]["unavailable"]


def test_a_relative_model_has_its_baselines_aligned_as_itself(scored, rooms, tiny_relative_teacher, tmp_path):
    result = scored(tiny_relative_teacher, "--align", "scale-shift", "--per-image", tmp_path / "rows.csv")
    constant = result["baselines"]["constant"]
    assert constant["depth"] is None and "each image's own best" in constant["note"]
    truths = [truth_of(rooms, row) for row in rows_of(tmp_path / "rows.csv")]
    best = [1 / np.mean(1 / truth) for truth in truths]  # least squares in disparity
    abs_rel = np.mean([np.mean(np.abs(depth - truth) / truth) for depth, truth in zip(best, truths, strict=True)])
    assert constant["abs_rel"] == pytest.approx(abs_rel, rel=1e-4)


def test_a_relative_teacher_beside_a_metric_student_says_that_it_was_helped(scored, student, tiny_relative_teacher):
    beside = scored(student, "--teacher", tiny_relative_teacher)["baselines"]["teacher"]
    assert beside["protocol"]["align"] == "scale-shift" and "not a like comparison" in beside["note"]
    alone = scored(tiny_relative_teacher, "--align", "scale-shift")
    assert {name: beside[name] for name in METRICS} == {name: alone[name] for name in METRICS}


def test_data_without_training_images_has_no_mean_map(scored, student, own_rooms):
    own_rooms.write_text(own_rooms.read_text().replace("train: train.txt\n", ""))
    outcome = scored_on(scored, student, own_rooms)
    assert "no training images" in outcome["baselines"]["mean_map"]["unavailable"]
    assert outcome["baselines"]["constant"]["abs_rel"] > 0


def scored_on(scored, model, data, *more):
    return scored(model, "--data", data, *more)


def test_a_spoilt_image_is_an_error_and_leaves_the_baselines_too(scored, student, own_rooms):
    names = [line.split() for line in (own_rooms.parent / "val.txt").read_text().splitlines()]
    (own_rooms.parent / names[0][0]).write_bytes(b"junk")
    cv2.imwrite(str(own_rooms.parent / names[1][1]), np.zeros((64, 96), np.uint16))
    outcome = scored_on(scored, student, own_rooms, "--workers", 2)
    assert outcome["images"] == 1 and len(outcome["errors"]) == 2
    assert names[0][0] in outcome["errors"][0] and names[1][0] in outcome["errors"][1]
    only = own_rooms.parent / names[2][1]
    truth = cv2.imread(str(only), cv2.IMREAD_UNCHANGED) / 1000
    depth = outcome["baselines"]["constant"]["depth"]
    assert outcome["baselines"]["constant"]["abs_rel"] == pytest.approx(
        np.mean(np.abs(depth - truth) / truth), rel=1e-5
    )


def test_an_image_that_is_listed_twice_is_told_of(scored, student, own_rooms):
    listed = own_rooms.parent / "val.txt"
    listed.write_text(listed.read_text() + listed.read_text().splitlines()[0] + "\n")
    result = scored(student, "--data", own_rooms)
    assert result["images"] == 3
    assert any(line.startswith("1 rows name an image that another row names") for line in result["warnings"])


@pytest.mark.parametrize("option", ["--per-image", "--output"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(
    option, refused, student, rooms, tmp_path, monkeypatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("disdepth_cli.engine.evaluate.open_in_runtime", None)  # the work would begin with it
    place = (option, tmp_path / "file" / "x", *(("--worst", 1) if option == "--output" else ()))
    refused(1, ("cannot be written", "file"), "evaluate", student, "--data", rooms, *place)


def test_pictures_of_the_worst_images(scored, student, tmp_path):
    rows, folder = tmp_path / "rows.csv", tmp_path / "worst"
    result = scored(
        student, "--split", "train", "--per-image", rows, "--worst", 3, "--worst-by", "delta1", "-o", folder
    )
    expected = sorted(rows_of(rows), key=lambda row: float(row["delta1"]))[:3]
    assert [(one["image"], one["delta1"]) for one in result["worst"]] == [
        (row["image"], pytest.approx(float(row["delta1"]))) for row in expected
    ]
    assert sorted(map(str, folder.glob("*.png"))) == [one["file"] for one in result["worst"]]
    page = (folder / "report.html").read_text()
    assert result["report"] == str(folder / "report.html") and f"{result['rmse']:.4f}" in page
    places = [page.index(f"<h3>{one['image']}</h3>") for one in result["worst"]]
    assert places == sorted(places) and page.count("<h3>") == 7  # and four others
    for one in result["worst"]:
        picture = cv2.imread(one["file"])
        assert picture.shape[1] > 900 and picture.std() > 20
        assert Path(one["file"]).stem.endswith(Path(one["image"]).stem)


def test_options_that_do_not_go_together(refused, student, rooms, tmp_path):
    run = ("evaluate", student, "--data", rooms)
    refused(2, ("--worst 3", "-o DIR"), *run, "--worst", 3)
    refused(2, ("--teacher x", "--no-teacher"), *run, "--teacher", "x", "--no-baselines")
    refused(2, ("--worst-by",), *run, "--worst", 1, "-o", tmp_path / "out", "--worst-by", "beauty")


def test_the_tables_fit_eighty_columns(cli, student, rooms, tiny_teacher, monkeypatch):
    monkeypatch.setattr("disdepth_cli.cli.console.stdout.width", 80)
    outcome = cli("evaluate", student, "--data", rooms, "--device", "cpu", "--teacher", tiny_teacher)
    lines = outcome.out.splitlines()[2:]
    head = next(line for line in lines if "95 % interval" in line)
    assert all(word in head for word in ("model", "constant", "mean map", "teacher"))
    tables = [line for line in lines if line.startswith((*METRICS, *DETAILS, "near,", "middle,", "far,", " "))]
    assert max(map(len, tables)) <= 80 and "…" not in outcome.out
    abs_rel = next(line.split() for line in lines if line.startswith("abs_rel"))
    assert len(abs_rel) == 8  # name, model, low, to, high, three baselines
    assert any(line.startswith("near, < 2.5 m") for line in lines)
