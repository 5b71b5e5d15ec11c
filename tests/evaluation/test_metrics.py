"""Metrics: by hand, against the formulas written a second time, and by how they must change."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.evaluation.metrics import DepthMetrics, NoValidPixels, image_metrics, mean_metrics
from disdepth_cli.evaluation.protocols import get_protocol, override

PLAIN = override(get_protocol("plain"), max_depth=100.0)
ALIGNED = override(PLAIN, align="scale-shift")
RANDOM = np.random.default_rng(1)


def reference(prediction, target, box, low, high):
    """The protocol's formulas, pixel by pixel in plain Python."""
    top, bottom, left, right = box
    rows, n = [], 0
    for y in range(top, bottom):
        for x in range(left, right):
            g, p = float(target[y, x]), float(prediction[y, x])
            if not low < g < high:
                continue
            p = low if math.isnan(p) else min(max(p, low), high)
            e = math.log(p) - math.log(g)
            worst = max(g / p, p / g)
            rows.append(
                [abs(g - p) / g, (g - p) ** 2 / g, (g - p) ** 2, e * e, abs(math.log10(g) - math.log10(p)), e]
                + [float(worst < 1.25**k) for k in (1, 2, 3)]
            )
            n += 1
    mean = [math.fsum(column) / n for column in zip(*rows, strict=True)]
    silog = 100 * math.sqrt(max(mean[3] - mean[5] ** 2, 0))
    return DepthMetrics(mean[0], mean[1], math.sqrt(mean[2]), math.sqrt(mean[3]), mean[4], silog, *mean[6:])


def assert_close(got, expected, **tolerance):
    for name, value in expected.as_dict().items():
        assert getattr(got, name) == pytest.approx(value, **tolerance), name


def test_golden_by_hand():
    # g 1, 2, 4, 0 (invalid); p 2, 2, 2, 7
    # |g-p|/g: 1, 0, 0.5 -> 0.5; (g-p)^2/g: 1, 0, 1 -> 2/3; (g-p)^2: 1, 0, 4 -> sqrt(5/3)
    # e: ln2, 0, -ln2 -> sqrt(2/3) ln2, mean e = 0; ratios 2, 1, 2 (1.25^3 = 1.953) -> a third, three times
    metrics = image_metrics(np.array([[2.0, 2, 2, 7]]), np.array([[1.0, 2, 4, 0]]), PLAIN)
    root = math.sqrt(2 / 3)
    expected = DepthMetrics(
        0.5, 2 / 3, math.sqrt(5 / 3), root * math.log(2), 2 / 3 * math.log10(2), 100 * root * math.log(2),
        1 / 3, 1 / 3, 1 / 3,
    )  # fmt: skip
    assert_close(metrics, expected, rel=1e-12)


def test_delta_is_strict():
    metrics = image_metrics(np.array([[1.25, 1.0]]), np.array([[1.0, 1.25]]), PLAIN)
    assert (metrics.delta1, metrics.delta2) == (0.0, 1.0)


def test_silog_forgives_scale():
    target = RANDOM.uniform(1, 9, (10, 10))
    metrics = image_metrics(3 * target, target, PLAIN)
    assert metrics.silog == pytest.approx(0, abs=1e-9)
    assert metrics.rmse_log == pytest.approx(math.log(3))


@pytest.mark.parametrize("name", ["nyu-eigen", "kitti-eigen-garg", "kitti-eigen-garg-kb", "plain"])
def test_parity_with_the_plain_formula(name):
    protocol = get_protocol(name)
    size = (96, 128) if name == "nyu-eigen" else (375, 420)
    for _ in range(2):
        target = RANDOM.uniform(-1, 1.2 * min(protocol.max_depth, 100), size).astype(np.float32)
        prediction = (target * RANDOM.uniform(0.5, 2, size)).astype(np.float32)
        target[RANDOM.random(size) < 0.6] = 0
        for broken, value in ((target, np.nan), (target, np.inf), (prediction, np.nan)):
            broken[RANDOM.random(size) < 0.05] = value
        prediction[RANDOM.random(size) < 0.02] = -np.inf
        if name != "plain":
            prediction[RANDOM.random(size) < 0.02] = np.inf
        expected = reference(prediction, target, protocol.crop_box(*size), protocol.min_depth, protocol.max_depth)
        assert_close(image_metrics(prediction, target, protocol), expected, rel=1e-10, abs=1e-10)


@pytest.mark.parametrize("value", [0.0, -5.0, 1e30, np.nan, np.inf, -np.inf])
def test_adversarial_predictions_have_finite_scores(value):
    target = RANDOM.uniform(1, 9, (6, 8)).astype(np.float32)
    prediction = np.full((6, 8), value, dtype=np.float32)
    expected = reference(prediction, target, (0, 6, 0, 8), PLAIN.min_depth, PLAIN.max_depth)
    assert_close(image_metrics(prediction, target, PLAIN), expected, rel=1e-10)
    for kind, space in (("metric_depth", "depth"), ("metric_depth", "disparity"), ("disparity", "disparity")):
        for align in ("median", "scale-shift"):
            protocol = override(PLAIN, align=align, space=space)
            scores = image_metrics(prediction, target, protocol, kind).as_dict()
            assert all(map(math.isfinite, scores.values()))


def test_infinite_prediction_is_the_maximum_and_nan_the_minimum():
    target = np.array([[50.0, 50.0]])
    assert image_metrics(np.array([[np.inf, np.inf]]), target, PLAIN).abs_rel == pytest.approx(1.0)
    assert image_metrics(np.array([[np.nan, np.nan]]), target, PLAIN).rmse == pytest.approx(49.999)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf, 100.0, 1e-3])
def test_no_valid_pixel_is_an_error_and_never_zero(value):
    with pytest.raises(NoValidPixels, match="none of 12 pixels .*between 0.001 m and 100 m"):
        image_metrics(np.ones((3, 4)), np.full((3, 4), value, dtype=np.float32), PLAIN)
    assert issubclass(NoValidPixels, DataError)


def test_truth_outside_the_crop_does_not_count():
    target = np.zeros((480, 640), dtype=np.float32)
    target[44, 300] = 5.0
    with pytest.raises(NoValidPixels, match="crop 'nyu-eigen'"):
        image_metrics(np.ones((480, 640)), target, get_protocol("nyu-eigen"))
    target[45, 41] = 2.0
    assert image_metrics(np.ones((480, 640)), target, get_protocol("nyu-eigen")).abs_rel == 0.5


def test_one_valid_pixel():
    target = np.zeros((4, 4))
    target[2, 1] = 4.0
    metrics = image_metrics(np.full((4, 4), 5.0), target, PLAIN)
    assert_close(metrics, reference(np.full((4, 4), 5.0), target, (0, 4, 0, 4), 1e-3, 100.0))
    assert metrics.silog == 0.0


def test_kb_and_full_frame_garg_are_not_the_same_pixels():
    target = np.full((375, 1242), 10.0, dtype=np.float32)
    prediction = target.copy()
    prediction[153:166] = 20.0  # rows that only the full-frame crop counts
    prediction[371] = 20.0  # and one that only the KB crop counts
    full = image_metrics(prediction, target, get_protocol("kitti-eigen-garg"))
    kb = image_metrics(prediction, target, get_protocol("kitti-eigen-garg-kb"))
    assert full.abs_rel == pytest.approx(13 / 218)
    assert kb.abs_rel == pytest.approx(1 / 206)


def test_prediction_is_resized_to_the_truth():
    ramp = np.linspace(1, 9, 64, dtype=np.float32)[None].repeat(48, axis=0)
    metrics = image_metrics(ramp[::2, ::2], ramp, PLAIN)
    assert metrics.abs_rel < 0.03
    assert metrics.delta1 == 1.0


def test_constant_prediction_has_poor_delta():
    target = RANDOM.uniform(1, 10, (40, 40))
    assert image_metrics(np.full((40, 40), target.mean()), target, PLAIN).delta1 < 0.5
    assert image_metrics(np.full((40, 40), 0.3), target, ALIGNED).delta1 < 0.5


def test_perfect_disparity_scores_zero():
    target = RANDOM.uniform(1, 10, (24, 32))
    metrics = image_metrics(7 / target + 3, target, ALIGNED, kind="disparity")
    assert metrics.abs_rel == pytest.approx(0, abs=1e-9)
    assert metrics.delta1 == 1.0


def test_metric_depth_may_be_aligned_in_disparity():
    target = RANDOM.uniform(1, 10, (24, 32))
    metrics = image_metrics(1 / (2 / target + 0.1), target, override(ALIGNED, space="disparity"))
    assert metrics.abs_rel == pytest.approx(0, abs=1e-9)


def test_relative_models_without_alignment_are_refused():
    for kind in ("disparity", "relative_depth"):
        with pytest.raises(ConfigError, match="--align scale-shift"):
            image_metrics(np.ones((2, 2)), np.ones((2, 2)), PLAIN, kind=kind)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(1, 2, 2\)"):
        image_metrics(np.ones((1, 2, 2)), np.ones((2, 2)), PLAIN)


def test_mean_over_images():
    first, second = DepthMetrics(*range(9)), DepthMetrics(*range(2, 11))
    assert mean_metrics([first, second]) == DepthMetrics(*map(float, range(1, 10)))
    with pytest.raises(DataError, match="no image was scored"):
        mean_metrics([])


@settings(max_examples=30, deadline=None)
@given(scale=st.floats(0.1, 5), seed=st.integers(0, 1000))
def test_scaling_both_keeps_ratios_and_scales_metres(scale, seed):
    random = np.random.default_rng(seed)
    target, prediction = random.uniform(0.5, 10, (2, 5, 7))
    one, other = (image_metrics(c * prediction, c * target, PLAIN) for c in (1.0, scale))
    assert other.abs_rel == pytest.approx(one.abs_rel)
    assert other.silog == pytest.approx(one.silog, abs=1e-9)
    assert other.rmse == pytest.approx(scale * one.rmse)
    assert other.sq_rel == pytest.approx(scale * one.sq_rel)
