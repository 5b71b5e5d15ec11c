"""Every family of transformer encoders in timm serves as a teacher: one small model of each, with random weights."""

from __future__ import annotations

import warnings
from functools import cache
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from disdepth_cli.errors import TeacherError
from disdepth_cli.method.acclimate_steps import GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.models.decoder import DepthDecoder
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.files import ResolvedRepo
from disdepth_cli.teachers.timm_family import outline_timm_teacher
from disdepth_cli.types import DepthBatch, FeatureSpec

ANY = None
P4 = (4, 8, 16, 32)
SINGLE = {stride: (stride,) * 4 for stride in (8, 14, 16, 32)}

# name -> strides, and the size (H, W) of encoders that take that one only; multiples of the coarsest stride else.
SMALL = {
    "caformer": ("caformer_s18", P4, ANY),
    "clip": ("vit_xsmall_patch16_clip_224", SINGLE[16], ANY),
    "coat": ("coat_lite_tiny", P4, (224, 224)),
    "coatnet": ("test_coatnet", P4, (160, 160)),
    "convit": ("convit_tiny", SINGLE[16], (224, 224)),
    "crossvit": ("crossvit_tiny_240", (12, 17, 17, 17), (240, 240)),
    "davit": ("davit_tiny", P4, ANY),
    "deit": ("deit_tiny_patch16_224", SINGLE[16], ANY),
    "deit-distilled": ("deit_tiny_distilled_patch16_224", SINGLE[16], ANY),
    "dinov2": ("vit_small_patch14_reg4_dinov2", SINGLE[14], ANY),
    "dinov3": ("vit_tiny_patch16_dinov3_qkvb", SINGLE[16], ANY),
    "edgenext": ("edgenext_xx_small", P4, ANY),
    "efficientformer": ("efficientformer_l1", P4, (224, 224)),
    "efficientformerv2": ("efficientformerv2_s0", P4, (224, 224)),
    "efficientvit": ("efficientvit_b0", P4, ANY),
    "efficientvit-msra": ("efficientvit_m0", (16, 32, 64), ANY),
    "eva02": ("eva02_tiny_patch14_224", SINGLE[14], ANY),
    "fastvit": ("fastvit_t8", P4, ANY),
    "hybrid": ("vit_tiny_r_s16_p8_224", SINGLE[32], ANY),
    "iformer": ("iformer_t", P4, ANY),
    "levit": ("levit_128s", (16, 32, 64), (224, 224)),
    "maxvit": ("test_maxvit", P4, (160, 160)),
    "mobilevit": ("mobilevit_xxs", P4, ANY),
    "mobilevitv2": ("mobilevitv2_050", P4, ANY),
    "pit": ("pit_ti_224", (8, 16, 32), (224, 224)),
    "pvtv2": ("pvt_v2_b0", P4, ANY),
    "relpos": ("test_vit_relpos", SINGLE[16], (160, 160)),
    "swiftformer": ("swiftformer_xs", P4, ANY),
    "tinyvit": ("tiny_vit_5m_224", P4, ANY),
    "visformer": ("visformer_tiny", (8, 16, 32), (224, 224)),
    "vit": ("test_vit", SINGLE[16], ANY),
    "vit-map-pooled": ("test_vit3", SINGLE[16], ANY),
    "vitamin": ("vitamin_small_224", SINGLE[16], ANY),
    "xcit": ("xcit_nano_12_p16_224", SINGLE[16], ANY),
}
LARGE = {
    "beit": ("beit_base_patch16_224", SINGLE[16], (224, 224)),
    "beitv2": ("beitv2_base_patch16_224", SINGLE[16], (224, 224)),
    "byoanet": ("halonet_h1", P4, (256, 256)),
    "cait": ("cait_xxs24_224", SINGLE[16], (224, 224)),
    "gcvit": ("gcvit_xxtiny", P4, (224, 224)),
    "hiera": ("hiera_tiny_224", P4, (224, 224)),
    "hiera-sam2": ("sam2_hiera_tiny", P4, ANY),
    "mvitv2": ("mvitv2_tiny", P4, ANY),
    "naflexvit": ("naflexvit_base_patch16_gap", SINGLE[16], ANY),
    "nest": ("nest_tiny", (4, 8, 16), (224, 224)),
    "nextvit": ("nextvit_small", P4, ANY),
    "sam": ("samvit_base_patch16", SINGLE[16], ANY),
    "siglip": ("vit_base_patch16_siglip_224", SINGLE[16], ANY),
    "swin": ("swin_tiny_patch4_window7_224", P4, ANY),
    "swinv2": ("swinv2_tiny_window8_256", P4, ANY),
    "swinv2-cr": ("swinv2_cr_tiny_224", P4, ANY),
    "tnt": ("tnt_s_patch16_224", SINGLE[16], (224, 224)),
    "twins": ("twins_svt_small", P4, ANY),
    "volo": ("volo_d1_224", (8, 16, 16, 16), (224, 224)),
}
"""Families without a small, quick model: the default suite looks at shapes without weights, the slow one at all."""
GIANT = {
    "deepseek": ("deepseek_vit_412m", SINGLE[14], ANY),
    "eva": ("eva_large_patch14_196", SINGLE[14], ANY),
    "mobilenetv5": ("mobilenetv5_base", P4, ANY),
    "qwen3": ("qwen3_vit_88m", SINGLE[16], ANY),
}
"""Those looked at without weights only."""
UNSHAPED = {"gemma4": ("gemma4_vit_167m", SINGLE[16], ANY)}
"""Those whose way depends on numbers, so that they cannot be looked at without weights."""


def cases(families: dict) -> list:
    return [pytest.param(*values, id=family) for family, values in families.items()]


@pytest.mark.parametrize(("name", "strides", "fixed"), cases(SMALL))
def test_family(name: str, strides: tuple[int, ...], fixed: tuple[int, int] | None, tmp_path: Path) -> None:
    check(name, strides, fixed, tmp_path)


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize(("name", "strides", "fixed"), cases({**LARGE, **UNSHAPED}))
def test_large_family(name: str, strides: tuple[int, ...], fixed: tuple[int, int] | None, tmp_path: Path) -> None:
    check(name, strides, fixed, tmp_path)


@pytest.mark.parametrize(("name", "strides", "fixed"), cases({**LARGE, **GIANT}))
def test_shapes_without_weights(name: str, strides: tuple[int, ...], fixed: tuple[int, int] | None) -> None:
    repo = ResolvedRepo(Path("."), "owner/model", "abc", None)
    with torch.device("meta"):
        teacher = outline_timm_teacher(name, repo)
        assert (teacher.contract.spec.reductions, teacher.contract.fixed_size) == (strides, fixed)
        check_shapes(teacher)


def check(name: str, strides: tuple[int, ...], fixed: tuple[int, int] | None, folder: Path) -> None:
    teacher = load_teacher(f"timm:{name}", weights=save_weights(name, folder / "weights.safetensors"))
    contract = teacher.contract
    assert (contract.spec.reductions, contract.fixed_size, contract.kind) == (strides, fixed, "none")
    coarsest = max(strides) * (2 if name.startswith("mobilevitv2") else 1)  # folds its maps in two
    assert contract.size_multiple == (1 if fixed else coarsest) and contract.weights == "local"
    check_shapes(teacher)
    check_batch(teacher)
    check_acclimation(teacher)


def save_weights(name: str, file: Path) -> Path:
    """Weights as released: of the whole model, classifier included."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = timm.create_model(name)
    save_file({key: value.contiguous().clone() for key, value in model.state_dict().items()}, file)
    return file


def check_shapes(teacher: DepthTeacher) -> None:
    """The declared channels and strides, at two sizes, one of them portrait; at the one size of others."""
    contract = teacher.contract
    step = contract.size_multiple
    for size in [contract.fixed_size] if contract.fixed_size else [(2 * step, 7 * step), (6 * step, 4 * step)]:
        assert size is not None and teacher.input_size(*size) == size
        with torch.no_grad():
            _, features = teacher.network(torch.zeros(1, 3, *size))
        for feature, channels, stride in zip(features, contract.spec.channels, contract.spec.reductions, strict=True):
            assert feature.shape[:2] == (1, channels)
            cells = [side / stride for side in size]
            # A whole number of cells, and only encoders of one size may round or pad in their own way.
            slack = 1 if contract.fixed_size else 0
            assert all(abs(a - b) <= slack for a, b in zip(feature.shape[2:], cells, strict=True))


def check_batch(teacher: DepthTeacher) -> None:
    """An image's features do not depend on its neighbours, and differ between images."""
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        batched, alone = teacher(images).features, teacher(images[1:]).features
    for both, one in zip(batched, alone, strict=True):
        torch.testing.assert_close(both[1:], one, rtol=1e-3, atol=1e-3 * float(one.abs().max()))
    assert any(not torch.allclose(both[0], both[1]) for both in batched)


def check_acclimation(teacher: DepthTeacher) -> None:
    """A few steps on one batch lower the loss, and nothing of the teacher moves."""
    torch.manual_seed(0)
    acclimation = Acclimation(teacher.contract.spec, decoder(), 2)
    step = GhostStep(acclimation, AcclimatedTeacher(teacher, acclimation), 0.0)
    acclimation.attention.requires_grad_(False)
    optimiser = torch.optim.AdamW([p for p in acclimation.parameters() if p.requires_grad], lr=2e-3)
    depth = torch.linspace(1.0, 8.0, 64).view(1, 1, 64, 1).expand(2, 1, 64, 96).contiguous()
    batch = DepthBatch(torch.rand(2, 3, 64, 96), depth, torch.ones_like(depth).bool(), ["a", "b"], torch.ones(2).bool())
    losses = []
    for _ in range(4):
        loss = step(batch).total
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(parameter.grad is None for parameter in teacher.parameters())


@cache
def decoder() -> DepthDecoder:
    return DepthDecoder(FeatureSpec((16, 24, 32, 64), P4), 16, 16, 0.1, 10.0)


def test_an_encoder_that_works_at_no_size_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object, **options: object) -> None:
        raise RuntimeError("window 7 does not divide 5\nand more")

    monkeypatch.setattr(timm.models.vision_transformer.VisionTransformer, "forward_intermediates", fail)
    message = r"^timm:test_vit: gives no features for an image of its own size, 160x160 \(window 7.* 5\); take another"
    with pytest.raises(TeacherError, match=message) as caught:
        load_teacher("timm:test_vit", pretrained=False)
    assert "\n" not in str(caught.value)


def test_an_encoder_whose_features_are_no_maps_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def tokens(self: object, pixels: torch.Tensor, indices: list[int], **options: object) -> list[torch.Tensor]:
        return [torch.zeros(len(pixels), 100, 64) for _ in indices]

    monkeypatch.setattr(timm.models.vision_transformer.VisionTransformer, "forward_intermediates", tokens)
    with pytest.raises(TeacherError, match=r"a feature of shape \(1, 100, 64\) is no map"):
        load_teacher("timm:test_vit", pretrained=False)


def test_a_model_without_features_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(timm.models.vision_transformer.VisionTransformer, "forward_intermediates")
    with pytest.raises(TeacherError, match=r"^timm:test_vit: cannot give features from within; take another encoder$"):
        load_teacher("timm:test_vit", pretrained=False)


def test_one_size_is_believed_only_when_others_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features of the same grid whatever the size are no sign of an encoder that takes any."""
    real = timm.models.vision_transformer.VisionTransformer.forward_intermediates

    def squeezed(self: object, pixels: torch.Tensor, **options: object) -> list[torch.Tensor]:
        return [f[..., :2] if pixels.shape[-1] > pixels.shape[-2] else f for f in real(self, pixels, **options)]

    monkeypatch.setattr(timm.models.vision_transformer.VisionTransformer, "forward_intermediates", squeezed)
    assert load_teacher("timm:test_vit", pretrained=False).contract.fixed_size == (160, 160)
