"""A teacher that adapts: which weights learn, that its own decoder keeps its accuracy, and that the file holds them."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from disdepth_cli import acclimate, distill, evaluate
from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.errors import ConfigError, DataError, TeacherError
from disdepth_cli.method.acclimate_steps import GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.teachers import load_teacher
from disdepth_cli.teachers.tuning import encoder_blocks, load_trained, trained_weights, unfreeze
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize


def learning(teacher):
    return {name for name, parameter in teacher.named_parameters() if parameter.requires_grad}


@pytest.mark.parametrize(
    ("name", "blocks"),
    [("vit_tiny_patch16_224", 12), ("swin_tiny_patch4_window7_224", 12), ("pvt_v2_b0", 8), ("hiera_tiny_224", 12)],
)
def test_blocks_of_encoders(name, blocks):
    teacher = load_teacher(f"timm:{name}", pretrained=False)
    assert len(encoder_blocks(teacher)) == blocks
    unfreeze(teacher, "last-1")
    last = encoder_blocks(teacher)[-1]
    assert {id(p) for p in teacher.parameters() if p.requires_grad} == {id(p) for p in last.parameters()}
    assert not any(module.training for module in teacher.train().modules())


def test_last_blocks_bring_the_decoder_and_full_brings_all(tiny_teacher):
    teacher = load_teacher(str(tiny_teacher), offline=True)
    unfreeze(teacher, "frozen")
    assert not learning(teacher) and teacher.frozen
    unfreeze(teacher, "last-2")
    names = learning(teacher)
    assert any(".head." in name for name in names) and any(".neck." in name for name in names)
    in_encoder = {name for name in names if ".backbone." in name}
    assert in_encoder and all(".2." in name or ".3." in name for name in in_encoder)
    assert set(trained_weights(teacher)) == names
    unfreeze(teacher, "full")
    assert len(learning(teacher)) == len(list(teacher.parameters()))
    with pytest.raises(TeacherError, match="has 4 encoder blocks"):
        unfreeze(teacher, "last-5")
    teacher.freeze()
    assert not learning(teacher)


def test_foreign_weights_are_refused(tiny_teacher):
    teacher = load_teacher(str(tiny_teacher), offline=True)
    with pytest.raises(TeacherError, match=r"no place for the trained weight network\.nowhere"):
        load_trained(teacher, {"network.nowhere": torch.zeros(1)})


@pytest.mark.parametrize("kind", ["metric", "relative"])
def test_its_own_decoder_is_in_the_loss(kind, tiny_teacher, tiny_relative_teacher):
    torch.manual_seed(0)
    teacher = load_teacher(str(tiny_teacher if kind == "metric" else tiny_relative_teacher), offline=True)
    unfreeze(teacher, "full")
    if kind == "relative":  # at random weights its last ReLU lets nothing through
        torch.nn.init.constant_(teacher.network.model.head.conv3.bias, 1.0)
    student = build_student(StudentArchitecture("mobilenetv2_100", 0.001, 10.0, WorkingSize(64, 96)))
    acclimation = Acclimation(teacher.contract.spec, student.decoder, 4)
    acclimation.attention.requires_grad_(False)
    step = GhostStep(acclimation, AcclimatedTeacher(teacher, acclimation), 10.0, own_weight=1.0)
    depth = torch.rand(2, 1, 64, 96) * 4 + 1
    batch = DepthBatch(torch.rand(2, 3, 64, 96), depth, depth > 1.5, ["a", "b"], torch.tensor([True, True]))
    optimizer = torch.optim.AdamW([p for p in step.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for _ in range(8):
        terms = step.train()(batch)
        terms.total.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(terms.parts["own"].item())
    assert set(terms.parts) == {"depth", "teacher", "own"}
    assert losses[-1] < losses[0]
    step(batch).parts["own"].backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in teacher.network.model.backbone.parameters())
    assert all(p.grad is None for p in acclimation.fam.parameters())  # the ghost's path is not in it


@pytest.fixture(scope="module")
def tuned(rooms, tiny_teacher, tiny, tmp_path_factory):
    run = tmp_path_factory.mktemp("tuned") / "teacher"
    options = {"teacher": str(tiny_teacher), "data": rooms, "max_steps": 8, "attention_steps": 2, **tiny}
    acclimate(output=run, train_teacher="last-2", teacher_lr=1e-3, **options)
    return run


def test_the_file_holds_the_changed_weights_and_the_report_both_accuracies(tuned, tiny_teacher, rooms):
    report = json.loads((tuned / "report.json").read_text())
    assert report["teacher"]["trained"] == "last-2"
    assert report["teacher_metrics"]["rmse"] != report["teacher_metrics_after"]["rmse"]
    stored = {n for n in load_file(tuned / "acclimated.safetensors") if n.startswith("teacher.")}
    original = load_teacher(str(tiny_teacher), offline=True)
    acclimated, metadata = load_acclimated(tuned, "fp32")
    unfreeze(original, "last-2")
    assert stored == {f"teacher.{name}" for name in learning(original)}
    changed = {n for n, p in acclimated.teacher.state_dict().items() if not torch.equal(p, original.state_dict()[n])}
    assert changed and changed <= learning(original)
    assert acclimated.teacher.frozen and metadata.teacher.trained == "last-2"
    ghost = evaluate(model=str(tuned), data=rooms, workers=0, precision="fp32")
    assert ghost["rmse"] == pytest.approx(report["ghost_metrics"]["rmse"], rel=0.02)


def test_a_student_learns_from_the_tuned_teacher(tuned, rooms, tiny, tmp_path):
    distill(teacher=str(tuned), data=rooms, output=tmp_path / "run", max_steps=2, **tiny)
    assert read_metadata(tmp_path / "run" / "student.safetensors").teacher.trained == "last-2"
    assert not any(name.startswith("teacher.") for name in load_file(tmp_path / "run" / "student.safetensors"))


def test_resume_is_exact_with_a_teacher_that_learns(tuned, rooms, tiny_teacher, tiny, tmp_path):
    from disdepth_cli.errors import Interrupted
    from disdepth_cli.training.loop import loop as fit

    options = {"teacher": str(tiny_teacher), "data": rooms, "max_steps": 8, "attention_steps": 2, **tiny}
    options |= {"train_teacher": "last-2", "teacher_lr": 1e-3, "output": tmp_path / "run"}
    whole = fit.StopSignal

    class StopsAfterThree(whole):
        """Asks for a stop after the third step."""

        def __init__(self) -> None:
            super().__init__()
            self.asked = 0

        @property
        def requested(self) -> bool:
            self.asked += 1
            return self.asked > 3

        @requested.setter
        def requested(self, value: bool) -> None:
            pass

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(fit, "StopSignal", StopsAfterThree)
        acclimate(**options)
    assert json.loads((tmp_path / "run" / "last" / "state.json").read_text())["done"] < 8
    acclimate(resume=True, **options)
    name = "acclimated.safetensors"
    assert (tmp_path / "run" / name).read_bytes() == (tuned / name).read_bytes()


def test_what_cannot_be_tuned_is_refused(photos, tiny_teacher, rooms, tiny, tmp_path):
    with pytest.raises(DataError, match="--train-teacher learns from ground truth"):
        acclimate(teacher=str(tiny_teacher), data=photos, output=tmp_path / "a", train_teacher="full", **tiny)
    for wrong in ("last-0", "last-x", "some"):
        with pytest.raises(ConfigError, match="--train-teacher: .* is not frozen, full or last-N"):
            acclimate(teacher=str(tiny_teacher), data=rooms, train_teacher=wrong, **tiny)
