"""distill with `control`: what distillation has gained over the same training without a teacher."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest
import yaml

from disdepth_cli import distill
from disdepth_cli.errors import ConfigError, Interrupted

HEADLINES = {"abs_rel", "rmse", "delta1"}


@pytest.fixture(scope="module")
def options(rooms, acclimated, tiny):
    return {"data": rooms, "teacher": str(acclimated), "max_steps": 6, "save_every": 0, **tiny}


@pytest.fixture(scope="module")
def whole(options, tmp_path_factory):
    """A run with its control, and what it returned."""
    run = tmp_path_factory.mktemp("whole") / "run"
    return run, distill(output=run, control=True, **options)


def student(run):
    return (run / "student.safetensors").read_bytes()


def report_of(run):
    return json.loads((run / "report.json").read_text())


def stop_in_arm(watcher, step, arm):
    """Let a signal come in the step before this one of the n-th run that is begun: it is heeded a step later."""
    begun = []
    watcher.on_start = lambda *_: begun.append(1)
    whole_step = watcher.on_step

    def on_step(progress):
        whole_step(progress)
        if len(begun) == arm and progress.step == step - 1:
            os.kill(os.getpid(), signal.SIGINT)

    watcher.on_step = on_step


def test_both_arms_are_those_that_one_would_train_alone(whole, options, rooms, tiny, tmp_path):
    run, _ = whole
    distill(output=tmp_path / "distilled", **options)
    without = {name: value for name, value in options.items() if name != "teacher"}
    distill(output=tmp_path / "control", distill=False, **without)
    assert student(run) == student(tmp_path / "distilled")
    assert student(run.with_name("run-control")) == student(tmp_path / "control")
    assert student(run) != student(tmp_path / "control")


def test_the_report_has_the_control_and_the_gain_of_the_shipped_files(whole):
    run, returned = whole
    report, control = report_of(run), report_of(run.with_name("run-control"))
    assert returned.as_dict() == {"run": str(run), **report}
    assert report["control"]["run"] == str(run.with_name("run-control")) and report["control"]["steps"] == 6
    assert control["distilled"] is False and report["distilled"] is True
    assert set(report["gain"]) == HEADLINES
    for metric, gain in report["gain"].items():
        assert gain["student"] == pytest.approx(report["best"][metric], rel=1e-6)
        assert gain["control"] == pytest.approx(control["best"][metric], rel=1e-6)
        assert gain["control"] == pytest.approx(report["control"]["metrics"][metric], rel=1e-6)
        assert gain["difference"] == pytest.approx(gain["student"] - gain["control"])
        low, high = gain["interval"]
        assert low <= gain["difference"] <= high and gain["images"] == 3


@pytest.mark.slow
def test_it_goes_on_in_the_control_and_leaves_the_finished_student_alone(
    whole, options, watcher, new_watcher, tmp_path
):
    run = tmp_path / "run"
    stop_in_arm(watcher, 3, arm=2)
    with pytest.raises(Interrupted, match=f"stopped at step 3 of {run}-control; go on with --resume -o {run}$"):
        distill(output=run, control=True, observers=[watcher], **options)
    assert "gain" not in report_of(run)
    again = new_watcher()
    distill(output=run, control=True, resume=True, observers=[again], **options)
    assert len(again.parts) == 3  # the control's last three; none of the student's
    assert report_of(run)["gain"] == report_of(whole[0])["gain"]
    assert student(run.with_name("run-control")) == student(whole[0].with_name("run-control"))


@pytest.mark.slow
def test_it_goes_on_in_the_student(whole, options, watcher, new_watcher, tmp_path):
    run = tmp_path / "run"
    stop_in_arm(watcher, 3, arm=1)
    with pytest.raises(Interrupted, match=f"stopped at step 3; go on with --resume -o {run}$"):
        distill(output=run, control=True, observers=[watcher], **options)
    again = new_watcher()
    distill(output=run, control=True, resume=True, observers=[again], **options)
    assert len(again.parts) == 3 + 6 and report_of(run)["gain"] == report_of(whole[0])["gain"]


def test_a_finished_run_gets_its_control_afterwards_and_a_finished_control_is_kept(
    whole, options, watcher, new_watcher, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    report = report_of(run)
    (run / "report.json").write_text(json.dumps({k: v for k, v in report.items() if k not in ("gain", "control")}))
    distill(output=run, control=True, resume=True, observers=[watcher], **options)
    assert len(watcher.parts) == 6 and report_of(run)["gain"] == report["gain"]  # the control's steps alone
    again = new_watcher()
    distill(output=run, control=True, resume=True, observers=[again], **options)
    assert again.parts == [] and any("run-control: is finished" in note for note in again.notes)
    assert report_of(run)["gain"] == report["gain"]
    for damaged in (run, run.with_name("run-control")):  # they are made again, without a step
        (damaged / "report.json").write_text('{"run": ')
    distill(output=run, control=True, resume=True, observers=[again], **options)
    assert again.parts == [] and report_of(run)["gain"] == report["gain"]


def test_a_control_of_other_options_is_refused_before_any_training(whole, options, watcher, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole[0].with_name("run-control"), tmp_path / "run-control")
    with pytest.raises(ConfigError, match=f"--lr: the run in {run}-control .* remove {run}-control, or name another"):
        distill(output=run, control=True, observers=[watcher], **{**options, "lr": 0.01})
    shutil.rmtree(tmp_path / "run-control")
    (tmp_path / "run-control").mkdir()
    (tmp_path / "run-control" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="already holds something; remove it, or name another -o"):
        distill(output=run, control=True, observers=[watcher], **options)
    assert watcher.parts == []


def test_a_control_of_changed_data_is_no_control(whole, options, rooms, tmp_path):
    """Its range is the data's: two networks of different range are not compared."""
    for name in ("run", "run-control"):
        shutil.copytree(whole[0].with_name(name), tmp_path / name)
    shutil.rmtree(tmp_path / "run-control")
    other = yaml.safe_load(rooms.read_text()) | {"path": str(rooms.parent), "max_depth": 8.0}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(other))
    config = tmp_path / "run" / "config.yaml"
    text = config.read_text().replace(str(rooms), str(tmp_path / "data.yaml"))
    config.write_text(text.replace("min_depth: 0.001", "min_depth: null").replace("max_depth: 10.0", "max_depth: null"))
    options = {**options, "data": tmp_path / "data.yaml", "output": tmp_path / "run", "control": True, "resume": True}
    with pytest.raises(
        ConfigError, match=r"0.001 to 10 m, now it is .* 0.001 to 8 m; give the data that the run began"
    ):
        distill(**options)
    (tmp_path / "run" / "last" / "entries.json").unlink()  # as in a run of an earlier version
    with pytest.raises(ConfigError, match=r"run-control: was made for max depth 8.0, the student for 10"):
        distill(**options)


@pytest.mark.parametrize("flag", ["control", "sweep"])
def test_where_there_is_no_control_to_be_had(flag, options, photos, tiny, watcher, tmp_path):
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match=f"--{flag}: contradicts --no-distill"):
        distill(output=run, distill=False, observers=[watcher], **{flag: True}, **options)
    with pytest.raises(ConfigError, match=f"--{flag}: the training images of {photos} have no depth"):
        distill(output=run, observers=[watcher], **{flag: True}, **{**options, "data": photos})
    assert watcher.parts == [] and not run.exists()


def test_val_images_without_depth_have_no_gain(options, rooms, watcher, tmp_path):
    listed = (rooms.parent / "val.txt").read_text().splitlines()
    (tmp_path / "val.txt").write_text("\n".join(line.split()[0] for line in listed))
    values = yaml.safe_load(rooms.read_text()) | {"path": str(rooms.parent), "val": str(tmp_path / "val.txt")}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match="--control: the val images of .* have no depth"):
        distill(output=tmp_path / "run", control=True, **{**options, "data": tmp_path / "data.yaml"})


@pytest.mark.slow
def test_beside_unlabelled_images_the_control_takes_as_many_steps_on_labelled_ones(
    mixed, tiny_teacher, options, watcher, tmp_path
):
    run = tmp_path / "run"
    report = distill(
        output=run, control=True, observers=[watcher], **{**options, "data": mixed, "teacher": str(tiny_teacher)}
    )
    assert (report["steps"], report["control"]["steps"]) == (6, 6) and set(report["gain"]) == HEADLINES
    assert report_of(tmp_path / "run-control")["images"] == {"labelled": 6, "unlabelled": 0}
    assert any("as many steps, all of them on the labelled images" in note for note in watcher.notes)
    assert (tmp_path / "run-teacher").is_dir() and not (tmp_path / "run-control-teacher").exists()


@pytest.mark.slow
def test_a_student_that_is_worse_beyond_the_interval_is_warned_of(options, rooms, watcher, tmp_path):
    """A random teacher that is believed more than the ground truth, and enough val images to tell."""
    values = yaml.safe_load(rooms.read_text()) | {"path": str(rooms.parent), "val": "train.txt"}
    (tmp_path / "data.yaml").write_text(yaml.safe_dump(values))
    believed = {**options, "data": tmp_path / "data.yaml", "output_weight": 1000.0, "init_decoder": "random"}
    report = distill(output=tmp_path / "run", control=True, observers=[watcher], **{**believed, "max_steps": 12})
    assert report["gain"]["rmse"]["verdict"] == "worse", report["gain"]
    (warning,) = [line for line in watcher.warnings if "worse than its control" in line]
    assert "rmse" in warning and "--sweep" in warning and "--teacher" in warning and "--no-distill" in warning
