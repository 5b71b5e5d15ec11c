"""Every example is executed. The quickstart is the README's first command, less its installation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

PROJECT = Path(__file__).parents[2]


def test_there_is_no_example_that_is_not_run() -> None:
    scripts = {path.name for path in (PROJECT / "examples").iterdir() if path.suffix in (".py", ".sh")}
    run_here = {"quickstart.sh", "render_rooms.py", "show_results.py"}  # the quickstart calls the other two
    assert scripts == run_here | {"train_tiny_teacher.py", "room_geometry.py", "room_scene.py"}


@pytest.mark.slow
def test_quickstart(tmp_path: Path) -> None:
    bin_folder = str(Path(sys.executable).parent)
    result = subprocess.run(
        ["bash", str(PROJECT / "examples" / "quickstart.sh"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"},
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    out = tmp_path / "out"
    scores = {name: json.loads((out / f"eval-{name}.json").read_text()) for name in ("teacher", "student", "control")}
    assert scores["teacher"]["delta1"] > 0.8
    assert scores["student"]["delta1"] > 0.5 and scores["student"]["images"] == 40
    assert scores["student"]["protocol"]["align"] == "none"
    assert len(list((out / "predictions").glob("*_depth.png"))) == 4
    assert cv2.imread(str(out / "panel.png")).shape[0] > 100
    for word in ("student", "control", "teacher", "abs_rel", "panel.png"):
        assert word in result.stdout


@pytest.mark.slow
def test_tiny_teacher_can_be_trained_again(tmp_path: Path) -> None:
    script = str(PROJECT / "examples" / "train_tiny_teacher.py")
    small = ["--count", "24", "--epochs", "1"]
    command = [sys.executable, script, str(tmp_path / "teacher"), "--rooms", str(tmp_path / "rooms"), *small]
    subprocess.run(command, check=True, capture_output=True)
    assert (tmp_path / "teacher" / "model.safetensors").is_file()
