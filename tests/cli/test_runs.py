"""acclimate and distill: what they print, where they write, and which teacher distill takes."""

from __future__ import annotations

import csv
import json
import shutil

import cv2
import pytest
import yaml

from disdepth_cli.models.student import load_student

RUN_FILES = {"config.yaml", "metrics.csv", "report.json", "last", "curves.png"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder: default places for runs lie below it."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def unlabelled(rooms, tmp_path):
    """A folder of images without depth."""
    return shutil.copytree(rooms.parent / "rgb", tmp_path / "photos")


@pytest.mark.parametrize(
    ("teacher", "kind"), [("tiny_teacher", "metric_depth"), ("tiny_relative_teacher", "disparity")]
)
def test_a_dry_run_prints_the_contract_and_writes_nothing(teacher, kind, cli, rooms, here, request):
    folder = request.getfixturevalue(teacher)
    outcome = cli("acclimate", "--teacher", folder, "--data", rooms, "--dry-run", "--quiet")
    assert outcome.code == 0, outcome
    warned = outcome.err.splitlines()  # a teacher with random weights: its metres are wrong through views
    assert len(warned) == (kind == "metric_depth") and all("through training views" in line for line in warned)
    contract = dict(line.split(": ", 1) for line in outcome.out.splitlines())
    assert contract["kind"] == kind and contract["teacher"] == folder.name
    assert not any(here.iterdir())
    as_json = cli("acclimate", "--teacher", folder, "--dry-run", "--json")  # a contract needs no data
    assert as_json.code == 0
    checks = {"view_check", "word_check"}  # these do
    assert {name: value for name, value in as_json.json["teacher"].items() if name not in checks} == {
        name: value for name, value in contract.items() if name not in checks
    }


def test_acclimate_fills_a_run_folder(cli, rooms, tiny_teacher, short, here):
    outcome = cli("acclimate", "--teacher", tiny_teacher, "--data", rooms, "--attention-steps", 2, *short[:-1])
    run = here / "runs" / "acclimate-tiny-metric-1"
    assert outcome.code == 0, outcome.err
    assert {path.name for path in run.iterdir()} >= RUN_FILES | {"acclimated.safetensors"}
    assert f"acclimated teacher: {run.relative_to(here)}" in outcome.out
    assert "teacher itself" in outcome.out and "through the ghost" in outcome.out
    report = json.loads((run / "report.json").read_text())
    assert report["teacher"]["kind"] == "metric_depth" and report["steps"] == 2
    assert report["rmse_ratio_ghost_to_teacher"] == pytest.approx(
        report["ghost_metrics"]["rmse"] / report["teacher_metrics"]["rmse"]
    )


@pytest.mark.slow
def test_distill_fills_numbered_run_folders(cli, rooms, short, here):
    command = ("distill", "--no-distill", "--data", rooms, *short)
    outcome = cli(*command)
    assert outcome.code == 0, outcome.err
    (run,) = (here / "runs").iterdir()
    assert run.name.startswith("distill-mobilenetv2") and run.name.endswith("-1")
    assert {path.name for path in run.iterdir()} >= RUN_FILES | {"student.safetensors"}
    assert f"student: {run.relative_to(here)}/student.safetensors" in outcome.out
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (config["verb"], config["distill"], config["input_size"]) == ("distill", False, [64, 96])
    with open(run / "metrics.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert {row["split"] for row in rows} == {"train", "val"} and rows[-1]["step"] == "2"
    report = json.loads((run / "report.json").read_text())
    for key in ("steps", "seconds", "images_per_second", "best", "final", "teacher", "scored_against", "cost"):
        assert key in report
    assert report["steps"] == 2 and report["teacher"] is None and report["scored_against"] == "ground truth"
    assert report["cost"]["student"]["parameters"] > 1e6 and set(report["cost"]) == {"student"}

    second = cli(*command, "--json")
    assert second.code == 0 and "{" not in second.err
    assert second.json["run"].endswith("-2") and second.json["best"] == report["best"]


def test_without_a_teacher_distill_takes_the_latest_finished_run_of_its_student(
    cli, refused, acclimated, rooms, short, here
):
    command = ("distill", "--data", rooms, *short)
    refused(2, ("no acclimated teacher for mobilenetv2", "disdepth acclimate --teacher"), *command)
    other = shutil.copytree(acclimated, here / "runs" / "other")
    config = yaml.safe_load((other / "config.yaml").read_text())
    (other / "config.yaml").write_text(yaml.safe_dump(config | {"student": "resnet18"}))
    unfinished = shutil.copytree(acclimated, here / "runs" / "unfinished")
    (unfinished / "report.json").unlink()
    refused(2, ("no acclimated teacher for mobilenetv2",), *command)
    shutil.copytree(acclimated, here / "runs" / "mine")
    outcome = cli(*command, "-o", "done")
    assert outcome.code == 0, outcome.err
    assert f"the latest acclimated run, {here / 'runs' / 'mine'}" in outcome.err
    report = json.loads((here / "done" / "report.json").read_text())
    assert report["teacher"]["id"] == "tiny-metric" and set(report["cost"]) == {"student", "teacher"}


def test_a_run_acclimated_for_another_decoder_is_refused(refused, acclimated, rooms, short, tmp_path):
    command = ("distill", "--teacher", acclimated, "--data", rooms, *short, "-o", tmp_path / "run")
    refused(
        2,
        (acclimated, "decoder channels 64, but --decoder-channels is 32", "acclimate again"),
        *command,
        "--decoder-channels",
        "32",
    )
    refused(2, (acclimated, "student mobilenetv2, but --student is resnet18"), *command, "--student", "resnet18")


def test_a_raw_teacher_is_acclimated_first_into_a_run_of_its_own(cli, tiny_teacher, unlabelled, short, here):
    """End to end on images without depth: all the truth there is comes from the teacher, and the report says so."""
    outcome = cli("distill", "--teacher", tiny_teacher, "--data", unlabelled, *short, "-o", "run")
    assert outcome.code == 0, outcome.err
    assert f"{tiny_teacher} is not acclimated; doing that first, into run-teacher" in outcome.err
    assert (here / "run-teacher" / "acclimated.safetensors").is_file()
    assert yaml.safe_load((here / "run-teacher" / "config.yaml").read_text())["verb"] == "acclimate"
    report = json.loads((here / "run" / "report.json").read_text())
    assert report["scored_against"] == "the acclimated teacher's depth"
    assert "scored against the acclimated teacher's depth" in outcome.out
    assert load_student(here / "run").architecture.working_size.height == 64


def test_images_without_depth_have_no_control_no_score_and_with_a_relative_teacher_no_metres(
    cli, refused, unlabelled, tiny_relative_teacher, student, short, tmp_path
):
    run = tmp_path / "run"
    control = ("distill", "--no-distill", "--data", unlabelled, *short, "-o", run)
    refused(1, (unlabelled, "no depth", "give labelled images"), *control)
    relative = ("--teacher", tiny_relative_teacher, "--data", unlabelled, "-o", run)
    refused(2, ("--max-depth", "has no metres"), "acclimate", *relative, *short[:-1], "--max-depth", "10")
    outcome = cli("acclimate", *relative, *short[:-1], "--attention-steps", "1")
    assert outcome.code == 0, outcome
    assert "scored against the teacher's disparity" in outcome.out and "disparity_error" in outcome.out
    assert "rmse" not in outcome.out and " m " not in outcome.out
    refused(1, (unlabelled, "no depth to be scored against"), "evaluate", student, "--data", unlabelled)


def test_a_run_that_never_began_does_not_block_its_folder(cli, refused, rooms, short, tmp_path):
    run = tmp_path / "run [a]"
    command = ("distill", "--no-distill", "--data", rooms, "-o", run, *short)
    refused(2, ("--precision fp16", "cpu"), *command, "--precision", "fp16")
    outcome = cli(*command)
    assert outcome.code == 0 and f"student: {run}/student.safetensors" in outcome.out, outcome
    refused(2, (run, "already holds something", "--resume"), *command)


def test_quiet_training_says_nothing_on_stderr(cli, rooms, short, tmp_path):
    outcome = cli("distill", "--no-distill", "--data", rooms, "-o", tmp_path / "run", *short, "--quiet")
    assert outcome.code == 0 and outcome.err == "" and "abs_rel" in outcome.out


def test_another_working_size_and_images_of_any_shape(cli, rooms, short, tmp_path):
    """Images of mixed sizes and orientations in one batch."""
    folder = tmp_path / "mixed"
    for kind in ("rgb", "depth"):
        (folder / kind).mkdir(parents=True)
        for number, file in enumerate(sorted((rooms.parent / kind).iterdir())):
            stored = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
            stored = cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE) if number % 2 else stored[: 40 + number]
            cv2.imwrite(str(folder / kind / file.name), stored)
    outcome = cli("distill", "--no-distill", "--data", folder, "-o", tmp_path / "run", *short, "--json")
    assert outcome.code == 0 and outcome.json["corrupt_files"] == [], outcome.err
