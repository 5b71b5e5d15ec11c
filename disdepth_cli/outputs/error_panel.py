"""A prediction beside its ground truth as one picture: image, both depths in one colour scale, and the error."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from disdepth_cli.depth.colours import colourise
from disdepth_cli.outputs.pictures import GAP, panel, scale_bar, text_strip
from disdepth_cli.working_size import resize_image

WIDTH = 480  # pixels of each of the four pictures
ERRORS = "coolwarm"  # blue: too near; red: too far
DENSE = 0.5  # share of valid pixels below which each is drawn as a dot
DOT = 5  # pixels


@dataclass(frozen=True)
class Comparison:
    """One image. image (H, W, 3) uint8 RGB; truth (h, w) [m]; predicted (h, w) [m], as it was scored; valid (h, w)
    bool, the pixels that were scored, at least one; crop (top, bottom, left, right), the part that counts."""

    image: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    valid: np.ndarray
    crop: tuple[int, int, int, int]


def compare(shown: Comparison, lines: list[str]) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB: the lines, then image and error, below them ground truth and prediction.

    The crop is framed. The depths' one scale spans the 2nd to 98th percentile of both at the scored pixels. The error
    is prediction - ground truth [m], its scale symmetric about 0. Pixels that were not scored are black in ground truth
    and error.
    """
    truth, predicted, valid = shown.truth, shown.predicted, shown.valid
    known = np.concatenate([truth[valid], predicted[valid]])
    low, high = (float(end) for end in np.percentile(known, (2, 98)))
    error = predicted - truth
    reach = max(float(np.percentile(np.abs(error[valid]), 98)), 1e-3)
    size = (max(round(truth.shape[0] * WIDTH / truth.shape[1]), 1), WIDTH)
    depths = scale_bar(WIDTH, [f"{depth:.1f} m" for depth in np.linspace(low, high, 5)])
    errors = scale_bar(WIDTH, [f"{-reach:.2f} m: too near", "0", f"+{reach:.2f} m: too far"], ERRORS)
    coloured = colourise(error, ERRORS, -reach, reach, valid=valid)
    pictures = {
        "image": _below(framed(resize_image(shown.image, size), shown), np.full_like(depths, 255)),
        "error [m]": _below(at_size(coloured, valid, size), errors),
        "ground truth [m]": _below(at_size(colourise(truth, low=low, high=high, valid=valid), valid, size), depths),
        "prediction [m]": _below(framed(resize_image(colourise(predicted, low=low, high=high), size), shown), depths),
    }
    titled = list(pictures.items())
    body = panel([titled[:2], titled[2:]])
    header = [text_strip(line, body.shape[1], margin=GAP) for line in lines]
    return np.vstack([*header, body])


def framed(picture: np.ndarray, shown: Comparison) -> np.ndarray:
    """picture (H, W, 3) with a thin frame around the crop, where that is not all of it."""
    (height, width), (rows, columns) = shown.truth.shape, picture.shape[:2]
    top, bottom, left, right = shown.crop
    if (top, bottom, left, right) == (0, height, 0, width):
        return picture
    first = round(left * columns / width), round(top * rows / height)
    last = round(right * columns / width) - 1, round(bottom * rows / height) - 1
    marked = np.ascontiguousarray(picture)
    cv2.rectangle(marked, first, last, (255, 255, 255), 3)
    cv2.rectangle(marked, first, last, (0, 0, 0), 1)
    return marked


def _below(picture: np.ndarray, bar: np.ndarray) -> np.ndarray:
    return np.vstack([picture, bar])


def at_size(picture: np.ndarray, valid: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """picture (h, w, 3) at `size`; sparse pixels become dots, since an average with black would hide them."""
    if valid.mean() >= DENSE:
        return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    dots = np.zeros((*size, 3), np.uint8)
    rows, columns = np.nonzero(valid)
    scale = size[0] / valid.shape[0], size[1] / valid.shape[1]
    centres = (rows * scale[0]).astype(int), (columns * scale[1]).astype(int)
    for down in range(-(DOT // 2), DOT // 2 + 1):
        for right in range(-(DOT // 2), DOT // 2 + 1):
            position = (centres[0] + down).clip(0, size[0] - 1), (centres[1] + right).clip(0, size[1] - 1)
            dots[position] = picture[rows, columns]
    return dots
