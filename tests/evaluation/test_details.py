"""The details: against loops, and by what must not look good."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disdepth_cli.config.types import METRICS
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.details import DetailMetrics, boundary_f1, pair_accuracy
from disdepth_cli.evaluation.metrics import (
    DepthMetrics,
    ImageScores,
    NoValidPixels,
    image_metrics,
    mean_details,
    score_image,
)
from disdepth_cli.evaluation.protocols import PROTOCOLS, get_protocol, override

PLAIN = override(get_protocol("plain"), max_depth=10.0)
RANDOM = np.random.default_rng(7)


def everywhere(array):
    return np.ones(array.shape, dtype=bool)


def boundary_by_hand(predicted, truth, valid):
    """Depth Pro's definition, threshold by threshold and pixel by pixel, where both neighbours are valid."""
    height, width = truth.shape
    total = weight_sum = 0.0
    for t in np.linspace(1.05, 1.25, 10):
        precisions, recalls = [], []
        for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
            both = in_prediction = in_truth = 0
            for y in range(height):
                for x in range(width):
                    v, u = y + dy, x + dx
                    if not (0 <= v < height and 0 <= u < width and valid[y, x] and valid[v, u]):
                        continue
                    p, g = predicted[v, u] / predicted[y, x] > t, truth[v, u] / truth[y, x] > t
                    both, in_prediction, in_truth = both + (p and g), in_prediction + p, in_truth + g
            precisions.append(both / max(in_prediction, 1))
            recalls.append(both / max(in_truth, 1))
        p, r = np.mean(precisions), np.mean(recalls)
        total += t * (2 * p * r / (p + r) if p + r else 0.0)
        weight_sum += t
    return total / weight_sum


def blocks(height=48, width=64, size=8):
    """A scene of boxes at different depths [m]: edges in all four directions."""
    depths = np.random.default_rng(2).uniform(1, 9, (math.ceil(height / size), math.ceil(width / size)))
    return np.kron(depths, np.ones((size, size)))[:height, :width]


# buckets


def test_buckets_golden():
    # max 10 m: near below 2.5, middle below 5. near: g 2, p 2.2; middle: g 2.5, p 5 and g 4, p 4; far: g 5, p 4
    target, prediction = np.array([[2.0, 2.5, 4.0, 5.0, 0.0]]), np.array([[2.2, 5.0, 4.0, 4.0, 1.0]])
    found = score_image(prediction, target, PLAIN).details
    assert found.near_abs_rel == pytest.approx(0.1) and found.near_rmse == pytest.approx(0.2) and found.near_delta1 == 1
    assert found.middle_abs_rel == pytest.approx(0.5) and found.middle_rmse == pytest.approx(math.sqrt(6.25 / 2))
    assert found.middle_delta1 == 0.5
    assert found.far_abs_rel == pytest.approx(0.2) and found.far_rmse == pytest.approx(1.0) and found.far_delta1 == 0


@pytest.mark.parametrize("name", ["nyu-eigen", "kitti-eigen-garg-kb", "plain"])
def test_a_bucket_scores_like_an_image_with_only_its_pixels(name):
    protocol = override(get_protocol(name), max_depth=80.0 if name != "nyu-eigen" else 10.0)
    size = (376, 1242) if "kitti" in name else (240, 320)  # more than one block of pixels
    target = RANDOM.uniform(0, protocol.max_depth, size)
    prediction = target * RANDOM.uniform(0.5, 1.6, size)
    found = score_image(prediction, target, protocol).details.as_dict()
    edges = (0.0, protocol.max_depth / 4, protocol.max_depth / 2, np.inf)
    for low, high, bucket in zip(edges, edges[1:], ("near", "middle", "far"), strict=False):
        alone = image_metrics(prediction, np.where((target >= low) & (target < high), target, 0), protocol)
        for metric in ("abs_rel", "rmse", "delta1"):
            assert found[f"{bucket}_{metric}"] == pytest.approx(getattr(alone, metric), rel=1e-10), (bucket, metric)


def test_a_bucket_without_a_pixel_has_no_value():
    found = score_image(np.full((4, 4), 3.0), np.full((4, 4), 3.0), PLAIN).details
    assert (found.middle_abs_rel, found.middle_delta1) == (0.0, 1.0)
    assert math.isnan(found.near_rmse) and math.isnan(found.far_abs_rel)
    assert found.as_dict()["far_rmse"] is None


# pairs


def test_pairs_of_a_perfect_a_reversed_and_a_constant_map():
    truth = RANDOM.uniform(1, 10, 500)
    assert pair_accuracy(truth, truth) == 1.0
    assert pair_accuracy(3 * truth + 1, truth) == 1.0
    assert pair_accuracy(1 / truth, truth) == 0.0
    assert pair_accuracy(np.full(500, 2.0), truth) == 0.0
    assert pair_accuracy(2.0 + RANDOM.uniform(0, 1e-7, 500), truth) == 0.0  # rounding is no order
    assert pair_accuracy(RANDOM.uniform(1, 10, 500), truth) == pytest.approx(0.5, abs=0.05)


def test_pairs_agree_with_all_pairs():
    truth = RANDOM.uniform(1, 3, 60)
    predicted = truth + RANDOM.normal(0, 0.4, 60)
    right = ordered = 0
    for i in range(60):
        for j in range(60):
            if truth[j] > 1.05 * truth[i]:
                ordered += 1
                right += predicted[j] > predicted[i]
    assert pair_accuracy(predicted, truth) == pytest.approx(right / ordered, abs=0.02)


def test_pairs_need_two_depths_and_are_the_same_each_time():
    assert math.isnan(pair_accuracy(np.array([1.0]), np.array([2.0])))
    assert math.isnan(pair_accuracy(np.arange(1.0, 6.0), np.array([2.0, 2.05, 2.08, 2.0, 2.01])))
    truth, predicted = RANDOM.uniform(1, 10, (2, 900))
    assert pair_accuracy(predicted, truth) == pair_accuracy(predicted, truth)


# boundaries


@pytest.mark.parametrize("size", [(9, 11), (33, 5), (66, 7), (32, 6), (2, 2), (1, 9), (8, 1)])
@pytest.mark.parametrize("share", [1.0, 0.85])
def test_boundary_f1_is_depth_pros(size, share):
    """Heights around the 32 rows that are looked at together; holes with rubbish in them."""
    for _ in range(3):
        truth = RANDOM.choice([1.0, 1.04, 1.1, 1.25, 1.3, 2.0], size) * RANDOM.choice([1.0, 1.02], size)
        predicted = truth * RANDOM.choice([1.0, 1.08], size)
        valid = RANDOM.random(size) < share
        valid[:2, :2] = True
        holes = np.where(valid, truth, RANDOM.choice([0.0, np.nan, np.inf, 50.0], size))
        found, expected = boundary_f1(predicted, holes, valid), boundary_by_hand(predicted, truth, valid)
        assert math.isnan(found) or found == pytest.approx(expected, abs=1e-12)
        if share == 1.0 and boundary_by_hand(truth, truth, valid):
            assert found == pytest.approx(expected, abs=1e-12)  # NaN is not a way out


def test_boundary_f1_golden():
    # one step from 1 to 2 m, rising to the right, in 2 rows: found, three directions have no edge: P = R = F1 = 1/4
    step = np.array([[1.0, 1.0, 2.0, 2.0]] * 2)
    assert boundary_f1(step, step, everywhere(step)) == pytest.approx(0.25)
    # found one pixel too early
    early = np.array([[1.0, 2.0, 2.0, 2.0]] * 2)
    assert boundary_f1(early, step, everywhere(step)) == 0.0
    # found, and one invented: P = 1/8, R = 1/4
    two = np.array([[1.0, 2.0, 4.0, 4.0]] * 2)
    assert boundary_f1(two, step, everywhere(step)) == pytest.approx(2 * 0.125 * 0.25 / 0.375)
    # a step to 1.15 m is an edge at the thresholds 1.05, 1.072, 1.094, 1.117 and 1.139
    low = np.array([[1.0, 1.0, 1.15, 1.15]] * 2)
    thresholds = np.linspace(1.05, 1.25, 10)
    assert boundary_f1(low, low, everywhere(low)) == pytest.approx(0.25 * thresholds[:5].sum() / thresholds.sum())


def test_boundary_f1_of_a_perfect_a_blurred_and_a_constant_map():
    scene = blocks()
    perfect = boundary_f1(scene, scene, everywhere(scene))
    kernel = np.ones(5) / 5
    blurred = np.apply_along_axis(lambda row: np.convolve(np.pad(row, 2, mode="edge"), kernel, "valid"), 1, scene)
    assert perfect == pytest.approx(1.0)
    assert 0 < boundary_f1(blurred, scene, everywhere(scene)) < 0.6
    assert boundary_f1(np.full(scene.shape, 3.0), scene, everywhere(scene)) == 0.0


def test_boundary_f1_needs_dense_truth_with_an_edge():
    scene = blocks()
    flat = np.full(scene.shape, 4.0)
    assert math.isnan(boundary_f1(scene, flat, everywhere(flat)))
    assert math.isnan(boundary_f1(scene, scene, RANDOM.random(scene.shape) < 0.6))  # 36 % of the neighbours
    assert not math.isnan(boundary_f1(scene, scene, RANDOM.random(scene.shape) < 0.8))  # 64 %


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.01, 100), seed=st.integers(0, 1000))
def test_edges_and_pairs_forgive_scale(scale, seed):
    random = np.random.default_rng(seed)
    truth, predicted = random.uniform(1, 3, (2, 12, 9))
    one = boundary_f1(predicted, truth, everywhere(truth))
    assert boundary_f1(scale * predicted, truth, everywhere(truth)) == pytest.approx(one)
    assert boundary_f1(np.flip(predicted.T), np.flip(truth.T), everywhere(truth.T)) == pytest.approx(one)
    pairs = pair_accuracy(predicted.ravel(), truth.ravel())
    assert pair_accuracy(scale * predicted.ravel(), truth.ravel()) == pairs
    assert pair_accuracy(1 / predicted.ravel(), truth.ravel()) == pytest.approx(1 - pairs, abs=0.002)  # but for ties


# whole images


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_scores_of_an_image_hold_its_metrics_to_the_bit(name):
    protocol = get_protocol(name)
    target = RANDOM.uniform(0, 9, (500, 650)).astype(np.float32)
    prediction = (target * RANDOM.uniform(0.8, 1.2, target.shape)).astype(np.float32)[::2, ::2]
    assert score_image(prediction, target, protocol).metrics == image_metrics(prediction, target, protocol)


def test_scores_as_a_dict_are_the_nine_then_the_details_and_json():
    scores = score_image(np.full((4, 4), 3.0), np.full((4, 4), 3.0), PLAIN)
    names = list(scores.as_dict())
    nine = ["abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog", "delta1", "delta2", "delta3"]
    assert names[:9] == nine == list(METRICS) == list(scores.metrics.as_dict())
    assert names[9:] == list(scores.details.as_dict()) and names[-2:] == ["pair_accuracy", "boundary_f1"]
    assert json.loads(json.dumps(scores.as_dict(), allow_nan=False))["boundary_f1"] is None


@pytest.mark.parametrize("value", [0.0, -5.0, 1e30, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["plain", "zero-shot-relative"])
def test_adversarial_predictions_have_the_worst_details(name, value):
    target = blocks()
    details = score_image(np.full(target.shape, value), target, override(get_protocol(name), max_depth=10.0)).details
    assert details.pair_accuracy == 0.0 and details.boundary_f1 == 0.0
    assert all(math.isfinite(number) for number in details.as_dict().values())


def test_one_valid_pixel_and_none():
    target = np.zeros((5, 6))
    target[2, 3] = 3.0
    scores = score_image(np.full((5, 6), 6.0), target, PLAIN)
    assert scores.details.middle_abs_rel == 1.0 and math.isnan(scores.details.pair_accuracy)
    assert math.isnan(scores.details.boundary_f1)
    with pytest.raises(NoValidPixels):
        score_image(np.ones((5, 6)), np.zeros((5, 6)), PLAIN)


def test_means_leave_out_images_without_a_value_and_count_the_others():
    first = DetailMetrics(*[1.0] * 10, math.nan)
    second = DetailMetrics(3.0, *[math.nan] * 10)
    mean, counts = mean_details([first, second])
    assert mean.near_abs_rel == 2.0 and counts["near_abs_rel"] == 2
    assert mean.pair_accuracy == 1.0 and counts["pair_accuracy"] == 1
    assert math.isnan(mean.boundary_f1) and counts["boundary_f1"] == 0
    assert list(counts) == list(mean.as_dict()) and mean.as_dict()["boundary_f1"] is None
    assert ImageScores(DepthMetrics(*[0.5] * 9), mean).as_dict()["near_abs_rel"] == 2.0
    with pytest.raises(DataError, match="no image was scored"):
        mean_details([])
