"""Baselines: the best constant against trying many, the mean map against a mean; and that memory is bounded."""

import numpy as np
import pytest

from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.constant_and_mean import ConstantBaseline, MeanDepthMap
from disdepth_cli.evaluation.metrics import image_metrics, mean_metrics, scored_pixels
from disdepth_cli.evaluation.protocols import get_protocol, override

RANDOM = np.random.default_rng(11)
NYU = get_protocol("nyu-eigen")


def rooms(count=8, size=(96, 128)):
    """Ground truth [m] of rooms of different depth, with holes; a few pixels out of range."""
    images = [RANDOM.lognormal(RANDOM.normal(1, 0.5), 0.4, size) for _ in range(count)]
    for image in images:
        image[RANDOM.random(size) < 0.2] = RANDOM.choice([0.0, np.nan, np.inf, 60.0])
    return images


def mean_score(images, constant, metric):
    scores = [image_metrics(np.full(image.shape, constant), image, NYU) for image in images]
    return getattr(mean_metrics(scores), metric)


@pytest.mark.parametrize("metric, sign", [("abs_rel", 1), ("rmse", 1), ("delta1", -1)])
def test_no_constant_is_better(metric, sign):
    images, baseline = rooms(), ConstantBaseline()
    for image in images:
        baseline.add(image, scored_pixels(image, NYU))
    best = sign * mean_score(images, baseline.best(metric), metric)
    others = [sign * mean_score(images, constant, metric) for constant in np.geomspace(0.8, 9.5, 40)]
    assert best <= min(others) + 2e-4


def test_every_image_counts_the_same_however_many_pixels_it_has():
    baseline = ConstantBaseline()
    baseline.add(np.full((100, 100), 8.0), np.ones((100, 100), dtype=bool))
    for _ in range(3):
        baseline.add(np.full((1, 2), 2.0), np.ones((1, 2), dtype=bool))
    assert baseline.best() == pytest.approx(2.0, rel=1e-3)
    assert baseline.best("delta1") == pytest.approx(2.0, rel=0.26)
    assert baseline.best("rmse") == pytest.approx(2.0, rel=1e-6)  # the mean of |c - depth| of four images


def test_abs_rel_leans_to_near_depths_and_the_answers_differ():
    baseline, truth = ConstantBaseline(), np.array([[1.0, 2.0, 3.0, 10.0]])
    baseline.add(truth, truth > 0)
    assert baseline.best("abs_rel") == pytest.approx(1.0, rel=1e-3)  # 1 weighs 1, the others 0.93 together
    assert baseline.best("rmse") == pytest.approx(4.0)


def test_pixels_that_are_not_depth_do_not_count():
    baseline = ConstantBaseline()
    baseline.add(np.array([[0.0, np.nan, np.inf, -3.0, 5.0, 9.0]]), np.array([[True] * 5 + [False]]))
    assert baseline.best("rmse") == pytest.approx(5.0) and baseline.best() == pytest.approx(5.0, rel=1e-3)


def test_without_ground_truth_there_is_no_constant():
    baseline = ConstantBaseline()
    baseline.add(np.zeros((3, 3)), np.ones((3, 3), dtype=bool))
    for metric in ("abs_rel", "rmse", "delta1"):
        with pytest.raises(DataError, match="no ground truth"):
            baseline.best(metric)


def test_depths_beyond_the_bins_are_kept_at_their_ends():
    baseline = ConstantBaseline()
    baseline.add(np.array([[1e-6, 1e7, 1e7]]), np.ones((1, 3), dtype=bool))
    assert 0 < baseline.best("abs_rel") < 2e-3 and baseline.best("delta1") > 5e3


def test_the_mean_map_is_the_mean_of_what_is_known():
    mean = MeanDepthMap(grid=(2, 3))
    mean.add(np.array([[1.0, 2.0, 0.0], [4.0, np.nan, 6.0]]))
    mean.add(np.array([[3.0, 0.0, 0.0], [4.0, 5.0, np.inf]]))
    known = (2 + 2 + 4 + 5 + 6) / 5
    np.testing.assert_allclose(mean.result(), [[2.0, 2.0, known], [4.0, 5.0, 6.0]], rtol=1e-6)
    assert mean.images == 2 and mean.result().dtype == np.float32


def test_the_mean_map_takes_any_size():
    ramp = np.linspace(2, 6, 48)[:, None].repeat(64, axis=1)
    small, mixed = MeanDepthMap((12, 16)), MeanDepthMap((12, 16))
    small.add(ramp)
    for size in (1, 2, 4):
        mixed.add(np.kron(ramp, np.ones((size, size))))
    np.testing.assert_allclose(mixed.result(), small.result(), rtol=1e-5)
    np.testing.assert_allclose(small.result()[:, 0], ramp[:, 0].reshape(12, 4).mean(axis=1), rtol=1e-5)
    other = MeanDepthMap((12, 16))
    other.add(ramp[::12, ::8])  # smaller than the grid
    assert np.abs(other.result() - small.result()).max() < 1.0


def test_sparse_depth_is_not_drawn_to_zero():
    sparse = np.where(RANDOM.random((376, 1242)) < 0.05, 20.0, 0.0)
    mean = MeanDepthMap()
    mean.add(sparse)
    assert mean.result().shape == (240, 320)
    np.testing.assert_allclose(mean.result(), 20.0, rtol=1e-4)


def test_the_mean_map_beats_a_constant_where_depth_has_a_place():
    floor = np.geomspace(8, 1, 120)[:, None].repeat(160, axis=1)
    images = [floor * factor for factor in np.linspace(0.8, 1.2, 6)]
    mean, constant = MeanDepthMap(), ConstantBaseline()
    protocol = override(get_protocol("plain"), max_depth=10.0)
    for image in images:
        mean.add(image)
        constant.add(image, scored_pixels(image, protocol))
    of_map = image_metrics(mean.result(), floor, protocol)
    assert of_map.abs_rel < 0.02
    assert image_metrics(np.full((120, 160), constant.best()), floor, protocol).abs_rel > 0.3


def test_a_mean_map_of_nothing():
    mean = MeanDepthMap()
    mean.add(np.zeros((5, 5)))
    with pytest.raises(DataError, match="no training depth"):
        mean.result()
