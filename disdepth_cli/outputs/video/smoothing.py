"""Depth of a video, smoothed over time: what stands still stops to flicker, what moves is followed at once."""

from __future__ import annotations

import math

import numpy as np

SECONDS = 0.15
"""Time constant where depth hardly changes."""
FOLLOWED = 0.1
"""Relative change of depth, from one frame to the next, that is followed at once."""


class DepthSmoother:
    """An exponential mean per pixel, whose weight grows with the change.

    weight = max(slowest, min(1, change / 0.1)), with change = |depth - mean| / |mean|, and `slowest` for a time
    constant of 0.15 s. Then mean += weight * (depth - mean). A pixel that changes by a tenth or more is not smoothed.
    """

    def __init__(self, rate: float) -> None:
        """rate: frames a second."""
        self.slowest = 1 - math.exp(-1 / (rate * SECONDS))
        self._mean: np.ndarray | None = None

    def __call__(self, depth: np.ndarray) -> np.ndarray:
        """Depth (H, W) float32 of the next frame -> smoothed. What is not finite stays so, and starts anew after."""
        before = self._mean
        if before is None or before.shape != depth.shape:
            self._mean = depth
            return depth
        change = depth - before
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.clip(np.abs(change) / (FOLLOWED * np.abs(before)), self.slowest, 1)
            mean = before + weight * change
        self._mean = np.where(np.isfinite(mean), mean, depth).astype(np.float32, copy=False)
        return self._mean
