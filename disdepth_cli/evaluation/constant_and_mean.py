"""What a map that saw no image scores: one depth everywhere, and the mean depth of every place in the picture.

A model that is not clearly better than these has learned where depth usually is, not what is in the image.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from disdepth_cli.errors import DataError

ConstantMetric = Literal["abs_rel", "rmse", "delta1"]

BINS = 16384
LOW, HIGH = 1e-3, 1e4  # m; depths outside are counted in the first and the last bin
STEP = np.log(HIGH / LOW) / BINS  # 0.1 % of a depth
HALVINGS = 60


class ConstantBaseline:
    """The one depth [m] that is best, under a metric's mean over images, for the ground truth that was added.

    It knows the answers: no constant chosen beforehand can be better. Memory does not grow with the pixels: log depths
    are counted in bins of 0.1 %, and an image leaves two numbers behind.
    """

    def __init__(self) -> None:
        self._share = np.zeros(BINS)  # of the images' pixels, every image counting 1 in all
        self._weight = np.zeros(BINS)  # the same, divided by depth [1/m]
        self._means: list[float] = []
        self._variances: list[float] = []

    def add(self, depth: np.ndarray, valid: np.ndarray) -> None:
        """Count one image: depth (h, w) [m] where valid (h, w), finite and positive. Without such a pixel: nothing."""
        known = np.asarray(depth)[valid].astype(np.float64)
        known = known[(known > 0) & (known < np.inf)]
        if not known.size:
            return
        paths = (np.log(known / LOW) / STEP).astype(np.int64).clip(0, BINS - 1)
        self._share += np.bincount(paths, minlength=BINS) / known.size
        self._weight += np.bincount(paths, 1.0 / known, minlength=BINS) / known.size
        self._means.append(float(known.mean()))
        self._variances.append(float(known.var()))

    def best(self, metric: ConstantMetric = "abs_rel") -> float:
        """The depth [m] with the lowest mean AbsRel or RMSE, or the highest mean delta1; accurate to 0.1 %.

        AbsRel's is the median of all pixels, each weighted by 1 / (its depth x its image's pixels); RMSE's is found
        from the images' means and variances; delta1's from the log depths within a factor of 1.25.

        Raises:
            DataError: no valid pixel was added.
        """
        if not self._means:
            raise DataError("there is no ground truth to choose a constant depth from")
        if metric == "rmse":
            return self._best_rmse()
        if metric == "delta1":
            return self._best_delta1()
        below = np.cumsum(self._weight)
        return _middle(np.searchsorted(below, below[-1] / 2))

    def _best_rmse(self) -> float:
        """Bisection on the slope of mean sqrt(variance + (mean - c)^2), which is convex in c."""
        means, variances = np.array(self._means), np.array(self._variances)
        low, high = float(means.min()), float(means.max())
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            error = middle - means
            rmse = np.sqrt(variances + error * error)
            slope = np.divide(error, rmse, out=np.zeros_like(rmse), where=rmse > 0).sum()
            low, high = (low, middle) if slope > 0 else (middle, high)
        return (low + high) / 2

    def _best_delta1(self) -> float:
        """The window of log depth, 1.25 to both sides, that holds most."""
        reach = int(np.log(1.25) / STEP)
        below = np.concatenate([[0.0], np.cumsum(self._share)])
        indices = np.arange(BINS)
        held = below[np.minimum(indices + reach + 1, BINS)] - below[np.maximum(indices - reach, 0)]
        best = np.flatnonzero(held >= held.max() - 1e-12)
        return _middle(best[len(best) // 2])


class MeanDepthMap:
    """The mean depth [m] at every place of the picture, over training images of any size.

    A picture is stretched to the grid (height, width), whatever its shape. A cell's value is the mean over the valid
    pixels that fall into it, each image's pixels counting by their share of that image.
    """

    def __init__(self, grid: tuple[int, int] = (240, 320)) -> None:
        self.grid = grid
        self.images = 0
        self._depth = np.zeros(grid)
        self._share = np.zeros(grid)

    def add(self, depth: np.ndarray) -> None:
        """Count one depth map (h, w) [m]; 0, negative, NaN and infinite pixels are not known."""
        depth = np.asarray(depth, dtype=np.float64)
        valid = (depth > 0) & (depth < np.inf)
        size = self.grid[::-1]
        self._depth += cv2.resize(np.where(valid, depth, 0.0), size, interpolation=cv2.INTER_AREA)
        self._share += cv2.resize(valid.astype(np.float64), size, interpolation=cv2.INTER_AREA)
        self.images += 1

    def result(self) -> np.ndarray:
        """The map, float32 of the grid's size [m]; a cell that was never known gets the mean over the others.

        Raises:
            DataError: no valid pixel was added.
        """
        known = self._share > 1e-9
        if not known.any():
            raise DataError("there is no training depth to make a mean depth map from")
        mean = np.divide(self._depth, self._share, out=np.zeros(self.grid), where=known)
        mean[~known] = mean[known].mean()
        return mean.astype(np.float32)


def _middle(index: np.integer) -> float:
    """Depth [m] in the middle of a bin."""
    return float(LOW * np.exp((float(index) + 0.5) * STEP))
