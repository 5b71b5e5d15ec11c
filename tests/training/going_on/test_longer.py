"""A finished run that is given more steps: a new schedule from its weights, and nothing else is lost."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from disdepth_cli import distill
from disdepth_cli.errors import ConfigError, Interrupted
from disdepth_cli.training.loop.loop import TrainingLoop

PLAIN = {"batch_size": 4, "workers": 0, "device": "cpu", "pretrained": False, "offline": True, "input_size": "64x96"}


@pytest.fixture(scope="session")
def finished(rooms: Path, tmp_path_factory) -> Path:
    """A control of three steps."""
    run = tmp_path_factory.mktemp("longer") / "run"
    distill(rooms, distill=False, max_steps=3, output=run, **PLAIN)
    return run


def longer(run: Path, rooms: Path, steps: int, *observers: Any) -> Any:
    return distill(rooms, distill=False, max_steps=steps, output=run, resume=True, observers=list(observers), **PLAIN)


def rates(run: Path) -> list[float]:
    state = json.loads((run / "last" / "state.json").read_text())
    return [float(rate) for rate in state["rates"]]


def test_more_steps_have_a_new_schedule_and_survive_an_interruption(finished, rooms, tmp_path, watcher, monkeypatch):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    ended, best = rates(run), json.loads((run / "report.json").read_text())["best"]["rmse"]
    take = TrainingLoop.take_step

    def stopped(loop: TrainingLoop, batches: Any) -> bool:
        taken = take(loop, batches)
        loop.stopping = loop.done == 5
        return taken

    monkeypatch.setattr(TrainingLoop, "take_step", stopped)
    with pytest.raises(Interrupted, match="stopped at step 5"):
        longer(run, rooms, 9, watcher)
    assert not (run / "report.json").exists()  # it is unfinished now
    assert f"{run}: was finished after 3 steps; 6 more follow, with a new schedule from its weights" in watcher.notes
    assert max(rates(run)) > 50 * max(ended)  # the first schedule had come to its end, the second is near its peak
    monkeypatch.setattr(TrainingLoop, "take_step", take)
    report = longer(run, rooms, 9)
    assert report.steps == 9 and report.best["rmse"] <= best and max(rates(run)) < 1e-5
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows if row["split"] == "val"][-1] == 9 and int(rows[0]["step"]) == 3
    whole = Path(shutil.copytree(finished, tmp_path / "whole"))
    longer(whole, rooms, 9)  # without the interruption, to the byte
    assert (whole / "student.safetensors").read_bytes() == (run / "student.safetensors").read_bytes()


def test_what_cannot_be_longer_is_one_line(finished, rooms, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    with pytest.raises(ConfigError, match="--max-steps: the run in .* was started with 3, not 2"):
        longer(run, rooms, 2)
    with pytest.raises(ConfigError, match="--epochs 20: the run in .* counts in steps; give --max-steps"):
        distill(rooms, distill=False, max_steps=3, epochs=20, output=run, resume=True, **PLAIN)
    (run / "report.json").unlink()
    with pytest.raises(ConfigError, match="--max-steps 9: the run in .* is not finished; first let it end: disdepth"):
        longer(run, rooms, 9)


def test_what_is_refused_leaves_the_run_finished(finished, rooms, tmp_path):
    run, other = Path(shutil.copytree(finished, tmp_path / "run")), tmp_path / "fewer"
    shutil.copytree(rooms.parent, other)
    listed = (other / "train.txt").read_text().splitlines(keepends=True)
    (other / "train.txt").write_text("".join(listed[1:]))
    with pytest.raises(ConfigError, match="began with .* training images, now there are"):
        longer(run, other / "data.yaml", 5)
    assert (run / "report.json").is_file()
    config = run / "config.yaml"
    config.write_text(config.read_text().replace("control: false", "control: true"))
    with pytest.raises(ConfigError, match="--max-steps 5: a run with --control cannot be made longer"):
        longer(run, rooms, 5)
    assert (run / "report.json").is_file()
