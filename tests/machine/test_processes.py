"""Several processes: the gradients of one with all the images, one voice, one decision, one set of files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import yaml

from disdepth_cli import distill, evaluate
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine import failures, join
from disdepth_cli.training import session

RANKS = Path(__file__).parent / "ranks"


@pytest.fixture(scope="session")
def torchrun():
    """`torchrun(*args)` -> CompletedProcess of a script, or with -m of a module, in two processes."""

    def start(*args: object) -> subprocess.CompletedProcess[str]:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        env = {**os.environ, "OMP_NUM_THREADS": "1"}
        command = [*launcher, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, env=env, timeout=300, check=False)

    return start


def own_lines(result):
    """What the run itself says on stderr, without the launcher's report of a failure."""
    return [line for line in result.stderr.splitlines() if line.startswith(("error:", "interrupted:", "warning:"))]


@pytest.mark.slow
def test_gradients_are_those_of_one_process_with_all_images(torchrun, tiny_teacher, tiny_relative_teacher, tmp_path):
    out = tmp_path / "differences.json"
    result = torchrun(RANKS / "gradients.py", tiny_teacher, tiny_relative_teacher, out)
    assert result.returncode == 0, result.stderr
    cases = json.loads(out.read_text())
    assert len(cases) >= 15
    assert {name: case for name, case in cases.items() if case["difference"] > 2e-5} == {}
    assert [name for name, case in cases.items() if case["loss"] == 0] == ["control, no valid pixel anywhere"]


@pytest.fixture(scope="module")
def seen(torchrun, rooms, tmp_path_factory):
    """What each of two processes saw of runs.py's runs, and the folder of those."""
    out = tmp_path_factory.mktemp("runs")
    spoilt = Path(shutil.copytree(rooms.parent, out / "rooms"))
    values = yaml.safe_load(rooms.read_text())
    for line in (spoilt / values["train"]).read_text().splitlines()[:2]:
        (spoilt / line.split()[0]).write_bytes(b"no image")
    result = torchrun(RANKS / "runs.py", rooms, spoilt / "data.yaml", out)
    assert result.returncode == 0, result.stderr
    return [json.loads((out / f"rank{rank}.json").read_text()) for rank in (0, 1)], out


def test_all_processes_end_with_one_model_and_one_report(seen, rooms):
    (main, other), out = seen
    assert main["whole"]["weights"] == other["whole"]["weights"]
    assert main["whole"]["report"] == other["whole"]["report"]
    report = json.loads((out / "whole" / "report.json").read_text())
    assert report["processes"] == 2 and report["steps"] == 5 and main["whole"]["images"] == 5 * 4
    assert "2 processes, 4 images a step (2 each)" in " ".join(main["whole"]["said"])
    assert other["whole"]["said"] == []


def test_validation_by_two_is_that_of_one(seen, rooms):
    (main, _), out = seen
    alone = evaluate(model=str(out / "whole"), data=rooms, device="cpu", workers=0)
    for name, value in main["whole"]["report"]["best"].items():
        assert alone[name] == pytest.approx(value, rel=1e-5), name


def test_all_take_the_batch_that_fits_the_memory_of_each(seen):
    (main, other), out = seen
    assert yaml.safe_load((out / "auto" / "config.yaml").read_text())["batch_size"] == 2
    assert main["auto"]["weights"] == other["auto"]["weights"] and main["auto"]["images"] == 2 * 2 * 2
    assert "2 processes, 4 images a step (2 each)" in " ".join(main["auto"]["said"])


def test_several_batches_a_step_end_in_one_model(seen):
    (main, other), _ = seen
    assert main["accumulated"]["weights"] == other["accumulated"]["weights"] != main["whole"]["weights"]
    assert main["accumulated"]["images"] == 3 * 2 * 4


def test_a_signal_to_one_stops_all_and_resume_is_exact(seen):
    (main, other), out = seen
    assert main["stopped"]["error"] == "Interrupted" and other["stopped"]["error"] == "ElsewhereError"
    assert main["stopped"]["exit_code"] == other["stopped"]["exit_code"] == 130
    assert main["stopped"]["done"] == other["stopped"]["done"] == 3  # the step after the one it came in
    assert f"stopped at step 3; go on with --resume -o {out / 'stopped'}" in main["stopped"]["message"]
    assert (out / "stopped" / "student.safetensors").read_bytes() == (out / "whole/student.safetensors").read_bytes()
    assert main["resumed"]["weights"] == other["resumed"]["weights"] == main["whole"]["weights"]


def test_resume_with_another_number_of_processes_is_refused(seen, rooms, tiny):
    _, out = seen
    options = {**tiny, "batch_size": 2, "distill": False, "save_every": 0, "max_steps": 5}
    with pytest.raises(ConfigError, match="was started with 2 processes, now there are 1; .*resume with as many"):
        distill(data=rooms, output=out / "whole", resume=True, **options)


def test_a_loss_that_is_not_finite_in_one_is_skipped_by_all(seen):
    (main, other), _ = seen
    assert main["non-finite"]["skipped"] == other["non-finite"]["skipped"] == 2
    assert main["non-finite"]["weights"] == other["non-finite"]["weights"] != main["whole"]["weights"]
    warnings = [line for line in main["non-finite"]["said"] if "non-finite loss" in line]
    assert len(warnings) == 2 and all(line.count("rgb/") == 4 for line in warnings)  # the files of both
    assert main["too often"]["error"] == "TrainingError" and other["too often"]["error"] == "ElsewhereError"
    assert main["too often"]["done"] == other["too often"]["done"] == 2


def test_unreadable_files_are_counted_over_all(seen):
    (main, other), _ = seen
    assert main["unreadable"]["weights"] == other["unreadable"]["weights"]
    corrupt = main["unreadable"]["report"]["corrupt_files"]
    assert len(corrupt) == 2 and sum("skipped:" in line for line in main["unreadable"]["said"]) == 2
    assert main["unreadable"]["done"] == 9 and main["unreadable"]["images"] < 18  # a step with one alone is no step
    assert main["too many"]["error"] == "DataError" and "--max-corrupt 1" in main["too many"]["message"]
    assert other["too many"]["error"] == "ElsewhereError" and other["too many"]["exit_code"] == 1


def test_an_error_that_all_have_is_told_by_the_main_process(seen):
    (main, other), _ = seen
    assert main["again"]["error"] == "ConfigError" and "already holds something" in main["again"]["message"]
    assert other["again"]["error"] == "ElsewhereError" and other["again"]["exit_code"] == 2


@pytest.mark.parametrize(
    ("how", "line"),
    [
        ("raise", "error: process 1: ValueError: only here"),
        ("unnamed", "error: process 1: ValueError: only here"),
        pytest.param("kill", "error: another process of this run has ended without a word", marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_a_failure_of_one_ends_all_with_one_line(how, line, torchrun, rooms, tmp_path):
    run = tmp_path / "run"
    options = ("--no-distill", "--no-pretrained", "--offline", "--device", "cpu", "--workers", 0, "--batch-size", 2)
    command = ("distill", "--data", rooms, "-o", run, "--input-size", "64x96", "--max-steps", 50, *options)
    result = torchrun(RANKS / "failing.py", how, *command)
    assert result.returncode != 0 and result.stdout == ""
    assert len(own_lines(result)) == 1 and own_lines(result)[0].startswith(line), result.stderr
    held = {file.name: json.loads(file.read_text())["line"] for file in (run / "errors").iterdir()}
    if how == "kill":
        assert set(held) == {"process0.json"} and f"error: {held['process0.json']}" == own_lines(result)[0]
    else:
        assert held == {"process1.json": "process 1: ValueError: only here"}
    # The launcher's own summary has the line too, where it named a file.
    assert result.stderr.count("traceback : process 1: ValueError: only here") == (how == "raise")


@pytest.mark.slow
def test_a_process_that_does_not_answer_ends_all(torchrun, rooms, tmp_path):
    options = ("--no-distill", "--no-pretrained", "--offline", "--device", "cpu", "--workers", 0, "--batch-size", 2)
    command = ("distill", "--data", rooms, "-o", tmp_path / "run", "--input-size", "64x96", "--max-steps", 50, *options)
    result = torchrun(RANKS / "failing.py", "stop", *command)
    (line,) = own_lines(result)
    assert line.startswith("error: another process of this run has not answered for 5 s"), result.stderr
    assert "PyTorch says:" in line and "Timed out" in line


@pytest.mark.parametrize("command", ["acclimate", "distill"])
@pytest.mark.slow
def test_machines_without_a_shared_disk_are_refused(command, torchrun, rooms, tiny_teacher, tmp_path, monkeypatch):
    """Two working folders are two machines: what one writes, the other does not see."""
    monkeypatch.chdir(tmp_path)
    of = ("--teacher", tiny_teacher) if command == "acclimate" else ("--no-distill", "--no-pretrained")
    options = (*of, "--offline", "--device", "cpu", "--workers", 0, "--batch-size", 2, "--input-size", "64x96")
    result = torchrun(RANKS / "failing.py", "elsewhere", command, "--data", rooms, "-o", "run", *options)
    (line,) = own_lines(result)
    assert line.startswith("error: -o run: process 1 on ") and "a disk that all of them share" in line, result.stderr


def test_what_the_network_between_processes_says_is_kept():
    nccl = "NCCL error in: /pytorch/ProcessGroupNCCL.cpp:1275, unhandled system error, NCCL version 2.21.5\nLast error"
    error = str(join._lost_another(RuntimeError(nccl)))
    assert error.startswith("the network between the GPUs (NCCL) failed; NCCL_DEBUG=INFO tells more; PyTorch says: ")
    assert "unhandled system error" in error and "killed" not in error
    late = "[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7)"
    assert "has not answered for 600 s" in str(join._lost_another(RuntimeError(f"NCCL: {late}")))
    gone = "[/gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:2000"
    error = str(join._lost_another(RuntimeError(gone)))
    assert "ended without a word (killed, or out of memory)" in error and "Connection closed by peer" in error
    other = RuntimeError("shapes differ")
    assert join._lost_another(other) is None


def test_gradients_are_exchanged_once_a_step(rooms, tiny, tmp_path, monkeypatch):
    """With several batches a step, all but the last one's backward keep to themselves."""
    whole, alone = session.make_accelerator, []

    def make(config):
        accelerator = whole(config)
        accelerator.no_sync = lambda module: (alone.append(1), nullcontext())[1]
        return accelerator

    monkeypatch.setattr(session, "make_accelerator", make)
    distill(data=rooms, distill=False, accumulate=3, max_steps=2, output=tmp_path / "run", **tiny)
    assert len(alone) == 2 * 2


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(("-m", "disdepth_cli"), id="plain"),
        pytest.param((RANKS / "failing.py", "late"), id="late", marks=pytest.mark.slow),
    ],
)
def test_a_verb_for_one_process_is_refused_once(start, torchrun, rooms):
    """By the main process, also where another is the first to see it and a launcher ends all when one ends."""
    result = torchrun(*start, "evaluate", "bundled", "--data", rooms)
    refusal = "error: 2 processes were launched; evaluate takes one: start it without a launcher"
    assert result.returncode != 0 and own_lines(result) == [refusal], result.stderr


@pytest.mark.slow
def test_a_wrong_option_is_told_once_also_by_a_late_main_process(torchrun, rooms):
    result = torchrun(RANKS / "failing.py", "late", "distill", "--data", rooms, "--no-such-option")
    assert result.returncode != 0, result.stderr
    assert [line.startswith("error: No such option: --no-such-option") for line in own_lines(result)] == [True]


def test_the_first_error_is_told_and_what_follows_from_it_is_not(tmp_path, monkeypatch):
    """Files of torch elastic's layout and of a run folder, also broken ones."""
    (tmp_path / "run").mkdir()

    def as_process(rank):
        (tmp_path / str(rank)).mkdir(exist_ok=True)
        for name, value in (("RANK", str(rank)), ("WORLD_SIZE", "4")):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv(failures.NAMED_BY_LAUNCHER, str(tmp_path / str(rank) / "error.json"))
        failures.start_without_error()

    as_process(0)
    assert failures.first_failure() is None
    as_process(3)
    assert failures.write_own(RuntimeError("lost the others"), follows=True)
    as_process(2)
    failures.write_errors_to(tmp_path / "run")
    assert failures.write_own(ConfigError("wrong\nhere"))
    assert failures.write_error("a second one", 1)  # the first stays
    (tmp_path / "run" / "errors" / "process1.json").write_text("{")
    as_process(0)
    first = failures.first_failure()
    assert first is not None and (first.line, first.exit_code) == ("process 2: wrong here", 2)
    as_process(2)
    as_process(0)
    assert failures.first_failure() is None  # another run has begun, and the folder of the last one is not asked
    failures.write_errors_to(tmp_path / "run")
    assert failures.first_failure() == first
    failures.remove_errors(tmp_path / "run")
    assert failures.first_failure() is None


def test_a_process_without_a_file_knows_that_its_error_is_not_kept(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv(failures.NAMED_BY_LAUNCHER, raising=False)
    failures.start_without_error()
    assert not failures.write_error("nobody reads this", 1)


@pytest.mark.slow
def test_the_whole_way_with_two_processes(torchrun, rooms, tiny_teacher, tmp_path):
    """distill acclimates a raw teacher first; acclimate can train its teacher along; both resume."""
    common = ("--data", rooms, "--input-size", "64x96", "--batch-size", 2, "--workers", 0, "--device", "cpu")
    common = (*common, "--offline", "--max-steps", 6)
    run = tmp_path / "run"
    command = ("-m", "disdepth_cli", "distill", "-t", tiny_teacher, "--no-pretrained", *common, "-o", run)
    result = torchrun(*command)
    assert result.returncode == 0, result.stderr
    assert json.loads((run / "report.json").read_text())["processes"] == 2
    assert json.loads((tmp_path / "run-teacher" / "report.json").read_text())["processes"] == 2
    tuned = tmp_path / "tuned"
    command = ("-m", "disdepth_cli", "acclimate", "-t", tiny_teacher, *common, "--train-teacher", "full", "-o", tuned)
    result = torchrun(*command, "--attention-steps", 3)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    again = torchrun("-m", "disdepth_cli", "acclimate", "--resume", "-o", tuned)
    assert again.returncode == 0 and "going on after step 6 of 6" in again.stderr, again.stderr


@pytest.mark.slow
def test_sweep_and_control_with_two_processes(torchrun, rooms, acclimated, tmp_path):
    """Every arm in all processes, every file by the main one; resumed, nothing is trained again."""
    common = ("--data", rooms, "--input-size", "64x96", "--batch-size", 2, "--workers", 0, "--device", "cpu")
    common = (*common, "--offline", "--max-steps", 3, "--no-pretrained", "-o", tmp_path / "run")
    command = ("-m", "disdepth_cli", "distill", "-t", acclimated, *common, "--control", "--sweep", "--sweep-steps", 1)
    result = torchrun(*command)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["processes"] == 2 and len(report["sweep"]["settings"]) == 6
    assert {one["images"] for one in report["gain"].values()} == {3}  # both processes' images
    again = torchrun("-m", "disdepth_cli", "distill", "--resume", "-o", tmp_path / "run")
    assert again.returncode == 0 and "run-control: is finished" in again.stderr, again.stderr
    assert json.loads((tmp_path / "run" / "report.json").read_text()) == report


@pytest.mark.slow
def test_two_processes_share_what_a_teacher_said(torchrun, rooms, acclimated, tmp_path):
    command = ["-m", "disdepth_cli", "distill", "-t", acclimated, "--no-pretrained", "--data", rooms, "--device", "cpu"]
    command += ["--input-size", "64x96", "--batch-size", 2, "--workers", 0, "--offline", "--max-steps", 9]
    command += ["--views", 1, "--teacher-cache", tmp_path / "cache", "--feature-projection", "dropped"]
    command += ["--init-backbone", "random"]  # that and the projection look at batches of their own
    for name, replayed in (("first", 19), ("second", 36)):  # 17 images, each with one view
        result = torchrun(*command, "-o", tmp_path / name)
        assert result.returncode == 0, result.stderr
        counts = json.loads((tmp_path / name / "report.json").read_text())["teacher_cache"]
        assert counts["views"] == 36
        # Where an epoch ends within a step, both may meet an image at once, and then both look at it.
        assert replayed - 2 <= counts["replayed"] <= replayed
        assert result.stderr.count("views replayed") == 1
    assert counts["replayed"] == 36
    one, other = (tmp_path / name / "student.safetensors" for name in ("first", "second"))
    assert one.read_bytes() == other.read_bytes()
