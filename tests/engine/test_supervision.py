"""What stands in for ground truth where there is none, and which of its pixels count."""

from __future__ import annotations

import pytest
import torch

from disdepth_cli.config.training import PseudoLabelOptions
from disdepth_cli.losses.depth import silog
from disdepth_cli.method.supervision import imitation, supervise, target_parts
from disdepth_cli.types import DepthBatch

SHAPE = (2, 1, 10, 10)


@pytest.fixture
def batch():
    """The first image has ground truth 2 m on its upper half, the second has none."""
    depth = torch.zeros(SHAPE)
    depth[0, :, :5] = 2.0
    return DepthBatch(torch.rand(2, 3, 10, 10), depth, depth > 0, ["a", "b"], torch.tensor([True, False]))


def never(image):
    raise AssertionError("the teacher need not look again")


def test_the_teacher_speaks_only_where_an_image_has_no_depth(batch):
    pseudo = torch.full(SHAPE, 5.0)
    target = supervise(batch, pseudo, pseudo, "metric_depth", PseudoLabelOptions(pseudo_drop=0), never)
    assert torch.equal(target.value[0], batch.depth[0]) and torch.equal(target.valid[0], batch.valid[0])
    assert (target.value[1] == 5).all() and target.valid[1].all()
    assert target.weight is None
    assert target.shares["labelled_images"] == 0.5 and target.shares["pseudo_pixels"] == 0.5


@pytest.mark.parametrize("kind", ["metric_depth", "disparity"])
def test_the_worst_pixels_of_a_pseudo_label_are_dropped(batch, kind):
    pseudo = torch.full(SHAPE, 0.5)
    prediction = torch.full(SHAPE, 0.5)
    prediction[:, :, 3, :8] = 0.9  # eight pixels of either image are far from it
    target = supervise(batch, prediction, pseudo, kind, PseudoLabelOptions(pseudo_drop=0.08), never)
    assert torch.equal(target.valid[0], batch.valid[0])  # ground truth is never dropped
    assert target.valid[1].sum() == 92 and not target.valid[1, 0, 3, :8].any()
    assert target.shares["pseudo_pixels"].item() == pytest.approx(0.46)


def test_non_finite_pseudo_labels_do_not_count(batch):
    pseudo = torch.full(SHAPE, 5.0)
    pseudo[1, 0, 0, :3] = torch.tensor([float("nan"), float("inf"), -1.0])
    target = supervise(batch, pseudo, pseudo, "metric_depth", PseudoLabelOptions(), never)
    assert target.valid[1].sum() <= 97 and not target.valid[1, 0, 0, :3].any()
    assert torch.isfinite(target.value).all()


def test_confidence_is_agreement_with_the_flipped_image(batch):
    pseudo = torch.full(SHAPE, 2.0)
    looked = []

    def infer(image, origin):
        looked.append(image)
        flipped = torch.full((len(image), 1, 10, 10), 2.0)
        flipped[..., 7:] = 3.0  # of the flipped image: columns 0 to 2 of the image itself
        return flipped

    config = PseudoLabelOptions(pseudo_drop=0, pseudo_confidence="flip")
    target = supervise(batch, pseudo, pseudo, "metric_depth", config, infer)
    assert torch.equal(looked[0], batch.image[1:].flip(-1))
    assert (target.weight[0] == 1).all() and torch.allclose(target.weight[1, ..., 3:], torch.ones(7))
    assert (target.weight[1, ..., :3] < 0.05).all()
    prediction = torch.rand(SHAPE) + 1
    parts = target_parts(prediction, target, "metric_depth", 1.0)
    assert parts["depth"].item() == silog(prediction, target.value, target.valid, target.weight).item()
    assert parts["depth"].item() != silog(prediction, target.value, target.valid).item()


def test_kinds_have_their_own_losses(batch):
    pseudo = torch.rand(SHAPE)
    batch.labelled[:] = False
    prediction = torch.rand(SHAPE) + 0.1
    target = supervise(batch, prediction, pseudo, "disparity", PseudoLabelOptions(), never)
    assert set(target_parts(prediction, target, "disparity", 4.0)) == {"depth", "anchor"}
    assert set(target_parts(prediction, target, "disparity", 0.0)) == {"depth"}
    assert set(target_parts(prediction, target, "metric_depth", 4.0)) == {"depth"}
    assert imitation(prediction, pseudo, "disparity").item() == pytest.approx((prediction - pseudo).abs().mean().item())
    double = imitation(2 * pseudo + 2e-6, pseudo + 1e-6, "metric_depth").item()
    assert double == pytest.approx(0.693147, rel=1e-3)


def test_weighted_silog_with_equal_weights_is_silog():
    depth, target = torch.rand(SHAPE) + 1, torch.rand(SHAPE) + 1
    valid = torch.rand(SHAPE) > 0.5
    plain = silog(depth, target, valid)
    assert silog(depth, target, valid, torch.full(SHAPE, 0.3)).item() == pytest.approx(plain.item(), rel=1e-5)
    only = torch.zeros(SHAPE)
    only[0] = 1
    assert silog(depth, target, valid, only).item() == pytest.approx(
        silog(depth[:1], target[:1], valid[:1]).item(), rel=1e-5
    )
