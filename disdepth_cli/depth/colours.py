"""Depth in the colours of a colour map."""

from __future__ import annotations

import cv2
import numpy as np

from disdepth_cli.errors import ConfigError, near_names

LEVELS = 256


def colourise(
    depth: np.ndarray,
    colormap: str = "Spectral_r",
    low: float | None = None,
    high: float | None = None,
    grayscale: bool = False,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Picture (H, W, 3) uint8 of depth (H, W), in any unit.

    low and high get the colour map's ends; by default the 2nd and 98th percentile over the valid pixels, so that
    one outlier does not flatten the rest. valid (H, W) bool is by default what is finite and above 0. What is not
    valid is black. grayscale is brighter where the value is larger.

    Raises:
        ConfigError: Matplotlib has no such colour map.
    """
    table = colour_table("gray" if grayscale else colormap)
    valid = np.isfinite(depth) & (depth > 0) if valid is None else valid & np.isfinite(depth)
    if not valid.any():
        return np.zeros((*depth.shape, 3), dtype=np.uint8)
    whole = valid.all()
    robust = np.percentile(depth if whole else depth[valid], (2, 98)) if low is None or high is None else (0.0, 0.0)
    low = float(robust[0]) if low is None else low
    high = float(robust[1]) if high is None else high
    known = depth if whole else np.where(valid, depth, low)
    shares = (np.clip(known, low, max(high, low)) - low) / max(high - low, 1e-12)
    # Six times faster than table[...]; it knows no order of channels.
    picture = cv2.applyColorMap((shares * (LEVELS - 1)).round().astype(np.uint8), table[:, None])
    if not whole:
        picture[~valid] = 0
    return picture


def check_colormap(name: str) -> None:
    """Refuse an unknown colour map before any work is done.

    Raises:
        ConfigError: Matplotlib has none of that name.
    """
    from matplotlib import colormaps  # slow to import, and few modules need colours

    if name not in colormaps:
        hint = near_names(name, colormaps) or "; see Matplotlib's colour map reference, for example Spectral_r"
        raise ConfigError(f"--colormap {name}: no such colour map{hint}")


def colour_table(name: str) -> np.ndarray:
    """The colour map as (256, 3) uint8."""
    from matplotlib import colormaps

    check_colormap(name)
    return colormaps[name](np.linspace(0, 1, LEVELS), bytes=True)[:, :3].copy()
