"""The resize rules, pixel by pixel; and that the metrics follow the protocol's."""

import numpy as np
import pytest

from disdepth_cli.evaluation.metrics import image_metrics, score_image
from disdepth_cli.evaluation.protocols import RESIZES, get_protocol, override
from disdepth_cli.evaluation.resizing import resized

RANDOM = np.random.default_rng(5)


def place(index, old, new, rule):
    """Where pixel `index` of `new` ones lies among `old` ones, counted from the first one's centre."""
    if rule == "bilinear-corners":
        return index * (old - 1) / (new - 1) if new > 1 else 0.0
    return min(max((index + 0.5) * old / new - 0.5, 0.0), old - 1.0)


def by_hand(image, size, rule):
    """Written a second time, with loops."""
    result = np.empty(size)
    for y in range(size[0]):
        for x in range(size[1]):
            if rule == "nearest":
                result[y, x] = image[
                    int((y + 0.5) * image.shape[0] / size[0]), int((x + 0.5) * image.shape[1] / size[1])
                ]
                continue
            v, u = place(y, image.shape[0], size[0], rule), place(x, image.shape[1], size[1], rule)
            top, left = int(v), int(u)
            bottom, right = min(top + 1, image.shape[0] - 1), min(left + 1, image.shape[1] - 1)
            a, b = v - top, u - left
            above = image[top, left] * (1 - b) + image[top, right] * b
            below = image[bottom, left] * (1 - b) + image[bottom, right] * b
            result[y, x] = above * (1 - a) + below * a
    return result


@pytest.mark.parametrize("rule", RESIZES)
@pytest.mark.parametrize(
    "old, new", [((6, 8), (12, 16)), ((5, 7), (13, 9)), ((9, 12), (4, 5)), ((1, 3), (4, 7)), ((3, 1), (3, 5))]
)
def test_every_rule_is_what_it_says(rule, old, new):
    image = RANDOM.uniform(1, 10, old).astype(np.float32)
    np.testing.assert_allclose(resized(image, new, rule), by_hand(image, new, rule), rtol=2e-6)


@pytest.mark.parametrize("rule", RESIZES)
def test_the_same_size_is_left_alone(rule):
    image = RANDOM.uniform(1, 10, (3, 4))
    assert resized(image, (3, 4), rule) is image


def test_a_column_at_the_edge_of_one_row():
    image = np.float32([[1.0, 3.0]])
    assert resized(image, (1, 4), "bilinear").tolist() == [[1.0, 1.5, 2.5, 3.0]]
    np.testing.assert_allclose(resized(image, (1, 4), "bilinear-corners"), [[1, 5 / 3, 7 / 3, 3]], rtol=1e-6)
    assert resized(image, (1, 4), "nearest").tolist() == [[1.0, 1.0, 3.0, 3.0]]


@pytest.mark.parametrize("rule", RESIZES)
def test_metrics_obey_the_protocols_rule(rule):
    protocol = override(get_protocol("plain"), max_depth=20.0, resize=rule)
    prediction, target = RANDOM.uniform(1, 10, (6, 8)).astype(np.float32), RANDOM.uniform(1, 10, (11, 13))
    whole = by_hand(prediction, target.shape, rule)
    expected = np.mean(np.abs(whole - target) / target)
    assert image_metrics(prediction, target, protocol).abs_rel == pytest.approx(expected, rel=1e-6)
    assert score_image(prediction, target, protocol).metrics.abs_rel == pytest.approx(expected, rel=1e-6)
    others = {image_metrics(prediction, target, override(protocol, resize=other)).abs_rel for other in RESIZES}
    assert len(others) == 3
