"""What one error for the whole image hides: near and far pixels, the order of depths, the sharpness of edges.

Source of the boundary score: apple/ml-depth-pro, `eval/boundary_metrics.py` (SI_boundary_F1).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

BUCKETS = ("near", "middle", "far")

PAIRS = 10_000  # drawn per image
PAIR_SEED = 0
ORDERED = 1.05  # ratio from which one depth is farther than another: where Depth Pro's edges begin
TIE = 1e-6  # resizing a constant leaves differences of this size

THRESHOLDS = np.linspace(1.05, 1.25, 10)
STEEP = THRESHOLDS[0] * (1 - 1e-6)  # looked at closely
WEIGHTS = THRESHOLDS / THRESHOLDS.sum()
ROWS = 32  # looked at together: what stays in a core's cache
DENSE = 0.5  # share of neighbouring pixels with ground truth, from which an edge in it is one of the scene


@dataclass(frozen=True)
class DetailMetrics:
    """More scores of one image, or their mean; NaN where an image has no such value.

    near, middle, far: AbsRel, RMSE [m] and delta1 of the pixels whose ground truth lies below a quarter of the
    protocol's maximum depth, up to its half, and beyond.

    pair_accuracy: share of random pixel pairs, one of them at least 1.05 times as far as the other, that the
    prediction orders in the same way; equal is wrong, so a constant has 0 and chance is 0.5.

    boundary_f1: Depth Pro's scale-invariant boundary score, 0 to 1; NaN for sparse ground truth and for one without
    an edge. See `boundary_f1`.
    """

    near_abs_rel: float
    near_rmse: float
    near_delta1: float
    middle_abs_rel: float
    middle_rmse: float
    middle_delta1: float
    far_abs_rel: float
    far_rmse: float
    far_delta1: float
    pair_accuracy: float
    boundary_f1: float

    def as_dict(self) -> dict[str, float | None]:
        """Name to value, in the order of the fields; None, as JSON has no NaN, where there is no value."""
        return {name: None if math.isnan(value) else value for name, value in asdict(self).items()}


def bucket_sums(
    truth: np.ndarray, relative: np.ndarray, squared: np.ndarray, close: np.ndarray, edges: tuple[float, float]
) -> np.ndarray:
    """(3, 4): for near, middle and far the number of pixels and the sums of three arrays, all (N,) as truth [m]."""
    bucket = (truth >= edges[0]).astype(np.int64) + (truth >= edges[1])
    sums = [np.bincount(bucket, weights, minlength=len(BUCKETS)) for weights in (None, relative, squared, close)]
    return np.stack(sums, axis=1).astype(np.float64)


def bucket_scores(sums: np.ndarray) -> dict[str, float]:
    """AbsRel, RMSE and delta1 of near, middle and far, from `bucket_sums` of |error| / truth, of error^2 [m^2] and of
    being within 1.25. NaN for a bucket without a pixel."""
    scores: dict[str, float] = {}
    with np.errstate(invalid="ignore"):
        means = sums[:, 1:] / sums[:, :1]
    for name, (abs_rel, square, delta1) in zip(BUCKETS, means.tolist(), strict=True):
        scores |= {f"{name}_abs_rel": abs_rel, f"{name}_rmse": square**0.5, f"{name}_delta1": delta1}
    return scores


def pair_accuracy(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Share of the ordered ones among `PAIRS` random pairs of (N,) that are ordered alike; NaN where none is ordered.

    The pairs depend on the number of pixels only: two models are asked about the same ones.
    """
    first, second = np.random.default_rng(PAIR_SEED).integers(0, truth.size, (2, PAIRS))
    one, other = truth[first], truth[second]
    ordered = np.count_nonzero((other > ORDERED * one) | (one > ORDERED * other))
    if not ordered:
        return math.nan
    near, far = predicted[first], predicted[second]
    rising = (other > ORDERED * one) & (far > (1 + TIE) * near)
    falling = (one > ORDERED * other) & (near > (1 + TIE) * far)
    return float((np.count_nonzero(rising) + np.count_nonzero(falling)) / ordered)


def boundary_f1(predicted: np.ndarray, truth: np.ndarray, valid: np.ndarray) -> float:
    """How well the occlusion edges of predicted (H, W) match those of truth (H, W), both positive where valid (H, W).

    Two neighbouring pixels are an edge at threshold t where one is more than t times as far as the other. Recall and
    precision are the means of those of the four directions in which depth can rise (a direction without an edge
    counts 0), F1 is their harmonic mean, and the score is the mean of F1 over ten thresholds from 1.05 to 1.25,
    weighted by the threshold. A perfect map has 1 where each direction has an edge at each threshold, else less.

    Only neighbours that both have ground truth take part. NaN where these are less than half of all neighbours (in
    sparse lidar, neighbours are often of two surfaces) and where the truth has no edge at the lowest threshold.
    """
    height, width = truth.shape
    known, counts = 0, np.zeros((3, 4, THRESHOLDS.size))
    for top in range(0, height, ROWS):
        rows = slice(top, top + ROWS + 1)  # the last one only as the neighbour below
        for axis in (0, 1):
            one, other = _neighbours(valid[rows], axis)
            pairs = one & other
            known += int(np.count_nonzero(pairs))
            counts[:, 2 * axis : 2 * axis + 2] += _edges(
                _neighbours(predicted[rows], axis), _neighbours(truth[rows], axis), pairs
            )
    if known == 0 or known < DENSE * (2 * height * width - height - width):
        return math.nan
    found, wanted, agreed = counts
    if not wanted[:, 0].any():
        return math.nan
    precision = (agreed / np.maximum(found, 1)).mean(axis=0)
    recall = (agreed / np.maximum(wanted, 1)).mean(axis=0)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return float(WEIGHTS @ f1)


Neighbours = tuple[np.ndarray, np.ndarray]


def _neighbours(depth: np.ndarray, axis: int) -> Neighbours:
    """The pixels below and above, or, in all rows but the last one, right and left of each other."""
    return (depth[:-1], depth[1:]) if axis == 0 else (depth[:ROWS, :-1], depth[:ROWS, 1:])


def _edges(predicted: Neighbours, truth: Neighbours, pairs: np.ndarray) -> np.ndarray:
    """(3, 2, thresholds): edges of the prediction, of the truth and of both, where depth rises and where it falls."""
    indices = np.flatnonzero(pairs & (_steep(*predicted) | _steep(*truth)))  # in most images, few
    found, wanted = _passed(predicted, indices), _passed(truth, indices)
    rising, _ = _rising_and_falling(np.minimum(found, wanted))
    _, falling = _rising_and_falling(np.maximum(found, wanted))
    return np.array([_rising_and_falling(found), _rising_and_falling(wanted), (rising, falling)])


def _passed(neighbours: Neighbours, positions: np.ndarray) -> np.ndarray:
    """How many thresholds the steps between neighbours at these places pass, negative where depth falls."""
    before, after = (depth.reshape(-1).take(positions).astype(np.float64, copy=False) for depth in neighbours)
    levels = np.searchsorted(THRESHOLDS, np.maximum(before, after) / np.minimum(before, after))
    return np.where(after > before, levels, -levels)


def _steep(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where one is farther by the lowest threshold, or by nearly that."""
    with np.errstate(over="ignore", invalid="ignore"):
        return (after > STEEP * before) | (before > STEEP * after)


def _rising_and_falling(passed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many steps up, and how many down, pass each threshold."""
    top = THRESHOLDS.size
    counts = np.bincount(passed + top, minlength=2 * top + 1)
    return counts[:top:-1].cumsum()[::-1], counts[:top].cumsum()[::-1]
