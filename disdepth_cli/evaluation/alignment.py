"""Bringing a prediction to the ground truth's scale, per image and in closed form.

Source: the least squares of MiDaS (isl-org/MiDaS) and Marigold (prs-eth/Marigold); median scaling as in
nianticlabs/monodepth2.
"""

from __future__ import annotations

import numpy as np

from disdepth_cli.config.types import Align
from disdepth_cli.evaluation.protocols import Space

MIN_DISPARITY = 1e-3
"""Aligned disparity is clipped from below here [1/m] before it is inverted: nothing is farther than 1000 m."""

CONSTANT = 1e-12
"""A prediction whose variance is below this share of its mean square is constant: it has no second parameter."""


def align(prediction: np.ndarray, target: np.ndarray, valid: np.ndarray, kind: Align, space: Space) -> np.ndarray:
    """Depth [m], float64, from a prediction in `space`, fitted to `target` [m] at the `valid` pixels.

    All three have one shape, which is the result's. In disparity the fit is to 1 / target, and the fitted
    disparity is clipped from below at `MIN_DISPARITY` and inverted. `none` fits nothing (a disparity is then taken
    as 1/m). Pixels where the prediction is not finite take no part in the fit and stay what they are.

    Where the fit has no unique solution: one valid pixel, or a constant prediction, is fitted by scale alone; a
    prediction of zeros by shift alone. A median that is not positive, or no usable pixel, leaves all as it was.
    """
    scale, shift = fit(prediction[valid], target[valid], kind, space)
    return fitted(np.asarray(prediction, dtype=np.float64), scale, shift, space)


def fit(prediction: np.ndarray, target: np.ndarray, kind: Align, space: Space) -> tuple[float, float]:
    """(scale, shift) that bring prediction (N,) in `space` to target (N,) [m]; (1, 0) where nothing can be fitted."""
    usable = np.isfinite(prediction)
    if not usable.all():
        prediction, target = prediction[usable], target[usable]
    source, wanted = prediction.astype(np.float64, copy=False), target.astype(np.float64, copy=False)
    return _fit(source, 1.0 / wanted if space == "disparity" else wanted, kind)


def fitted(prediction: np.ndarray, scale: float, shift: float, space: Space) -> np.ndarray:
    """Depth [m] from a float64 prediction in `space` and its fit; of any shape."""
    with np.errstate(invalid="ignore", over="ignore"):
        moved = scale * prediction
        moved += shift
    if space == "depth":
        return moved
    return np.divide(1.0, np.maximum(moved, MIN_DISPARITY, out=moved), out=moved)


def fit_scale_shift(prediction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """prediction (N,) brought to target (N,) by least squares of scale and shift, both in one space; float64."""
    scale, shift = _fit(prediction, target, "scale-shift")
    return scale * prediction + shift


def _fit(source: np.ndarray, wanted: np.ndarray, kind: Align) -> tuple[float, float]:
    """(scale, shift) that bring source (N,) to wanted (N,); (1, 0) where nothing can be fitted."""
    if kind == "none" or source.size == 0:
        return 1.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        scale, shift = _median(source, wanted) if kind == "median" else _scale_shift(source, wanted)
    return (scale, shift) if np.isfinite(scale) and np.isfinite(shift) else (1.0, 0.0)


def _median(source: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    middle = float(np.median(source))
    return (float(np.median(wanted)) / middle, 0.0) if middle > 0 else (1.0, 0.0)


def _scale_shift(source: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """Least squares of scale * source + shift = wanted: the 2 x 2 normal equations, solved about the means."""
    source_mean, wanted_mean = float(source.mean()), float(wanted.mean())
    centred = source - source_mean
    variance = _dot(centred, centred) / source.size
    square = _dot(source, source) / source.size
    if square == 0:
        return 0.0, wanted_mean
    if variance <= CONSTANT * square:
        return _dot(source, wanted) / source.size / square, 0.0
    scale = _dot(centred, wanted) / source.size / variance
    return scale, wanted_mean - scale * source_mean


def _dot(first: np.ndarray, second: np.ndarray) -> float:
    """Sum of products in this thread alone: BLAS would start threads of its own, which fight with the model's."""
    return float((first * second).sum())
