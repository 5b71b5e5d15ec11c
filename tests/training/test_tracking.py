"""Experiment trackers: TensorBoard gets what the loop tells, and one that fails or is missing says so."""

from __future__ import annotations

import csv
import importlib.util
import sys

import pytest
from accelerate.tracking import TensorBoardTracker
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from disdepth_cli import acclimate, distill
from disdepth_cli.errors import ConfigError, MissingError


def test_tensorboard_has_the_figures_of_metrics_csv(rooms, tiny, tmp_path):
    distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=3, **tiny)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    rows = csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines())
    (val,) = [row for row in rows if row["split"] == "val"]
    assert [one.step for one in events.Scalars("train/loss")] == [1, 2, 3]
    (rmse,) = events.Scalars("val/rmse")
    assert rmse.step == 3 and rmse.value == pytest.approx(float(val["rmse"]), rel=1e-4)


def test_each_phase_of_an_acclimation_is_told_once(rooms, tiny_teacher, tiny, tmp_path):
    acclimate(teacher=str(tiny_teacher), data=rooms, output=tmp_path / "run", max_steps=3, attention_steps=2, **tiny)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert sorted(one.step for one in events.Scalars("train/lr")) == [1, 1, 2, 2, 3]


def test_a_tensorboard_that_is_broken_ends_no_run_that_did_not_ask_for_it(rooms, tiny, tmp_path, watcher, monkeypatch):
    for name in ("torch.utils.tensorboard", "tensorboardX"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delattr("torch.utils.tensorboard", raising=False)
    options = {"data": rooms, "distill": False, "max_steps": 2, **tiny}
    assert distill(output=tmp_path / "run", observers=[watcher], **options)["steps"] == 2
    assert len([line for line in watcher.warnings if "nothing goes to TensorBoard: tensorboard: cannot" in line]) == 1
    with pytest.raises(ConfigError, match="--track tensorboard: cannot be started"):
        distill(output=tmp_path / "asked", track="tensorboard", **options)


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="W&B is installed")
def test_a_tracker_that_is_not_installed_is_named_before_the_first_step(rooms, tiny, tmp_path):
    with pytest.raises(MissingError, match="--track wandb: needs wandb, which is not installed; pip install wandb"):
        distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=2, track="wandb", **tiny)


def test_a_tracker_that_fails_ends_no_run(rooms, tiny, tmp_path, watcher, monkeypatch):
    def full(self, values, step):
        raise OSError("no space left")

    closed, close = [], TensorBoardTracker.finish
    monkeypatch.setattr(TensorBoardTracker, "log", full)
    monkeypatch.setattr(TensorBoardTracker, "finish", lambda self: (closed.append(1), close(self)))
    report = distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=2, observers=[watcher], **tiny)
    assert report["steps"] == 2 and closed == [1]
    assert [line for line in watcher.warnings if "--track" in line] == [
        "--track tensorboard: fails, the run goes on without it (no space left)"
    ]
