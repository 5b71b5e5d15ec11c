"""Experiment trackers: TensorBoard gets what the loop tells, and one that fails or is missing says so."""

from __future__ import annotations

import csv
import importlib.util

import pytest
from accelerate.tracking import TensorBoardTracker
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from disdepth_cli import distill
from disdepth_cli.errors import MissingError


def test_tensorboard_has_the_figures_of_metrics_csv(rooms, tiny, tmp_path):
    distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=3, **tiny)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    rows = csv.DictReader((tmp_path / "run" / "metrics.csv").read_text().splitlines())
    (val,) = [row for row in rows if row["split"] == "val"]
    assert [one.step for one in events.Scalars("train/loss")] == [1, 2, 3]
    (rmse,) = events.Scalars("val/rmse")
    assert rmse.step == 3 and rmse.value == pytest.approx(float(val["rmse"]), rel=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="W&B is installed")
def test_a_tracker_that_is_not_installed_is_named_before_the_first_step(rooms, tiny, tmp_path):
    with pytest.raises(MissingError, match="--track wandb: needs wandb, which is not installed; pip install wandb"):
        distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=2, track="wandb", **tiny)


def test_a_tracker_that_fails_ends_no_run(rooms, tiny, tmp_path, watcher, monkeypatch):
    def full(self, values, step):
        raise OSError("no space left")

    monkeypatch.setattr(TensorBoardTracker, "log", full)
    report = distill(data=rooms, distill=False, output=tmp_path / "run", max_steps=2, observers=[watcher], **tiny)
    assert report["steps"] == 2
    assert [line for line in watcher.warnings if "--track" in line] == [
        "--track tensorboard: fails, the run goes on without it (no space left)"
    ]
