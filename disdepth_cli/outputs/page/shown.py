"""Images of a page with what models make of them: pictures as they stand in the page, kept beside a run's state."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from disdepth_cli.depth.colours import colour_table
from disdepth_cli.errors import DataError
from disdepth_cli.files import as_json, write_text
from disdepth_cli.outputs.error_panel import ERRORS
from disdepth_cli.reading import read_json, reading

WIDTH = 360
"""Pixels of a picture."""
QUALITY = 85

Scale = Literal["", "depth", "error"]
COLOURS = {"depth": "Spectral_r", "error": ERRORS}


@dataclass(frozen=True)
class Picture:
    """data: JPEG in base64. scale: what its colours mean; low, high: the ends of that scale, in words."""

    data: str
    scale: Scale = ""
    low: str = ""
    high: str = ""


@dataclass
class ShownImage:
    """An image by its key. words: what is said of it; pictures by name, in order."""

    key: str
    words: str = ""
    pictures: dict[str, Picture] = field(default_factory=dict)


@dataclass
class PageData:
    """What a run's page shows and its other files do not hold.

    errors: `metric`, `edges`, `counts` of the histogram over val images. worst: rows of the worst of them.
    """

    images: list[ShownImage] = field(default_factory=list)
    errors: dict[str, Any] = field(default_factory=dict)
    worst: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> PageData:
        """What `write` wrote; empty where there is nothing that can be read."""
        try:
            with reading(file, "is damaged", DataError):
                values = read_json(file, DataError)
                images = [
                    ShownImage(
                        one["key"],
                        one["words"],
                        {name: Picture(**picture) for name, picture in one["pictures"].items()},
                    )
                    for one in values["images"]
                ]
                return cls(images, dict(values["errors"]), list(values["worst"]))
        except (DataError, KeyError, TypeError, AttributeError):
            return cls()

    def write(self, file: Path) -> None:
        """Write it as JSON, atomically.

        Raises:
            DisdepthError: the file cannot be written.
        """
        write_text(file, as_json(asdict(self)))


def encoded(rgb: np.ndarray) -> str:
    """A picture (H, W, 3) uint8 RGB as JPEG in base64, its colours at full size."""
    bgr = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
    full = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY, *full])[1]
    return base64.b64encode(content.tobytes()).decode("ascii")


def gradient(scale: str, stops: int = 11) -> str:
    """The colours of a scale for CSS, from low to high."""
    table = colour_table(COLOURS[scale])
    chosen: Sequence[Sequence[int]] = table[np.linspace(0, len(table) - 1, stops).round().astype(int)].tolist()
    return ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in chosen)


def histogram(values: Sequence[float], bins: int = 24) -> tuple[list[float], list[int]]:
    """Edges (bins + 1,) from 0 to the 98th percentile, counts (bins,); the last bin holds all beyond, too."""
    known = np.array([value for value in values if np.isfinite(value)])
    if not known.size:
        return [0.0, 1.0], [0]
    bins = int(min(bins, max(known.size // 2, 4)))
    high = float(np.percentile(known, 98)) or 1.0
    counts, edges = np.histogram(known.clip(0, high), bins, (0.0, high))
    return edges.tolist(), counts.tolist()
