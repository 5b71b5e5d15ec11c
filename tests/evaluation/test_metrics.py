"""Metrics: by hand, against the formulas written a second time, and by how they must change."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disdepth_cli.errors import ConfigError, DataError
from disdepth_cli.evaluation.metrics import (
    DepthMetrics,
    NoValidPixels,
    image_metrics,
    mean_metrics,
    score_image,
    scored_pixels,
)
from disdepth_cli.evaluation.protocols import PROTOCOLS, get_protocol, override

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


def aligned_by_hand(prediction, target, protocol):
    """numpy.linalg.lstsq, in the protocol's space, over the pixels that count; depth [m], before clamping."""
    top, bottom, left, right = protocol.crop_box(*target.shape)
    inside = np.zeros(target.shape, dtype=bool)
    inside[top:bottom, left:right] = True
    used = inside & (target > protocol.min_depth) & (target < protocol.max_depth) & np.isfinite(prediction)
    source, wanted = prediction[used].astype(np.float64), target[used].astype(np.float64)
    if protocol.space == "disparity":
        wanted = 1 / wanted
    design = np.stack([source, np.ones(source.size)], axis=1)
    scale, shift = np.linalg.lstsq(design, wanted, rcond=None)[0]
    with np.errstate(invalid="ignore"):
        fitted = scale * prediction.astype(np.float64) + shift
    return fitted if protocol.space == "depth" else 1 / np.maximum(fitted, 1e-3)


def scene(protocol, size):
    """Ground truth [m] across and beyond the protocol's range, with holes and rubbish, and a prediction of it."""
    target = RANDOM.uniform(-1, 1.2 * min(protocol.max_depth, 100), size).astype(np.float32)
    prediction = (np.abs(target) * RANDOM.uniform(0.5, 2, size)).astype(np.float32)
    target[RANDOM.random(size) < 0.6] = 0
    for broken, value in ((target, np.nan), (target, np.inf), (prediction, np.nan)):
        broken[RANDOM.random(size) < 0.05] = value
    prediction[RANDOM.random(size) < 0.02] = -np.inf
    if protocol.name != "plain":
        prediction[RANDOM.random(size) < 0.02] = np.inf
    return prediction, target


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_parity_with_the_plain_formula(name):
    protocol = get_protocol(name)
    size = (375, 420) if "garg" in protocol.crop else (146, 178)
    prediction, target = scene(protocol, size)
    if protocol.align == "none":
        expected = prediction
    else:
        expected = aligned_by_hand(1 / np.maximum(prediction.astype(np.float64), protocol.min_depth), target, protocol)
    expected = reference(expected, target, protocol.crop_box(*size), protocol.min_depth, protocol.max_depth)
    assert_close(image_metrics(prediction, target, protocol), expected, rel=1e-9, abs=1e-10)


@pytest.mark.parametrize("kind, space", [("disparity", "disparity"), ("relative_depth", "depth")])
@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_aligned_parity_with_lstsq(name, kind, space):
    protocol = override(get_protocol(name), align="scale-shift", space=space)
    size = (375, 420) if "garg" in protocol.crop else (146, 178)
    prediction, target = scene(protocol, size)
    expected = aligned_by_hand(prediction, target, protocol)
    expected = reference(expected, target, protocol.crop_box(*size), protocol.min_depth, protocol.max_depth)
    assert_close(image_metrics(prediction, target, protocol, kind), expected, rel=1e-8, abs=1e-10)


def test_many_blocks_of_pixels_add_up():
    """More pixels than are looked at together, and errors whose mean is far from zero."""
    target = RANDOM.uniform(1, 9, (200, 300))
    prediction = target * 3 * RANDOM.uniform(0.999, 1.001, target.shape)
    log = np.log(prediction / target)
    metrics = image_metrics(prediction, target, PLAIN)
    assert metrics.silog == pytest.approx(100 * log.std(), rel=1e-9)
    assert metrics.rmse_log == pytest.approx(np.sqrt(np.mean(log**2)), rel=1e-12)
    assert metrics.rmse == pytest.approx(np.sqrt(np.mean((prediction - target) ** 2)), rel=1e-12)


def test_scored_pixels_are_those_that_count():
    target = RANDOM.uniform(0, 12, (480, 640))
    counts = scored_pixels(target, get_protocol("nyu-eigen"))
    assert counts[45:471, 41:601].sum() == counts.sum() > 0
    prediction = np.where(counts, target, 1e9)  # a perfect one where it counts
    assert image_metrics(prediction, target, get_protocol("nyu-eigen")).abs_rel == 0


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


def room(protocol, size=(240, 640)):
    """A synthetic scene over the protocol's range [m]: a floor that recedes, and boxes that stand on it."""
    far = min(protocol.max_depth, 50.0)
    depth = np.geomspace(0.9 * far, 0.08 * far, size[0])[:, None].repeat(size[1], axis=1)
    depth[:, 60:200] *= 0.6
    depth[size[0] // 3 :, 300:420] *= 0.45
    depth[size[0] // 2 :, 500:640] *= 0.7
    return depth


def best_constant_abs_rel(target, protocol):
    """AbsRel of the best of many constants, by trying them."""
    truth = target[scored_pixels(target, protocol)]
    return min(np.mean(np.abs(truth - c) / truth) for c in np.geomspace(truth.min(), truth.max(), 100))


@pytest.mark.parametrize("help", ["as pinned", "scale-shift in depth", "scale-shift in disparity", "median"])
@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_constant_does_not_look_good_under_any_protocol(name, help):
    protocol = get_protocol(name)
    if help != "as pinned":
        align, _, space = help.partition(" in ")
        protocol = override(protocol, align=align, space=space or "depth")
    target = room(protocol)
    truth = target[scored_pixels(target, protocol)]
    floor = best_constant_abs_rel(target, protocol)
    assert floor > 0.2  # the scene is not flat
    for constant in (0.3, truth.mean()):
        scores = score_image(np.full((75, 170), constant, dtype=np.float32), target, protocol)
        metrics, details = scores.metrics, scores.details
        assert metrics.abs_rel > 0.99 * floor and metrics.delta1 < 0.5 and metrics.silog > 25
        assert metrics.rmse > 0.99 * truth.std()
        assert details.pair_accuracy == 0.0
        assert details.boundary_f1 == 0.0
        if protocol.align == "scale-shift":
            level = truth.mean() if protocol.space == "depth" else 1 / np.mean(1 / truth)
            assert metrics.abs_rel == pytest.approx(np.mean(np.abs(truth - level) / truth), rel=1e-6)


@pytest.mark.parametrize("scale, shift", [(1.0, 0.0), (7.0, 3.0), (0.002, -5.0), (-2.0, 1.0)])
@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_a_perfect_disparity_scores_zero(name, scale, shift):
    protocol = override(get_protocol(name), align="scale-shift", space="disparity")
    target = room(protocol)
    scores = score_image(scale / target + shift, target, protocol, kind="disparity")
    assert scores.metrics.abs_rel == pytest.approx(0, abs=1e-9) and scores.metrics.delta1 == 1.0
    assert scores.details.pair_accuracy == 1.0
    assert scores.details.near_abs_rel == pytest.approx(0, abs=1e-9)
    in_depth = override(protocol, space="depth")
    assert image_metrics(scale * target + shift, target, in_depth, "relative_depth").abs_rel < 1e-9


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
