"""The adapters that ship, each with random weights of its package: their depth and features, and a step of learning."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from disdepth_cli.errors import TeacherError
from disdepth_cli.method.acclimate_steps import GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.models.student import StudentArchitecture, build_student
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.types import DepthBatch, ViewOrigin
from disdepth_cli.working_size import WorkingSize

FOLDER = Path(__file__).parents[2] / "examples" / "teachers"
pytestmark = pytest.mark.filterwarnings("default")  # other people's packages warn of what they like


def adapter(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def needs(package: str, how: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(package, reason=f"{how} is not installed", exc_type=ImportError)


def image(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 112, 140, generator=torch.Generator().manual_seed(1))


def origin(focal: float, count: int = 2) -> ViewOrigin:
    one = ViewOrigin.of_one((0.0, 0.0, 1.0, 1.0), False, 1.0, focal, {})
    return ViewOrigin.collate([one] * count)


def learns(teacher: DepthTeacher, known: ViewOrigin | None = None) -> None:
    """A step of acclimation has a finite loss and reaches the acclimation's weights, never the teacher's."""
    batch = DepthBatch(
        image=torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(2)),
        depth=torch.linspace(1, 5, 96).expand(2, 1, 64, 96).contiguous(),
        valid=torch.ones(2, 1, 64, 96, dtype=torch.bool),
        keys=["a", "b"],
        labelled=torch.ones(2, dtype=torch.bool),
        origin=known,
    )
    torch.manual_seed(0)
    student = build_student(StudentArchitecture("mobilenetv2_050", 0.001, 10.0, WorkingSize(64, 96)))
    acclimation = Acclimation(teacher.contract.spec, student.decoder, tokens=2)
    terms = GhostStep(acclimation, AcclimatedTeacher(teacher, acclimation), teacher_weight=1.0).train()(batch)
    terms.total.backward()
    assert bool(torch.isfinite(terms.total))
    assert all(tap[0].weight.grad is not None for tap in acclimation.fam.taps)
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.fixture(scope="module")
def da3() -> DepthTeacher:
    needs("addict", "depth-anything-3")
    needs("depth_anything_3.model.da3", "depth-anything-3 (pip install --no-deps)")
    from depth_anything_3.model.da3 import DepthAnything3Net
    from depth_anything_3.model.dinov2.dinov2 import DinoV2
    from depth_anything_3.model.dpt import DPT

    torch.manual_seed(0)
    encoder = DinoV2("vits", [2, 5, 8, 11], cat_token=False)
    head = DPT(dim_in=384, output_dim=1, features=32, out_channels=[16, 24, 32, 48])
    network = DepthAnything3Net(encoder, head).eval()
    for parameter in head.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_normal_(parameter)
    return load_teacher(adapter("depth_anything_3").describe(network, "apache-2.0"))


def test_depth_anything_3(da3: DepthTeacher) -> None:
    contract = da3.contract
    assert (contract.kind, contract.needs_focal, contract.size_multiple) == ("metric_depth", True, 14)
    assert contract.taps[-1] == "network.backbone.pretrained.blocks.11"
    assert contract.spec.channels == (384,) * 4 and contract.spec.reductions == (14,) * 4
    with torch.no_grad():
        seen = da3(image(), origin(300.0))
        network = da3.network.model.network
        pixels = (image() - da3.mean) / da3.std
        alone = network(pixels[1:, None])["depth"][:, 0]
    # Half of 300 pixels of focal length is half the metres; images do not know of each other.
    assert torch.allclose(seen.depth[1], alone, rtol=1e-4)
    with torch.no_grad():
        assert torch.allclose(da3(image(), origin(150.0)).depth, seen.depth / 2, rtol=1e-5)
    assert [tuple(feature.shape) for feature in seen.features] == [(2, 384, 8, 10)] * 4
    with torch.no_grad():
        kept = network.backbone(pixels[1:, None])[0]
    assert seen.features[0][1].shape == (384, 8, 10) and len(kept) == 4


def test_depth_anything_3_learns(da3: DepthTeacher) -> None:
    learns(da3, origin(80.0))


def test_depth_anything_3_asks_for_the_focal_length(da3: DepthTeacher) -> None:
    with pytest.raises(TeacherError, match="needs the focal length"):
        da3(image())


@pytest.fixture(scope="module")
def moge() -> DepthTeacher:
    needs("moge.model.v2", "dlr-moge (pip install --no-deps)")
    from moge.model.v2 import MoGeModel

    torch.manual_seed(0)
    widths = [32, 16, 16, 8, 8]
    stack = {"dim_res_blocks": widths, "resamplers": ["bilinear"] * 4, "res_block_in_norm": "none",
             "res_block_hidden_norm": "none"}  # fmt: skip
    network = MoGeModel(
        encoder={"backbone": "dinov2_vits14", "intermediate_layers": [5, 11], "dim_out": 30},
        neck={"dim_in": [32, 2, 2, 2, 2], "dim_out": widths, **stack},
        points_head={"dim_in": widths, "dim_out": [None, None, None, None, 3], **stack},
        mask_head={"dim_in": widths, "dim_out": [None, None, None, None, 1], **stack},
        scale_head={"dims": [384, 16, 1]},
        remap_output="exp",
    )
    return load_teacher(adapter("moge_2").describe(network.eval(), "mit"))


@pytest.mark.slow
def test_moge_2(moge: DepthTeacher) -> None:
    contract = moge.contract
    assert (contract.kind, contract.sees, contract.licence) == ("metric_depth", "whole", "mit")
    assert contract.taps == ("network.encoder.output_projections.0", "network.encoder.output_projections.1")
    seen = moge(image())
    assert seen.depth.shape == (2, 1, 112, 140) and bool(torch.isfinite(seen.depth).all())
    # Its own grid: about 1200 tokens of the image's aspect, whatever the image's size.
    rows, columns = seen.features[0].shape[-2:]
    assert rows * columns == pytest.approx(1200, rel=0.05) and rows / columns == pytest.approx(112 / 140, rel=0.05)
    theirs = moge.network.model.network.infer(image(), num_tokens=1200, apply_mask=False, use_fp16=False)
    inside = theirs["mask"].unsqueeze(1)
    assert bool(inside.any())
    assert torch.allclose(seen.depth[inside], theirs["depth"].unsqueeze(1)[inside].clamp(min=0), rtol=1e-4)


def test_moge_2_learns_although_it_runs_in_inference_mode(moge: DepthTeacher) -> None:
    learns(moge)


@pytest.fixture(scope="module")
def marigold() -> DepthTeacher:
    diffusers = needs("diffusers", "diffusers")
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    unet = diffusers.UNet2DConditionModel(
        block_out_channels=(32, 64),
        layers_per_block=1,
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=8,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=[32, 64],
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        latent_channels=4,
    )
    text = CLIPTextModel(CLIPTextConfig(hidden_size=32, intermediate_size=37, num_attention_heads=4,
                                        num_hidden_layers=1, vocab_size=100))  # fmt: skip
    pipeline = diffusers.MarigoldDepthPipeline(
        unet, vae, diffusers.DDIMScheduler(), text, None, "depth", True, True, 4, 0
    )
    pipeline.empty_text_embedding = torch.zeros(1, 2, 32)
    return load_teacher(adapter("marigold").describe(pipeline, "openrail++"))


@pytest.mark.slow
def test_marigold(marigold: DepthTeacher) -> None:
    contract = marigold.contract
    assert (contract.kind, contract.depth_alone, contract.sees) == ("relative_depth", True, "whole")
    assert contract.parameters > 1e5 and contract.id == "Marigold"
    with torch.no_grad():
        seen, again = marigold(image()), marigold(image().flip(0))
    assert 0 <= float(seen.depth.min()) < float(seen.depth.max()) <= 1
    assert torch.allclose(seen.depth, again.depth.flip(0), atol=1e-4)  # the same noise for every image


def test_marigold_learns(marigold: DepthTeacher) -> None:
    learns(marigold)
