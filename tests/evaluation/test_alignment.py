"""Alignment: the closed forms against numpy.linalg.lstsq, and the cases where they have no unique solution."""

import numpy as np
import pytest

from disdepth_cli.evaluation.alignment import align

RANDOM = np.random.default_rng(0)


def everywhere(array):
    return np.ones(array.shape, dtype=bool)


@pytest.mark.parametrize("space", ["depth", "disparity"])
def test_scale_shift_is_the_least_squares_solution(space):
    target = RANDOM.uniform(1, 10, (20, 30))
    prediction = RANDOM.uniform(0.1, 1, (20, 30)).astype(np.float32)
    valid = RANDOM.random((20, 30)) < 0.7
    wanted = target if space == "depth" else 1 / target
    design = np.stack([prediction[valid].astype(np.float64), np.ones(valid.sum())], axis=1)
    scale, shift = np.linalg.lstsq(design, wanted[valid], rcond=None)[0]
    fitted = scale * prediction.astype(np.float64) + shift
    expected = fitted if space == "depth" else 1 / np.maximum(fitted, 1e-3)
    np.testing.assert_allclose(align(prediction, target, valid, "scale-shift", space), expected, rtol=1e-9)


def test_scale_shift_survives_a_large_offset():
    target = RANDOM.uniform(1, 10, (50, 50))
    aligned = align(1e5 + target, target, everywhere(target), "scale-shift", "depth")
    np.testing.assert_allclose(aligned, target, rtol=1e-6)


def test_median_golden():
    # medians: prediction 2, target 6 -> times 3
    prediction, target = np.array([[1.0, 2.0, 4.0]]), np.array([[6.0, 5.0, 9.0]])
    aligned = align(prediction, target, everywhere(target), "median", "depth")
    np.testing.assert_allclose(aligned, [[3.0, 6.0, 12.0]])


def test_median_in_disparity():
    # 1 / target: 0.5, 0.25, 0.125, median 0.25; prediction's median 1 -> times 0.25, then inverted
    prediction, target = np.array([[2.0, 1.0, 0.5]]), np.array([[2.0, 4.0, 8.0]])
    np.testing.assert_allclose(align(prediction, target, everywhere(target), "median", "disparity"), target)


def test_none_changes_nothing():
    prediction, target = RANDOM.random((3, 4)), RANDOM.random((3, 4))
    np.testing.assert_array_equal(align(prediction, target, everywhere(target), "none", "depth"), prediction)


def test_fitted_disparity_is_clipped_from_below():
    target = np.array([[1.0, 2.0, 0.0]])
    prediction = np.array([[1.0, 0.5, -9.0]])  # fits 1 / target exactly; the last pixel is not valid
    aligned = align(prediction, target, target > 0, "scale-shift", "disparity")
    np.testing.assert_allclose(aligned, [[1.0, 2.0, 1000.0]])


@pytest.mark.parametrize("kind", ["median", "scale-shift"])
def test_one_valid_pixel_is_fitted_by_scale(kind):
    prediction, target = np.array([[1.0, 2.0]]), np.array([[0.0, 6.0]])
    np.testing.assert_allclose(align(prediction, target, target > 0, kind, "depth"), [[3.0, 6.0]])


def test_constant_prediction_becomes_the_mean():
    target = np.array([[1.0, 2.0, 6.0]])
    for constant in (0.0, 1.0, -4.0, 0.1):
        aligned = align(np.full((1, 3), constant), target, everywhere(target), "scale-shift", "depth")
        np.testing.assert_allclose(aligned, np.full((1, 3), 3.0))


@pytest.mark.parametrize("kind", ["median", "scale-shift"])
@pytest.mark.parametrize("space", ["depth", "disparity"])
@pytest.mark.parametrize("value", [0.0, -1.0, 1e300, np.nan, np.inf, -np.inf])
def test_degenerate_predictions_do_not_crash(kind, space, value):
    target = RANDOM.uniform(1, 10, (4, 4))
    aligned = align(np.full((4, 4), value), target, everywhere(target), kind, space)
    assert aligned.shape == (4, 4)
    if np.isfinite(value):
        assert not np.isnan(aligned).any()


def test_no_valid_pixel_leaves_the_prediction():
    prediction = RANDOM.random((3, 3))
    nothing = np.zeros((3, 3), dtype=bool)
    np.testing.assert_array_equal(align(prediction, prediction, nothing, "scale-shift", "depth"), prediction)


def test_non_finite_pixels_take_no_part_in_the_fit():
    target = RANDOM.uniform(1, 10, (5, 5))
    prediction = 2 * target - 1
    prediction[0, :3] = np.nan, np.inf, -np.inf
    aligned = align(prediction, target, everywhere(target), "scale-shift", "depth")
    np.testing.assert_allclose(aligned[1:], target[1:])
    np.testing.assert_array_equal(aligned[0, :3], [np.nan, np.inf, -np.inf])
