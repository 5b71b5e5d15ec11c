"""Losses: golden values, invalid pixels, masks."""

from __future__ import annotations

import math

import pytest
import torch

from disdepth_cli.losses.attentive import (
    attentive_loss,
    dice_diversity,
    fgd_masks,
    ghost_error_masks,
    uniform_masks,
    union,
)
from disdepth_cli.losses.depth import log_l1, silog


def test_silog_golden():
    prediction = torch.tensor([2.0, 4.0]).view(1, 1, 1, 2)
    target = torch.tensor([1.0, 1.0]).view(1, 1, 1, 2)
    a, b = math.log(2), math.log(4)
    expected = 10 * math.sqrt((a * a + b * b) / 2 - 0.85 * ((a + b) / 2) ** 2)
    got = silog(prediction, target, torch.ones_like(target, dtype=torch.bool))
    assert got.item() == pytest.approx(expected, rel=1e-4)


def test_silog_forgives_part_of_a_scale_error():
    torch.manual_seed(0)
    target = torch.rand(2, 1, 8, 8) + 1
    valid = torch.ones_like(target, dtype=torch.bool)
    assert silog(2 * target, target, valid).item() == pytest.approx(10 * math.log(2) * math.sqrt(0.15), rel=1e-3)


def test_invalid_pixels_do_not_count_and_no_valid_pixel_is_harmless():
    prediction = torch.rand(1, 1, 4, 4).requires_grad_()
    target = torch.rand(1, 1, 4, 4).detach() + 0.5
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[..., :2, :] = False
    spoiled = torch.where(valid, target, torch.tensor(float("nan")))
    assert torch.equal(silog(prediction, spoiled, valid), silog(prediction, target, valid))
    nothing = silog(prediction, target, torch.zeros_like(valid))
    nothing.backward()
    assert nothing.item() == 0 and (prediction.grad == 0).all()
    assert log_l1(prediction, target, torch.zeros_like(valid)).item() == 0


def test_gradient_is_finite_at_a_perfect_prediction():
    target = torch.rand(1, 1, 4, 4) + 1
    prediction = target.clone().requires_grad_()
    silog(prediction, target, torch.ones_like(target, dtype=torch.bool)).backward()
    assert torch.isfinite(prediction.grad).all()


def test_log_l1_golden():
    prediction, target = torch.tensor([[[[1.0, 4.0]]]]), torch.tensor([[[[2.0, 1.0]]]])
    assert log_l1(prediction, target).item() == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-4)


def test_attentive_loss_golden_and_masks_stay_apart():
    student, teacher = torch.zeros(1, 2, 1, 2), torch.tensor([[[[1.0, 3.0]], [[1.0, 3.0]]]])
    # errors per position: 1 and 9; token 0 looks left only, token 1 right only
    masks = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    assert attentive_loss(student, teacher, masks).item() == pytest.approx((1 + 9) / 2)
    unequal = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.6]]]])  # a weaker mask counts as much as a strong one
    assert attentive_loss(student, teacher, unequal).item() == pytest.approx((1 + 9) / 2)
    faint = torch.tensor([[[[1.0, 0.0]], [[0.0, 0.1]]]])  # but not where it covers next to nothing: 0.1 of 0.5
    assert attentive_loss(student, teacher, faint).item() == pytest.approx((1 + 9 / 5) / 2)
    half = torch.full((1, 1, 1, 2), 0.5)  # what counts half everywhere is no smaller mask
    assert attentive_loss(student, teacher, faint, half).item() == pytest.approx((1 + 9 / 5) / 2)
    nothing = torch.zeros(1, 2, 1, 2)
    assert attentive_loss(student, teacher, nothing).item() == 0.0
    assert attentive_loss(student, teacher, uniform_masks(teacher)).item() == pytest.approx(5.0)


def test_dice_diversity_is_0_for_disjoint_and_1_for_equal_masks():
    apart = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])
    same = torch.tensor([[[[1.0, 0.5]], [[1.0, 0.5]]]])
    assert dice_diversity(apart).item() == 0
    assert dice_diversity(same).item() == pytest.approx(1.0)
    assert dice_diversity(same[:, :1]).item() == 0


def test_union_is_where_any_token_looks():
    masks = torch.tensor([[[[0.5, 0.0, 1.0]], [[0.5, 0.0, 0.0]]]])
    assert union(masks).flatten().tolist() == pytest.approx([0.75, 0.0, 1.0])


def test_fgd_masks_have_mean_one_and_prefer_strong_features():
    feature = torch.zeros(1, 4, 2, 2)
    feature[..., 0, 0] = 2.0
    masks = fgd_masks(feature)
    assert masks.mean().item() == pytest.approx(1.0)
    assert masks[0, 0, 0, 0] > masks[0, 0, 1, 1]


def test_ghost_error_masks_trust_where_the_ghost_is_right():
    ghost, target = torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 4, 4), 2.0)
    target[..., :2] = 4.0
    masks = ghost_error_masks(ghost, target, torch.ones_like(target, dtype=torch.bool), (2, 2))
    assert masks[0, 0, 0, 1].item() == pytest.approx(1.0) and masks[0, 0, 0, 0] < 0.01
    sparse = torch.zeros_like(target, dtype=torch.bool)
    sparse[..., 0, 0] = True  # one known pixel of four, and there the ghost is wrong by a factor of two
    assert ghost_error_masks(ghost, target, sparse, (2, 2))[0, 0, 0, 0] < 0.01
    unknown = ghost_error_masks(ghost, target, torch.zeros_like(target, dtype=torch.bool), (2, 2))
    assert (unknown == 1).all()
