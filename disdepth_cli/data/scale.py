"""Whether the scale of stored depth looks right, from a few files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from disdepth_cli.data.coding import DepthCoding
from disdepth_cli.data.io import read_depth
from disdepth_cli.data.listing import DataItem
from disdepth_cli.data.place import Place
from disdepth_cli.data.shards import ShardItems
from disdepth_cli.errors import DataError

PLAUSIBLE_MEDIAN = (0.1, 200.0)  # metres
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


def _spread(items: Sequence[DataItem]) -> list[Place]:
    """Up to `_PROBES` depth maps, spread over the items."""
    if isinstance(items, ShardItems):
        return [item.depth for item in items.few(_PROBES) if item.depth is not None]
    seen = (items[index] for index in range(0, len(items), -(-len(items) // _LOOKED_AT) or 1))
    places = [item.depth for item in seen if item.depth is not None]
    return places[:: -(-len(places) // _PROBES)] if places else []
