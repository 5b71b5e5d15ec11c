"""What is frozen stays frozen, what is trained is trained, and each step lowers its loss."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from disdepth_cli.checkpoint.metadata import read_metadata
from disdepth_cli.config import DistillConfig
from disdepth_cli.method.acclimate_steps import AttentionStep, GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.method.student_start import StudentStart
from disdepth_cli.method.supervision import pseudo_labelled
from disdepth_cli.models.student import StudentArchitecture, build_student, load_student
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.teachers import load_teacher
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize


def step_options(config):
    """What a step is given of a configuration."""
    return config.method, StudentStart.of(config.student, config.method)


@pytest.fixture
def batch():
    torch.manual_seed(0)
    depth = torch.rand(2, 1, 64, 96) * 4 + 1
    return DepthBatch(torch.rand(2, 3, 64, 96), depth, depth > 1.5, ["a", "b"], torch.tensor([True, True]))


@pytest.fixture
def student():
    torch.manual_seed(0)
    return build_student(StudentArchitecture("mobilenetv2_100", 0.001, 10.0, WorkingSize(64, 96)))


def state(module):
    return copy.deepcopy(module.state_dict())


def same(before, module):
    after = module.state_dict()
    return all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("attention", ["learned", "ghost-error", "fgd", "uniform"])
@pytest.mark.parametrize("init", ["ghost", "random"])
def test_distillation_changes_the_student_and_nothing_else(acclimated, student, batch, attention, init):
    teacher, _ = load_acclimated(acclimated, "fp32")
    config = DistillConfig(data="x", attention=attention, init_decoder=init)
    step = DistillStep(student, teacher, *step_options(config))
    assert not any(name.startswith("_frozen") or "teacher" in name for name in step.state_dict())
    before, own = state(teacher), state(student)
    optimizer = torch.optim.SGD(step.parameters(), lr=1e-3)
    terms = step.train()(batch)
    assert set(terms.parts) == {"depth", "output", "encoder", "decoder"}
    assert terms.total.item() == pytest.approx(sum(p.item() for p in terms.parts.values()), rel=1e-5)
    terms.total.backward()
    assert all(p.grad is None for p in teacher.parameters())
    assert all(p.grad is not None for p in student.parameters())
    optimizer.step()
    assert same(before, teacher)
    assert not same(own, student)


@pytest.mark.parametrize("target", ["ghost", "teacher"])
@pytest.mark.parametrize("attention", ["learned", "ghost-error", "fgd", "uniform"])
def test_masks_are_computed_where_they_are_read_alone(acclimated, student, batch, attention, target):
    teacher, _ = load_acclimated(acclimated, "fp32")
    calls = []
    teacher.acclimation.attention.register_forward_hook(lambda *_: calls.append(1))
    config = DistillConfig(data="x", attention=attention, feature_target=target, init_decoder="random")
    DistillStep(student, teacher, *step_options(config)).train()(batch).total.backward()
    assert len(calls) == (attention == "learned")
    GhostStep(teacher.acclimation, teacher, 1.0).train()(batch)
    assert len(calls) == (attention == "learned")
    AttentionStep(teacher.acclimation, teacher, 1.0)(batch)
    assert len(calls) == (attention == "learned") + 1


@pytest.mark.parametrize(("chosen", "matter"), [({}, False), ({"attention": "learned"}, True)])
def test_attention_tokens_weigh_the_loss_where_they_are_asked_for(acclimated, student, batch, chosen, matter):
    teacher, _ = load_acclimated(acclimated, "fp32")
    step = DistillStep(student, teacher, *step_options(DistillConfig(data="x", **chosen))).eval()
    with torch.no_grad():
        before = step(batch).parts["encoder"].item()
        for embedding in teacher.acclimation.attention.embedding:
            embedding.normal_(0, 9)  # other tokens: other places
        after = step(batch).parts["encoder"].item()
    assert (after != before) is matter


@pytest.mark.parametrize("init", ["ghost", "random"])
def test_each_loss_part_reaches_the_student(acclimated, student, batch, init):
    teacher, _ = load_acclimated(acclimated, "fp32")
    step = DistillStep(student, teacher, *step_options(DistillConfig(data="x", init_decoder=init))).train()
    loss = step.features[0]
    for projection in (*loss.project_encoder, *loss.project_decoder):  # at zero they would let nothing through
        torch.nn.init.eye_(projection.weight[:, :, 0, 0])
    for part in ("depth", "output", "encoder", "decoder"):
        student.zero_grad(set_to_none=True)
        step(batch).parts[part].backward()
        reached = [p for p in student.encoder.parameters() if p.grad is not None and p.grad.abs().sum() > 0]
        assert reached, part


def test_feature_loss_is_zero_for_a_student_that_agrees(acclimated, student, batch, monkeypatch):
    teacher, _ = load_acclimated(acclimated, "fp32")
    step = DistillStep(
        student, teacher, *step_options(DistillConfig(data="x", init_decoder="ghost", feature_projection="folded"))
    )
    seen = teacher(batch.image)
    standard = teacher.acclimation.encoder_stats.standardise(seen.features)
    agreeing = replace(seen, features=standard)  # what the projections, here the identity, are to make of its features
    step.features[0].project_encoder = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.Identity()])
    monkeypatch.setattr(student, "forward", lambda image: agreeing)
    parts = step(batch).parts
    assert parts["encoder"].item() == 0 and parts["decoder"].item() == 0 and parts["output"].item() == 0


def test_acclimation_changes_no_value_of_the_teacher_and_lowers_its_loss(tiny_teacher, student, batch):
    teacher = load_teacher(str(tiny_teacher), offline=True)
    batch.depth = teacher(batch.image).depth.detach() * 1.0
    batch.valid = batch.depth > 0
    before = state(teacher)
    acclimation = Acclimation(teacher.contract.spec, student.decoder, 4)
    acclimation.attention.requires_grad_(False)
    step = GhostStep(acclimation, AcclimatedTeacher(teacher, acclimation), 10.0)
    optimizer = torch.optim.AdamW([p for p in step.parameters() if p.requires_grad], lr=5e-3)
    losses = []
    for _ in range(20):
        terms = step.train()(batch)
        assert set(terms.parts) == {"depth", "teacher"}
        terms.total.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(terms.total.item())
    assert losses[-1] < 0.9 * losses[0]
    assert same(before, teacher) and not teacher.training
    assert all(not module.training for module in teacher.modules())


def test_attention_tokens_learn_with_the_ghost_frozen(tiny_teacher, student, batch):
    teacher = load_teacher(str(tiny_teacher), offline=True)
    acclimation = Acclimation(teacher.contract.spec, student.decoder, 4).freeze()
    acclimation.attention.requires_grad_(True)
    rest = {key: value.clone() for key, value in acclimation.state_dict().items() if "attention" not in key}
    step = AttentionStep(acclimation, AcclimatedTeacher(teacher, acclimation), 1.0)
    assert list(step.state_dict()) == [f"attention.embedding.{level}" for level in range(4)]
    terms = step.train()(batch)
    terms.total.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in step.parameters())
    torch.optim.SGD(step.parameters(), lr=1.0).step()
    after = acclimation.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in rest.items())


def test_pseudo_labels_only_where_an_image_has_no_depth_at_all(batch):
    batch.labelled[1] = False
    batch.depth[1], batch.valid[1] = 0, False
    teacher_depth = torch.full_like(batch.depth, 7.0)
    depth, valid = pseudo_labelled(batch, teacher_depth)
    assert torch.equal(depth[0], batch.depth[0]) and torch.equal(valid[0], batch.valid[0])
    assert (depth[1] == 7).all() and valid[1].all()


def test_run_folder_of_an_acclimation(acclimated):
    assert {p.name for p in acclimated.iterdir()} >= {
        "config.yaml", "metrics.csv", "report.json", "last", "acclimated.safetensors", "curves.png",
    }  # fmt: skip
    report = json.loads((acclimated / "report.json").read_text())
    assert report["teacher_metrics"]["rmse"] > 0 and report["ghost_metrics"]["rmse"] > 0
    expected = report["ghost_metrics"]["rmse"] / report["teacher_metrics"]["rmse"]
    assert report["rmse_ratio_ghost_to_teacher"] == pytest.approx(expected)
    metadata = read_metadata(acclimated / "acclimated.safetensors")
    assert metadata.teacher.id == "tiny-metric" and metadata.teacher.kind == "metric_depth"


def test_student_file_holds_the_student_alone(acclimated, rooms, tiny_run, run_disdepth, tmp_path):
    args = ["distill", "--teacher", acclimated, "--data", rooms, "-o", tmp_path / "run", "--max-steps", 3]
    result = run_disdepth(*args, "--no-pretrained", "--init-decoder", "random", *tiny_run)
    assert result.returncode == 0, result.stderr
    file = tmp_path / "run" / "student.safetensors"
    student = load_student(file)
    assert set(load_file(file)) == set(student.state_dict())  # no projections, no teacher, no ghost
    metadata = read_metadata(file)
    assert metadata.teacher.id == "tiny-metric" and metadata.recipe["init_decoder"] == "random"
    header = metadata.model_dump_json()
    assert str(tmp_path) not in header and str(rooms.parent) not in header
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["cost"]["student"]["parameters"] == sum(p.numel() for p in student.parameters())
    assert report["cost"]["teacher"]["parameters"] < report["cost"]["student"]["parameters"]
    assert report["cost"]["student"]["flops"] > 0 and report["cost"]["student"]["latency_ms"] > 0


@pytest.mark.slow
def test_control_has_the_same_student_and_views(rooms, tiny_run, acclimated, run_disdepth, tmp_path):
    """Where nothing of the teacher has any weight, distillation is the control, to the byte."""
    common = ["--data", rooms, "--max-steps", 3, "--no-pretrained", *tiny_run]
    none = ["--output-weight", 0, "--feature-weight", 0, "--init-decoder", "random"]
    assert run_disdepth("distill", "--no-distill", "-o", tmp_path / "a", *common).returncode == 0
    assert run_disdepth("distill", "-t", acclimated, *none, "-o", tmp_path / "b", *common).returncode == 0
    ours, theirs = (load_file(tmp_path / name / "student.safetensors") for name in "ab")
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
