"""The files of one prediction: its depth as PNG, a picture, and if asked its numbers as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from disdepth_cli.config import PredictConfig
from disdepth_cli.config.types import OutputKind
from disdepth_cli.depth.depth import Depth
from disdepth_cli.depth.files import Coding, DepthMap, write_depth_numpy, write_depth_png
from disdepth_cli.outputs.pictures import side_by_side, write_image

NOUNS: dict[OutputKind, str] = {
    "metric_depth": "depth",
    "disparity": "disparity",
    "relative_depth": "relative_depth",
}
"""What the files of a kind are called: only metres are called depth alone."""


@dataclass(frozen=True)
class Written:
    """The files of one image.

    files: what is in it to file, `depth` (or `disparity`, `relative_depth`) first, then `color`, and `numpy` if asked.
    coding: how the PNG stores depth.
    """

    files: dict[str, Path]
    coding: Coding

    @property
    def exact(self) -> Path:
        """The file with the most exact numbers."""
        return self.files.get("numpy") or next(iter(self.files.values()))

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        offset = {"offset": self.coding.offset} if self.coding.gaps else {}
        return {**{name: str(file) for name, file in self.files.items()}, "scale": self.coding.scale, **offset}


def write_prediction(config: PredictConfig, stem: str, image: np.ndarray, depth: Depth) -> Written:
    """Write the files of one image (H, W, 3) uint8 RGB into `config.output`.

    Raises:
        DisdepthError: the file cannot be written.
    """
    assert config.output is not None
    noun = NOUNS[depth.kind]
    files = {noun: config.output / f"{stem}_{noun}.png", "color": config.output / f"{stem}_color.png"}
    depth_map = DepthMap(depth.values, depth.kind, depth.min_depth, depth.max_depth)
    coding = write_depth_png(files[noun], depth_map)
    colour = depth.colour("gray" if config.grayscale else config.colormap)
    write_image(files["color"], colour if config.pred_only else side_by_side(image, colour))
    if config.save_numpy:
        files["numpy"] = config.output / f"{stem}_{noun}.npy"
        write_depth_numpy(files["numpy"], depth_map)
    return Written(files, coding)
