"""Teachers of transformers: parity with upstream, frozen for good, and what their contract says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from disdepth_cli.errors import TeacherError
from disdepth_cli.machine.devices import cast_weights
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.transformers_family import quiet

TYPES = ("metric", "relative", "dpt", "hybrid", "dpt-swinv2", "depth-pro", "glpn", "tipsv2", "zoedepth", "zoedepth-nk")


def upstream(folder: Path):
    from transformers import AutoModelForDepthEstimation

    with quiet():
        return AutoModelForDepthEstimation.from_pretrained(folder, dtype=torch.float32).eval()


def views(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def copy_of(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def edit_config(folder: Path, **values: object) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def test_encoder_features_are_the_backbones(metric_folder: Path) -> None:
    teacher, model = load_teacher(str(metric_folder)), upstream(metric_folder)
    image = views(1, 3, 42, 56)
    with torch.no_grad():
        tokens = model.backbone((image - teacher.mean) / teacher.std).feature_maps
        features = teacher(image).features
    for theirs, ours in zip(tokens, features, strict=True):
        assert torch.allclose(ours.flatten(2).transpose(1, 2), theirs[:, 1:], atol=1e-6)


@pytest.mark.parametrize("size", [(60, 81), (5, 200), (1, 1), (42, 70)])
def test_depth_comes_back_at_the_views_size(metric_folder: Path, size: tuple[int, int]) -> None:
    teacher = load_teacher(str(metric_folder))
    output = teacher(views(2, 3, *size))
    assert output.depth is not None and output.depth.shape == (2, 1, *size)
    height, width = teacher.input_size(*size)
    assert height % 14 == 0 and width % 14 == 0
    assert output.features[0].shape[-2:] == (height // 14, width // 14)


@pytest.mark.parametrize("name", TYPES)
def test_training_changes_nothing_in_a_teacher(tiny: Callable[[str], Path], name: str) -> None:
    teacher = load_teacher(str(tiny(name)))
    before = {key: value.clone() for key, value in teacher.state_dict().items()}
    head = torch.nn.Conv2d(teacher.contract.spec.channels[-1], 1, 1)
    torch.nn.ModuleList([teacher, head]).train()
    assert not any(module.training for module in teacher.modules())
    optimiser = torch.optim.SGD([*head.parameters(), *teacher.parameters()], lr=0.1)
    output = teacher(views(2, 3, 64, 64))
    head(output.features[-1]).square().mean().backward()
    optimiser.step()
    assert head.weight.grad is not None
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())
    after = teacher.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_teacher_that_is_not_frozen_can_train(metric_folder: Path) -> None:
    frozen = load_teacher(str(metric_folder))
    free = DepthTeacher(frozen.network, frozen.contract)
    assert free.train().network.training
    assert not free.freeze().train().network.training


def test_metric_contract(metric_folder: Path) -> None:
    contract = load_teacher(str(metric_folder)).contract
    assert (contract.kind, contract.unit, contract.max_depth) == ("metric_depth", "m", 10.0)
    assert (contract.id, contract.revision, contract.licence) == ("tiny-metric", None, "cc-by-nc-4.0")
    assert (contract.mean, contract.std) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
    assert contract.working_size.scaled(480, 640) == (238, 322)
    lines = contract.lines()
    assert "kind: metric_depth" in lines and "licence: cc-by-nc-4.0" in lines
    assert len(dict(line.split(": ", 1) for line in lines)) == len(lines)
    assert str(metric_folder) not in "\n".join(lines)


def test_relative_models_give_disparity(relative_folder: Path, dpt_folder: Path) -> None:
    for folder in (relative_folder, dpt_folder):
        contract = load_teacher(str(folder)).contract
        assert (contract.kind, contract.unit, contract.max_depth) == ("disparity", "none", None)
        assert "kind: disparity" in contract.lines()


def test_dinov2_depthers_of_dpt_give_metres() -> None:
    from transformers import Dinov2Config, DPTConfig

    from disdepth_cli.teachers.architectures import ARCHITECTURES

    dpt = ARCHITECTURES["dpt"]
    dinov2 = Dinov2Config(patch_size=14)
    assert dpt.kind(DPTConfig(backbone_config=dinov2, add_projection=True)) == "metric_depth"
    assert dpt.kind(DPTConfig(backbone_config=dinov2)) == "disparity"
    assert dpt.kind(DPTConfig(add_projection=True)) is None
    assert dpt.multiple(DPTConfig(backbone_config=dinov2)) == 14


def test_double_max_depth_doubles_depth(metric_folder: Path, tmp_path: Path) -> None:
    doubled = copy_of(metric_folder, tmp_path)
    edit_config(doubled, max_depth=20)
    image = views(1, 3, 56, 56)
    depth = load_teacher(str(metric_folder))(image).depth
    assert torch.allclose(load_teacher(str(doubled))(image).depth, 2 * depth)


def test_float16_weights_load_as_float32(metric_folder: Path, tmp_path: Path) -> None:
    half = copy_of(metric_folder, tmp_path)
    weights = {key: value.half() for key, value in load_file(half / "model.safetensors").items()}
    save_file(weights, half / "model.safetensors", metadata={"format": "pt"})
    edit_config(half, dtype="float16")
    teacher = load_teacher(str(half))
    assert {tensor.dtype for tensor in teacher.state_dict().values()} == {torch.float32}
    assert teacher.contract.fingerprint != load_teacher(str(metric_folder)).contract.fingerprint


@pytest.mark.parametrize("name", TYPES)
def test_autocast_gives_float32_depth(loaded: Callable[[str], DepthTeacher], name: str) -> None:
    teacher = loaded(name)
    image = views(1, 3, 60, 80)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rough = teacher(image).depth
    exact = teacher(image).depth
    assert rough.dtype == torch.float32
    assert float((rough - exact).abs().mean()) < 0.03 * float(exact.mean())


def test_loading_leaves_the_seed_alone(metric_folder: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    load_teacher(str(metric_folder))
    assert torch.equal(torch.rand(1), expected)


def test_unused_weights_may_be_missing_but_no_others(metric_folder: Path, tmp_path: Path) -> None:
    file = copy_of(metric_folder, tmp_path) / "model.safetensors"
    weights = load_file(file)
    needless = {key: value for key, value in weights.items() if "fusion_stage.layers.0.residual_layer1." not in key}
    assert len(needless) < len(weights)
    save_file(needless, file, metadata={"format": "pt"})
    image = views(1, 3, 56, 56)
    assert torch.equal(load_teacher(str(file.parent))(image).depth, load_teacher(str(metric_folder))(image).depth)
    del needless["head.conv2.weight"]
    save_file(needless, file, metadata={"format": "pt"})
    with pytest.raises(TeacherError, match=r"copy: its weights lack head\.conv2\.weight"):
        load_teacher(str(file.parent))


def test_damaged_weights_are_noticed(metric_folder: Path, tmp_path: Path) -> None:
    file = copy_of(metric_folder, tmp_path) / "model.safetensors"
    weights = load_file(file)
    weights["head.conv3.bias"].fill_(float("nan"))
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(TeacherError, match="non-finite"):
        load_teacher(str(file.parent))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "prompt_depth_anything"}, "needs a depth map as a prompt"),
        ({"model_type": "chmv2"}, "height of tree canopies"),
        ({"model_type": "bert"}, "'bert' is no known depth model; supported are depth_anything, depth_pro, dpt, glpn"),
        ({}, "None is no known depth model"),
        ({"model_type": ["dpt"]}, "is no known depth model"),
        ({"model_type": "mine", "auto_map": {"AutoConfig": "code.C"}}, "needs code from its repository"),
        ({"architecture": "vit_tiny_patch16_224", "pretrained_cfg": {}}, "--teacher timm:vit_tiny_patch16_224"),
    ],
)
def test_unsupported_models_are_refused_with_a_reason(tmp_path: Path, config: dict, message: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(TeacherError, match=message) as caught:
        load_teacher(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_code_of_a_repository_is_never_run(metric_folder: Path, tmp_path: Path) -> None:
    folder = copy_of(metric_folder, tmp_path)
    marker = tmp_path / "ran"
    (folder / "code.py").write_text(f"open({str(marker)!r}, 'w')\nclass C: pass\n")
    edit_config(folder, auto_map={"AutoConfig": "code.C", "AutoModelForDepthEstimation": "code.C"})
    load_teacher(str(folder))
    assert not marker.exists()


@pytest.mark.parametrize("values", [{"backbone_config": {"model_type": "nonsense"}}, {"max_depth": "far"}])
def test_a_config_that_transformers_refuses_is_one_line(metric_folder: Path, tmp_path: Path, values: dict) -> None:
    folder = copy_of(metric_folder, tmp_path)
    edit_config(folder, **values)
    with pytest.raises(TeacherError, match="copy: ") as caught:
        load_teacher(str(folder))
    assert "\n" not in str(caught.value)


def test_a_backbone_that_upstream_cannot_use_is_named(tiny: Callable[[str], Path]) -> None:
    """DPT's neck takes tokens of a plain ViT or maps of Swin v2, and nothing else."""
    with pytest.raises(TeacherError, match=r"^tiny-dpt-swin: dpt with swin fails on a test image") as caught:
        load_teacher(str(tiny("dpt-swin")))
    assert "\n" not in str(caught.value)


def test_the_real_teacher(real_teacher: Path) -> None:
    teacher = load_teacher(str(real_teacher))
    contract = teacher.contract
    assert (contract.kind, contract.unit, contract.max_depth, contract.size_multiple) == ("metric_depth", "m", 10.0, 14)
    assert contract.taps == ("stage3", "stage6", "stage9", "stage12")
    assert contract.working_size.scaled(480, 640) == contract.working_size.padded(480, 640) == (238, 322)
    assert {tensor.dtype for tensor in teacher.state_dict().values()} == {torch.float32}
    image = views(1, 3, 84, 112)
    with torch.no_grad():
        ours = teacher(image).depth[:, 0]
        theirs = upstream(real_teacher)((image - teacher.mean) / teacher.std).predicted_depth
    assert float((ours - theirs).abs().max() / theirs.max()) < 1e-5
    assert float(ours.min()) > 0 and float(ours.max()) <= 10


@pytest.mark.parametrize("name", TYPES)
def test_weights_cast_once_say_what_autocast_says(loaded: Callable[[str], DepthTeacher], name: str) -> None:
    teacher, image = loaded(name), views(1, 3, 60, 80)
    cast = cast_weights(teacher, "bf16")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected, got = teacher(image), cast(image)
    assert torch.equal(got.depth, expected.depth)
    assert all(torch.equal(one, other) for one, other in zip(got.features, expected.features, strict=True))
    assert {weight.dtype for weight in teacher.parameters()} == {torch.float32}
    assert any(weight.dtype == torch.bfloat16 for weight in cast.parameters())
