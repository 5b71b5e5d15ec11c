"""Pictures of depth: an image beside its depth, labelled grids, scale bars. All images are (H, W, 3) uint8 RGB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from disdepth_cli.depth.colours import LEVELS, colour_table
from disdepth_cli.depth.png_encoding import encode_png
from disdepth_cli.errors import ConfigError
from disdepth_cli.files import write_atomic
from disdepth_cli.working_size import resize_image

GAP = 8
"""White pixels between pictures."""

BAR_GAP = 4
"""White pixels between a picture and its bar."""

SUFFIXES = (".png", ".jpg", ".jpeg")

Row = Sequence[tuple[str, np.ndarray]]
"""Titled pictures."""


def side_by_side(image: np.ndarray, colour: np.ndarray, bar: np.ndarray | None = None) -> np.ndarray:
    """The image and, right of a white gap, its depth picture, brought to the image's height.

    bar: stands below the depth picture, and is as wide.
    """
    height = image.shape[0]
    width = max(round(colour.shape[1] * height / colour.shape[0]), 1)
    gap = np.full((height, GAP, 3), 255, dtype=np.uint8)
    both = np.hstack([image, gap, resize_image(colour, (height, width))])
    if bar is None:
        return both
    below = np.full((bar.shape[0] + BAR_GAP, both.shape[1], 3), 255, dtype=np.uint8)
    below[BAR_GAP:, image.shape[1] + GAP :] = resize_image(bar, (bar.shape[0], width))
    return np.vstack([both, below])


def metre_labels(low: float, high: float, width: int) -> list[str]:
    """Up to five labels of a `scale_bar` width pixels wide, evenly from low to high [m]; none where two do not fit."""
    count = min(width // 48, 5)
    digits = 1 if high - low >= 2 else 2
    return [f"{value:.{digits}f} m" for value in np.linspace(low, high, count)] if count > 1 else []


def scale_bar(width: int, labels: Sequence[str], colormap: str = "Spectral_r") -> np.ndarray:
    """The colour map from its low to its high end as a strip (h, width, 3), with labels spread evenly below it.

    Raises:
        ConfigError: Matplotlib has no such colour map.
    """
    bar, text = max(round(width * 0.03), 6), max(round(width * 0.05), 14)
    strip = np.full((bar + text, width, 3), 255, dtype=np.uint8)
    table = colour_table(colormap)
    strip[:bar] = table[np.linspace(0, LEVELS - 1, width).round().astype(int)]
    font, size, thickness = cv2.FONT_HERSHEY_SIMPLEX, text / 36, max(round(text / 24), 1)
    for number, label in enumerate(labels):
        (text_width, _), _ = cv2.getTextSize(label, font, size, thickness)
        middle = width * number / max(len(labels) - 1, 1)
        left = round(min(max(middle - text_width / 2, 0), max(width - text_width, 0)))
        position = (left, bar + round(text * 0.8))
        cv2.putText(strip, label, position, font, size, (0, 0, 0), thickness, cv2.LINE_AA)
    return strip


def panel(rows: Sequence[Row]) -> np.ndarray:
    """A grid of titled pictures on white, one image (H, W, 3).

    Every cell has the size of the first picture; the others are brought into it with their aspect kept. Rows may
    differ in length. A title is drawn black on a white strip above its picture, smaller if it is long.

    Raises:
        ValueError: there is no picture.
    """
    pictures = [picture for row in rows for _, picture in row]
    if not pictures:
        raise ValueError("a panel needs at least one picture")
    height, width = pictures[0].shape[:2]
    strip = max(round(width * 0.09), 18)
    columns = max(len(row) for row in rows)
    step_down, step_right = height + strip + GAP, width + GAP
    canvas = np.full((len(rows) * step_down + GAP, columns * step_right + GAP, 3), 255, dtype=np.uint8)
    for down, row in enumerate(rows):
        for right, (title, picture) in enumerate(row):
            top, left = GAP + down * step_down, GAP + right * step_right
            _draw_title(canvas[top : top + strip, left : left + width], title)
            _place(canvas[top + strip : top + strip + height, left : left + width], picture)
    return canvas


def text_strip(text: str, width: int, margin: int = 2) -> np.ndarray:
    """A line of text, black on a white strip (h, width, 3), smaller if it is long."""
    strip = np.full((max(round(width * 0.03), 18), width, 3), 255, dtype=np.uint8)
    _draw_title(strip[:, margin : width - margin], text)
    return strip


def write_image(path: Path, rgb: np.ndarray) -> None:
    """Write rgb (H, W, 3) uint8 as PNG or JPEG, by the path's suffix, atomically.

    Raises:
        ConfigError: another suffix.
        DisdepthError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(f"{path}: pictures are written as {', '.join(SUFFIXES)}, not {suffix or 'no suffix'!r}")
    rgb = np.ascontiguousarray(rgb)
    if suffix == ".png":
        content = encode_png(rgb)
    else:
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        content = cv2.imencode(suffix, bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    write_atomic(path, lambda temporary: temporary.write_bytes(content))


def _draw_title(strip: np.ndarray, title: str) -> None:
    """Write the title into a white strip (h, w, 3), as large as fits."""
    height, width = strip.shape[:2]
    font, size = cv2.FONT_HERSHEY_SIMPLEX, height / 36
    thickness = max(round(size * 1.6), 1)
    (text_width, _), _ = cv2.getTextSize(title, font, size, thickness)
    size *= min(1.0, (width - 4) / max(text_width, 1))
    drawn = np.ascontiguousarray(strip)  # OpenCV cannot draw into a view
    cv2.putText(drawn, title, (2, round(height * 0.72)), font, size, (0, 0, 0), thickness, cv2.LINE_AA)
    strip[:] = drawn


def _place(cell: np.ndarray, picture: np.ndarray) -> None:
    """Put a picture into the middle of a cell (h, w, 3), resized to fit."""
    height, width = cell.shape[:2]
    scale = min(height / picture.shape[0], width / picture.shape[1])
    size = max(round(picture.shape[0] * scale), 1), max(round(picture.shape[1] * scale), 1)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    cell[top : top + size[0], left : left + size[1]] = resize_image(picture, size)
