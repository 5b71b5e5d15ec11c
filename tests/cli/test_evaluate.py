"""evaluate: one JSON object with the contract's keys, for every kind of model."""

from __future__ import annotations

import csv
import math

import pytest

METRICS = {"abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3"}
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
