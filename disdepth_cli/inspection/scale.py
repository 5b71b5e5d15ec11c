"""Whether the scale of stored depth looks right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.inspection.labels import Label

PLAUSIBLE_MEDIAN = (0.1, 200.0)  # metres
SUSPECT_MEDIAN = 0.5  # metres: nearer than nearly all scenes, and where centimetres are taken for millimetres
ROOM_TO_STREET = (0.7, 60.0)  # metres, of a median: for a guess, where anything that is possible would say little
KNOWN_SCALES = {
    "metres": (1.0, 300.0),
    "Virtual KITTI 2": (100.0, 655.0),
    "KITTI": (256.0, 100.0),
    "NYU, ScanNet, millimetres": (1000.0, 20.0),
    "iBims-1": (65535 / 50, 50.0),
    "TUM": (5000.0, 13.1),
    "SUN RGB-D as some read it": (8000.0, 8.2),
}
"""Stored value / scale = metres, and the largest depth [m] that is found there."""


def scale_warning(labels: Sequence[Label], coding: DepthCoding) -> str | None:
    """One line when the depth of a few files looks wrong: there is none, or its median is outside 0.5 to 200 m."""
    if not labels:
        return None
    medians = [label.median for label in labels if label.median > 0]
    if not medians:
        return f"no valid depth in {len(labels)} files looked at (such as {labels[0].key}); all are 0 or not finite"
    median = float(np.median(medians))
    if SUSPECT_MEDIAN <= median <= PLAUSIBLE_MEDIAN[1]:
        return None
    looks = "is suspiciously near" if PLAUSIBLE_MEDIAN[0] <= median < SUSPECT_MEDIAN else "looks wrong"
    return (
        f"median depth is {median:.4g} m at depth_scale {coding.scale:g}, which {looks} (such as {labels[0].key}); "
        f"{advice(coding)}"
    )


def advice(coding: DepthCoding) -> str:
    """What to set where the scale is wrong."""
    if coding.is_inverse:
        return f"set depth_scale in data.yaml: metres = depth_scale / stored, as depth_kind {coding.kind} has it"
    return (
        "set depth_scale in data.yaml: stored value / depth_scale = metres (NYU 1000, KITTI 256), and depth_kind where "
        "it is no depth"
    )


@dataclass(frozen=True)
class ScaleGuess:
    """What the depth of a data set would be at a known scale: median and 99th percentile [m]."""

    name: str
    scale: float
    median: float
    far: float
    plausible: bool


def scale_guesses(median: float, far: float, coding: DepthCoding) -> list[ScaleGuess]:
    """Known scales beside the one in use; none where larger numbers are nearer, or three channels make them.

    median, far: its median and 99th percentile [m]. Plausible: the median of a room or a street, and nothing farther
    than such a data set holds.
    """
    guesses: list[ScaleGuess] = []
    if coding.is_inverse or coding.encoding is not None:
        return guesses
    for name, (known, limit) in KNOWN_SCALES.items():
        factor = coding.scale / known
        fits = ROOM_TO_STREET[0] <= median * factor <= ROOM_TO_STREET[1] and far * factor <= limit
        guesses.append(ScaleGuess(name, known, median * factor, far * factor, fits))
    return guesses
