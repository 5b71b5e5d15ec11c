"""Bringing a prediction to the ground truth's size, by the rule that a protocol names."""

from __future__ import annotations

import cv2
import numpy as np

from disdepth_cli.evaluation.protocols import Resize


def resized(prediction: np.ndarray, size: tuple[int, int], rule: Resize) -> np.ndarray:
    """prediction (h, w) at size (H, W), float32; of that size already, it is returned as it is.

    bilinear: pixel centres keep their place (OpenCV, PyTorch's `align_corners=False`; monodepth2). bilinear-corners:
    the corner pixels' centres do (`align_corners=True`; AdaBins, ZoeDepth). nearest: no new values between depths.
    """
    if prediction.shape == size:
        return prediction
    prediction = np.ascontiguousarray(prediction, dtype=np.float32)
    if rule == "bilinear-corners":
        return _between_corners(_between_corners(prediction, size[0]).T, size[1]).T
    if rule == "nearest":
        rows, columns = (
            (2 * np.arange(new) + 1) * old // (2 * new) for new, old in zip(size, prediction.shape, strict=True)
        )
        return prediction[rows[:, None], columns]
    return cv2.resize(prediction, size[::-1], interpolation=cv2.INTER_LINEAR)


def _between_corners(image: np.ndarray, rows: int) -> np.ndarray:
    """image (h, w) with that many rows, the first and the last one kept."""
    positions = np.linspace(0, image.shape[0] - 1, rows)
    above = np.minimum(positions.astype(np.intp), max(image.shape[0] - 2, 0))
    below = np.minimum(above + 1, image.shape[0] - 1)
    share = (positions - above).astype(np.float32)[:, None]
    with np.errstate(invalid="ignore"):  # inf * 0
        return image[above] * (1 - share) + image[below] * share
