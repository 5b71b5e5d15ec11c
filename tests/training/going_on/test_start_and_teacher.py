"""A student that starts from another one, and what it inherits from that and from its acclimated teacher."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from disdepth_cli import distill
from disdepth_cli.checkpoint.locate import BUNDLED
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.config import DistillConfig
from disdepth_cli.errors import CheckpointError, ConfigError
from disdepth_cli.models.student import load_student
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.training.distillation.inherited import settle_student

FREE = {"batch_size": 4, "workers": 0, "device": "cpu", "pretrained": False, "offline": True, "max_steps": 1}


@pytest.fixture(scope="session")
def small(rooms: Path, acclimated: Path, tmp_path_factory, new_watcher) -> tuple[Path, Any]:
    """A run of one step with the acclimated teacher; the size and range are left to the teacher."""
    run, watcher = tmp_path_factory.mktemp("runs") / "small", new_watcher()
    distill(rooms, teacher=acclimated, output=run, observers=[watcher], **FREE)
    return run, watcher


def test_size_and_range_are_those_of_the_acclimated_run(small, acclimated: Path) -> None:
    run, watcher = small
    made, made_for = read_metadata(run / "student.safetensors"), read_metadata(acclimated / "acclimated.safetensors")
    assert made.architecture() == made_for.architecture() and made.working_size["height"] == 64
    told = [note for note in watcher.notes if note.startswith("student: ")]
    assert told == [f"student: mobilenetv2, 64x96, 0.001 to 10 m, as {acclimated} was acclimated for"]
    assert RunContents(run).config()["input_size"] == [64, 96]  # so a resumed run needs no teacher to know it


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_size": "96x128"}, "input size 64x96, but --input-size is 96x128; leave --input-size out"),
        ({"student": "resnet18"}, "student mobilenetv2, but --student is resnet18"),
        ({"max_depth": 80}, "max depth 10, but --max-depth is 80"),
        ({"bins": 16}, "bins 64, but --bins is 16"),
        ({"init": "bundled"}, "student mobilenetv2, but --student is"),
    ],
)
def test_a_contradiction_is_one_plain_line(options: dict[str, Any], words: str, acclimated: Path, watcher) -> None:
    with pytest.raises(ConfigError) as told:
        settle_student(DistillConfig(data="data.yaml", teacher=acclimated, **options), watcher)
    assert words in str(told.value) and "{" not in str(told.value) and "\n" not in str(told.value)


def test_the_same_values_may_be_given(acclimated: Path, watcher) -> None:
    config = DistillConfig(data="data.yaml", teacher=acclimated, student="mobilenetv2_100", input_size="64x96")
    assert settle_student(config, watcher).student.input_size == (64, 96)


def test_init_without_a_teacher_fine_tunes_on_labels(small, rooms: Path, tmp_path: Path, watcher) -> None:
    """Its network and size are the student's, its weights too: with a rate of nearly nothing it stays what it was."""
    start, run = small[0], tmp_path / "run"
    report = distill(rooms, init=start, output=run, lr=1e-12, observers=[watcher], **FREE)
    before, after = load_student(start), load_student(run)
    assert not report.distilled and after.architecture == before.architecture
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    depth, other = (model(image).depth for model in (before, after))
    assert (depth - other).abs().max() < 0.05 * depth.mean()  # running statistics of the norms move
    assert "no --teacher: the student is fine-tuned on ground truth alone" in watcher.notes
    header = read_metadata(run / "student.safetensors")
    assert header.recipe["init"] == "small" and header.teacher is not None  # its licence holds on


def test_init_with_a_teacher(small, rooms: Path, acclimated: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    report = distill(rooms, init=small[0], teacher=acclimated, output=run, **FREE)
    assert report.distilled and json.loads((run / "report.json").read_text())["teacher"]["id"] == "tiny-metric"
    assert read_metadata(run / "student.safetensors").more_teachers == ()  # the same teacher is named once


def test_the_bundled_student_gives_its_network_and_the_data_the_range(watcher) -> None:
    config = settle_student(DistillConfig(data="data.yaml", init="bundled", max_depth=80), watcher)
    bundled = read_metadata(BUNDLED)
    size = bundled.architecture().working_size
    assert config.student.input_size == (size.height, size.width) and config.data.max_depth == 80
    assert settle_student(DistillConfig(data="d", init="bundled", input_size="64x96"), watcher).student.input_size == (
        64,
        96,
    )
    with pytest.raises(ConfigError, match="--init bundled: is of student .*, but --student is resnet18"):
        settle_student(DistillConfig(data="d", init="bundled", student="resnet18"), watcher)


def test_init_with_what_is_no_student(acclimated: Path, watcher) -> None:
    with pytest.raises(CheckpointError, match="holds an acclimated teacher; give a student"):
        settle_student(DistillConfig(data="d", init=acclimated / "acclimated.safetensors"), watcher)


def test_a_resumed_run_keeps_what_it_inherited(small, rooms: Path, acclimated: Path) -> None:
    """From Python, with the options that it was begun with and no others."""
    report = distill(rooms, teacher=acclimated, output=small[0], resume=True, **FREE)
    assert report.steps == 1 and load_student(small[0]).architecture.working_size.height == 64
