"""Resume is exact: a process that is killed, or stopped by Ctrl-C, ends with the same bytes as one that was not."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

STEPS = ("--max-steps", "14", "--save-every", "0", "--no-pretrained", "--seed", "3")  # 4 steps an epoch


def start(*args):
    return subprocess.Popen(
        [sys.executable, "-m", "disdepth_cli", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        start_new_session=True,  # a group of its own, with its workers
    )


def wait_for_step(run, step, process):
    state = run / "last" / "state.json"
    for _ in range(6000):
        if state.is_file() and json.loads(state.read_text())["done"] >= step:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    raise AssertionError("the run never saved its state")


def validations(run):
    with open(run / "metrics.csv", newline="") as handle:
        return [row for row in csv.DictReader(handle) if row["split"] == "val"]


@pytest.fixture(scope="module")
def commands(rooms, acclimated, tiny_run):
    common = ("--data", rooms, *STEPS, *tiny_run)
    return {
        "control": ("distill", "--no-distill", *common),
        "distilled": ("distill", "--teacher", acclimated, *common),
        "accumulated": ("distill", "--no-distill", *common, "--accumulate", "2", "--workers", "2"),
    }


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        pytest.param("control", signal.SIGKILL, marks=pytest.mark.slow),
        ("distilled", signal.SIGKILL),
        pytest.param("accumulated", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_stopped_and_resumed_run_ends_with_the_same_bytes(kind, number, commands, run_disdepth, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    reference = run_disdepth(*commands[kind], "-o", whole)
    assert reference.returncode == 0, reference.stderr

    process = start(*commands[kind], "-o", stopped)
    wait_for_step(stopped, 3, process)
    if number == signal.SIGTERM:  # as a service manager sends it: to the workers too
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 130), stderr
    if number != signal.SIGKILL:
        assert f"--resume -o {stopped}" in stderr.splitlines()[-1]
    done = json.loads((stopped / "last" / "state.json").read_text())["done"]
    assert 3 <= done < 14

    resumed = run_disdepth("distill", "--resume", "-o", stopped)  # its options come from the run folder
    assert resumed.returncode == 0, resumed.stderr
    assert f"after step {done} of 14" in resumed.stderr
    assert (stopped / "student.safetensors").read_bytes() == (whole / "student.safetensors").read_bytes()
    reports = [json.loads((run / "report.json").read_text()) for run in (whole, stopped)]
    assert reports[0]["final"] == reports[1]["final"] and reports[0]["best_step"] == reports[1]["best_step"]
    rows = [validations(run) for run in (whole, stopped)]
    assert rows[0] == rows[1]


def test_ctrl_c_saves_the_state_and_exits_130(commands, tmp_path):
    run = tmp_path / "run"
    process = start(*commands["control"], "--save-every", "1000", "-o", run)
    for _ in range(6000):
        if (run / "student.safetensors").is_file():  # the first validation is over; nothing was saved to resume from
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert (run / "last" / "state.safetensors").is_file()
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_acclimation_resumes_exactly_in_both_phases(rooms, tiny_teacher, tiny_run, run_disdepth, tmp_path):
    command = ("acclimate", "--teacher", tiny_teacher, "--data", rooms, "--max-steps", 8, "--attention-steps", 8)
    command += ("--save-every", 0, *tiny_run)
    whole = tmp_path / "whole"
    assert run_disdepth(*command, "-o", whole).returncode == 0
    for phase in ("state", "attention"):
        stopped = tmp_path / phase
        process = start(*command, "-o", stopped)
        while process.poll() is None and not (stopped / "last" / f"{phase}.json").is_file():
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        resumed = run_disdepth("acclimate", "--resume", "-o", stopped)
        assert resumed.returncode == 0, resumed.stderr
        assert (stopped / "acclimated.safetensors").read_bytes() == (whole / "acclimated.safetensors").read_bytes()


@pytest.mark.slow
def test_resume_refuses_other_options_and_missing_runs(commands, run_disdepth, tmp_path):
    run = tmp_path / "run"
    assert run_disdepth(*commands["control"], "--max-steps", "2", "-o", run).returncode == 0
    other = run_disdepth("distill", "--resume", "-o", run, "--lr", "0.5")
    assert other.returncode == 2 and "--lr: the run in" in other.stderr
    again = run_disdepth(*commands["control"], "-o", run)
    assert again.returncode == 2 and "add --resume" in again.stderr
    none = run_disdepth(*commands["control"], "--resume", "-o", tmp_path / "none")
    assert none.returncode == 2 and "no config.yaml" in none.stderr
