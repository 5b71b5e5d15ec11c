"""The field's depth metrics, per image; a benchmark's number is their mean over images.

Source: `compute_errors` of cleinc/bts, as in AdaBins, NeWCRFs and ZoeDepth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from typing import TypeVar

import numpy as np

from disdepth_cli.config.types import OutputKind
from disdepth_cli.errors import DataError
from disdepth_cli.evaluation.alignment import fit, fit_scale_shift, fitted
from disdepth_cli.evaluation.details import DetailMetrics, boundary_f1, bucket_scores, bucket_sums, pair_accuracy
from disdepth_cli.evaluation.protocols import Protocol, for_output
from disdepth_cli.evaluation.resizing import resized

BLOCK = 16384  # pixels whose errors stay in a core's cache


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


@dataclass(frozen=True)
class ImageScores:
    """All that is known of one image's prediction, or the mean over images."""

    metrics: DepthMetrics
    details: DetailMetrics

    def as_dict(self) -> dict[str, float | None]:
        """The nine standard metrics, then the details; None where there is no value."""
        return {**self.metrics.as_dict(), **self.details.as_dict()}


def disparity_metrics(prediction: np.ndarray, target: np.ndarray) -> DisparityMetrics:
    """Score a relative disparity (h, w) against another (H, W), at every pixel where both are finite.

    Raises:
        NoValidPixels: there is none, or the target is the same everywhere.
    """
    predicted = resized(prediction, (target.shape[0], target.shape[1]), "bilinear").astype(np.float64)
    usable = np.isfinite(predicted) & np.isfinite(target)
    predicted, wanted = predicted[usable], target[usable].astype(np.float64)
    spread = np.abs(wanted - np.median(wanted)).mean() if wanted.size else 0.0
    if spread <= 0:
        raise NoValidPixels("the disparity it is scored against is the same everywhere")
    aligned = fit_scale_shift(predicted, wanted)
    return DisparityMetrics(float(np.abs(aligned - wanted).mean() / spread))


def image_metrics(
    prediction: np.ndarray, target: np.ndarray, protocol: Protocol, kind: OutputKind = "metric_depth"
) -> DepthMetrics:
    """Score prediction (h, w) against target (H, W) [m] under the protocol.

    kind says what the prediction is: metres, relative disparity or relative depth. A prediction of another size is
    resized to the target's by the protocol's rule. Ground truth that is 0, NaN, infinite, out of range or out of the
    crop does not count. After the alignment inf becomes the protocol's maximum, NaN its minimum, and the rest is
    clamped.

    Raises:
        NoValidPixels: no ground truth is left.
        ConfigError: the model has no scale and the protocol does not align.
    """
    return _Pixels(prediction, target, for_output(protocol, kind), kind).sums().metrics()


def score_image(
    prediction: np.ndarray, target: np.ndarray, protocol: Protocol, kind: OutputKind = "metric_depth"
) -> ImageScores:
    """`image_metrics` and the details, from the same per-pixel errors. Arguments and errors are those of it."""
    protocol = for_output(protocol, kind)
    pixels = _Pixels(prediction, target, protocol, kind)
    sums = pixels.sums(protocol.buckets)
    details = DetailMetrics(
        **bucket_scores(sums.buckets),
        pair_accuracy=pair_accuracy(pixels.metres, pixels.truth),
        boundary_f1=boundary_f1(pixels.map_of_metres(), pixels.wanted, pixels.valid),
    )
    return ImageScores(sums.metrics(), details)


def scored_pixels(target: np.ndarray, protocol: Protocol) -> np.ndarray:
    """Where target (H, W) [m] counts under the protocol: (H, W) bool, in its crop and its range."""
    top, bottom, left, right = protocol.crop_box(*target.shape)
    counts = np.zeros(target.shape, dtype=bool)
    counts[top:bottom, left:right] = _in_range(target[top:bottom, left:right], protocol)
    return counts


def _in_range(depth: np.ndarray, protocol: Protocol) -> np.ndarray:
    return (depth > protocol.min_depth) & (depth < protocol.max_depth)


Metrics = TypeVar("Metrics", bound=DepthMetrics | DisparityMetrics)


def mean_metrics(metrics: Sequence[Metrics]) -> Metrics:
    """The mean over images, each image with the same weight.

    Raises:
        DataError: there is no image.
    """
    if not metrics:
        raise DataError("no image was scored, so there is no mean")
    return type(metrics[0])(*np.mean([astuple(one) for one in metrics], axis=0).tolist())


def mean_details(details: Sequence[DetailMetrics]) -> tuple[DetailMetrics, dict[str, int]]:
    """Each value's mean over the images that have it, and how many those are; NaN where none has it.

    Raises:
        DataError: there is no image.
    """
    if not details:
        raise DataError("no image was scored, so there is no mean")
    values = np.array([astuple(one) for one in details])
    counts = np.count_nonzero(~np.isnan(values), axis=0)
    with np.errstate(invalid="ignore"):
        means = np.nansum(values, axis=0) / counts
    names = [field.name for field in fields(DetailMetrics)]
    return DetailMetrics(*means.tolist()), dict(zip(names, counts.tolist(), strict=True))


class _Pixels:
    """The pixels of one image that count: `truth` (N,) [m] and `metres` (N,), what the prediction says there [m].

    wanted, valid (h, w): the crop's ground truth, and where it counts.
    """

    def __init__(self, prediction: np.ndarray, target: np.ndarray, protocol: Protocol, kind: OutputKind) -> None:
        if prediction.ndim != 2 or target.ndim != 2:
            raise ValueError(f"depth maps are (H, W), not {prediction.shape} and {target.shape}")
        height, width = target.shape
        top, bottom, left, right = protocol.crop_box(height, width)
        self.wanted = target[top:bottom, left:right]
        self.valid = _in_range(self.wanted, protocol)
        if not self.valid.any():
            raise NoValidPixels(
                f"no valid ground truth: none of {target.size} pixels lies in the crop {protocol.crop!r} "
                f"and between {protocol.min_depth:g} m and {protocol.max_depth:g} m"
            )
        given = resized(prediction, (height, width), protocol.resize)[top:bottom, left:right]
        self.truth = self._known(self.wanted)
        self.metres = in_metres(self._known(given), self.truth, protocol, kind)

    def _known(self, values: np.ndarray) -> np.ndarray:
        """values (h, w) where they count, as a new (N,) of float64."""
        return values.astype(np.float64).reshape(-1) if self.valid.all() else values[self.valid].astype(np.float64)

    def map_of_metres(self) -> np.ndarray:
        """`metres` as (h, w); 1 where there is no ground truth."""
        if self.metres.size == self.valid.size:
            return self.metres.reshape(self.valid.shape)
        whole = np.ones(self.valid.shape)
        whole[self.valid] = self.metres
        return whole

    def sums(self, edges: tuple[float, float] | None = None) -> _Sums:
        """What the scores are made of; with edges [m], that of near, middle and far too."""
        sums = _Sums(edges)
        for start in range(0, self.truth.size, BLOCK):
            sums.add(self.metres[start : start + BLOCK], self.truth[start : start + BLOCK])
        return sums


def in_metres(
    predicted: np.ndarray, truth: np.ndarray, protocol: Protocol, kind: OutputKind, valid: np.ndarray | None = None
) -> np.ndarray:
    """A float64 prediction, which is overwritten, aligned as the protocol says, finite and in its range [m].

    predicted, truth: of one shape; valid: where truth is to be fitted, everywhere when None.
    """
    if protocol.align != "none":
        if protocol.space == "disparity" and kind != "disparity":
            np.divide(1.0, np.maximum(predicted, protocol.min_depth, out=predicted), out=predicted)
        known, wanted = (predicted, truth) if valid is None else (predicted[valid], truth[valid])
        predicted = fitted(predicted, *fit(known, wanted, protocol.align, protocol.space), protocol.space)
    np.fmax(predicted, protocol.min_depth, out=predicted)  # takes the minimum over NaN
    return np.minimum(predicted, protocol.max_depth, out=predicted)


class _Sums:
    """Sums over pixels, block by block, so that every error is computed once and never leaves the cache."""

    def __init__(self, edges: tuple[float, float] | None) -> None:
        self.edges = edges
        self.buckets = np.zeros((3, 4))
        self._blocks: list[tuple[float, ...]] = []

    def add(self, predicted: np.ndarray, truth: np.ndarray) -> None:
        """Add (N,) positive and finite float64 [m], N > 0."""
        absolute = np.abs(predicted - truth)
        relative = absolute / truth
        squared = absolute * absolute
        ratio = predicted / truth
        worst = np.maximum(ratio, truth / predicted)
        log = np.log(ratio)
        log_mean = log.mean()
        centred = log - log_mean
        close = worst < 1.25
        within = [int(np.count_nonzero(share)) for share in (close, worst < 1.25**2, worst < 1.25**3)]
        sums = [each.sum() for each in (relative, relative * absolute, squared, np.abs(log), centred * centred)]
        self._blocks.append((truth.size, *sums, log_mean, *within))
        if self.edges is not None:
            self.buckets += bucket_sums(truth, relative, squared, close, self.edges)

    def metrics(self) -> DepthMetrics:
        """The formulas."""
        blocks = np.array(self._blocks)
        sizes, log_means = blocks[:, 0], blocks[:, 6]
        count = sizes.sum()
        abs_rel, sq_rel, square, log, centred, _, *within = (blocks[:, 1:].sum(axis=0) / count).tolist()
        log_mean = (sizes @ log_means) / count
        log_variance = centred + sizes @ (log_means - log_mean) ** 2 / count  # within blocks, and between them
        return DepthMetrics(
            abs_rel=abs_rel,
            sq_rel=sq_rel,
            rmse=square**0.5,
            rmse_log=float(log_variance + log_mean**2) ** 0.5,
            log10=log / math.log(10.0),
            silog=100.0 * float(log_variance) ** 0.5,
            delta1=within[0],
            delta2=within[1],
            delta3=within[2],
        )
