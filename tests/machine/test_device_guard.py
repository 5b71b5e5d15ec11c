"""Whole commands on a device that is not there: nothing of the CPU meets what lies on it, and the host waits little.

The budget of a training step is two reads of the device, and copies that do not wait for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from disdepth_cli import acclimate, distill
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.runs.contents import RunContents
from disdepth_cli.training.loop.loop import TrainingLoop

READS, COPIES, STEPS = 2, 6, 4
TINY: dict[str, Any] = {
    "input_size": "64x96", "batch_size": 4, "workers": 0, "pretrained": False, "offline": True, "max_steps": STEPS,
    "save_every": 0, "epochs": 1, "validate_every": 1000,
}  # fmt: skip


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """What each training step waited for, and sent, since the one before; without the first of each run."""
    kept: list[tuple[list[str], list[str]]] = []
    whole = TrainingLoop.take_step

    def one_step(loop: TrainingLoop, batches: Any) -> bool:
        seen = SEEN[-1]
        seen.clear()
        taken = whole(loop, batches)
        if loop.done > 1:
            kept.append((list(seen.waits), list(seen.copies)))
        return taken

    monkeypatch.setattr(TrainingLoop, "take_step", one_step)
    return kept


SEEN: list[Any] = []


@pytest.fixture
def run(
    on_pretended_device: Any, not_on_mps: Any, steps: list[tuple[list[str], list[str]]], rooms: Path, tmp_path: Path
) -> Any:
    """`run(verb, **options)`: on the device, as one that has no float64, within the budget, by operators of MPS."""

    def start(verb: Any, **options: Any) -> dict[str, Any]:
        with on_pretended_device(float64=False) as seen:
            SEEN.append(seen)
            report = verb(output=tmp_path / "run", device="auto", **{"data": rooms, **TINY, **options})
            SEEN.pop()
        assert len(steps) >= STEPS - 1
        for waits, copies in steps:
            assert len(waits) <= READS, waits
            assert len(copies) <= COPIES, copies
            assert not [copy for copy in copies if copy.startswith("waiting")]
        assert sum(seen.operators.values()) > 1000
        assert not_on_mps(seen.operators) == set()
        return report

    return start


def test_the_table_of_operators_tells_them_apart(not_on_mps: Any) -> None:
    assert not_on_mps(["aten.convolution.default", "aten.add.Tensor", "aten.index_select.default"]) == set()
    assert not_on_mps(["aten.linalg_eig.default"]) == {"aten.linalg_eig.default"}


@pytest.mark.slow
def test_the_control(run: Any) -> None:
    assert run(distill, distill=False)["steps"] == STEPS


@pytest.mark.slow
def test_the_largest_batch_that_fits(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every size is tried on the device; what a step that ran out of memory has left does no harm."""
    whole, tried = DistillStep.forward, []

    def forward(step: DistillStep, batch: Any) -> Any:
        tried.append(len(batch))
        terms = whole(step, batch)
        if len(batch) > 4:
            raise torch.OutOfMemoryError("out of memory")
        return terms

    monkeypatch.setattr(DistillStep, "forward", forward)
    assert run(distill, distill=False, batch_size="auto")["steps"] == STEPS
    assert tried == [1, 2, 4, 8] + STEPS * [4]
    assert RunContents(tmp_path / "run").config()["batch_size"] == 4


@pytest.mark.slow
def test_acclimation_in_all_its_phases(run: Any, tiny_teacher: Path) -> None:
    report = run(acclimate, teacher=str(tiny_teacher), train_teacher="last-1", attention_steps=3)
    assert report["attention"]["steps"] == 3


@pytest.mark.slow
def test_distillation_with_unlabelled_images(run: Any, acclimated: Path, mixed: Path) -> None:
    """The student's start by least squares, adapters, painted frames, pseudo-labels and their doubts."""
    report = run(
        distill,
        teacher=str(acclimated),
        data=mixed,
        pseudo_confidence="flip",
        attention="learned",
        augment={"frame": 0.5},
    )
    assert report["images"]["unlabelled"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["all", "none"])
def test_a_relative_teacher(labels: str, run: Any, tiny_relative_teacher: Path, photos: Path, rooms: Path) -> None:
    """Acclimated on the way: aligned to ground truth, or, without any, a student of disparity."""
    options = {"attention": "fgd", "small_first": 0.5}
    run(distill, teacher=str(tiny_relative_teacher), data=rooms if labels == "all" else photos, **options)


@pytest.mark.slow
def test_an_encoder_as_teacher(run: Any, tmp_path: Path) -> None:
    import timm
    from safetensors.torch import save_file

    weights = tmp_path / "encoder.safetensors"
    save_file(timm.create_model("vit_tiny_patch16_224", pretrained=False).state_dict(), weights)
    options = {"teacher_weights": weights, "feature_target": "teacher", "attention": "uniform"}
    run(distill, teacher="timm:vit_tiny_patch16_224", **options)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:for .*copying from a non-meta parameter:UserWarning")  # not on this device
def test_resume(run: Any, acclimated: Path, rooms: Path, tmp_path: Path) -> None:
    run(distill, teacher=str(acclimated))
    state = (tmp_path / "run" / "student.safetensors").read_bytes()
    assert run(distill, teacher=str(acclimated), resume=True)["steps"] == STEPS
    assert (tmp_path / "run" / "student.safetensors").read_bytes() == state
