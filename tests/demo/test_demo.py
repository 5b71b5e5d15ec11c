"""The demo is the README's first command, less its installation."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

PROJECT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_whole_path_in_few_steps_and_again_from_what_is_there(run_disdepth, tmp_path: Path) -> None:
    few = ("--acclimate-steps", 1, "--steps", 1, "--json", "--quiet")
    first = run_disdepth("demo", tmp_path / "demo", *few)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert list(result["scores"]) == ["teacher", "through the ghost", "control", "student"]
    assert result["scores"]["teacher"]["delta1"] > 0.8 and result["scores"]["student"]["images"] == 40
    assert set(result["gain"]) == {"abs_rel", "rmse", "delta1"}
    assert cv2.imread(result["panel"]).shape[0] > 400
    again = json.loads(run_disdepth("demo", tmp_path / "demo", *few).stdout)
    assert again["scores"]["student"]["rmse"] == result["scores"]["student"]["rmse"]


@pytest.mark.slow
def test_the_student_is_better_than_its_control(run_disdepth, tmp_path: Path) -> None:
    result = run_disdepth("demo", tmp_path / "demo")
    assert result.returncode == 0, result.stderr[-3000:]
    for word in ("student", "control", "teacher", "abs_rel", "panel.png"):
        assert word in result.stdout
    scores = {
        name: json.loads(run_disdepth("evaluate", tmp_path / "demo" / name, "--data", data, "--json").stdout)
        for data in [tmp_path / "demo" / "rooms"]
        for name in ("student", "student-control")
    }
    assert scores["student"]["rmse"] < 0.9 * scores["student-control"]["rmse"]


@pytest.mark.slow
def test_tiny_teacher_can_be_trained_again(tmp_path: Path) -> None:
    script = str(PROJECT / "benchmarks" / "train_tiny_teacher.py")
    small = ["--count", "24", "--epochs", "1"]
    command = [sys.executable, script, str(tmp_path / "teacher"), "--rooms", str(tmp_path / "rooms"), *small]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "teacher" / "model.safetensors").is_file()
