"""A teacher that sees whole images: its depth and features are cut to the student's views, and kept once an image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from disdepth_cli import acclimate, evaluate
from disdepth_cli.config import AugmentConfig
from disdepth_cli.data.batches.loader import TrainDataset
from disdepth_cli.data.batches.views import TrainView
from disdepth_cli.data.files.pair import load_pair
from disdepth_cli.data.sets.open import load_source
from disdepth_cli.method.acclimate_steps import AttentionStep, GhostStep
from disdepth_cli.method.acclimated_teacher import AcclimatedTeacher
from disdepth_cli.method.ghost_acclimation import Acclimation
from disdepth_cli.method.teacher_cache import TeacherCache
from disdepth_cli.models.decoder import DepthDecoder
from disdepth_cli.scoring.open_model import open_model
from disdepth_cli.scoring.teacher_inputs import origins_of
from disdepth_cli.teachers.contract import IMAGENET_MEAN, TeacherContract
from disdepth_cli.teachers.teacher import DepthTeacher, TeacherNetwork
from disdepth_cli.types import DepthBatch, FeatureSpec, StoredBatch
from disdepth_cli.working_size import WorkingSize, to_pixels

SIZE = (64, 96)  # the rooms' own size


class Location(TeacherNetwork):
    """Depth that is a function of the place in the whole image alone, and its share as a feature; counts its looks."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[tuple[int, ...]] = []

    def forward(self, pixels: Tensor, *focal: Tensor) -> tuple[Tensor, list[Tensor]]:
        self.looks.append(tuple(pixels.shape))
        height, width = pixels.shape[-2:]
        rows = (torch.arange(height) + 0.5) / height
        columns = (torch.arange(width) + 0.5) / width
        depth = (1 + 4 * rows.view(-1, 1) + columns).expand(len(pixels), 1, height, width)
        return depth, [torch.nn.functional.avg_pool2d(depth, 4)]


def teacher_of(sees: str = "whole", fixed: tuple[int, int] | None = SIZE, focal: bool = False) -> DepthTeacher:
    return DepthTeacher(
        Location(),
        TeacherContract(
            id="place",
            family="yours",
            model_type="Place",
            kind="metric_depth",
            unit="m",
            max_depth=None,
            size_multiple=1,
            mean=IMAGENET_MEAN,
            std=(1.0, 1.0, 1.0),
            working_size=WorkingSize(*SIZE, multiple=1, scale_rule="stretch", pad=False),
            taps=("pool",),
            spec=FeatureSpec((1,), (4,)),
            parameters=0,
            licence=None,
            revision=None,
            fingerprint="0",
            fixed_size=fixed,
            sees=sees,  # type: ignore[arg-type]
            needs_focal=focal,
        ),
    ).freeze()


@pytest.fixture(scope="module")
def batch(rooms: Path) -> DepthBatch:
    """Views of six images, zoomed and mirrored at random, with their origins for a teacher that sees whole images."""
    source = load_source(rooms)
    view = TrainView(AugmentConfig(scale=1.5), (32, 64), WorkingSize(*SIZE), None, 3, 1e-3, 10.0)
    dataset = TrainDataset(source.train, source, view, origins_of([teacher_of()]))
    return StoredBatch.collate([dataset[(0, index)] for index in range(6)]).to(torch.device("cpu"))


def expected(batch: DepthBatch) -> Tensor:
    """The depth of `Place` under each view, worked out from its origin by hand."""
    height, width = batch.image.shape[-2:]
    depths = []
    for box, mirrored, zoom in zip(batch.origin.box, batch.origin.mirrored, batch.origin.zoom, strict=True):
        top, left, rows, columns = box.tolist()
        y = top + (np.arange(height) + 0.5) / height * rows
        x = left + (np.arange(width) + 0.5) / width * columns
        x = x[::-1] if mirrored else x
        depths.append((1 + 4 * y[:, None] + x[None]) / float(zoom))
    return torch.from_numpy(np.stack(depths)).float().unsqueeze(1)


def test_depth_and_features_are_cut_to_the_views(batch: DepthBatch) -> None:
    assert bool(batch.origin.mirrored.any()) and not bool(batch.origin.mirrored.all())
    assert float(batch.origin.zoom.max()) > 1.1 > 1 / 1.1 > float(batch.origin.zoom.min())
    seen = teacher_of()(batch.image, batch.origin)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # the outermost half pixels repeat the edge
    assert torch.allclose(seen.depth[inside], expected(batch)[inside], rtol=1e-4)
    assert seen.features[0].shape == (6, 1, 8, 16)
    pooled = torch.nn.functional.avg_pool2d(expected(batch) * batch.origin.zoom.view(-1, 1, 1, 1), 4)
    assert torch.allclose(seen.features[0][..., 1:-1, 1:-1], pooled[..., 1:-1, 1:-1], rtol=0.02)


def test_the_cut_depth_is_the_labels_where_the_teacher_is_right(rooms: Path) -> None:
    """Against the views' own ground truth: a teacher that says what is stored says what the view's label says."""
    source = load_source(rooms)
    view = TrainView(AugmentConfig(scale=1.3), (32, 64), WorkingSize(*SIZE), None, 1, 1e-3, 10.0)
    dataset = TrainDataset(source.train, source, view, origins_of([teacher_of()]))
    for index in range(4):
        sample = StoredBatch.collate([dataset[(0, index)]]).to(torch.device("cpu"))
        truth = torch.from_numpy(load_pair(source.train[index], source)[1])[None, None]
        teacher = teacher_of()
        teacher.network.forward = lambda pixels, truth=truth: (truth, [truth])  # type: ignore[method-assign]
        seen = teacher(sample.image, sample.origin)
        off = ((seen.depth - sample.depth).abs() / sample.depth.clamp(min=0.1))[sample.valid]
        assert float(off.median()) < 0.01


@pytest.mark.parametrize("span", [None, (0.0, 2.0), (0.5, 3.0)])
def test_the_ghost_says_what_the_whole_image_says(batch: DepthBatch, span: tuple[float, float] | None) -> None:
    """Its features are the same at any zoom, so the zoom comes behind it: metres / zoom, disparity x zoom."""
    torch.manual_seed(0)
    teacher = teacher_of()
    decoder = DepthDecoder(FeatureSpec((8, 8), (4, 8)), 8, 8, 0.0, 1.0 if span else 10.0)
    acclimated = AcclimatedTeacher(teacher, Acclimation(teacher.contract.spec, decoder, 2).freeze(), "fp32", span)
    depths = []
    for zoom in (1.0, 1.25):
        origin = replace(batch.origin, zoom=torch.full_like(batch.origin.zoom, zoom))
        depths.append(acclimated(batch.image, origin).depth)
    low, high = span or (0.0, 1.0)
    once, zoomed = (depth * (high - low) + low for depth in depths)
    assert torch.allclose(zoomed, once * 1.25 if span else once / 1.25, rtol=1e-4)


@pytest.mark.parametrize("step_of", [lambda *of: GhostStep(*of, 0.0), lambda *of: AttentionStep(*of, 0.0)])
def test_labels_of_zoomed_views_cost_what_those_of_the_image_cost(batch: DepthBatch, step_of: Callable) -> None:
    """Labels of a view are the image's divided by its zoom; what the ghost says, and so the loss, goes with them."""
    torch.manual_seed(0)
    teacher = teacher_of()
    decoder = DepthDecoder(FeatureSpec((8, 8), (4, 8)), 8, 8, 0.0, 10.0)
    acclimation = Acclimation(teacher.contract.spec, decoder, 2)
    step = step_of(acclimation, AcclimatedTeacher(teacher, acclimation)).eval()
    losses = []
    for zoom in (torch.ones(6), torch.linspace(0.8, 1.25, 6)):
        depth = torch.where(batch.valid, batch.depth, 1.0) / zoom.view(-1, 1, 1, 1)
        origin = replace(batch.origin, zoom=zoom)
        losses.append(sum(step(replace(batch, depth=depth, origin=origin)).parts.values()).item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


NET = """
from pathlib import Path
import torch

class Net(torch.nn.Module):
    kind, size, fixed, mean, std = "metric_depth", (64, 96), True, (0, 0, 0), (1, 1, 1)

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 4, 4)

    def forward(self, image):
        with open(Path(__file__).with_name("seen.txt"), "a") as log:
            for one in image:
                log.write(f"{float(one.diff(dim=-1).abs().sum()):.2f} ")
        return 1 + image.mean(1), [self.conv(image)]

def net():
    torch.manual_seed(0)
    return Net()
"""


def test_the_ghost_is_scored_on_what_the_teacher_sees_of_whole_images(rooms: Path, tmp_path: Path) -> None:
    """As in training: not on images that were brought to the student's size first."""
    (tmp_path / "net.py").write_text(NET)
    seen, run, here = tmp_path / "seen.txt", tmp_path / "run", {"device": "cpu", "workers": 0}
    source = load_source(rooms)
    pixels = [to_pixels(load_pair(item, source)[0]) for item in source.val]
    whole = {f"{float(torch.from_numpy(one).diff(dim=-1).abs().sum()):.2f}" for one in pixels}
    small = {"student": "mobilenetv2", "input_size": "32x64", "batch_size": 4, "precision": "fp32"}
    acclimate(teacher=f"{tmp_path / 'net.py'}:net", data=rooms, output=run, max_steps=1, **small, **here)
    seen.write_text("")
    evaluate(model=str(run), data=str(rooms), baselines=False, **here)
    assert whole <= set(seen.read_text().split()) and len(whole) == len(pixels)
    seen.write_text("")
    open_model(str(run), "cpu").predict_depth(load_pair(source.val[0], source)[0])
    assert set(seen.read_text().split()) & whole


def test_the_mirrored_view_is_of_the_mirrored_image(batch: DepthBatch) -> None:
    class Left(Location):
        def forward(self, pixels: Tensor, *focal: Tensor) -> tuple[Tensor, list[Tensor]]:
            return pixels.mean(dim=1, keepdim=True) + 5, [pixels]

    teacher = teacher_of()
    teacher.network = Left()
    straight = teacher(batch.image, batch.origin)
    turned = teacher(batch.image.flip(-1), batch.origin.flipped())
    assert torch.allclose(turned.depth.flip(-1), straight.depth, atol=1e-4)
    some = torch.tensor([True, False, True, False, False, True])
    part = teacher(batch.image[some], batch.origin.rows(some))
    assert torch.equal(part.depth, straight.depth[some])


def test_an_image_is_one_entry_of_the_cache(batch: DepthBatch, rooms: Path, tmp_path: Path) -> None:
    memory, teacher = TeacherCache(tmp_path), teacher_of()
    first = memory.infer(teacher, batch.image, "fp32", batch.origin)
    assert torch.allclose(first.depth, teacher(batch.image, batch.origin).depth, rtol=1e-6)
    source = load_source(rooms)
    view = TrainView(AugmentConfig(scale=1.5), (32, 64), WorkingSize(*SIZE), None, 4, 1e-3, 10.0)
    dataset = TrainDataset(source.train, source, view, origins_of([teacher]))
    other = StoredBatch.collate([dataset[(7, index)] for index in range(6)]).to(torch.device("cpu"))
    assert not torch.equal(other.image, batch.image)
    memory.infer(teacher, other.image, "fp32", other.origin)
    assert (memory.views, memory.computed) == (12, 6)


def test_images_of_several_sizes(batch: DepthBatch) -> None:
    teacher = teacher_of(fixed=None)
    key = teacher.contract.key
    whole = [one[:, :, : 96 - 8 * (place % 2)] for place, one in enumerate(batch.origin.whole[key])]
    mixed = replace(batch.origin, whole={key: whole})
    batched = teacher(batch.image, mixed)
    assert [shape[0] for shape in teacher.network.looks] == [3, 3]
    for place in range(6):
        chosen = torch.arange(6) == place
        alone = teacher(batch.image[chosen], mixed.rows(chosen))
        assert torch.allclose(batched.depth[chosen], alone.depth)
        assert torch.allclose(batched.features[0][chosen], alone.features[0])


def test_without_an_origin_the_image_is_whole() -> None:
    teacher = teacher_of()
    depth = teacher(torch.rand(1, 3, *SIZE)).depth
    assert torch.allclose(depth, teacher.network(torch.rand(1, 3, *SIZE))[0])


def test_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    lines = dict(line.split(": ", 1) for line in teacher_of().contract.lines())
    assert lines["sees"].startswith("the whole image once")
    assert lines["input_size"] == "64x96 only; every whole image is stretched to it"
