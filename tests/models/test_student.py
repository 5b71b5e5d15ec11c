"""Students: the backbone's function is kept, the depth is in range, the ghost decoder is a copy."""

from __future__ import annotations

import pytest
import timm
import torch
from safetensors.torch import save_file

from disdepth_cli.config import STUDENTS
from disdepth_cli.config.parts import StudentOptions
from disdepth_cli.errors import StudentError
from disdepth_cli.method.ghost_acclimation import Acclimation, ChannelStatistics
from disdepth_cli.models.encoder import BackboneStart, build_encoder
from disdepth_cli.models.lg_conv import LGConv, insert_lg_convs
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.training.loop.task import student_groups
from disdepth_cli.types import FeatureSpec
from disdepth_cli.working_size import WorkingSize


def architecture(name="mobilenetv2", **more):
    return StudentArchitecture(STUDENTS.get(name, name), 0.5, 8.0, WorkingSize(64, 96), **more)


@pytest.mark.parametrize("name", [*STUDENTS, "convnext_atto"])
def test_lg_conv_leaves_the_backbone_as_it_was(name):
    torch.manual_seed(0)
    encoder, _ = build_encoder(name, BackboneStart())
    encoder.eval()
    image = torch.randn(1, 3, 64, 96)
    before = encoder(image)
    weights = sum(p.numel() for p in encoder.parameters())
    wrapped = insert_lg_convs(encoder, "auto")
    assert wrapped
    for old, new in zip(before, encoder(image), strict=True):
        assert torch.equal(old, new)
    added = sum(p.numel() for p in encoder.parameters()) - weights
    assert 0 < added <= 0.05 * weights


def test_lg_conv_learns_and_sees_the_whole_image():
    torch.manual_seed(0)
    conv = LGConv(torch.nn.Conv2d(4, 6, 3, padding=1, stride=2), hidden=8)
    torch.nn.init.normal_(conv.broadcast.weight)
    image = torch.randn(1, 4, 32, 32)
    changed = image.clone()
    changed[..., :4, :4] += 3.0
    far_corner = (conv(changed) - conv(image))[..., -4:, -4:]
    assert far_corner.abs().max() > 0  # a 3x3 convolution alone could not know
    conv(image).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in conv.parameters())


@pytest.mark.parametrize(("place", "kinds"), [("dense", {False}), ("depthwise", {True}), ("all", {False, True})])
def test_lg_conv_places(place, kinds):
    encoder, _ = build_encoder("ghostnet", BackboneStart())
    names = insert_lg_convs(encoder, place)
    found = {encoder.get_submodule(n).local.groups == encoder.get_submodule(n).local.in_channels for n in names}
    assert found <= kinds and (names or place == "dense")
    assert insert_lg_convs(build_encoder("ghostnet", BackboneStart())[0], "none") == []


def test_lg_conv_is_off_unless_asked_for():
    asked = build_student(architecture("resnet18", lg_conv=StudentOptions(lg_conv="auto").lg_conv))
    assert any(isinstance(module, LGConv) for module in asked.modules())
    for plain in (architecture("resnet18"), architecture("resnet18", lg_conv=StudentOptions().lg_conv)):
        assert not any(isinstance(module, LGConv) for module in build_student(plain).modules())


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet18"])
def test_student_depth_is_in_range_and_at_the_input_size(name):
    torch.manual_seed(0)
    student = build_student(architecture(name)).eval()
    output = student(torch.rand(2, 3, 64, 96))
    assert output.depth.shape == (2, 1, 64, 96)
    assert output.depth.min() > 0.5 and output.depth.max() < 8.0
    assert [f.shape[-1] for f in output.features] == [24, 12, 6, 3]
    centres = output.decoder.bin_centres
    assert (centres.diff(dim=1) > 0).all() and centres.min() > 0.5 and centres.max() < 8.0


def test_doubling_the_range_doubles_the_depth():
    torch.manual_seed(0)
    near = build_student(StudentArchitecture("resnet18", 0.0, 5.0, WorkingSize(64, 64))).eval()
    far = build_student(StudentArchitecture("resnet18", 0.0, 10.0, WorkingSize(64, 64))).eval()
    far.load_state_dict(near.state_dict())
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(far(image).depth, 2 * near(image).depth)


def test_a_bad_size_names_the_right_one():
    student = build_student(architecture()).eval()
    with pytest.raises(ValueError, match="60x90.*64x96"):
        student(torch.rand(1, 3, 60, 90))


def test_backbone_weights_from_a_local_file(tmp_path):
    torch.manual_seed(1)
    reference = timm.create_model("resnet18").eval()
    save_file({k: v.contiguous() for k, v in reference.state_dict().items()}, tmp_path / "w.safetensors")
    encoder, _ = build_encoder("resnet18", BackboneStart(weights=tmp_path / "w.safetensors"))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval()(image)[-1], reference.forward_features(image))


@pytest.mark.parametrize("name", ["mobilenetv3", "convnext_atto"])
def test_every_family_takes_its_classifiers_weights(name, tmp_path):
    reference = timm.create_model(STUDENTS.get(name, name))
    save_file({k: v.contiguous() for k, v in reference.state_dict().items()}, tmp_path / "w.safetensors")
    build_encoder(name, BackboneStart(weights=tmp_path / "w.safetensors"))


def test_weights_of_another_model_are_refused(tmp_path):
    save_file({"a": torch.zeros(3)}, tmp_path / "w.safetensors")
    with pytest.raises(StudentError, match=r"w\.safetensors: not the weights of resnet18: .* first conv1\.weight"):
        build_encoder("resnet18", BackboneStart(weights=tmp_path / "w.safetensors"))
    (tmp_path / "half.safetensors").write_bytes((tmp_path / "w.safetensors").read_bytes()[:-4])
    with pytest.raises(StudentError, match="not a whole safetensors file"):
        build_encoder("resnet18", BackboneStart(weights=tmp_path / "half.safetensors"))
    with pytest.raises(StudentError, match="no such file"):
        build_encoder("resnet18", BackboneStart(weights=tmp_path / "none.safetensors"))


def test_pretrained_without_the_hub_is_an_error_not_a_random_start():
    with pytest.raises(StudentError, match=r"--student-weights FILE\.safetensors.*--no-pretrained"):
        build_encoder("mobilenetv2", BackboneStart(pretrained=True))


def test_unknown_and_unfit_students():
    with pytest.raises(StudentError, match="did you mean .*mobilenetv2"):
        build_encoder("mobilenetv22", BackboneStart())
    with pytest.raises(StudentError, match="needs a CNN with 4, 8, 16 and 32"):
        build_encoder("vit_tiny_patch16_224", BackboneStart())


def test_ghost_decoder_is_a_copy_of_the_students():
    student = build_student(architecture())
    acclimation = Acclimation(FeatureSpec((12, 12), (14, 14)), student.decoder, tokens=3)
    ghost, own = acclimation.ghost.state_dict(), student.decoder.state_dict()
    assert list(ghost) == list(own)
    assert all(ghost[key].shape == own[key].shape and torch.equal(ghost[key], own[key]) for key in own)
    assert not {p.data_ptr() for p in acclimation.parameters()} & {p.data_ptr() for p in student.parameters()}


def test_acclimation_speaks_the_students_grid():
    student = build_student(architecture())
    acclimation = Acclimation(FeatureSpec((12, 20), (14, 28)), student.decoder, tokens=3)
    output = acclimation([torch.randn(2, 12, 5, 7), torch.randn(2, 20, 2, 3)], (64, 96))
    assert [tuple(f.shape) for f in output.features] == [
        (2, c, 64 // r, 96 // r) for c, r in zip(student.encoder.spec.channels, (4, 8, 16, 32), strict=True)
    ]
    assert output.depth.shape == (2, 1, 64, 96)
    assert all(m.shape[1] == 3 and m.min() > 0 and m.max() < 1 for m in acclimation.masks(output.features))


def test_channel_statistics_standardise_with_fixed_numbers():
    torch.manual_seed(0)
    statistics = ChannelStatistics((3,))
    for _ in range(200):
        statistics.update([torch.randn(4, 3, 8, 8) * 5 + 2])
    out = statistics.standardise([torch.randn(64, 3, 8, 8) * 5 + 2])[0]
    assert out.mean().abs() < 0.05 and (out.std() - 1).abs() < 0.05
    one = torch.full((1, 3, 8, 8), 7.0)  # a flat image keeps its level: it is not standardised away
    assert (statistics.standardise([one])[0] - 1).abs().max() < 0.1


def test_parameter_groups_cover_everything_once():
    student = build_student(architecture())
    groups = student_groups(student, 1e-3, 1e-4, 0.05)
    ids = [id(p) for group in groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in student.parameters())
    lg = {id(p) for m in student.modules() if isinstance(m, LGConv) for p in m.broadcast.parameters()}
    for group in groups:
        if lg & {id(p) for p in group["params"]}:
            assert group["lr"] == 1e-3 and group["weight_decay"] == 0.0
