"""What can go wrong on the way: losses that are not finite, a full disk, a kill, Ctrl-C, a bug."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys

import pytest
import torch

from disdepth_cli.errors import DisdepthError
from disdepth_cli.files import write_atomic
from disdepth_cli.method import distill_step
from disdepth_cli.models.student import load_student


@pytest.fixture
def training(rooms, short, tmp_path):
    """A control run; --max-steps 9 is two epochs and a step."""
    return ("distill", "--no-distill", "--data", rooms, "-o", tmp_path / "run", *short, "--max-steps", "9")


@pytest.fixture
def spoil_losses(monkeypatch):
    """`spoil_losses(steps)`: the loss of these steps (the first is 1) is NaN."""

    def spoil(steps):
        whole, calls = distill_step.silog, iter(range(1, 1000))

        def silog(*args):
            return whole(*args) * (float("nan") if next(calls) in steps else 1.0)

        monkeypatch.setattr(distill_step, "silog", silog)

    return spoil


@pytest.fixture
def fill_disk(monkeypatch):
    """`fill_disk(name, after)`: the disk is full when a file of that name is moved into place, `after` times later."""

    def fill(name, after=0):
        replace, calls = os.replace, iter(range(1000))

        def refuse(source, target):
            if os.path.basename(target) == name and next(calls) >= after:
                raise OSError(errno.ENOSPC, "No space left on device")
            replace(source, target)

        monkeypatch.setattr(os, "replace", refuse)

    return fill


def leftovers(folder):
    return [path for path in folder.rglob("*") if ".tmp" in path.name]


def test_a_step_with_a_loss_that_is_not_finite_is_skipped_and_its_files_named(cli, training, spoil_losses, tmp_path):
    spoil_losses({2, 3, 4, 5, 7})  # never five in a row
    outcome = cli(*training, "--json")
    assert outcome.code == 0 and outcome.json["skipped_steps"] == 5, outcome.err
    warnings = [line for line in outcome.err.splitlines() if line.startswith("warning:")]
    assert [re.search(r"step (\d+): non-finite loss, step skipped", line)[1] for line in warnings] == list("23457")
    assert all(line.count("rgb/") == 4 for line in warnings)
    assert all(tensor.isfinite().all() for tensor in load_student(tmp_path / "run").state_dict().values())


def test_too_many_such_steps_in_a_row_end_the_run(refused, training, spoil_losses):
    spoil_losses({2, 3, 4, 5, 6})
    refused(1, ("5 steps in a row", "rgb/", "--lr", "--precision fp32"), *training)


def test_a_rate_that_blows_up_ends_in_one_line(refused, training):
    refused(1, ("--lr",), *training, "--lr", "1e30")


def test_a_student_of_values_that_are_not_finite_is_refused(refused, control, rooms, tmp_path):
    from disdepth_cli.checkpoint.metadata import save_checkpoint
    from disdepth_cli.models.student import load_checkpoint

    student, metadata = load_checkpoint(control)
    spoilt = {
        name: torch.full_like(t, float("nan")) if t.is_floating_point() else t
        for name, t in student.state_dict().items()
    }
    save_checkpoint(tmp_path / "nan.safetensors", spoilt, metadata)
    command = ("evaluate", tmp_path / "nan.safetensors", "--data", rooms, "--device", "cpu", "--workers", "0")
    refused(1, (tmp_path / "nan.safetensors", "holds values that are not finite", "--lr"), *command)


@pytest.mark.slow
def test_a_full_disk_leaves_the_earlier_student_whole_and_the_run_resumable(
    cli, refused, training, fill_disk, tmp_path, monkeypatch
):
    run = tmp_path / "run"
    with monkeypatch.context():
        fill_disk("state.safetensors", after=6)  # the first save is before the first step
        refused(1, (run / "last" / "state.safetensors", "disk is full", "run again"), *training, "--save-every", "0")
        monkeypatch.undo()
    assert load_student(run).training is False and leftovers(tmp_path) == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = cli("distill", "--resume", "-o", run)
    assert outcome.code == 0 and "going on after step 5 of 9" in outcome.err, outcome.err


@pytest.mark.parametrize("name", ["config.yaml", "student.safetensors", "metrics.csv", "report.json", "curves.png"])
def test_a_full_disk_is_one_line_whatever_was_being_written(name, refused, training, fill_disk, tmp_path):
    fill_disk(name)
    refused(1, (tmp_path / "run" / name, "disk is full"), *training)
    assert leftovers(tmp_path) == []


@pytest.mark.slow
def test_a_full_disk_in_predict_and_evaluate(refused, student, photo, rooms, fill_disk, tmp_path):
    fill_disk(f"{photo.stem}_depth.png")
    given = ("-c", student, "-o", tmp_path / "out", "--device", "cpu")
    refused(1, (f"{photo.stem}_depth.png", "disk is full"), "predict", photo, *given)
    fill_disk("rows.csv")
    command = ("evaluate", student, "--data", rooms, "--device", "cpu", "--workers", "0")
    refused(1, ("rows.csv", "disk is full"), *command, "--per-image", tmp_path / "rows.csv")
    assert leftovers(tmp_path) == []


def test_a_place_that_cannot_be_written(refused, training, rooms, short, tmp_path):
    (tmp_path / "file").write_text("mine")
    command = ("distill", "--no-distill", "--data", rooms, *short)
    refused(2, (tmp_path / "file", "is a file"), *command, "-o", tmp_path / "file")
    refused(1, (tmp_path / "file" / "run", "cannot be written"), *command, "-o", tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError(errno.ENOSPC, "full")])
def test_a_write_that_is_cut_short_leaves_the_old_file_and_nothing_else(error, tmp_path):
    file = tmp_path / "student.safetensors"
    file.write_bytes(b"old and whole")

    def write(temporary):
        temporary.write_bytes(b"half")
        raise error

    with pytest.raises((KeyboardInterrupt, ValueError, DisdepthError)):
        write_atomic(file, write)
    assert [path.name for path in tmp_path.iterdir()] == [file.name] and file.read_bytes() == b"old and whole"


def test_a_damaged_resume_state_is_named(cli, refused, training, tmp_path):
    assert cli(*training, "--max-steps", "1").code == 0
    state = tmp_path / "run" / "last" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:5000])
    refused(1, (state, "damaged", "start again"), "distill", "--resume", "-o", tmp_path / "run")


def test_debug_shows_the_traceback(cli, monkeypatch, tmp_path):
    monkeypatch.setenv("DISDEPTH_DEBUG", "1")
    with pytest.raises(DisdepthError, match="no such image"):
        cli("predict", tmp_path / "nothing.png", "-c", "x.safetensors")


def test_debug_shows_the_traceback_in_a_process_of_its_own(run_disdepth):
    command = ("distill", "--data", "x", "--lr", "-1")
    debug = run_disdepth(*command, env={"DISDEPTH_DEBUG": "1"})
    assert debug.returncode == 1 and "Traceback" in debug.stderr and "ConfigError" in debug.stderr
    plain = run_disdepth(*command)
    assert plain.returncode == 2 and plain.stderr.startswith("error: --lr: ") and plain.stderr.count("\n") == 1


def test_ctrl_c_before_the_first_step_exits_130(cli, student, photo, tmp_path, monkeypatch):
    from disdepth_cli.engine import predict

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "open_in_runtime", interrupted)
    outcome = cli("predict", photo, "-c", student, "-o", tmp_path)
    assert outcome.code == 130 and outcome.err.startswith("interrupted: ") and outcome.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"), "not enough memory"),
        (RuntimeError("could not create a primitive"), "not enough memory"),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), "a library cannot be loaded (libt"),
        (OSError(errno.EMFILE, "Too many open files", "a.png"), "the system refused a.png: Too many open files"),
        (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "No usable temporary"),
    ],
)
def test_what_the_machine_refuses_is_told_as_that(error, words, refused, student, photo, tmp_path, monkeypatch):
    from disdepth_cli.engine import predict

    def fail(*_):
        raise error

    monkeypatch.setattr(predict, "open_in_runtime", fail)
    line = refused(1, (words,), "predict", photo, "-c", student, "-o", tmp_path)
    assert "DISDEPTH_DEBUG" not in line


@pytest.mark.skipif(os.name == "nt", reason="there is no such limit")
@pytest.mark.parametrize("limit", ["-v 300000", "-f 0"])
def test_limits_of_the_system_are_one_line(limit, photo, tmp_path):
    command = f"ulimit {limit}; exec {sys.executable} -m disdepth_cli predict {photo} -o {tmp_path}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "DISDEPTH_DEBUG" not in result.stderr
