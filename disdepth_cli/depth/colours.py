"""Depth in the colours of a colour map."""

from __future__ import annotations

import cv2
import numpy as np

from disdepth_cli.errors import ConfigError, near_names
from disdepth_cli.packages import optional

LEVELS = 256
OWN_MAPS = ("Spectral", "gray", "inferno", "turbo", "viridis", "magma", "plasma", "cividis", "coolwarm")
"""Colour maps that need no Matplotlib, each also reversed with `_r`. Six of them are OpenCV's."""
SPECTRAL = (
    (158, 1, 66), (213, 62, 79), (244, 109, 67), (253, 174, 97), (254, 224, 139), (255, 255, 191),
    (230, 245, 152), (171, 221, 164), (102, 194, 165), (50, 136, 189), (94, 79, 162),
)  # fmt: skip
"""RGB of the 11-class Spectral scheme of ColorBrewer 2.0 by Cynthia Brewer, Mark Harrower and The Pennsylvania State
University (https://colorbrewer2.org, Apache License 2.0); linear between them."""
COOLWARM = (
    (59, 76, 192), (68, 90, 204), (77, 104, 215), (87, 117, 225), (98, 130, 234), (108, 142, 241),
    (119, 154, 247), (130, 165, 251), (141, 176, 254), (152, 185, 255), (163, 194, 255), (174, 201, 253),
    (184, 208, 249), (194, 213, 244), (204, 217, 238), (213, 219, 230), (221, 221, 221), (229, 216, 209),
    (236, 211, 197), (241, 204, 185), (245, 196, 173), (247, 187, 160), (247, 177, 148), (247, 166, 135),
    (244, 154, 123), (241, 141, 111), (236, 127, 99), (229, 112, 88), (222, 96, 77), (213, 80, 66),
    (203, 62, 56), (192, 40, 47), (180, 4, 38),
)  # fmt: skip
"""RGB of the diverging map by Kenneth Moreland ("Diverging Color Maps for Scientific Visualization", 2009); linear
between them."""
KNOTS = {"Spectral": SPECTRAL, "coolwarm": COOLWARM}


def colourise(
    depth: np.ndarray,
    colormap: str = "Spectral_r",
    low: float | None = None,
    high: float | None = None,
    valid: np.ndarray | None = None,
) -> np.ndarray:
    """Picture (H, W, 3) uint8 of depth (H, W), in any unit.

    low and high get the colour map's ends; by default the 2nd and 98th percentile over the valid pixels, so that
    one outlier does not flatten the rest. valid (H, W) bool is by default what is finite and above 0. What is not
    valid is black.

    Raises:
        DisdepthError: there is no such colour map, as `check_colormap` says.
    """
    table = colour_table(colormap)
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
        MissingError: it is none of `OWN_MAPS`, and Matplotlib is not installed.
    """
    if name.removesuffix("_r") in OWN_MAPS:
        return
    asked = f"--colormap {name} (any but {', '.join(OWN_MAPS)}, and these with _r)"
    colormaps = optional("matplotlib", asked, ConfigError).colormaps
    if name not in colormaps:
        hint = near_names(name, colormaps) or "; see Matplotlib's colour map reference, for example Spectral_r"
        raise ConfigError(f"--colormap {name}: no such colour map{hint}")


def colour_table(name: str) -> np.ndarray:
    """The colour map as (256, 3) uint8.

    Raises:
        DisdepthError: as `check_colormap`.
    """
    check_colormap(name)
    plain = name.removesuffix("_r")
    if plain not in OWN_MAPS:
        colormaps = optional("matplotlib", name, ConfigError).colormaps
        return colormaps[name](np.linspace(0, 1, LEVELS), bytes=True)[:, :3].copy()
    levels = np.arange(LEVELS, dtype=np.uint8)
    if plain == "gray":
        table = np.repeat(levels[:, None], 3, axis=1)
    elif plain in KNOTS:
        share, knots = np.linspace(0, 1, LEVELS), np.linspace(0, 1, len(KNOTS[plain]))
        channels = [np.interp(share, knots, channel) for channel in zip(*KNOTS[plain], strict=True)]
        table = np.stack(channels, axis=1).astype(np.uint8)
    else:
        table = cv2.applyColorMap(levels[:, None], getattr(cv2, f"COLORMAP_{plain.upper()}"))[:, 0, ::-1]
    return np.ascontiguousarray(table[::-1] if name != plain else table)
