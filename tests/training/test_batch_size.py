"""`--batch-size auto`: found by real training steps, kept as a number, and without any other effect on the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from disdepth_cli import acclimate, distill
from disdepth_cli.errors import TrainingError
from disdepth_cli.machine import memory as device_memory
from disdepth_cli.machine import resources
from disdepth_cli.machine.memory import DeviceMemory
from disdepth_cli.training import batch_size
from disdepth_cli.training.batch_size import largest_that_fits

MB = 4 * 2**20  # so much more than what a process may give back meanwhile
CPU = torch.device("cpu")


def batch_of(run: Path) -> object:
    return yaml.safe_load((run / "config.yaml").read_text())["batch_size"]


def take(size: int) -> None:
    """160 MB an image, more than an allocator keeps for itself."""
    torch.ones(size * 10 * MB).sum()


@pytest.mark.parametrize(
    ("free", "size"), [(200 * MB, 4), (125 * MB, 2), pytest.param(None, 8, marks=pytest.mark.slow)]
)
def test_a_step_that_would_take_more_than_is_free_is_not_tried(
    free: int | None, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its memory is measured: of 0.9 x 200, 4 images take 160 (of 4 MiB)."""
    monkeypatch.setattr(device_memory, "free_memory", lambda: free)
    tried: list[int] = []

    def step(images: int) -> None:
        tried.append(images)
        take(images)

    assert largest_that_fits(step, DeviceMemory(CPU), 1000).size == size
    assert max(tried) == size


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it uses includes files that are kept for the next reader: they are free."""
    for name, text in {"max": "1000\n", "current": "900\n", "stat": "anon 800\ninactive_file 50\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    monkeypatch.setattr(resources, "CONTAINER", tmp_path)
    assert resources.free_memory() == 150
    (tmp_path / "memory.max").write_text("max\n")
    assert (resources.free_memory() or 0) > MB


def test_no_room_for_one_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_memory, "free_memory", lambda: 20 * MB)
    with pytest.raises(TrainingError, match="cpu .* has no memory for one image; take a smaller --input-size"):
        largest_that_fits(take, DeviceMemory(CPU), 1000)


def test_another_error_is_no_lack_of_memory() -> None:
    def step(images: int) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        largest_that_fits(step, DeviceMemory(CPU), 8)


@pytest.mark.parametrize(("size", "why"), [("0", "at least 1, or auto"), ("-3", "at least 1"), ("many", "integer")])
def test_what_is_no_batch_size(size: str, why: str, refused: Any) -> None:
    refused(2, ("--batch-size", why, size), "distill", "--data", ".", "--batch-size", size)


@pytest.mark.slow
def test_the_run_is_that_of_the_number(
    rooms: Path, tiny: dict[str, Any], tmp_path: Path, new_watcher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the byte; and resume keeps the number, whatever would fit by then."""
    monkeypatch.setattr(batch_size, "MOST_ON_CPU", 2)
    options = {**tiny, "data": rooms, "distill": False, "max_steps": 2}
    first, again = new_watcher(), new_watcher()
    distill(output=tmp_path / "auto", **{**options, "batch_size": "auto"}, observers=[first])
    distill(output=tmp_path / "two", **{**options, "batch_size": 2})
    assert batch_of(tmp_path / "auto") == 2
    assert "batch size: 2, more images a step are no faster here" in first.notes
    files = [(tmp_path / name / "student.safetensors").read_bytes() for name in ("auto", "two")]
    assert files[0] == files[1]
    monkeypatch.setattr(batch_size, "MOST_ON_CPU", 4)
    distill(output=tmp_path / "auto", resume=True, **{**options, "batch_size": "auto"}, observers=[again])
    assert "batch size: 2, as this run began" in again.notes and batch_of(tmp_path / "auto") == 2


@pytest.mark.slow
def test_the_acclimation_on_the_way_and_the_control_have_the_number(
    rooms: Path, tiny_teacher: Path, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "MOST_ON_CPU", 2)
    options = {**tiny, "batch_size": "auto", "max_steps": 1, "control": True}
    distill(teacher=str(tiny_teacher), data=rooms, output=tmp_path / "run", **options)
    assert [batch_of(tmp_path / name) for name in ("run", "run-teacher", "run-control")] == [2, 2, 2]


@pytest.mark.slow
def test_an_acclimation_that_trains_its_teacher(
    rooms: Path, tiny_teacher: Path, tiny: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_size, "MOST_ON_CPU", 2)
    options = {**tiny, "batch_size": "auto", "max_steps": 2, "train_teacher": "last-1"}
    acclimate(str(tiny_teacher), rooms, output=tmp_path / "run", **options)
    assert batch_of(tmp_path / "run") == 2


def test_the_plan_has_the_number(rooms: Path, tiny: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_size, "MOST_ON_CPU", 4)
    plan = distill(data=rooms, distill=False, dry_run=True, **{**tiny, "batch_size": "auto"})
    assert plan["plan"]["batch_size"] == 4
