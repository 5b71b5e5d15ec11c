"""Whether the scale of stored depth looks right, from a few files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from disdepth_cli.data.files.depth_coding import DepthCoding
from disdepth_cli.data.files.images import read_depth
from disdepth_cli.data.files.item import DataItem
from disdepth_cli.data.files.location import Place
from disdepth_cli.data.shards.items import ShardItems
from disdepth_cli.errors import DataError

PLAUSIBLE_MEDIAN = (0.1, 200.0)  # metres
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

_PROBES = 8
_LOOKED_AT = 64  # items that are looked at for depth, of however many


def scale_warning(items: Sequence[DataItem], coding: DepthCoding | float) -> str | None:
    """One line when the depth looks wrong: its median over a few files lies outside 0.1 to 200 m, or none is valid.

    Reads at most 8 depth files, spread over the items. Unreadable ones are left to whoever needs them.
    """
    probes, valid = _spread(items), []
    for place in probes:
        try:
            depth = read_depth(place, coding)
        except DataError:
            continue
        valid.append(depth[depth > 0])
    if not valid:
        return None
    metres = np.concatenate(valid)
    if metres.size == 0:
        return f"no valid depth in {len(valid)} files looked at (such as {probes[0]}); all are 0 or not finite"
    median, (low, high) = float(np.median(metres)), PLAUSIBLE_MEDIAN
    if low <= median <= high:
        return None
    scale = coding.scale if isinstance(coding, DepthCoding) else coding
    return (
        f"median depth is {median:.4g} m at depth_scale {scale:g}, which looks wrong (such as {probes[0]}); "
        "set depth_scale in data.yaml: stored value / depth_scale = metres (NYU 1000, KITTI 256)"
    )


@dataclass(frozen=True)
class ScaleGuess:
    """What the depth of a data set would be at a known scale: median and 99th percentile [m]."""

    name: str
    scale: float
    median: float
    far: float
    plausible: bool


def scale_guesses(median: float, far: float, scale: float) -> list[ScaleGuess]:
    """Known scales beside the one in use. median, far: its median and 99th percentile [m] at `scale`.

    Plausible: the median of a room or a street, and nothing farther than such a data set holds.
    """
    guesses = []
    for name, (known, limit) in KNOWN_SCALES.items():
        factor = scale / known
        fits = ROOM_TO_STREET[0] <= median * factor <= ROOM_TO_STREET[1] and far * factor <= limit
        guesses.append(ScaleGuess(name, known, median * factor, far * factor, fits))
    return guesses


def _spread(items: Sequence[DataItem]) -> list[Place]:
    """Up to `_PROBES` depth maps, spread over the items."""
    if isinstance(items, ShardItems):
        return [item.depth for item in items.few(_PROBES) if item.depth is not None]
    seen = (items[index] for index in range(0, len(items), -(-len(items) // _LOOKED_AT) or 1))
    places = [item.depth for item in seen if item.depth is not None]
    return places[:: -(-len(places) // _PROBES)] if places else []
