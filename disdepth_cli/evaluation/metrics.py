"""The field's depth metrics, per image; a benchmark's number is their mean over images.

Source: `compute_errors` of cleinc/bts, as in AdaBins, NeWCRFs and ZoeDepth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from typing import TypeVar

import cv2
import numpy as np

from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.alignment import align, fit_scale_shift
from disdepth_cli.evaluation.protocols import Protocol, for_output
from disdepth_cli.option_types import OutputKind


class NoValidPixels(DataError):
    """An image has no ground truth inside the crop and the range: it has no score, and 0 would be a lie."""


@dataclass(frozen=True)
class DepthMetrics:
    """Scores of one image, or their mean. With g the ground truth and p the prediction [m], e = ln p - ln g.

    abs_rel mean |g - p| / g; sq_rel mean (g - p)^2 / g [m]; rmse [m]; rmse_log of e; log10 mean |log10 g -
    log10 p|; silog 100 sqrt(mean e^2 - (mean e)^2); delta_k share of max(g / p, p / g) < 1.25^k.
    """

    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log10: float
    silog: float
    delta1: float
    delta2: float
    delta3: float

    def as_dict(self) -> dict[str, float]:
        """Name to value, in the order of the fields."""
        return asdict(self)


@dataclass(frozen=True)
class DisparityMetrics:
    """Agreement of a relative disparity with another one, per image or their mean; no unit.

    disparity_error: mean |s p + t - g| / mean |g - median g|, with p fitted to g by least squares of scale and shift:
    0 is the same map, about 1 a map that says nothing.
    """

    disparity_error: float

    def as_dict(self) -> dict[str, float]:
        """Name to value."""
        return asdict(self)


def disparity_metrics(prediction: np.ndarray, target: np.ndarray) -> DisparityMetrics:
    """Score a relative disparity (h, w) against another (H, W), at every pixel where both are finite.

    Raises:
        NoValidPixels: there is none, or the target is the same everywhere.
    """
    predicted = _resized(prediction, target.shape).astype(np.float64)
    usable = np.isfinite(predicted) & np.isfinite(target)
    predicted, wanted = predicted[usable], target[usable].astype(np.float64)
    spread = np.abs(wanted - np.median(wanted)).mean() if wanted.size else 0.0
    if spread <= 0:
        raise NoValidPixels("the disparity it is scored against is the same everywhere")
    fitted = fit_scale_shift(predicted, wanted)
    return DisparityMetrics(float(np.abs(fitted - wanted).mean() / spread))


def image_metrics(
    prediction: np.ndarray, target: np.ndarray, protocol: Protocol, kind: OutputKind = "metric_depth"
) -> DepthMetrics:
    """Score prediction (h, w) against target (H, W) [m] under the protocol.

    kind says what the prediction is: metres, relative disparity or relative depth. A prediction of another size is
    resized to the target's (bilinear). Ground truth that is 0, NaN, infinite, out of range or out of the crop does
    not count. After the alignment inf becomes the protocol's maximum, NaN its minimum, and the rest is clamped.

    Raises:
        NoValidPixels: no ground truth is left.
        ConfigError: the model has no scale and the protocol does not align.
    """
    protocol = for_output(protocol, kind)
    if prediction.ndim != 2 or target.ndim != 2:
        raise ValueError(f"depth maps are (H, W), not {prediction.shape} and {target.shape}")
    top, bottom, left, right = protocol.crop_box(*target.shape)
    inside = target[top:bottom, left:right]
    valid = (inside > protocol.min_depth) & (inside < protocol.max_depth)
    if not valid.any():
        raise NoValidPixels(
            f"no valid ground truth: none of {target.size} pixels lies in the crop {protocol.crop!r} "
            f"and between {protocol.min_depth:g} m and {protocol.max_depth:g} m"
        )
    predicted = _resized(prediction, target.shape)[top:bottom, left:right][valid].astype(np.float64)
    truth = inside[valid].astype(np.float64)
    return _scores(_metres(predicted, truth, protocol, kind), truth)


Metrics = TypeVar("Metrics", bound=DepthMetrics | DisparityMetrics)


def mean_metrics(metrics: Sequence[Metrics]) -> Metrics:
    """The mean over images, each image with the same weight.

    Raises:
        DataError: there is no image.
    """
    if not metrics:
        raise DataError("no image was scored, so there is no mean")
    return type(metrics[0])(*np.mean([astuple(one) for one in metrics], axis=0).tolist())


def _resized(prediction: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    if prediction.shape == size:
        return prediction
    prediction = np.ascontiguousarray(prediction, dtype=np.float32)
    return cv2.resize(prediction, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def _metres(predicted: np.ndarray, truth: np.ndarray, protocol: Protocol, kind: OutputKind) -> np.ndarray:
    """Prediction (N,) aligned as the protocol says, finite and in its range [m]."""
    if protocol.align != "none":
        if protocol.space == "disparity" and kind != "disparity":
            predicted = 1.0 / np.maximum(predicted, protocol.min_depth)
        everywhere = np.ones(truth.shape, dtype=bool)
        predicted = align(predicted, truth, everywhere, protocol.align, protocol.space)
    predicted = np.where(np.isnan(predicted), protocol.min_depth, predicted)
    return np.clip(predicted, protocol.min_depth, protocol.max_depth)


def _scores(predicted: np.ndarray, truth: np.ndarray) -> DepthMetrics:
    """The formulas, for (N,) positive and finite float64 [m], N > 0."""
    error = predicted - truth
    relative = np.abs(error) / truth
    squared = error * error
    ratio = predicted / truth
    worst = np.maximum(ratio, truth / predicted)
    log_error = np.log(ratio)
    log_square = float(np.mean(log_error * log_error))
    return DepthMetrics(
        abs_rel=float(relative.mean()),
        sq_rel=float(np.mean(squared / truth)),
        rmse=float(np.sqrt(squared.mean())),
        rmse_log=log_square**0.5,
        log10=float(np.abs(log_error).mean() / np.log(10.0)),
        silog=100.0 * float(log_error.std()),
        delta1=float(np.mean(worst < 1.25)),
        delta2=float(np.mean(worst < 1.25**2)),
        delta3=float(np.mean(worst < 1.25**3)),
    )
