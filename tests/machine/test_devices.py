"""Devices, precisions and what of a machine is used, with the machine's answers put in its mouth."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from disdepth_cli.config import DistillConfig
from disdepth_cli.config.build import build_config
from disdepth_cli.errors import ConfigError
from disdepth_cli.machine import devices, resources
from disdepth_cli.machine.devices import (
    channels_last,
    exact,
    pick_device,
    score_precision,
    set_device,
    student_precision,
    teacher_precision,
    unused_gpu,
)
from disdepth_cli.machine.resources import processor_share, worker_count
from disdepth_cli.types import StoredBatch, image_layout

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`gpus(*majors)`: the machine has GPUs of these compute capabilities; returns the numbers made current."""
    current: list[int] = [0]

    def have(*majors: int) -> list[int]:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(majors))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(majors))
        monkeypatch.setattr(torch.cuda, "current_device", lambda: current[-1])
        monkeypatch.setattr(torch.cuda, "set_device", lambda device: current.append(torch.device(device).index or 0))
        monkeypatch.setattr(torch.version, "cuda", "12.4")
        properties = [SimpleNamespace(major=major, name=f"GPU {major}.x", total_memory=16 << 30) for major in majors]
        monkeypatch.setattr(
            torch.cuda, "get_device_properties", lambda device=0: properties[torch.device("cuda", device).index or 0]
            if isinstance(device, int) else properties[device.index or 0]
        )  # fmt: skip
        # What a GPU of capability 7 answers when it is only asked whether a bf16 tensor can be made.
        monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True, raising=False)
        return current

    return have


@pytest.mark.parametrize(("major", "expected"), [(7, "fp16"), (8, "bf16"), (9, "bf16")])
def test_emulated_bf16_is_not_taken(major: int, expected: str, gpus: Any) -> None:
    gpus(major)
    assert torch.cuda.is_bf16_supported()  # emulation included, which is why this is not what is asked
    assert student_precision("auto", CUDA) == teacher_precision("auto", CUDA) == expected
    assert student_precision("bf16", CUDA) == "bf16"  # who asks for it gets it


def test_the_device_is_set_before_it_is_asked(gpus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    current = gpus(7, 9)
    device = set_device("cuda:1")
    assert (device, current[-1]) == (torch.device("cuda:1"), 1)
    assert student_precision("auto", device) == "bf16"
    for name, value in (("RANK", "1"), ("LOCAL_RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    current.append(0)
    assert set_device("auto") == torch.device("cuda:1") and current[-1] == 1


def test_more_processes_than_gpus_are_refused(gpus: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(9, 9)
    monkeypatch.setenv("WORLD_SIZE", "6")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(ConfigError, match="3 processes were launched on this machine, which has 2 GPUs.*-node 2"):
        set_device("auto")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")  # three machines of two
    assert set_device("auto").type == "cuda"


def test_a_driver_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def too_old() -> bool:
        warnings.warn("CUDA initialization: The NVIDIA driver on your system is too old.", stacklevel=1)
        return False

    monkeypatch.setattr(devices, "NVIDIA_DRIVER", tmp_path / "none")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert unused_gpu() is None
    monkeypatch.setattr(torch.cuda, "is_available", too_old)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    assert pick_device("auto").type in ("cpu", "mps")
    assert "the NVIDIA driver on your system is too old" in (unused_gpu() or "").replace("The", "the")
    with pytest.raises(ConfigError, match="no such device here .a GPU is here, but PyTorch cannot use it"):
        pick_device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (tmp_path / "version").touch()
    monkeypatch.setattr(devices, "NVIDIA_DRIVER", tmp_path / "version")
    monkeypatch.setattr(torch.version, "cuda", None)
    monkeypatch.setattr(torch.version, "hip", None)
    assert "built without CUDA" in (unused_gpu() or "")


def test_scores_are_float32_without_tf32() -> None:
    assert score_precision("auto", CUDA) == "fp32"
    places = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [place.allow_tf32 for place in places]
    with exact(CUDA, "fp32"):
        assert [place.allow_tf32 for place in places] == [False, False]
    assert [place.allow_tf32 for place in places] == before


def test_evaluate_says_its_precision_and_device(acclimated: Path, rooms: Path, tmp_path: Path) -> None:
    from disdepth_cli import evaluate

    result = evaluate(model=str(acclimated), data=rooms, device="cpu", workers=0, baselines=False)
    assert result["precision"] == "fp32" and result["device"].startswith("cpu (")


@pytest.mark.parametrize("kind", ["cpu", "cuda", "mps"])
def test_images_and_convolutions_have_the_layout_of_their_device(kind: str) -> None:
    expected = torch.contiguous_format if kind == "mps" else torch.channels_last
    assert image_layout(torch.device(kind)) == expected


def test_layout_of_a_module_and_a_batch_follow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.zeros(2, 32, 32, 3, dtype=torch.uint8)
    colours, depth = torch.zeros(2, 3, 256), torch.zeros(2, 32, 32, dtype=torch.float16)
    batch = StoredBatch(pixels, colours, depth, ["a", "b"], [True, True])
    for layout in (torch.channels_last, torch.contiguous_format):
        for module in ("disdepth_cli.types", "disdepth_cli.machine.devices"):
            monkeypatch.setattr(f"{module}.image_layout", lambda device, layout=layout: layout)
        assert batch.to(CPU).image.is_contiguous(memory_format=layout)
        assert channels_last(nn.Conv2d(4, 4, 3)).weight.is_contiguous(memory_format=layout)


def test_workers_follow_the_cores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(resources, "CPU_QUOTA", quota)
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    assert processor_share() == 16 and worker_count(None, CUDA) == 15
    assert worker_count(None, CPU) == 2 and worker_count(0, CUDA) == 0
    quota.write_text("550000 100000\n")  # a container of five and a half cores
    assert processor_share() == 6 and worker_count(None, CUDA) == 5
    quota.write_text("max 100000\n")
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert worker_count(None, CUDA) == 3
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert worker_count(None, CUDA) == worker_count(None, CPU) == 1


def test_workers_are_a_number_or_auto() -> None:
    assert build_config(DistillConfig, {"data": "x"}).machine.workers is None
    assert build_config(DistillConfig, {"data": "x", "workers": "auto"}).machine.workers is None
    assert build_config(DistillConfig, {"data": "x", "workers": "3"}).machine.workers == 3
    for wrong in ("many", "-1"):
        with pytest.raises(ConfigError, match="--workers"):
            build_config(DistillConfig, {"data": "x", "workers": wrong})
