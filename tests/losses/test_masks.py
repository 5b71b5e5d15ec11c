"""Pixels are left out by multiplication: the same values and gradients as by a boolean index."""

from __future__ import annotations

import pytest
import torch

from disdepth_cli.losses.attentive import dice_diversity
from disdepth_cli.losses.depth import EPSILON, log_l1, silog


def maps(share=0.6):
    generator = torch.Generator().manual_seed(3)
    prediction = (torch.rand(3, 1, 24, 32, generator=generator) * 5 + 0.5).requires_grad_()
    target = torch.rand(3, 1, 24, 32, generator=generator) * 5 + 0.5
    valid = torch.rand(3, 1, 24, 32, generator=generator) < share
    weight = torch.rand(3, 1, 24, 32, generator=generator)
    return prediction, torch.where(valid, target, 0.0), valid, weight


def indexed_silog(prediction, target, valid, weight=None):
    error = torch.log(prediction[valid] + EPSILON) - torch.log(target[valid] + EPSILON)
    share = torch.ones_like(error) if weight is None else weight[valid]
    share = share / share.sum()
    square, mean = (share * error.square()).sum(), (share * error).sum()
    return 10 * torch.sqrt(square - 0.85 * mean.square() + EPSILON)


@pytest.mark.parametrize("weighted", [False, True])
def test_silog_is_that_of_the_valid_pixels(weighted):
    prediction, target, valid, weight = maps()
    weight = weight if weighted else None
    loss, expected = silog(prediction, target, valid, weight), indexed_silog(prediction, target, valid, weight)
    torch.testing.assert_close(loss, expected, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(one, prediction)[0] for one in (loss, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-9)


def test_log_l1_is_that_of_the_valid_pixels():
    prediction, target, valid, _ = maps()
    expected = (torch.log(prediction[valid] + EPSILON) - torch.log(target[valid] + EPSILON)).abs().mean()
    torch.testing.assert_close(log_l1(prediction, target, valid), expected, rtol=1e-6, atol=0)
    assert log_l1(prediction, target, torch.zeros_like(valid)) == 0


def test_what_is_not_valid_has_no_part_whatever_it_is():
    prediction, target, valid, _ = maps()
    loss = silog(prediction, target, valid)
    spoilt = torch.where(valid, prediction.detach(), torch.inf).requires_grad_()
    again = silog(spoilt, torch.where(valid, target, torch.nan), valid)
    assert torch.equal(loss, again)
    assert torch.isfinite(torch.autograd.grad(again, spoilt)[0]).all()


def test_without_a_valid_pixel_there_is_no_loss_and_no_gradient():
    prediction, target, valid, _ = maps(share=0.0)
    loss = silog(prediction, target, valid)
    assert loss == 0 and not torch.autograd.grad(loss, prediction)[0].any()


def test_dice_is_the_mean_over_pairs_of_different_tokens():
    masks = torch.rand(2, 4, 6, 8, generator=torch.Generator().manual_seed(0))
    flat = masks.flatten(2)
    pairs = [
        2 * (flat[b, s] * flat[b, t]).sum() / (flat[b, s].square().sum() + flat[b, t].square().sum())
        for b in range(2)
        for s in range(4)
        for t in range(4)
        if s != t
    ]
    torch.testing.assert_close(dice_diversity(masks), torch.stack(pairs).mean())
