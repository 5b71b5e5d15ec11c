"""Losses on relative disparity: what they ignore, what they notice, and that outputs do not drift."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from disdepth_cli.losses.relative import absolute_difference, aligned_depth, scale_shift_invariant
from disdepth_cli.method.supervision import Target, target_parts


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(0)
    smooth = torch.rand(3, 1, 6, 8, generator=generator)
    target = torch.nn.functional.interpolate(smooth, size=(24, 32), mode="bilinear")
    valid = torch.rand(3, 1, 24, 32, generator=generator) > 0.3
    return target, valid


def test_scale_and_shift_of_each_image_do_not_matter(maps):
    target, valid = maps
    scale = torch.tensor([0.5, 3.0, 40.0]).view(3, 1, 1, 1)
    shift = torch.tensor([-2.0, 0.0, 7.0]).view(3, 1, 1, 1)
    assert scale_shift_invariant(scale * target + shift, target, valid).item() == pytest.approx(0, abs=1e-4)
    assert scale_shift_invariant(-target, target, valid).item() > 1  # the sign does
    noise = torch.rand(target.shape, generator=torch.Generator().manual_seed(1))
    near, far = (scale_shift_invariant(target + w * noise, target, valid).item() for w in (0.1, 1.0))
    assert 0 < near < far


def test_the_data_term_is_the_formulas(maps):
    """Against NumPy, with the gradient term taken off by a map too small to have one."""
    target, valid = torch.rand(1, 1, 1, 40), torch.ones(1, 1, 1, 40, dtype=torch.bool)
    prediction = torch.rand(1, 1, 1, 40)

    def normal(values):
        flat = values.double().numpy().ravel()
        median = np.sort(flat)[(flat.size - 1) // 2]  # torch's median: the lower of the two in the middle
        return (flat - median) / np.abs(flat - median).mean()

    expected = np.abs(normal(prediction) - normal(target)).mean()
    assert scale_shift_invariant(prediction, target, valid).item() == pytest.approx(expected, rel=1e-4)


def test_what_is_not_valid_plays_no_part(maps):
    target, valid = maps
    prediction = torch.rand(target.shape).requires_grad_()
    spoiled = torch.where(valid, target, torch.full_like(target, 1e6))
    first = scale_shift_invariant(prediction, target, valid)
    assert first.item() == pytest.approx(scale_shift_invariant(prediction, spoiled, valid).item(), rel=1e-5)
    first.backward()
    assert torch.isfinite(prediction.grad).all()
    assert (prediction.grad[~valid] == 0).all() and (prediction.grad[valid] != 0).any()


def test_an_image_without_enough_pixels_does_not_count(maps):
    target, valid = maps
    prediction = torch.rand(target.shape)
    valid[1] = False
    kept = [0, 2]
    expected = scale_shift_invariant(prediction[kept], target[kept], valid[kept])
    assert scale_shift_invariant(prediction, target, valid).item() == pytest.approx(expected.item())
    nothing = scale_shift_invariant(prediction.requires_grad_(), target, torch.zeros_like(valid))
    nothing.backward()
    assert nothing.item() == 0 and (prediction.grad == 0).all()


def test_weights_count_pixels(maps):
    target, valid = maps
    prediction = target + torch.rand(target.shape)
    ones, half = torch.ones_like(target), valid.float() * 0.5
    plain = scale_shift_invariant(prediction, target, valid)
    assert scale_shift_invariant(prediction, target, valid, ones).item() == pytest.approx(plain.item())
    assert scale_shift_invariant(prediction, target, valid, half).item() == pytest.approx(plain.item(), rel=1e-5)
    left = ones.clone()
    left[..., 16:] = 0
    assert absolute_difference(prediction, target, valid, left).item() == pytest.approx(
        (prediction - target).abs()[..., :16][valid[..., :16]].mean().item(), rel=1e-5
    )


def test_disparity_becomes_metres_by_least_squares(maps):
    _, valid = maps
    depth = torch.rand(3, 1, 24, 32) * 6 + 1
    disparity = 20 / depth + 3
    metres, sensible = aligned_depth(disparity, torch.where(valid, depth, 0.0), valid, 0.1, 10.0)
    assert sensible.all()
    assert torch.allclose(metres, depth, rtol=1e-4)
    noisy = disparity[:1] + torch.rand(1, 1, 24, 32)
    known = valid[0, 0].numpy()
    columns = np.stack([noisy[0, 0].double().numpy()[known], np.ones(known.sum())], 1)
    (scale, shift), *_ = np.linalg.lstsq(columns, 1 / depth[0, 0].double().numpy()[known], rcond=None)
    fitted = aligned_depth(noisy, depth[:1], valid[:1], 0.01, 1000.0)[0]
    assert np.allclose(fitted[0, 0].numpy(), 1 / (scale * noisy[0, 0].numpy() + shift), rtol=1e-3)


def test_relative_depth_is_fitted_in_depth(maps):
    _, valid = maps
    depth = torch.rand(3, 1, 24, 32) * 6 + 1
    metres, sensible = aligned_depth(0.1 * depth - 4, depth, valid, 0.1, 10.0, disparity=False)
    assert sensible.all() and torch.allclose(metres, depth, rtol=1e-4)
    assert not aligned_depth(-depth, depth, valid, 0.1, 10.0, disparity=False)[1].any()


def test_a_fit_that_makes_no_sense_says_so(maps):
    _, valid = maps
    depth = torch.rand(3, 1, 24, 32) * 6 + 1
    valid[1] = False
    disparity = 1 / depth
    disparity[2] = depth[2]  # larger where farther: no disparity
    metres, sensible = aligned_depth(disparity, depth, valid, 0.1, 10.0)
    assert sensible.tolist() == [True, False, False]
    assert torch.isfinite(metres).all() and metres.min() >= 0.1 and metres.max() <= 10.0


@pytest.mark.parametrize(("anchor", "stays"), [(4.0, True), (0.0, False)])
def test_outputs_do_not_drift_in_500_steps(anchor, stays):
    """The invariant loss alone leaves scale and shift to chance: noise carries them off. The anchor holds them."""
    torch.manual_seed(0)
    images = torch.rand(16, 8, 8, 8)
    truth = images[:, :1] * 0.5 + 0.25
    model = torch.nn.Sequential(torch.nn.Conv2d(8, 32, 1), torch.nn.ReLU(), torch.nn.Conv2d(32, 1, 1))
    last = model[-1]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(500):
        places = torch.randperm(16)[:4]
        noisy = truth[places] + 0.05 * torch.randn(4, 1, 8, 8)
        target = Target(noisy, torch.ones_like(noisy, dtype=torch.bool), None, {})
        parts = target_parts(model(images[places]), target, "disparity", anchor)
        optimizer.zero_grad()
        torch.stack(list(parts.values())).sum().backward()
        optimizer.step()
        with torch.no_grad():  # what other losses and weight decay do to a free scale, at once
            last.weight.mul_(1.005)
            last.bias.add_(0.01)
    output = model(images).detach()
    drift = abs(output.mean().item() - truth.mean().item()), output.std().item() / truth.std().item()
    assert (drift[0] < 0.1 and 0.6 < drift[1] < 1.7) is stays, drift
    shape = torch.corrcoef(torch.stack([output.flatten(), truth.flatten()]))[0, 1].item()
    assert shape > 0.9  # either way the shape is learned: it is the scale that drifts
