"""The backbone's translation into acclimated features: where it starts, and that nothing of it is left at the end."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from disdepth_cli import distill
from disdepth_cli.config import DistillConfig
from disdepth_cli.method.distill_step import DistillStep
from disdepth_cli.method.student_projections import AdaptedEncoder, folded
from disdepth_cli.method.student_start import StudentStart, adapt
from disdepth_cli.models.student import StudentArchitecture, build_student, load_student
from disdepth_cli.scoring.acclimated_run import load_acclimated
from disdepth_cli.training.loop.task import student_groups
from disdepth_cli.types import StoredBatch
from disdepth_cli.working_size import WorkingSize

CPU = torch.device("cpu")


def step_options(config):
    """What a step is given of a configuration."""
    return config.method, StudentStart.of(config.student, config.method)


@pytest.fixture
def student():
    torch.manual_seed(0)
    return build_student(StudentArchitecture("mobilenetv2_100", 0.001, 10.0, WorkingSize(64, 96)))


def batches(count):
    torch.manual_seed(1)
    colours, depth = torch.linspace(0, 1, 256).expand(4, 3, 256), (torch.rand(4, 64, 96) * 4 + 1).half()
    pixels = [torch.randint(256, (4, 64, 96, 3), dtype=torch.uint8) for _ in range(count)]
    return [StoredBatch(one, colours, depth, list("abcd"), [True] * 4) for one in pixels]


def moved(student):
    """Norms and adapters away from their start, so that folding has something to do."""
    for name, buffer in student.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(std=0.1)
    for parameter in student.encoder.adapters.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return student.eval()


def test_folding_leaves_the_function_and_no_layer(student):
    names = set(student.state_dict())
    student.encoder = AdaptedEncoder(student.encoder)
    moved(student)
    image = torch.rand(2, 3, 64, 96)
    plain = folded(student)
    with torch.no_grad():
        before, after = student(image).depth, plain(image).depth
    assert set(plain.state_dict()) == names
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
    assert isinstance(student.encoder, AdaptedEncoder)  # the one in training keeps its own
    assert folded(plain) is plain


def test_least_squares_finds_a_linear_map():
    torch.manual_seed(0)
    encoder = build_student(StudentArchitecture("mobilenetv2_100", 0.001, 10.0, WorkingSize(64, 96))).encoder
    adapted = AdaptedEncoder(encoder)
    mine = [torch.randn(4, c, 8, 8) for c in encoder.spec.channels]
    maps = [torch.randn(c, c) for c in encoder.spec.channels]
    theirs = [torch.einsum("dc,bchw->bdhw", m, x) + 3.0 for m, x in zip(maps, mine, strict=True)]
    adapted.fit([(mine, theirs)])
    for adapter, x, y in zip(adapted.adapters[:2], mine, theirs, strict=False):  # 256 rows tell of so many channels
        assert (adapter(x) - y).square().mean() < 1e-3 * y.var()


def test_adapting_brings_features_nearer_and_changes_nothing_else(acclimated, student):
    teacher, _ = load_acclimated(acclimated, "fp32")
    before = {name: value.clone() for name, value in student.state_dict().items()}
    some = batches(3)
    adapt(student, teacher, some)
    image = some[0].to(CPU).image
    after = student.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    encoder = student.encoder.train()
    wanted = teacher(image).features
    with torch.no_grad():
        got = encoder((image - student.mean) / student.std)
        bare = encoder.net((image - student.mean) / student.std)
    for mine, raw, theirs in zip(got, bare, wanted, strict=True):
        assert (mine - theirs).square().mean() < 0.9 * (raw - theirs).square().mean()
    step = DistillStep(student, teacher, *step_options(DistillConfig(data="x", pretrained=False)))
    assert not len(step.features[0].project_encoder)
    terms = step.train()(some[0].to(CPU))
    terms.parts["encoder"].backward()
    assert all(adapter.weight.grad is not None for adapter in encoder.adapters[2:])
    groups = student_groups(student, 1e-3, 1e-4, 0.05)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert {rates[id(p)] for p in encoder.adapters.parameters()} == {1e-3}


RANDOM = {"pretrained": False}
GHOST = {"init_decoder": "ghost"}


@pytest.mark.parametrize(
    ("options", "from_ghost", "there", "bound"),
    [
        (RANDOM, True, True, True),
        (RANDOM | {"feature_projection": "both"}, True, True, False),
        (RANDOM | {"feature_projection": "dropped"}, True, False, False),
        (RANDOM | {"init_decoder": "random"}, False, False, False),
        (RANDOM | {"feature_target": "teacher"}, True, False, False),
        (RANDOM | {"distill": False}, False, False, False),
        (RANDOM | {"student_weights": "weights.safetensors"}, False, False, False),
        ({}, False, False, False),
        (GHOST, True, True, False),
        (GHOST | {"feature_projection": "folded"}, True, True, True),
        (GHOST | {"feature_projection": "dropped"}, True, False, False),
    ],
)
def test_what_a_student_starts_from_and_whether_its_adapters_bind_it(options, from_ghost, there, bound):
    config = DistillConfig(data="x", **options)
    start = StudentStart.of(config.student, config.method)
    assert (start.from_ghost, start.adapted, start.bound) == (from_ghost, there, bound)


def test_adapters_that_only_start_a_student_leave_it_free_to_part_from_the_ghost(acclimated, student):
    teacher, _ = load_acclimated(acclimated, "fp32")
    some = batches(2)
    adapt(student, teacher, some)
    step = DistillStep(student, teacher, *step_options(DistillConfig(data="x", init_decoder="ghost"))).train()
    loss = step.features[0]
    assert len(loss.project_encoder) == 2 and len(loss.project_decoder) == 4
    parts = step(some[0].to(CPU)).parts
    (parts["encoder"] + parts["decoder"]).backward()
    # From zero, where they start, the projections learn first: the start they were given is not pulled at.
    assert all(p.grad is None or not p.grad.any() for p in student.parameters())
    assert all(projection.weight.grad.any() for projection in (*loss.project_encoder, *loss.project_decoder))


@pytest.mark.slow
def test_a_run_ships_a_student_without_them(acclimated, rooms, tiny, tmp_path):
    options = {"data": rooms, "teacher": str(acclimated), "max_steps": 3, **tiny}
    report = distill(output=tmp_path / "folded", **options)
    distill(output=tmp_path / "dropped", feature_projection="dropped", **options)
    one, other = (load_file(tmp_path / run / "student.safetensors") for run in ("folded", "dropped"))
    assert set(one) == set(other)
    assert report["best"]["rmse"] > 0
    student = load_student(tmp_path / "folded")
    assert not isinstance(student.encoder, AdaptedEncoder)


@pytest.mark.slow
def test_a_pretrained_students_decoder_starts_where_its_controls_does(acclimated, rooms, tiny, tmp_path):
    """At a rate that moves nothing, what is saved is what a run started from."""
    weights = tmp_path / "backbone.safetensors"
    save_file(timm.create_model("mobilenetv2_100", pretrained=False).state_dict(), weights)
    still = {"data": rooms, "max_steps": 1, **tiny, "student_weights": weights, "lr": 1e-12, "weight_decay": 0.0}
    runs = {
        "default": {"teacher": str(acclimated)},
        "ghost": {"teacher": str(acclimated), "init_decoder": "ghost"},
        "control": {"distill": False},
    }
    weight = {}
    for name, options in runs.items():
        distill(output=tmp_path / name, **still, **options)
        weight[name] = load_file(tmp_path / name / "student.safetensors")["decoder.fuse.3.0.weight"]
    assert torch.allclose(weight["default"], weight["control"], atol=1e-6)
    assert not torch.allclose(weight["ghost"], weight["control"], atol=1e-3)


def test_raw_features_are_the_teachers_own(acclimated, student):
    teacher, _ = load_acclimated(acclimated, "fp32")
    config = DistillConfig(data="x", feature_target="teacher", attention="uniform", init_decoder="random")
    step = DistillStep(student, teacher, *step_options(config)).train()
    loss = step.features[0]
    channels = teacher.teacher.contract.spec.channels
    assert [projection.out_channels for projection in loss.project_encoder] == [channels[2], channels[3]]
    some = batches(1)[0].to(CPU)
    terms = step(some)
    assert set(terms.parts) == {"depth", "output", "encoder"}
    # Projections start at zero and features are standardised, so the loss starts below 1 and not at their own scale.
    assert 0 < terms.parts["encoder"].item() < config.method.feature_weight
    terms.parts["encoder"].backward()
    assert all(p.weight.grad is not None and p.weight.grad.abs().sum() > 0 for p in loss.project_encoder)
    assert loss.raw_stats.get_buffer("updates") == 1
