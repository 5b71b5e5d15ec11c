"""Depth over time: still things stop to flicker, moving things are where they are."""

from __future__ import annotations

import numpy as np
import pytest

from disdepth_cli.outputs.video.smoothing import DepthSmoother

STILL = np.random.default_rng(1).uniform(1, 5, (40, 50)).astype(np.float32)


def change(frames):
    return np.abs(np.diff(frames, axis=0)).mean()


def test_noise_of_a_still_scene_falls_to_what_the_time_constant_says():
    """The change of independent noise through an exponential mean of weight w is w / sqrt(2 - w) of what it was."""
    random = np.random.default_rng(0)
    noisy = [(STILL * (1 + 0.004 * random.standard_normal(STILL.shape))).astype(np.float32) for _ in range(60)]
    smoother = DepthSmoother(30.0)
    smooth = [smoother(depth) for depth in noisy]
    weight = smoother.slowest
    assert weight == pytest.approx(1 - np.exp(-1 / 4.5))
    assert change(smooth[20:]) / change(noisy[20:]) == pytest.approx(weight / np.sqrt(2 - weight), rel=0.05)
    assert np.abs(np.mean(smooth[-1] / STILL) - 1) < 1e-3 and smooth[-1].dtype == np.float32


def test_what_moves_by_a_tenth_is_followed_at_once():
    smoother = DepthSmoother(30.0)
    smoother(STILL)
    moved = STILL.copy()
    moved[10:20] *= 1.2
    moved[20:30] *= 0.9
    smooth = smoother(moved)
    assert np.allclose(smooth, moved, rtol=1e-5) and (smooth[:10] == STILL[:10]).all()


def test_gaps_stay_and_other_sizes_start_anew():
    smoother = DepthSmoother(30.0)
    holed = STILL.copy()
    holed[:5] = np.nan
    smoother(STILL)
    assert np.isnan(smoother(holed)[:5]).all()
    assert np.array_equal(smoother(STILL)[:5], STILL[:5])
    assert smoother(STILL[:7]).shape == (7, 50)
