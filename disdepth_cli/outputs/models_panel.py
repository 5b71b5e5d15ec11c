"""Several models on the same images, side by side: image, ground truth, every model's depth, the error of one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from disdepth_cli.depth.colours import colourise
from disdepth_cli.outputs.pictures import panel, scale_bar

WIDTH = 256  # pixels of each picture, at least
REACH = 1.0  # metres at the ends of the error's scale


def models_panel(rows: Sequence[tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]], judged: str) -> np.ndarray:
    """The picture (H, W, 3) uint8 RGB, a row an image.

    rows: image (h, w, 3) uint8 RGB, ground truth (h, w) [m], and the depth (h, w) [m] of each model by its name. All
    depths of a row have the colour scale of its ground truth. judged: the model whose error is shown.
    """
    pictures = []
    for image, truth, depths in rows:
        factor = max(-(-WIDTH // image.shape[1]), 1)
        width = factor * image.shape[1]
        low, high = float(truth.min()), float(truth.max())
        metres = scale_bar(width, [f"{low:.1f} m", f"{high:.1f} m"])
        difference = depths[judged] - truth
        error = colourise(difference, "coolwarm", -REACH, REACH, valid=np.isfinite(difference))
        shown = {"image": (image, np.full_like(metres, 255))}
        for name, depth in {"ground truth": truth, **depths}.items():
            shown[name] = (colourise(depth, low=low, high=high), metres)
        shown[f"{judged}'s error"] = (error, scale_bar(width, [f"-{REACH:g} m", "0", f"+{REACH:g} m"], "coolwarm"))
        pictures.append([(name, np.vstack([_enlarged(one, factor), bar])) for name, (one, bar) in shown.items()])
    return panel(pictures)


def _enlarged(picture: np.ndarray, factor: int) -> np.ndarray:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)
