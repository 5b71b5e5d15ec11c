"""A run that is resumed after its data has moved or changed, or its log was damaged."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def begun(cli, rooms, short, tmp_path):
    """`begun(data)`: a control run of 2 steps on those data."""

    def run(data: Path) -> Path:
        place = tmp_path / "run"
        outcome = cli("distill", "--no-distill", "--data", data, "-o", place, *short)
        assert outcome.code == 0, outcome.err
        return place

    return run


@pytest.mark.slow
def test_data_may_move_but_not_change(cli, refused, begun, own_rooms, tmp_path):
    run = begun(own_rooms)
    assert json.loads((run / "last/entries.json").read_text())["train"]["images"] == 17
    moved = Path(shutil.move(own_rooms.parent, tmp_path / "elsewhere")) / "data.yaml"
    refused(1, ("does not exist",), "distill", "--resume", "-o", run)
    outcome = cli("distill", "--resume", "-o", run, "--data", moved)
    assert outcome.code == 0 and "going on after step 2 of 2" in outcome.err, outcome.err
    assert cli("distill", "--resume", "-o", run).code == 0  # where it lies now is remembered

    rows = (moved.parent / "train.txt").read_text().splitlines()
    (moved.parent / "train.txt").write_text("\n".join(rows[:-2]))
    words = (run, "began with 17 training images, now there are 15", "--data PLACE")
    refused(2, words, "distill", "--resume", "-o", run)
    (moved.parent / "train.txt").write_text("\n".join(rows[::-1]))
    refused(2, ("not the same ones in the same order",), "distill", "--resume", "-o", run)


def test_a_scale_that_changed_in_place_is_seen(refused, begun, own_rooms):
    run = begun(own_rooms)
    own_rooms.write_text(own_rooms.read_text().replace("depth_scale: 1000", "depth_scale: 900"))
    refused(2, ("began with depth [m] = stored / 1000", "now it is stored / 900"), "distill", "--resume", "-o", run)


@pytest.mark.parametrize("content", [bytes(200), b"step,epoch,split\nx,1,train\n", None])
def test_a_log_is_never_needed_to_go_on(cli, begun, own_rooms, content):
    run = begun(own_rooms)
    (run / "metrics.csv").unlink()
    if content is not None:
        (run / "metrics.csv").write_bytes(content)
    (run / "report.json").unlink()
    outcome = cli("distill", "--resume", "-o", run)
    assert outcome.code == 0, outcome.err
    assert "a new one begins" in outcome.err and (run / "report.json").is_file()
    assert (run / "metrics.damaged.csv").is_file() == (content is not None)
