"""A random backbone's start by least squares: who gets it, what is told; a run that goes on does not do it again."""

from __future__ import annotations

import pytest

from disdepth_cli.config import DistillConfig
from disdepth_cli.method.student_start import StudentStart

ASKED = ("--no-pretrained", "--batch-size", "2")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pretrained": False}, True),
        ({"pretrained": False, "init_backbone": "random"}, False),
        ({}, False),  # a pretrained backbone knows more
        ({"pretrained": False, "distill": False}, False),
        ({"pretrained": False, "feature_target": "teacher"}, False),
        ({"pretrained": False, "feature_weight": 0.0}, False),
    ],
)
def test_who_is_started(options, expected):
    config = DistillConfig(data="x", **options)
    assert StudentStart.of(config.student, config.method).solved is expected


@pytest.mark.slow
def test_a_run_tells_how_near_it_starts_and_goes_on_without_it(rooms, acclimated, tiny_run, run_disdepth, tmp_path):
    command = ("distill", "--teacher", acclimated, "--data", rooms, *tiny_run, *ASKED, "--max-steps", "2")
    first = run_disdepth(*command, "-o", tmp_path / "run")
    assert first.returncode == 0, first.stderr
    told = [line for line in first.stderr.splitlines() if line.startswith("backbone:")]
    assert len(told) == 1 and "least squares" in told[0] and told[0].count(",") == 5

    again = run_disdepth(*command, "-o", tmp_path / "again")
    files = [(tmp_path / run / "student.safetensors").read_bytes() for run in ("run", "again")]
    assert files[0] == files[1], again.stderr
    (tmp_path / "run" / "report.json").unlink()
    resumed = run_disdepth("distill", "--resume", "-o", tmp_path / "run")
    assert resumed.returncode == 0 and "least squares" not in resumed.stderr


@pytest.mark.slow
def test_without_enough_images_it_says_so(rooms, acclimated, tiny_run, run_disdepth, tmp_path):
    command = ("distill", "--teacher", acclimated, "--data", rooms, *tiny_run, *ASKED, "--batch-size", "8")
    done = run_disdepth(*command, "--max-steps", "1", "-o", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "backbone: random" in done.stderr
