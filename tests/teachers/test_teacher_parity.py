"""Every depth type of transformers against transformers: depth, features, batches, and a step of acclimation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from disdepth_cli.method.acclimate_steps import GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.models.student import DepthStudent, StudentArchitecture, build_student
from disdepth_cli.scoring.open_model import teacher_predictor
from disdepth_cli.teachers import DepthTeacher, load_teacher
from disdepth_cli.teachers.teacher import resize_view
from disdepth_cli.teachers.transformers_family import quiet
from disdepth_cli.types import DepthBatch
from disdepth_cli.working_size import WorkingSize

VIT = (14, (14, 14, 14, 14), (24, 24, 24, 24), "stage1 stage2 stage3 stage4")
DEPTH_PRO = (
    1,
    (8, 8, 8, 16, 32, 32),
    (24,) * 6,
    "patch-layer1 patch-layer3 patch-scale1 patch-scale0.5 patch-scale0.25 image",
)
EXPECTED = {
    # name: kind, max_depth, multiple, strides, channels, taps
    "metric": ("metric_depth", 10.0, *VIT),
    "relative": ("disparity", None, *VIT),
    "relative-beit": ("disparity", None, 16, (16,) * 4, *VIT[2:]),
    "dpt": ("disparity", None, 16, (16,) * 4, (24,) * 4, "layer1 layer2 layer3 layer4"),
    "hybrid": ("disparity", None, 32, (4, 8, 16, 16), (8, 16, 24, 24), "stage1 stage2 layer3 layer4"),
    "dpt-beit": ("disparity", None, 16, (16,) * 4, *VIT[2:]),
    "dpt-swinv2": ("disparity", None, 32, (4, 8, 16, 32), (8, 16, 32, 64), VIT[3]),
    "dpt-dinov2": ("disparity", None, *VIT),
    "dpt-dinov2-metric": ("metric_depth", None, *VIT),
    "depth-pro": ("metric_depth", None, *DEPTH_PRO),
    "depth-pro-no-fov": ("relative_depth", None, *DEPTH_PRO),
    "glpn": ("metric_depth", 10.0, 32, (4, 8, 16, 32), (8, 16, 24, 32), "block1 block2 block3 block4"),
    "tipsv2": ("metric_depth", 8.0, *VIT),
    "zoedepth": ("metric_depth", 10.0, 16, (16,) * 4, *VIT[2:]),
    "zoedepth-swinv2": ("metric_depth", 10.0, 32, (4, 8, 16, 32), (8, 16, 32, 64), VIT[3]),
    "zoedepth-nk": ("metric_depth", 80.0, 16, (16,) * 4, *VIT[2:]),
}
NO_PADDING = {"zoedepth": {"do_remove_padding": False}}


@pytest.fixture(params=EXPECTED)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def teacher(name: str, loaded: Callable[[str], DepthTeacher]) -> DepthTeacher:
    return loaded(name)


@pytest.fixture
def folder(name: str, tiny: Callable[[str], Path]) -> Path:
    return tiny(name)


def upstream(folder: Path):
    from transformers import AutoModelForDepthEstimation

    with quiet():
        return AutoModelForDepthEstimation.from_pretrained(folder, dtype=torch.float32).eval()


def processor_of(folder: Path, model_type: str):
    """The checkpoint's image processor, or its type's."""
    import transformers

    if (folder / "preprocessor_config.json").is_file():
        with quiet():
            return transformers.AutoImageProcessor.from_pretrained(folder)
    kinds = {"depth_anything": transformers.DPTImageProcessor, "depth_pro": transformers.DepthProImageProcessor}
    return kinds[model_type]()


def views(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def assert_same_depth(ours: torch.Tensor, theirs: torch.Tensor, rtol: float = 1e-4) -> None:
    assert ours.shape == theirs.shape
    assert float(theirs.std()) > 1e-3 * float(theirs.mean()) > 0  # a constant would tell nothing
    assert torch.allclose(ours, theirs, rtol=rtol, atol=1e-5 * float(theirs.mean()))  # for what a ReLU cuts off


def test_depth_is_upstreams_after_its_post_processing(name: str, teacher: DepthTeacher, folder: Path) -> None:
    model = upstream(folder)
    kind = model.config.model_type
    # Upstream's own ViT in DPT takes squares only, the hybrid only its own size; the others take any.
    view = (64, 64) if name in ("dpt", "hybrid") else (60, 100)
    image = views(1, 3, *view)
    pixels = (resize_view(image, teacher.input_size(*view)) - teacher.mean) / teacher.std
    with torch.no_grad():
        outputs, ours = model(pixels), teacher(image).depth
    processed = processor_of(folder, kind).post_process_depth_estimation(
        outputs, target_sizes=[view], **NO_PADDING.get(kind, {})
    )
    assert ours is not None
    assert_same_depth(ours[0, 0], processed[0]["predicted_depth"])


def test_prediction_is_upstreams_pipeline(teacher: DepthTeacher, folder: Path) -> None:
    """An image of the working size, from uint8 to depth, through either side's own reading of the processor's file."""
    model = upstream(folder)
    kind, size = model.config.model_type, teacher.contract.working_size
    processor = processor_of(folder, kind)
    if kind == "depth_pro":
        processor.size = {"height": 128, "width": 128}  # where there is no file: the network takes nothing else
    elif not (folder / "preprocessor_config.json").is_file():
        processor.size = {"height": size.height, "width": size.width}
        processor.image_mean, processor.image_std = teacher.contract.mean, teacher.contract.std
    image = (views(size.height, size.width, 3).numpy() * 255).astype(np.uint8)
    with torch.no_grad():
        outputs = model(**processor(images=image, return_tensors="pt"))
    processed = processor.post_process_depth_estimation(outputs, [image.shape[:2]])  # as its pipeline calls it
    predictor = teacher_predictor(teacher, torch.device("cpu"), "fp32")
    assert predictor.kind == teacher.contract.kind
    rtol = 2e-3 if kind == "zoedepth" else 1e-4  # its margin makes the image smaller: eight bits a pixel, here
    assert_same_depth(torch.from_numpy(predictor.predict(image)), processed[0]["predicted_depth"], rtol)


def test_contract_and_features_are_as_declared(name: str, teacher: DepthTeacher) -> None:
    kind, max_depth, multiple, strides, channels, taps = EXPECTED[name]
    contract = teacher.contract
    assert (contract.kind, contract.max_depth) == (kind, max_depth)
    assert contract.unit == ("m" if kind == "metric_depth" else "none")
    assert contract.taps == tuple(taps.split())
    assert (contract.size_multiple, contract.spec.reductions, contract.spec.channels) == (multiple, strides, channels)
    height, width = contract.fixed_size or (2 * multiple, 3 * multiple)
    output = teacher(views(1, 3, height, width))
    shapes = [tuple(feature.shape) for feature in output.features]
    assert shapes == [(1, c, height // s, width // s) for c, s in zip(channels, strides, strict=True)]
    assert output.depth is not None and output.depth.shape == (1, 1, height, width)


def test_neck_taps(folder: Path) -> None:
    teacher = load_teacher(str(folder), taps="neck")
    spec = teacher.contract.spec
    assert teacher.contract.taps == tuple(f"neck{level + 1}" for level in range(len(spec)))
    assert len(set(spec.channels)) == 1 and list(spec.reductions) == sorted(spec.reductions)


def test_batch_equals_single(teacher: DepthTeacher) -> None:
    image = views(3, 3, 64, 96)
    with torch.no_grad():
        batched = teacher(image)
        alone = [teacher(image[i : i + 1]) for i in range(3)]
    assert torch.allclose(batched.depth, torch.cat([o.depth for o in alone]), rtol=1e-4, atol=1e-5)
    for level, feature in enumerate(batched.features):
        assert torch.allclose(feature, torch.cat([o.features[level] for o in alone]), rtol=1e-4, atol=1e-4)


def test_every_view_has_its_own_metric_head(tiny: Callable[[str], Path]) -> None:
    """Upstream lets a batch vote; a view's metres must not depend on its neighbours."""
    teacher = load_teacher(str(tiny("zoedepth-nk")))
    model = teacher.network.get_submodule("model")
    image = torch.cat([views(1, 3, 64, 96), views(1, 3, 64, 96) * 0.1, views(1, 3, 64, 96) * 0.4 + 0.6])
    with torch.no_grad():
        logits = [model((view - teacher.mean) / teacher.std).domain_logits[0] for view in image.split(1)]
        # Without this bias the random classifier sends all views to one head; halfway between two, none is on the edge.
        preference = torch.stack(logits).diff(dim=1).neg().flatten().sort().values
        model.metric_head.mlp_classifier.linear2.bias[0] -= preference[:2].mean()
        alone = torch.cat([teacher(view).depth for view in image.split(1)])
        batched = teacher(image).depth
        voted = model((image - teacher.mean) / teacher.std).predicted_depth.unsqueeze(1)
    assert torch.allclose(batched, alone, rtol=1e-4)
    assert not torch.allclose(voted, alone, rtol=1e-4)


def test_field_of_view_is_each_views_own(tiny: Callable[[str], Path]) -> None:
    teacher = load_teacher(str(tiny("depth-pro")))
    head = teacher.network.get_submodule("model.fov_model.head.layers.4")
    image = views(2, 3, 128, 128)
    before = teacher(image).depth
    with torch.no_grad():
        head.bias += 20  # a wider lens: the same picture is nearer
        after = teacher(image).depth
    ratio = (after / before).flatten(1)
    assert float(ratio.max()) < 1
    assert torch.allclose(ratio, ratio.median(dim=1, keepdim=True).values.expand_as(ratio), rtol=1e-3)
    assert not torch.allclose(ratio[0].median(), ratio[1].median(), rtol=1e-5)


def hooks_of(teacher: DepthTeacher) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in teacher.network.modules())


def test_encoder_runs_once(name: str, teacher: DepthTeacher) -> None:
    """One forward of the encoder per view gives depth and features: its first convolution sees the view once."""
    seen: list[torch.Size] = []
    before = hooks_of(teacher)
    hooks = [
        module.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
        for module in teacher.network.modules()
        if isinstance(module, torch.nn.Conv2d) and module.in_channels == 3 and module.stride[0] > 1
    ]
    teacher(views(1, 3, 64, 96))
    for hook in hooks:
        hook.remove()
    assert len(seen) == {"depth-pro": 3, "depth-pro-no-fov": 2}.get(name, 1)  # patches, image, lens
    assert hooks_of(teacher) == before


@pytest.fixture(scope="module")
def student() -> DepthStudent:
    torch.manual_seed(0)
    return build_student(StudentArchitecture("mobilenetv2_100", 0.001, 10.0, WorkingSize(64, 96)))


@pytest.fixture(scope="module")
def batch() -> DepthBatch:
    image = views(2, 3, 64, 96)
    depth = torch.linspace(1, 5, 96).expand(2, 1, 64, 96) + image.mean(dim=1, keepdim=True)
    return DepthBatch(image, depth, depth > 1.5, ["a", "b"], torch.tensor([True, True]))


def test_acclimation_lowers_its_loss(teacher: DepthTeacher, student: DepthStudent, batch: DepthBatch) -> None:
    torch.manual_seed(0)
    acclimation = Acclimation(teacher.contract.spec, student.decoder, tokens=2)
    step = GhostStep(acclimation, AcclimatedTeacher(teacher, acclimation), teacher_weight=0.1).train()
    optimizer = torch.optim.AdamW(step.parameters(), lr=1e-3)
    losses = []
    for _ in range(5):
        terms = step(batch)
        optimizer.zero_grad()
        terms.total.backward()
        optimizer.step()
        losses.append(float(terms.total.detach()))
    assert set(terms.parts) == {"depth", "teacher"}  # a relative teacher's depth counts as ground truth aligns it
    assert losses[-1] < 0.95 * losses[0]
    assert all(parameter.grad is None for parameter in teacher.parameters())
